"""Every pair of MSH-15 and MSH-16: for a message that goes well, one whose retrieve fails, one refused."""

from __future__ import annotations

import itertools

import pytest

from tests.conformance.case import Case, Receiver
from tests.conformance.matrix_cases import acknowledgment_cases, matrix_cases, rows
from tests.conformance.runner import Runner


@pytest.mark.parametrize("case", matrix_cases() + acknowledgment_cases(), ids=lambda case: case.name)
def test_forefetch_acknowledges_as_it_is_asked_to(runners: dict[Receiver, Runner], case: Case) -> None:
    runners[Receiver.FOREFETCH].run(case)


def test_the_matrix_has_every_pair_with_every_fate() -> None:
    kinds = ("", "AL", "NE", "ER", "SU")
    found = [(row.accept, row.application, row.fate) for row in rows()]
    assert found == list(itertools.product(kinds, kinds, ("good", "fails", "refused")))


def test_the_matrix_follows_the_rules_of_table_0155() -> None:
    for row in rows():
        if not row.accept and not row.application:
            continue
        positive, negative = ("AL", "SU"), ("AL", "ER")
        refused = row.fate == "refused"
        accept = ("CE" if refused else "CA") if row.accept in (negative if refused else positive) else ""
        asked = row.application in (positive if row.fate == "good" else negative)
        application = ("AA" if row.fate == "good" else "AE") if asked and not (refused and accept) else ""
        assert row.codes == tuple(code for code in (accept, application) if code), row
