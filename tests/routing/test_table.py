"""The table of routes: it rules out only what cannot match, and says how many and by what."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import MessageError
from engine.hl7.message import Header, Message
from engine.hl7.path import FieldPath
from engine.retrieve.task import Priority
from engine.routing.conditions import All, AnyOf, Condition, Exists, Matches, Not, OneOf, check
from engine.routing.router import Decision, decide, explain, plan_of, routes_of
from engine.routing.rules import AccessionWant, DestinationRule, MessagePattern, Route, StudyWant
from engine.routing.table import RouteTable, RuledOut
from tests.routing.test_router import NOW, message, route

WARD = FieldPath.parse("PV1-3.1")
TEXTS = ["A", "B", "NW", "CA", "1.2", '""', ""]
PATHS = ["PV1-3.1", "PV1-3", "ORC-1", "PID-3.1", "PID-3(2).1", "PID-3[A].1", "OBR(2)-4", "MSH-3", "ZDS-1"]


def ward(*names: str) -> OneOf:
    return OneOf(WARD, names)


def tried(routes: list[Route], told: Message) -> tuple[list[str], RuledOut]:
    candidates, others = RouteTable(routes).candidates(told)
    return [each.name for each in candidates], others


_path = st.sampled_from(PATHS).map(FieldPath.parse)
_one_of = st.builds(OneOf, _path, st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3).map(tuple))
_leaf = st.one_of(
    _one_of,
    _one_of,
    st.builds(Exists, _path, st.booleans()),
    st.builds(Matches, _path, st.sampled_from([re.compile("A|B"), re.compile(".*")])),
)
_condition: st.SearchStrategy[Condition] = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
_routes = st.lists(
    st.builds(
        Route,
        name=st.text("rst", min_size=1, max_size=3),
        messages=st.lists(
            st.sampled_from(["ORM", "ORM^O01", "*", "ADT^A0?", "O?M^*1"]).map(MessagePattern.parse),
            min_size=1,
            max_size=2,
        ).map(tuple),
        wants=st.sampled_from(
            [(StudyWant(FieldPath.parse("ZDS-1")),), (AccessionWant(FieldPath.parse("OBR-4")),)]
        ),
        archive=st.just("main"),
        destination=st.sampled_from([DestinationRule("room"), DestinationRule("ward")]),
        condition=st.none() | _condition,
        enabled=st.sampled_from([True, True, False]),
        priority=st.sampled_from(Priority),
    ),
    max_size=8,
)
_field = st.lists(st.sampled_from([*TEXTS, "A^B", "B^^^A", "1^^^A"]), max_size=3).map("~".join)
_segment = st.builds(
    lambda name, fields: "|".join([name, *fields]),
    st.sampled_from(["PV1", "ORC", "PID", "OBR", "ZDS"]),
    st.lists(_field, min_size=3, max_size=5),
)
_message = st.builds(
    lambda kind, segments: Message("\r".join([f"MSH|^~\\&|A|B||||{kind}|1|P|2.5", *segments]).encode()),
    st.sampled_from(["|ORM^O01", "|ORM^O02", "|ORM", "|ADT^A01", "|ADT^A40", "|OMM^X1"]),
    st.lists(_segment, max_size=6),
)


def without_trace(decision: Decision) -> Decision:
    return decision._replace(trace=(), ruled_out=RuledOut())


@settings(deadline=None, max_examples=300)
@given(_routes, _message)
def test_the_table_gives_what_trying_every_route_would(routes: list[Route], told: Message) -> None:
    decision = decide(told, RouteTable(routes), NOW)
    assert list(routes_of(decision)) == [
        each.name
        for each in routes
        if each.enabled
        and any(pattern.matches(told.header) for pattern in each.messages)
        and (each.condition is None or check(each.condition, told, NOW).held)
    ]
    hidden = [
        each if (it := each.condition) is None else replace(each, condition=AnyOf((it,))) for each in routes
    ]
    assert without_trace(decision) == without_trace(decide(told, RouteTable(hidden), NOW))
    others = decision.ruled_out
    known = others.other_types + others.disabled + sum(field.routes for field in others.fields)
    assert known + len(decision.trace) == len(routes)


@settings(deadline=None)
@given(_routes, _message)
def test_an_explanation_decides_the_same_and_has_a_trace_of_every_route(
    routes: list[Route], told: Message
) -> None:
    decision, whole = decide(told, RouteTable(routes), NOW), explain(told, RouteTable(routes), NOW)
    assert without_trace(decision) == without_trace(whole)
    assert [trace.route for trace in whole.trace] == [each.name for each in routes]
    assert [trace for trace in whole.trace if trace.matched] == [it for it in decision.trace if it.matched]
    assert whole.ruled_out == RuledOut()


def test_only_routes_for_the_type_and_with_the_value_are_tried() -> None:
    routes = [
        route("a", condition=ward("A")),
        route("b", condition=All((Exists(WARD, True), All((ward("B", "C"),))))),
        route("all"),
        route("off", enabled=False),
        route("adt", messages=(MessagePattern("ADT"),)),
    ]
    names, others = tried(routes, message("PV1|||C"))
    assert names == ["b", "all"]
    assert (others.other_types, others.disabled) == (1, 1)
    (field,) = others.fields
    assert (field.path, [value.text for value in field.found], field.routes) == (WARD, ["C"], 1)


def test_the_condition_that_the_fewest_share_is_looked_up() -> None:
    new = OneOf(FieldPath.parse("ORC-1"), ("NW",))
    routes = [route(name, condition=All((new, ward(name)))) for name in ("A", "B", "C")]
    names, others = tried(routes, message("ORC|NW", "PV1|||B"))
    assert names == ["B"]
    assert [field.path for field in others.fields] == [WARD]


@pytest.mark.parametrize("make", [lambda it: Not(it), lambda it: AnyOf((it, Exists(WARD, False)))])
def test_a_condition_that_needs_no_value_is_always_tried(make: type[Not]) -> None:
    assert tried([route("r", condition=make(ward("A")))], message("PV1|||B"))[0] == ["r"]


def test_a_field_that_no_route_left_asks_about_may_have_any_number_of_values() -> None:
    text = Matches(FieldPath.parse("OBX-5"), re.compile("x"))
    routes = RouteTable([route("r", condition=All((ward("A"), text))), route("s", condition=ward("B"))])
    many = message("PV1|||B", "OBX|||||" + "~".join(["x"] * 1001), "ZDS|1.2")
    with pytest.raises(MessageError, match="OBX-5 occurs 1001 times"):
        decide(many, RouteTable([route("r", condition=text)]), NOW)
    assert routes_of(explain(many, routes, NOW)) == ("s",)
    assert (
        explain(many, routes, NOW).trace[0].type_check.text
        == "OBX-5 occurs 1001 times; at most 1000 are read"
    )


def test_types_that_senders_make_up_are_not_all_remembered() -> None:
    table = RouteTable([route("r", messages=(MessagePattern("*"),))])
    assert all(table.takes(Header(type_code=f"X{number}" * 500)) for number in range(10))
    assert all(table.takes(Header(type_code=f"X{number}")) for number in range(1000))
    assert plan_of(decide(message("ZDS|1.2"), table, NOW)).requests
