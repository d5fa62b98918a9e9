"""Acknowledgment modes: every pair of MSH-15 and MSH-16."""

from __future__ import annotations

import itertools

import pytest

from engine.hl7.ack import AckCode
from engine.hl7.message import Header, Message
from engine.hl7.mode import ORIGINAL, Condition, Mode, accept_code, mode_of

TABLE_0155 = {"AL": Condition.ALWAYS, "NE": Condition.NEVER, "ER": Condition.ERROR, "SU": Condition.SUCCESS}
MEANS = {"": Condition.NEVER, **TABLE_0155}


def header(accept: str, application: str) -> Header:
    return Message(f"MSH|^~\\&|RIS|WARD|FF|PACS|||ORM^O01|1|P|2.5|||{accept}|{application}".encode()).header


def test_the_conditions_are_those_of_table_0155() -> None:
    assert {condition.value: condition for condition in Condition} == TABLE_0155


@pytest.mark.parametrize(
    ("condition", "on_success", "on_failure"),
    [
        (Condition.ALWAYS, True, True),
        (Condition.NEVER, False, False),
        (Condition.ERROR, False, True),
        (Condition.SUCCESS, True, False),
    ],
)
def test_a_condition_wants_its_acknowledgments(
    condition: Condition, on_success: bool, on_failure: bool
) -> None:
    assert condition.wants(success=True) is on_success
    assert condition.wants(success=False) is on_failure


@pytest.mark.parametrize(("accept", "application"), [*itertools.product(MEANS, MEANS)])
def test_every_pair_has_its_mode(accept: str, application: str) -> None:
    expected = Mode(True, MEANS[accept], MEANS[application]) if accept or application else ORIGINAL
    assert mode_of(header(accept, application)) == expected


def test_original_mode_is_not_enhanced_and_wants_its_one_answer() -> None:
    assert not ORIGINAL.enhanced
    assert ORIGINAL.application is Condition.ALWAYS
    assert ORIGINAL.accept is Condition.NEVER


@pytest.mark.parametrize("line", ["MSH|^~\\&|||||||ORM^O01|1|P|2.5", "MSH|^~\\&|||||||ORM^O01|1"])
def test_a_header_that_ends_before_the_conditions_asks_for_original_mode(line: str) -> None:
    assert mode_of(Message(line.encode()).header) == ORIGINAL


@pytest.mark.parametrize("nothing", ["", "  ", '""'])
def test_blanks_and_null_are_no_condition(nothing: str) -> None:
    assert mode_of(header(nothing, nothing)) == ORIGINAL
    assert mode_of(header("AL", nothing)) == Mode(True, Condition.ALWAYS, Condition.NEVER)
    assert mode_of(header(nothing, "AL")) == Mode(True, Condition.NEVER, Condition.ALWAYS)


@pytest.mark.parametrize("odd", ["XX", "A", "AL^NE", "always", "1"])
def test_a_code_that_is_not_in_the_table_counts_as_always(odd: str) -> None:
    assert mode_of(header(odd, "")) == Mode(True, Condition.ALWAYS, Condition.NEVER)
    assert mode_of(header("", odd)) == Mode(True, Condition.NEVER, Condition.ALWAYS)


@pytest.mark.parametrize("name", TABLE_0155)
def test_small_letters_and_blanks_around_a_code_are_taken(name: str) -> None:
    assert mode_of(header(name.lower(), f" {name} ")) == Mode(True, TABLE_0155[name], TABLE_0155[name])


def test_an_accept_acknowledgment_has_the_code_of_the_first_step() -> None:
    assert {code: accept_code(code) for code in AckCode} == {
        AckCode.AA: AckCode.CA,
        AckCode.AE: AckCode.CE,
        AckCode.AR: AckCode.CR,
        AckCode.CA: AckCode.CA,
        AckCode.CE: AckCode.CE,
        AckCode.CR: AckCode.CR,
    }
