"""`engine.store` in routes.yaml: a file beside it or the URL of a database, and a place for each mistake."""

from __future__ import annotations

import json
import traceback

import pytest

from engine.config import Config, parse
from engine.config.load import schema
from engine.errors import ConfigError
from engine.place import is_shared, told

TEXT = """\
engine: {{store: {store}}}
archives: {{main: {{ae_title: A, host: h, port: 1}}}}
destinations: {{room: {{ae_title: R}}}}
routes: [{{name: first, messages: ORM^O01, studies: [{{study: ZDS-1.1}}], from: main, to: room}}]
audit: {{collector: {{host: arr.hospital.example}}}}
"""


def config(store: str) -> Config:
    return parse(TEXT.format(store=json.dumps(store)), "/etc/forefetch/routes.yaml", try_files=False)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql+psycopg://u:geheim@db:5433/hl7", "postgresql://db:5433/hl7"),
        ("postgresql://u:geheim@db/hl7?sslmode=verify-full", "postgresql://db:5432/hl7"),
        ("postgres://u:ge%40heim@[::1]/hl7", "postgresql://[::1]:5432/hl7"),
        ("postgresql://u:geheim@/hl7?host=a:5432&host=b:5433", "postgresql://a:5432,b:5433/hl7"),
        ("postgresql:///hl7?host=/run/postgresql&password=geheim", "postgresql:///run/postgresql/hl7"),
        ("postgresql:///hl7", "postgresql://localhost:5432/hl7"),
    ],
)
def test_a_url_is_taken_as_it_is_and_told_without_its_password(url: str, place: str) -> None:
    settings = config(url)
    assert settings.engine.store == url
    assert is_shared(settings.engine.store)
    assert told(url) == place
    assert "heim" not in repr(settings)


def test_a_path_starts_from_the_folder_of_routes_yaml() -> None:
    assert config("a.db").engine.store == "/etc/forefetch/a.db"
    assert config("/var/c:d.db").engine.store == "/var/c:d.db"


def test_beside_a_database_the_spool_of_the_audit_trail_lies_beside_routes_yaml() -> None:
    audit = config("postgresql://u@db/hl7").audit
    assert audit is not None
    assert audit.spool == "/etc/forefetch/forefetch.audit"


@pytest.mark.parametrize(
    ("url", "expected", "found"),
    [
        ("mysql://u:geheim@db/hl7", "a URL such as postgresql+psycopg://", "'mysql:…'"),
        ("postgresql+asyncpg://u:geheim@db/hl7", "a URL such as", "'postgresql+asyncpg:…'"),
        ("postgresql:/u:geheim@db/hl7", "a URL such as", "'postgresql:…'"),
        ("postgresql://u:geheim@db/", "with the name of the database", "'postgresql://…'"),
        ("postgresql://u:geheim@db:54x/hl7", "a URL such as", "'postgresql://…'"),
        ("postgresql://u:ge@heim@db/hl7", "%40 for each @", "'postgresql://…'"),
    ],
)
def test_a_mistake_in_a_url_has_its_place_and_shows_no_password(url: str, expected: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(url)
    (complaint,) = caught.value.complaints
    assert (complaint.where, complaint.line, complaint.found) == ("engine.store", 1, found)
    assert expected in complaint.expected
    assert "heim" not in "".join(traceback.format_exception(caught.value))


def test_the_schema_shows_how_each_is_written() -> None:
    store = json.loads(schema())["$defs"]["EngineSection"]["properties"]["store"]
    assert store["type"] == "string"
    assert [is_shared(example) for example in store["examples"]] == [False, True]
