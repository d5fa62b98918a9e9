"""The section `web` of routes.yaml: what it becomes, and a place for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Config, WebSettings, load
from engine.errors import ConfigError
from engine.tls import Tls
from tests.certificates import Certificates


def loaded(folder: Path, section: str) -> Config:
    path = folder / "routes.yaml"
    path.write_text(
        "archives: {main: {ae_title: ARCHIVE, host: 10.0.0.5, port: 104}}\n"
        "destinations: {room: {ae_title: ROOM}}\n"
        "routes: [{name: a, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room}]\n"
        f"{section}\n"
    )
    return load(path)


def test_without_the_section_there_is_no_page_and_an_empty_one_is_for_this_machine(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").web is None
    web = loaded(tmp_path, "web: {}").web
    assert web == WebSettings("127.0.0.1", 2580)
    assert web.local
    assert web.mask_patients


def test_everything_may_be_set(tmp_path: Path, certificates: Certificates) -> None:
    pair = certificates.pair()
    section = (
        f"web: {{listen: '0.0.0.0:8443', tls: {{certificate: {pair.certificate}, key: {pair.key}}}, "
        "users: users.yaml, idle_timeout: 30m, session_timeout: 8h, mask_patients: no, open_metrics: yes}"
    )
    assert loaded(tmp_path, section).web == WebSettings(
        "0.0.0.0",
        8443,
        Tls(certificate=pair.certificate, key=pair.key),
        str(tmp_path / "users.yaml"),
        idle_timeout=1800,
        session_timeout=8 * 3600,
        mask_patients=False,
        open_metrics=True,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.9", "[::]", "forefetch.example"])
def test_other_machines_need_tls_and_a_login(tmp_path: Path, certificates: Certificates, host: str) -> None:
    pair = certificates.pair()
    tls = f"tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
    for settings, expected in ((tls, "users beside a listen"), ("users: users.yaml", "tls beside a listen")):
        with pytest.raises(ConfigError) as caught:
            loaded(tmp_path, f"web: {{listen: '{host}:2580', {settings}}}")
        (complaint,) = caught.value.complaints
        assert (complaint.where, complaint.line) == ("web", 4)
        assert complaint.expected.startswith(expected)
        assert "or listen: 127.0.0.1:2580" in complaint.expected
    assert loaded(tmp_path, f"web: {{listen: '{host}:2580', {tls}, users: users.yaml}}").web is not None


@pytest.mark.parametrize(
    ("section", "where", "expected"),
    [
        ("{listen: 2580}", "web.listen", "host:port"),
        ("{user: users.yaml}", "web.user", "'users'"),
        ("{idle_timeout: 0s}", "web.idle_timeout", "a duration longer than zero"),
        ("{open_metrics: maybe}", "web.open_metrics", "true or false"),
        (
            "{tls: {certificate: absent.pem, key: absent.key}}",
            "web.tls.certificate",
            "a file that can be read",
        ),
        ("on", "web", "a mapping"),
    ],
)
def test_a_mistake_is_named_at_its_place(tmp_path: Path, section: str, where: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"web: {section}")
    complaint = caught.value.complaints[0]
    assert complaint.where == where
    assert complaint.expected.startswith(expected)
