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
from engine.routing.router import decide

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
ROUTES = load(Path(__file__).parents[1] / "routes.yaml").routes
ORDER = Message(
    (
        "MSH|^~\\&|RIS|A|FF|B|20261124||ORM^O01|1|P|2.5\rPID|||7^^^FOREST||Mäkelä\r"
        "ORC|RE\rZDS|1.2.x~1.2.3\rbad line"
    ).encode()
)


def test_a_decision_is_told_whole() -> None:
    told = as_dict(ORDER, decide(ORDER, ROUTES, NOW))
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
    told = as_dict(ORDER, decide(ORDER, ROUTES, NOW))
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
    decision = decide(ORDER, [by_name, *ROUTES], NOW)
    text = as_json(ORDER, decision)
    assert json.loads(text) == as_dict(ORDER, decision)
    assert '"PID-5":"Mäkelä"' in text


def test_a_decision_of_no_route_is_told_too() -> None:
    told = as_dict(ORDER, decide(ORDER, (), NOW))
    assert (told["routes"], told["requests"], told["problems"], told["trace"]) == ([], [], [], [])


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
