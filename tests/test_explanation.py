"""A decision in words."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

from engine.config import load
from engine.explanation import as_dict, as_json, lines, request_dict
from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.retrieve.selector import StudiesOfAccession
from engine.retrieve.task import RetrieveRequest
from engine.routing.conditions import All, Exists, Not, OneOf, check
from engine.routing.router import decide, explain
from engine.routing.rules import MessagePattern
from engine.routing.table import RouteTable
from tests.routing.test_router import message, route

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
ROUTES = load(Path(__file__).parents[1] / "routes.yaml").routes
TABLE = RouteTable(ROUTES)
ORDER = Message(
    (
        "MSH|^~\\&|RIS|A|FF|B|20261124||ORM^O01|1|P|2.5\rPID|||7^^^FOREST||Mäkelä\r"
        "ORC|RE\rZDS|1.2.x~1.2.3\rbad line"
    ).encode()
)


def test_a_decision_is_told_whole() -> None:
    told = as_dict(ORDER, explain(ORDER, TABLE, NOW))
    assert told["message"] == "ORM^O01"
    assert told["routes"] == ["ordered-study"]
    assert told["warnings"] == ["line 5 is not a segment and was left out of routing"]
    assert told["requests"] == [
        {
            "studies": "study 1.2.3",
            "kind": "study",
            "from": "main",
            "to": "reading-room",
            "routes": ["ordered-study"],
            "due": None,
        }
    ]
    (problem,) = told["problems"]
    assert (problem["route"], problem["code"], problem["location"]) == ("ordered-study", 102, "ZDS-1.1")
    assert [trace["route"] for trace in told["trace"]] == [route.name for route in ROUTES]


def test_every_check_shows_what_was_asked_and_found() -> None:
    told = as_dict(ORDER, explain(ORDER, TABLE, NOW))
    traces = {trace["route"]: trace for trace in told["trace"]}
    type_check, condition = traces["ordered-study"]["checks"]
    assert type_check == {
        "held": True,
        "asked": "message is ORM^O01 or OMI^O23",
        "found": {"MSH-9": "ORM^O01"},
    }
    assert condition["parts"] == [{"held": True, "asked": "ORC-1 is 'RE'", "found": {"ORC-1": "RE"}}]
    assert (traces["emergency-admission"]["matched"], len(traces["emergency-admission"]["checks"])) == (
        False,
        1,
    )


def test_the_json_is_the_same_and_keeps_letters() -> None:
    by_name = replace(ROUTES[0], condition=OneOf(FieldPath.parse("PID-5"), ("Mäkelä",)))
    decision = decide(ORDER, RouteTable([by_name, *ROUTES]), NOW)
    text = as_json(ORDER, decision)
    assert json.loads(text) == {name: value for name, value in as_dict(ORDER, decision).items() if value}
    assert '"PID-5":"Mäkelä"' in text


def test_a_decision_of_no_route_is_told_too() -> None:
    told = as_dict(ORDER, decide(ORDER, RouteTable(), NOW))
    assert (told["routes"], told["requests"], told["problems"], told["trace"]) == ([], [], [], [])


def test_the_routes_that_were_not_tried_are_told_in_numbers_with_what_ruled_them_out() -> None:
    wards = [route(ward, condition=OneOf(FieldPath.parse("PV1-3.1"), (ward,))) for ward in ("A", "B", "C")]
    others = [route("off", enabled=False), route("adt", messages=(MessagePattern("ADT"),))]
    order = message("PV1|||B^2")
    told = as_dict(order, decide(order, RouteTable([*wards, *others]), NOW))
    assert [trace["route"] for trace in told["trace"]] == ["B"]
    other_value = {"field": "PV1-3.1", "found": {"PV1-3.1": "B"}, "routes": 2}
    assert told["ruled_out"] == {"other_types": 1, "disabled": 1, "other_values": [other_value]}


def test_what_ruled_routes_out_is_told_in_the_same_room_however_many_they_are() -> None:
    order = message("PV1|||B")
    sizes = []
    for count in (100, 900):
        fields = [FieldPath.parse(f"PV1-{number % 40 + 3}") for number in range(count)]
        routes = [route(condition=OneOf(path, (str(number),))) for number, path in enumerate(fields)]
        told = as_dict(order, decide(order, RouteTable(routes), NOW))["ruled_out"]
        assert sum(field["routes"] for field in told["other_values"]) + told["other_fields"] == count
        sizes.append(len(json.dumps(told)))
    assert sizes[1] - sizes[0] <= 30  # digits


def test_a_request_names_its_question() -> None:
    told = request_dict(RetrieveRequest(StudiesOfAccession("A1"), "main", "room", ("a", "b")))
    assert (told["studies"], told["kind"], told["routes"]) == (
        "studies with accession number A1",
        "accession",
        ["a", "b"],
    )


def test_a_check_is_indented_lines() -> None:
    orc, obr = FieldPath.parse("ORC-1"), FieldPath.parse("OBR-4")
    result = check(All((OneOf(orc, ("RE",)), Not(Exists(obr, True)))), ORDER, NOW)
    assert list(lines(result)) == [
        (0, True, "all of"),
        (1, True, "ORC-1 is 'RE': ORC-1 'RE'"),
        (1, True, "not"),
        (2, False, "OBR-4 is present: empty"),
    ]
