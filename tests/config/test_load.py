"""routes.yaml: the repository's own loads, and every mistake is told with its place and its cure."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config, load, parse
from engine.config.models.studies import EXAM_DATE, ORDERED_CODE, ORDERED_MODALITY, ORDERED_TEXT
from engine.errors import Complaint, ConfigError
from engine.hl7.path import FieldPath
from engine.retrieve.selector import PriorCriteria, SeriesFilter
from engine.retrieve.task import Priority
from engine.routing.conditions import All, AnyOf, Dated, Exists, Matches, Not, OneOf
from engine.routing.rules import AccessionWant, Acknowledge, DestinationRule, PriorsWant, StudyWant

REPOSITORY = Path(__file__).parents[2] / "routes.yaml"
LINES = """\
archives:
  main: {ae_title: ARCHIVE, host: 127.0.0.1, port: 4242}
destinations:
  room:
    ae_title: ROOM
routes:
  - name: first
    messages: ORM^O01
    when:
      - {field: ORC-1, equals: NW}
    studies:
      - study: ZDS-1
    from: main
    to: room
"""


def with_line(number: int, *texts: str) -> str:
    lines = LINES.splitlines()
    lines[number - 1 : number] = texts
    return "\n".join(lines)


def complaints(text: str) -> tuple[Complaint, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.complaints


def path(text: str) -> FieldPath:
    return FieldPath.parse(text)


ORDER: dict[str, Any] = {
    "ordered_code": tuple(map(path, ORDERED_CODE)),
    "ordered_text": tuple(map(path, ORDERED_TEXT)),
    "ordered_modality": tuple(map(path, ORDERED_MODALITY)),
    "exam_date": tuple(map(path, EXAM_DATE)),
}


def test_the_repositorys_routes_load() -> None:
    config = load(REPOSITORY)
    assert len(config.routes) == 6
    assert [route.enabled for route in config.routes] == [True] * 6
    first = config.routes[0]
    assert first.condition == All(
        (
            OneOf(path("ORC-1"), ("NW", "XO")),
            AnyOf((OneOf(path("OBR-24"), ("CT", "MR")), OneOf(path("IPC-5"), ("CT", "MR")))),
        )
    )
    assert first.destination == DestinationRule(
        "reading-room", path("PV1-3.1"), {"ER": "emergency", "RAD": "reading-room"}
    )
    assert config.archives["main"].timeouts.total == 3600


def test_defaults_are_what_the_documentation_says() -> None:
    config = parse(LINES)
    engine = config.engine
    assert (engine.host, engine.port, engine.store, engine.ae_title) == (
        "127.0.0.1",
        2575,
        "forefetch.db",
        "FOREFETCH",
    )
    assert (engine.time_zone, engine.default_charset) == (None, "UNICODE UTF-8")
    assert (engine.max_message_bytes, engine.max_connections, engine.window) == (16 * 2**20, 256, 32)
    assert (engine.idle_timeout, engine.frame_timeout, engine.drain_timeout) == (600, 30, 30)
    archive = config.archives["main"]
    assert (archive.calling_ae_title, archive.concurrency, archive.idle) == ("FOREFETCH", 2, 10)
    assert (archive.timeouts.connect, archive.timeouts.acse) == (5, 10)
    assert (archive.timeouts.dimse, archive.timeouts.total) == (300, 3600)
    assert config.destinations["room"].node is None
    (route,) = config.routes
    assert (route.enabled, route.validate, route.deadline) == (True, False, 20)
    assert (route.acknowledge, route.priority) == (Acknowledge.OUTCOME, Priority.MEDIUM)


def test_the_policy_lists_what_the_file_lists() -> None:
    policy = parse(with_line(7, "  - name: first", "    enabled: no")).policy(switch_on=True)
    assert policy.switch_on
    assert {name: rule.enabled for name, rule in policy.routes.items()} == {"first": False}
    assert {name: rule.concurrency for name, rule in policy.archives.items()} == {"main": 2}
    assert policy.destinations.keys() == {"room"}


def test_the_engine_section_is_taken_over() -> None:
    engine = "engine: {listen: '[::1]:7', ae_title: ME, time_zone: Europe/Helsinki, idle_timeout: 2m}\n"
    config = parse(engine + LINES)
    assert (config.engine.host, config.engine.port, config.engine.idle_timeout) == ("::1", 7, 120)
    assert str(config.engine.time_zone) == "Europe/Helsinki"
    assert config.archives["main"].calling_ae_title == "ME"


def test_a_destination_with_an_address_is_a_node() -> None:
    node = parse(with_line(5, "    ae_title: ROOM", "    host: h", "    port: 104")).destinations["room"].node
    assert node is not None
    assert (node.name, node.ae_title, node.host, node.port) == ("room", "ROOM", "h", 104)


@pytest.mark.parametrize(
    ("line", "condition"),
    [
        ("{field: ORC-1, equals: NO}", OneOf(path("ORC-1"), ("NO",))),
        ("{field: ORC-1, equals: 0123}", OneOf(path("ORC-1"), ("0123",))),
        ("{field: ORC-1, in: [yes, 1]}", OneOf(path("ORC-1"), ("yes", "1"))),
        ("{field: ORC-1, exists: false}", Exists(path("ORC-1"), False)),
        ("{field: ORC-1, exists: yes}", Exists(path("ORC-1"), True)),
        ("not: {field: ORC-1, exists: true}", Not(Exists(path("ORC-1"), True))),
        ("all: [{field: ORC-1, equals: A}]", All((OneOf(path("ORC-1"), ("A",)),))),
        ("any: [not: {field: ORC-1, equals: A}]", AnyOf((Not(OneOf(path("ORC-1"), ("A",))),))),
    ],
)
def test_each_condition_is_read(line: str, condition: object) -> None:
    assert parse(with_line(10, f"      - {line}")).routes[0].condition == All((condition,))  # type: ignore[arg-type]


def test_a_regex_and_a_date_are_read() -> None:
    when = [
        "      - {field: OBR-4, regex: C.}",
        "      - {field: OBR-36, date: {after: -7d, before: 2026-11-24}}",
    ]
    condition = parse(with_line(10, *when)).routes[0].condition
    assert isinstance(condition, All)
    regex, date = condition.parts
    assert isinstance(regex, Matches)
    assert regex.pattern.pattern == "C."
    assert isinstance(date, Dated)
    assert date.after is not None
    assert date.after.offset == dt.timedelta(days=-7)
    assert date.before is not None
    assert date.before.absolute == dt.datetime.fromisoformat("2026-11-24")


def test_a_route_without_when_has_no_condition() -> None:
    lines = LINES.splitlines()
    del lines[8:10]
    assert parse("\n".join(lines)).routes[0].condition is None


def test_one_thing_may_stand_for_a_list_of_one() -> None:
    config = parse(
        with_line(9, "    when: {field: ORC-1, equals: NW}").replace(
            "      - {field: ORC-1, equals: NW}\n", ""
        )
    )
    assert config.routes[0].condition == All((OneOf(path("ORC-1"), ("NW",)),))


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("{study: ZDS-1}", StudyWant(path("ZDS-1"))),
        ("{study: ZDS-1, series: {uid: ZDS-2}}", StudyWant(path("ZDS-1"), path("ZDS-2"))),
        (
            "{study: ZDS-1, series: {modality: SR, description: x}}",
            StudyWant(path("ZDS-1"), None, SeriesFilter(("SR",), "x")),
        ),
        ("{accession: OBR-18}", AccessionWant(path("OBR-18"), patient=path("PID-3.1"))),
        (
            "{accession: OBR-18, series: {modality: [CT, MR]}}",
            AccessionWant(path("OBR-18"), SeriesFilter(("CT", "MR")), path("PID-3.1")),
        ),
        (
            "{priors: {}}",
            PriorsWant(
                path("PID-3.1"),
                PriorCriteria(),
                ordered_study=(path("ZDS-1.1"), path("IPC-3.1")),
                ordered_accession=(path("IPC-1.1"), path("OBR-18"), path("OBR-3.1"), path("ORC-3.1")),
                **ORDER,
            ),
        ),
        (
            "{priors: {patient: PID-2, issuer: H, modality: CT, within: 10d, newest: 2, description: c,"
            " ordered_study: ZDS-1, ordered_accession: [], series: {modality: CT}}}",
            PriorsWant(
                path("PID-2"),
                PriorCriteria(("CT",), dt.timedelta(days=10), 2, "c"),
                "H",
                (path("ZDS-1"),),
                (),
                SeriesFilter(("CT",)),
                **ORDER,
            ),
        ),
    ],
)
def test_each_kind_of_study_is_read(line: str, want: object) -> None:
    assert parse(with_line(12, f"      - {line}")).routes[0].wants == (want,)


# The number of the line to replace and its new text, where § marks the place of the complaint; then the path
# of keys, and a part of what is expected and of what was found.
MISTAKES = [
    (2, "  main: §{ae_title: A, host: h}", "archives.main", "the key 'port'", "no such key"),
    (2, "  main: {ae_title: A, host: h, port: §x}", "archives.main.port", "whole number", "'x'"),
    (2, "  main: {ae_title: A, host: h, port: §0}", "archives.main.port", "than or equal to 1", "'0'"),
    (2, "  main: {ae_title:§ , host: h, port: 1}", "archives.main.ae_title", "one value", "nothing"),
    (2, "  main: {ae_title: A, host:§ , port: 1}", "archives.main.host", "text", "nothing"),
    (2, "  main: §[a]", "archives.main", "a mapping", "a list of 1"),
    (2, "  main: {ae_title: A, §hots: h, port: 1}", "archives.main.hots", "'host'", "the key 'hots'"),
    (5, "    §ae_title: R\n    host: h", "destinations.room", "both or neither", "ae_title, host"),
    (7, "  - name: §''", "routes[0].name", "not empty", "''"),
    (
        7,
        "  - name: §xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "routes[0].name",
        "at most 64",
        "'xxx",
    ),
    (8, "    messages: §orm", "routes[0].messages", "ORM^O01", "'orm'"),
    (8, "    messages: §[]", "routes[0].messages", "at least one", "a list of 0"),
    (8, "    §mesages: ORM", "routes[0].mesages", "'messages'", "the key 'mesages'"),
    (9, "    enabled: §maybe\n    when:", "routes[0].enabled", "true or false", "'maybe'"),
    (9, "    deadline: §soon\n    when:", "routes[0].deadline", "20s", "'soon'"),
    (9, "    deadline: §1000y\n    when:", "routes[0].deadline", "100y", "'1000y'"),
    (9, "    acknowledge: §later\n    when:", "routes[0].acknowledge", "'outcome' or", "'later'"),
    (9, "    priority: §stat\n    when:", "routes[0].priority", "'high'", "'stat'"),
    (10, "      - {field: §ORC1, equals: A}", "routes[0].when[0].field", "PID-3.1", "'ORC1'"),
    (10, "      - §{field: ORC-1}", "routes[0].when[0]", "exactly one of", "a mapping with field"),
    (10, "      - §{field: ORC-1, equals: }", "routes[0].when[0]", "exactly one", "field, equals"),
    (10, "      - {field: ORC-1, equals: §''}", "routes[0].when[0].equals", "not empty", "''"),
    (10, "      - {field: ORC-1, in: §[]}", "routes[0].when[0].in", "at least one", "a list of 0"),
    (10, "      - {field: ORC-1, in: §A}", "routes[0].when[0].in", "a list", "'A'"),
    (10, "      - {field: ORC-1, regex: §'('}", "routes[0].when[0].regex", "unterminated", "'('"),
    (10, "      - {field: ORC-1, regex: §[A]}", "routes[0].when[0].regex", "regular", "a list of 1"),
    (10, "      - {field: ORC-1, §equal: A}", "routes[0].when[0].equal", "'equals'", "'equal'"),
    (10, "      - {field: ORC-1, date: §{}}", "routes[0].when[0].date", "after, before", "no keys"),
    (10, "      - {field: ORC-1, date: {after: §x}}", "routes[0].when[0].date.after", "-7d", "'x'"),
    (10, "      - not: {field: ORC-1, in: §A}", "routes[0].when[0].not.in", "a list", "'A'"),
    (
        10,
        "      - {not: {field: ORC-1, equals: A}, §field: ORC-1}",
        "routes[0].when[0].field",
        "not",
        "'field'",
    ),
    (10, "      - any: §[]", "routes[0].when[0].any", "at least one", "a list of 0"),
    (10, "      - all: [{field: §A}]", "routes[0].when[0].all[0].field", "PID-3.1", "'A'"),
    (12, "      - {study: §ZDS}", "routes[0].studies[0].study", "PID-3.1", "'ZDS'"),
    (12, "      - {study: ZDS-1, §extra: 1}", "routes[0].studies[0].extra", "series", "'extra'"),
    (12, "      - {§stuyd: ZDS-1}", "routes[0].studies[0].stuyd", "'study'", "'stuyd'"),
    (12, "      - §ZDS-1", "routes[0].studies[0]", "a mapping", "'ZDS-1'"),
    (12, "      - {study: ZDS-1, series: §{}}", "routes[0].studies[0].series", "either uid", "no keys"),
    (12, "      - {priors: {newest: §0}}", "routes[0].studies[0].priors.newest", "equal to 1", "'0'"),
    (12, "      - priors:§", "routes[0].studies[0].priors", "a mapping", "nothing"),
    (12, "      - {priors: {§newst: 1}}", "routes[0].studies[0].priors.newst", "'newest'", "'newst'"),
    (
        12,
        "      - {study: ORC-1, series: {§modalty: CT}}",
        "routes[0].studies[0].series.modalty",
        "'modality'",
        "'modalty'",
    ),
    (
        12,
        "      - {accession: ORC-1, series: {§uid: ZDS-2}}",
        "routes[0].studies[0].series.uid",
        "needs its study's UID",
        "uid",
    ),
    (
        12,
        "      - {priors: {series: {§uid: ZDS-2}}}",
        "routes[0].studies[0].priors.series.uid",
        "needs its study's UID",
        "uid",
    ),
    (13, "    from: §mian", "routes[0].from", "under archives: main", "'mian'"),
    (14, "    to: §romo", "routes[0].to", "under destinations: room", "'romo'"),
    (14, "    to: §[room]", "routes[0].to", "text", "a list of 1"),
    (14, "    to: §{map: {A: room}}", "routes[0].to", "the key 'field'", "no such key"),
    (14, "    to: {field: ORC-1, map: §{}}", "routes[0].to.map", "at least one", "no keys"),
    (14, "    to: {field: ORC-1, map: {A: §rom}}", "routes[0].to.map.A", "room", "'rom'"),
    (
        14,
        "    to: {field: ORC-1, map: {A: room}, otherwise: §rom}",
        "routes[0].to.otherwise",
        "under destinations: room",
        "'rom'",
    ),
    (14, "    to: {field: ORC-1, §mpa: {A: room}, map: {B: room}}", "routes[0].to.mpa", "'map'", "'mpa'"),
    (1, "engine: {listen: §99}\narchives:", "engine.listen", "host:port", "'99'"),
    (1, "engine: {§windw: 1}\narchives:", "engine.windw", "'window'", "'windw'"),
    (1, "engine: {idle_timeout: §0s}\narchives:", "engine.idle_timeout", "longer than zero", "'0s'"),
    (1, "engine: {time_zone: §Mars}\narchives:", "engine.time_zone", "Europe/Helsinki", "'Mars'"),
    (1, "§colour: red\narchives:", "colour", "destinations, engine, gate", "'colour'"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[1].strip().splitlines()[0])
def test_a_mistake_is_told_with_its_place(mistake: tuple[int, str, str, str, str]) -> None:
    number, text, where, expected, found = mistake
    marked = with_line(number, text)
    before = marked[: marked.index("§")]
    (complaint,) = (one for one in complaints(marked.replace("§", "")) if one.where == where)
    assert (complaint.line, complaint.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert expected in complaint.expected
    assert found in complaint.found
    assert complaint.file == "routes.yaml"


def test_an_unknown_key_is_not_proposed_for_itself() -> None:
    text = with_line(10, "      - {not: {field: ORC-1, equals: A}, field: ORC-1}")
    assert [one.expected for one in complaints(text)] == ["only not"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = (
        LINES.replace("4242", "x")
        .replace("ORM^O01", "orm")
        .replace("ZDS-1", "ZDS")
        .replace("ARCHIVE", "A" * 17)
    )
    found = complaints(lines)
    assert [one.line for one in found] == sorted(one.line for one in found)
    assert {"archives.main.port", "routes[0].messages", "routes[0].studies[0].study"} <= {
        one.where for one in found
    }


def test_all_wrong_names_are_told_at_once_in_the_order_of_the_file() -> None:
    double = LINES.replace("    ae_title: ROOM", "    ae_title: ROOM\n  other: {ae_title: ROOM}")
    second = (
        "".join(LINES.splitlines(keepends=True)[6:])
        .replace("from: main", "from: mian")
        .replace("to: room", "to: x")
    )
    found = complaints(double + second)
    assert [one.where for one in found] == [
        "destinations.other.ae_title",
        "routes[1].name",
        "routes[1].from",
        "routes[1].to",
    ]
    assert "also destination room" in found[0].found
    assert "a second 'first'" in found[1].found


@pytest.mark.parametrize("text", ["", "[]", "hello", "~"])
def test_a_file_that_is_no_mapping_is_a_complaint(text: str) -> None:
    (complaint,) = complaints(text)
    assert (complaint.line, complaint.column, complaint.expected) == (1, 1, "a mapping")


def test_missing_sections_are_all_told() -> None:
    assert [one.expected for one in complaints("engine: {}")] == [
        "the key 'archives'",
        "the key 'destinations'",
        "the key 'routes'",
    ]


def test_a_file_that_is_not_there_is_a_complaint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf_8_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "r.yaml")


def test_a_folder_is_a_complaint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path)


def test_a_file_is_named_in_its_complaints(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("a: b")
    with pytest.raises(ConfigError, match=r"r\.yaml:1:1: a: expected"):
        load(tmp_path / "r.yaml")


def test_a_file_with_a_byte_order_mark_loads(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("\ufeff" + LINES, encoding="utf-8")
    assert isinstance(load(tmp_path / "r.yaml"), Config)


def test_wrong_names_are_told_together_with_mistakes_of_shape() -> None:
    text = REPOSITORY.read_text(encoding="utf-8").replace("    from: main\n", "    from: mian\n", 1)
    text = text.replace("listen: 127.0.0.1:2575", "lissen: 127.0.0.1:2575").replace(
        "to: mammography", "to: mamo"
    )
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert [complaint.where for complaint in caught.value.complaints] == [
        "engine.lissen",
        "routes[0].from",
        "routes[3].to",
    ]
