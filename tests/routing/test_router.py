"""Decisions: which routes match, what they ask, and what could not be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.retrieve.plan import PlanProblem, RetrievePlan
from engine.retrieve.relevance import OrderedExam, Relevance, Vocabulary
from engine.retrieve.selector import (
    OrderedStudy,
    PriorCriteria,
    PriorsOfPatient,
    Selector,
    SeriesFilter,
    SeriesOfStudy,
    StudiesOfAccession,
    Study,
)
from engine.retrieve.task import Priority
from engine.routing.conditions import OneOf
from engine.routing.router import Decision, Matched, Unmatched, decide, explain, plan_of, routes_of
from engine.routing.rules import (
    AccessionWant,
    Acknowledge,
    DestinationRule,
    MessagePattern,
    PriorsWant,
    Route,
    StudyWant,
    Want,
)
from engine.routing.table import RouteTable

NOW = dt.datetime(2026, 11, 24, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
path = FieldPath.parse
STUDY = StudyWant(path("ZDS-1"))
ACCESSION = AccessionWant(path("OBR-18"))
PRIORS = PriorsWant(path("PID-3.1"), PriorCriteria())


def message(*segments: str) -> Message:
    return Message("\r".join(["MSH|^~\\&|A|B|C|D|||ORM^O01|1|P|2.5", *segments]).encode())


def route(name: str = "r", *wants: Want, **more: Any) -> Route:
    given: dict[str, Any] = {"archive": "main", "destination": DestinationRule("room"), **more}
    messages = given.pop("messages", (MessagePattern("ORM"),))
    return Route(name, messages, wants or (STUDY,), **given)


def decided(message: Message, routes: Sequence[Route]) -> Decision:
    return decide(message, RouteTable(routes), NOW)


def selectors(decision: Decision) -> list[Selector]:
    return [request.selector for request in plan_of(decision).requests]


def problems(decision: Decision) -> list[tuple[int, str]]:
    return [(problem.code, problem.location) for problem in plan_of(decision).problems]


def test_a_route_matches_by_type_and_condition() -> None:
    routes = [
        route("type", messages=(MessagePattern("ADT"), MessagePattern("ORU"))),
        route("condition", condition=OneOf(path("ORC-1"), ("CA",))),
        route("both", condition=OneOf(path("ORC-1"), ("NW",))),
    ]
    decision = explain(message("ORC|NW", "ZDS|1.2"), RouteTable(routes), NOW)
    assert routes_of(decision) == ("both",)
    assert [(trace.route, trace.matched) for trace in decision.trace] == [
        ("type", False),
        ("condition", False),
        ("both", True),
    ]
    assert decision.trace[0].condition is None
    assert decision.trace[0].type_check.text == "message is ADT or ORU"
    assert decision.trace[1].condition is not None


def test_where_no_route_matches_nothing_is_asked() -> None:
    decision = decided(message("ZDS|1.2"), [route(messages=(MessagePattern("ADT"),))])
    assert isinstance(decision, Unmatched)
    assert (plan_of(decision), routes_of(decision)) == (RetrievePlan(), ())


def test_a_disabled_route_never_matches_but_is_explained() -> None:
    off = route("off", enabled=False, condition=OneOf(path("ORC-1"), ("NW",)))
    decision = explain(message("ORC|NW", "ZDS|1.2"), RouteTable([off]), NOW)
    assert isinstance(decision, Unmatched)
    (trace,) = decision.trace
    assert (trace.matched, trace.enabled, trace.type_check.held) == (False, False, True)
    assert trace.condition is not None
    assert trace.condition.held


def test_the_strictest_of_the_matched_routes_rules_the_acknowledgment() -> None:
    slow = route("slow", deadline=30.0)
    fast = route("fast", deadline=5.0, validate=True)
    later = route("later", acknowledge=Acknowledge.ACCEPTED, deadline=1.0)
    together = decided(message("ZDS|1.2"), [slow, later, fast])
    assert isinstance(together, Matched)
    assert (together.acknowledge, together.deadline, together.validate) == (Acknowledge.OUTCOME, 5.0, True)
    alone = decided(message("ZDS|1.2"), [later])
    assert isinstance(alone, Matched)
    assert (alone.acknowledge, alone.deadline, alone.validate) == (Acknowledge.ACCEPTED, 0.0, False)


def test_each_study_uid_is_a_request() -> None:
    decision = decided(message("ZDS|1.2~1.3", "ZDS|1.4"), [route(priority=Priority.HIGH)])
    assert selectors(decision) == [Study("1.2"), Study("1.3"), Study("1.4")]
    request = plan_of(decision).requests[0]
    assert (request.archive, request.destination, request.routes, request.priority) == (
        "main",
        "room",
        ("r",),
        Priority.HIGH,
    )


def test_a_series_of_a_study_can_be_asked_by_uid_or_by_filter() -> None:
    by_uid = StudyWant(path("ZDS-1"), path("ZDS-2"))
    by_filter = StudyWant(path("ZDS-1"), None, SeriesFilter(("CT",)))
    assert selectors(decided(message("ZDS|1.2|1.2.3"), [route("r", by_uid)])) == [Study("1.2", "1.2.3")]
    assert selectors(decided(message("ZDS|1.2"), [route("r", by_filter)])) == [
        SeriesOfStudy("1.2", SeriesFilter(("CT",)))
    ]


def test_accession_numbers_become_questions() -> None:
    want = AccessionWant(path("OBR-18"), SeriesFilter(("CT",)))
    decision = decided(message("OBR" + "|" * 18 + "A1~A2"), [route("r", want)])
    assert selectors(decision) == [StudiesOfAccession(each, SeriesFilter(("CT",))) for each in ("A1", "A2")]


def test_priors_are_asked_for_the_first_patient_id_with_what_the_order_names() -> None:
    want = PriorsWant(
        path("PID-3[H].1"),
        PriorCriteria(("CT",)),
        "H",
        (path("ZDS-1"), path("IPC-3")),
        (path("OBR-18"), path("OBR-3.1")),
        SeriesFilter(("CT",)),
    )
    decision = decided(
        message("PID|||7^^^X~8^^^H~9^^^H", "OBR|||F1" + "|" * 15 + 'A1~""', "ZDS|1.2", "IPC|||1.2~1.3"),
        [route("r", want)],
    )
    assert selectors(decision) == [
        PriorsOfPatient(
            "8",
            PriorCriteria(("CT",)),
            dt.date(2026, 11, 24),
            "H",
            OrderedStudy(("1.2", "1.3"), ("A1", "F1")),
            SeriesFilter(("CT",)),
            authority="H",
        )
    ]


ORDERED = PriorsWant(
    path("PID-3.1"),
    PriorCriteria(relevance=Relevance(Vocabulary())),
    ordered_code=(path("OBR-4.1"), path("OBR-44")),
    ordered_text=(path("OBR-4.2"), path("OBR-15.4")),
    ordered_modality=(path("OBR-24"),),
    exam_date=(path("OBR-36"), path("ORC-7.4")),
)


def test_what_is_ordered_is_read_from_the_fields_that_name_it() -> None:
    first = "OBR|1|||CTTHX^CT Chest^L||||||||||||||||||||CT"
    second = 'OBR|2|||""^CT Chest^L|||||||||||^^^Knee'
    decision = decided(message("PID|||7", first, second), [route("r", ORDERED)])
    (selector,) = selectors(decision)
    assert isinstance(selector, PriorsOfPatient)
    assert selector.exam == OrderedExam((("CTTHX", "L"),), ("CT Chest", "Knee"), ("CT",))


def test_what_is_ordered_is_not_kept_where_nobody_asks_for_relevance() -> None:
    want = replace(ORDERED, criteria=PriorCriteria())
    (selector,) = selectors(decided(message("PID|||7", "OBR||||CTTHX^CT"), [route("r", want)]))
    assert isinstance(selector, PriorsOfPatient)
    assert selector.exam == OrderedExam()


@pytest.mark.parametrize(
    ("scheduled", "quantity", "day"),
    [
        ("202612021400", "202701010800", dt.date(2026, 12, 2)),
        ("", "202701010800", dt.date(2027, 1, 1)),
        ("soon", "20270101", dt.date(2027, 1, 1)),
        ("soon", "", dt.date(2026, 11, 24)),
        ('""', '""', dt.date(2026, 11, 24)),
        ("20261202233000+0000", "", dt.date(2026, 12, 3)),
        ("00010101000000+1400", "", dt.date(1, 1, 1)),
    ],
)
def test_ages_count_from_the_day_of_the_exam(scheduled: str, quantity: str, day: dt.date) -> None:
    segments = "PID|||7", f"ORC|NW||||||^^^{quantity}", "OBR" + "|" * 36 + scheduled
    (selector,) = selectors(decided(message(*segments), [route("r", ORDERED)]))
    assert isinstance(selector, PriorsOfPatient)
    assert selector.day == day


BY_MAP = DestinationRule(None, path("PV1-3"), {"ER": "emergency"})
BY_MAP_OR = DestinationRule("room", path("PV1-3"), {"ER": "emergency"})


@pytest.mark.parametrize(
    ("rule", "location", "destination", "code"),
    [
        (DestinationRule("room"), "X", "room", None),
        (BY_MAP, "ER", "emergency", None),
        (BY_MAP, "er", None, 103),
        (BY_MAP, "X", None, 103),
        (BY_MAP, "", None, 101),
        (BY_MAP, '""', None, 101),
        (BY_MAP_OR, "ER", "emergency", None),
        (BY_MAP_OR, "X", "room", None),
        (BY_MAP_OR, "", "room", None),
    ],
)
def test_the_destination_is_fixed_or_chosen_by_a_field(
    rule: DestinationRule, location: str, destination: str | None, code: int | None
) -> None:
    decision = decided(message(f"PV1|||{location}", "ZDS|1.2"), [route(destination=rule)])
    assert [request.destination for request in plan_of(decision).requests] == (
        [destination] if destination else []
    )
    assert problems(decision) == ([(code, "PV1-3")] if code else [])


def test_a_route_without_destination_does_not_stop_the_others() -> None:
    decision = decided(message("ZDS|1.2"), [route("lost", destination=BY_MAP), route("good")])
    assert routes_of(decision) == ("lost", "good")
    assert [request.routes for request in plan_of(decision).requests] == [("good",)]
    assert [problem.route for problem in plan_of(decision).problems] == ["lost"]


def test_an_empty_field_asks_for_nothing_where_another_names_a_study() -> None:
    decision = decided(message("ZDS|1.2"), [route("r", STUDY, ACCESSION, PRIORS)])
    assert selectors(decision) == [Study("1.2")]
    assert problems(decision) == []


@pytest.mark.parametrize("zds", ["ZDS|", 'ZDS|""', "PV1|"])
def test_a_route_whose_fields_are_all_empty_has_a_problem(zds: str) -> None:
    decision = decided(message(zds), [route("r", STUDY, ACCESSION)])
    assert plan_of(decision).requests == ()
    assert plan_of(decision).problems == (
        PlanProblem(
            "r", "route r matched, but the message names no study: ZDS-1 and OBR-18 empty", 101, "ZDS-1"
        ),
    )


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (r"1.2\E\1.3", "list of UIDs"),
        (r"1.2\1.3", "list of UIDs"),
        (r"1.2\3.4\5.6", "list of UIDs"),
        ("1.2.*", "not a UID"),
        ("1..2", "not a UID"),
        ("1.02", "not a UID"),
        ("abc", "not a UID"),
        ("1." + "2" * 63, "65 characters"),
    ],
)
def test_a_bad_uid_is_a_problem_and_the_rest_goes_on(bad: str, part: str) -> None:
    decision = decided(message(f"ZDS|1.2~{bad}~1.4"), [route()])
    assert selectors(decision) == [Study("1.2"), Study("1.4")]
    assert problems(decision) == [(102, "ZDS-1(2)")]
    assert part in plan_of(decision).problems[0].text


@pytest.mark.parametrize("bad", ["*", "A?", r"A\E\B", r"A\B", "A" * 65])
@pytest.mark.parametrize(
    ("want", "location", "segment"), [(ACCESSION, "OBR-18", "OBR" + "|" * 18), (PRIORS, "PID-3.1", "PID|||")]
)
def test_a_wild_card_in_a_key_is_a_problem(want: Want, location: str, segment: str, bad: str) -> None:
    decision = decided(message(segment + bad), [route("r", want)])
    assert selectors(decision) == []
    assert problems(decision) == [(102, location)]


def test_a_bad_series_uid_is_a_problem_and_never_moves_the_whole_study() -> None:
    want = StudyWant(path("ZDS-1"), path("ZDS-2"))
    decision = decided(message("ZDS|1.2|x"), [route("r", want)])
    assert selectors(decision) == []
    assert [code for code, _ in problems(decision)] == [102]


def test_the_same_study_of_two_routes_is_one_request() -> None:
    routes = [
        route("one", priority=Priority.LOW),
        route("two", priority=Priority.HIGH),
        route("far", destination=DestinationRule("er")),
    ]
    requests = plan_of(decided(message("ZDS|1.2~1.2"), routes)).requests
    assert [(request.routes, request.destination, request.priority) for request in requests] == [
        (("one", "two"), "room", Priority.HIGH),
        (("far",), "er", Priority.MEDIUM),
    ]


def test_the_same_message_gives_the_same_decision() -> None:
    routes = [route("r", STUDY, PRIORS), route("s", ACCESSION)]
    raw = message("PID|||7", "ZDS|1.2")
    assert decided(raw, routes) == decided(Message(raw.raw), routes)
