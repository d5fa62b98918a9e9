"""`audit` in routes.yaml: what it becomes, and a place for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import AuditSettings, Collector, parse
from engine.errors import ConfigError
from engine.tls import Tls

TEXT = """\
engine: {{ae_title: PREFETCH, store: journal.db}}
archives: {{main: {{ae_title: A, host: h, port: 1}}}}
destinations: {{room: {{ae_title: R}}}}
routes: [{{name: first, messages: ORM^O01, studies: [{{study: ZDS-1.1}}], from: main, to: room}}]
{section}
"""


def audit(section: str) -> AuditSettings | None:
    return parse(TEXT.format(section=section), "/etc/forefetch/routes.yaml", try_files=False).audit


def test_nothing_is_audited_where_nothing_is_said() -> None:
    assert audit("") is None


def test_a_file_alone_is_enough_and_lies_beside_routes_yaml() -> None:
    settings = audit("audit: {file: audit.jsonl}")
    assert settings is not None
    assert (settings.file, settings.collector) == ("/etc/forefetch/audit.jsonl", None)
    assert settings.source == "PREFETCH"


def test_a_collector_is_reached_by_tls_and_its_spool_lies_beside_the_journal() -> None:
    assert audit("audit: {collector: {host: arr.hospital.example}}") == AuditSettings(
        file="",
        collector=Collector("arr.hospital.example", 6514, Tls()),
        spool="/etc/forefetch/journal.db.audit",
        spool_size=64_000_000,
        source="PREFETCH",
    )


def test_everything_can_be_said() -> None:
    section = """
audit:
  file: /var/log/audit.jsonl
  collector: {host: 10.0.0.8, port: 5514, transport: udp}
  spool: waiting
  spool_size: 1GB
  source: prefetch-1
"""
    assert audit(section) == AuditSettings(
        "/var/log/audit.jsonl",
        Collector("10.0.0.8", 5514, None),
        str(Path("/etc/forefetch/waiting")),
        10**9,
        "prefetch-1",
    )
    collector = "{host: h, transport: tls, tls: {ca: ca.pem, hostname: arr}}"
    settings = audit(f"audit: {{collector: {collector}}}")
    assert settings is not None
    assert settings.collector == Collector("h", 6514, Tls("/etc/forefetch/ca.pem", hostname="arr"))
    by_udp = audit("audit: {collector: {host: h, transport: udp}}")
    assert by_udp is not None
    assert by_udp.collector == Collector("h", 514, None)


@pytest.mark.parametrize(
    ("section", "where", "expected"),
    [
        ("audit: {}", "audit", "file, collector or both"),
        ("audit: {source: x}", "audit", "file, collector or both"),
        ("audit: {file: a, spool: b}", "audit", "collector beside spool"),
        ("audit: {file: a, spool_size: 1GB}", "audit", "collector beside spool"),
        ("audit: {collector: {port: 1}}", "audit.collector", "the key 'host'"),
        ("audit: {collector: {host: h, port: 70000}}", "audit.collector.port", "less than or equal to 65535"),
        ("audit: {collector: {host: h, transport: tcp}}", "audit.collector.transport", "'tls' or 'udp'"),
        ("audit: {collector: {host: h, transport: udp, tls: {}}}", "audit.collector", "transport: tls"),
        ("audit: {collector: {host: h}, spool_size: 5}", "audit.spool_size", "a size such as 500MB"),
        ("audit: {colector: {host: h}}", "audit.colector", "'collector'"),
    ],
)
def test_a_mistake_is_named_at_its_place(section: str, where: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        audit(section)
    (only,) = caught.value.complaints
    assert (only.line, only.where) == (5, where)
    assert expected in only.expected
