"""The section `replies` of routes.yaml."""

from __future__ import annotations

import pytest

from engine.config import ReplyRule, parse, reply_rule
from engine.errors import Complaint, ConfigError

ROUTES = """\
archives:
  main: {ae_title: ARCHIVE, host: 127.0.0.1, port: 4242}
destinations:
  room: {ae_title: ROOM}
routes:
  - {name: first, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room}
"""


def replies(*lines: str) -> tuple[ReplyRule, ...]:
    return parse(ROUTES + "\n".join(["replies:", *(f"  - {{{line}}}" for line in lines)])).replies


def complaint(*lines: str) -> Complaint:
    with pytest.raises(ConfigError) as caught:
        replies(*lines)
    (only,) = caught.value.complaints
    return only


def rule(application: str = "*", facility: str = "*") -> ReplyRule:
    return ReplyRule(application, facility, "10.0.0.7", 2576, True, 5, 600, 3 * 86_400)


def test_without_the_section_there_are_no_rules() -> None:
    assert parse(ROUTES).replies == ()


def test_a_rule_has_the_defaults_that_the_documentation_says() -> None:
    assert replies("application: HIS, to: 10.0.0.7:2576") == (rule("HIS"),)
    assert replies("facility: HOSP, to: 10.0.0.7:2576") == (rule("*", "HOSP"),)


def test_every_key_of_a_rule_counts() -> None:
    line = 'application: HIS, facility: "H?SP*", to: "[::1]:2576", accept: NE'
    retry = "retry: {first: 1s, longest: 1m, give_up: 2h}"
    assert replies(f"{line}, {retry}") == (ReplyRule("HIS", "H?SP*", "::1", 2576, False, 1, 60, 7200),)


@pytest.mark.parametrize(
    ("line", "where", "expected"),
    [
        ("to: 10.0.0.7:2576", "replies[0]", "application, facility or both (* takes every sender)"),
        ("application: HIS", "replies[0]", "the key 'to'"),
        ("application: HIS, to: 10.0.0.7", "replies[0].to", "host:port, such as"),
        ("application: HIS, to: 10.0.0.7:0", "replies[0].to", "host:port, such as 10.0.0.7:2576"),
        ("application: HIS, to: h:1, accept: ER", "replies[0].accept", "'AL' or 'NE'"),
        ("application: HIS, to: h:1, aplication: x", "replies[0].aplication", "'application'"),
        ("application: HIS, to: h:1, retry: {first: 0s}", "replies[0].retry.first", "longer than zero"),
        ("application: HIS, to: h:1, retry: {first: 1h}", "replies[0].retry", "longest to be no shorter"),
        ("application: HIS, to: h:1, retry: {give_up: 3}", "replies[0].retry.give_up", "a duration such as"),
        ("application: HIS, to: h:1, retry: {giveup: 3d}", "replies[0].retry.giveup", "'give_up'"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_cure(line: str, where: str, expected: str) -> None:
    found = complaint(line)
    assert (found.line, found.where) == (8, where)
    assert expected in found.expected


def test_a_second_rule_for_the_same_sender_is_a_mistake() -> None:
    found = complaint("application: HIS, to: h:1", 'application: HIS, facility: "*", to: h:2')
    assert (found.line, found.where) == (9, "replies[1]")
    assert found.expected == "a sender that no rule above names"
    assert "'HIS'" in found.found


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        (("HIS", "HOSP"), 0),
        (("HIS", "OTHER"), 1),
        (("HIS", ""), 1),
        (("RIS1", "HOSP"), 2),
        (("RIS10", "HOSP"), None),
        (("his", "HOSP"), None),
        (("A[1]", "X"), 3),
        (("A1", "X"), None),
        (("", ""), None),
    ],
)
def test_the_first_rule_that_matches_the_sender_counts(sender: tuple[str, str], number: int | None) -> None:
    rules = [rule("HIS", "HOSP"), rule("HIS"), rule("RIS?", "H*"), rule("A[1]")]
    found = reply_rule(rules, *sender)
    assert found is (None if number is None else rules[number])
