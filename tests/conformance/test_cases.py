"""Every case of every table, against Forefetch on real sockets."""

from __future__ import annotations

import pytest

from tests.conformance.case import Case, Receiver, tables
from tests.conformance.runner import Runner

_CASES = [
    pytest.param(table.receiver, case, id=f"{table.name}: {case.name}")
    for table in tables()
    for case in table.cases
]


@pytest.mark.parametrize(("receiver", "case"), _CASES)
def test_forefetch_does_what_the_case_asks(
    runners: dict[Receiver, Runner], receiver: Receiver, case: Case
) -> None:
    runners[receiver].run(case)
