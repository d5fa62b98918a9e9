from __future__ import annotations

import pytest

from engine.dicom.status import CANCEL, PENDING, SUCCESS, MoveStatus, is_pending, move_status

DEFINED = {
    0x0000: MoveStatus.SUCCESS,
    0x0124: MoveStatus.NOT_AUTHORIZED,
    0xA701: MoveStatus.CANNOT_COUNT,
    0xA702: MoveStatus.CANNOT_PERFORM,
    0xA801: MoveStatus.DESTINATION_UNKNOWN,
    0xA900: MoveStatus.IDENTIFIER_MISMATCH,
    0xB000: MoveStatus.SUBOPERATIONS_FAILED,
    0xFE00: MoveStatus.CANCELED,
}


@pytest.mark.parametrize(("code", "status"), list(DEFINED.items()))
def test_each_defined_code_has_its_own_class(code: int, status: MoveStatus) -> None:
    assert move_status(code) is status


@pytest.mark.parametrize("code", [0xC000, 0xC001, 0xC515, 0xCFFF])
def test_every_code_that_begins_with_c_is_unable_to_process(code: int) -> None:
    assert move_status(code) is MoveStatus.UNABLE_TO_PROCESS


@pytest.mark.parametrize(
    "code", [0x0001, 0x0107, 0x0122, 0x0211, 0xA700, 0xA800, 0xA901, 0xB001, 0xBFFF, 0xD000, 0xFF00, 0xFFFF]
)
def test_a_code_that_no_clause_defines_is_never_more_than_other(code: int) -> None:
    assert move_status(code) is MoveStatus.OTHER


def test_exactly_one_code_of_all_is_success() -> None:
    assert [code for code in range(0x10000) if move_status(code) is MoveStatus.SUCCESS] == [SUCCESS]


def test_every_class_is_reached_by_some_code() -> None:
    assert {move_status(code) for code in range(0x10000)} == set(MoveStatus)


def test_exactly_the_two_pending_codes_are_pending() -> None:
    assert {code for code in range(0x10000) if is_pending(code)} == PENDING == {0xFF00, 0xFF01}


def test_a_cancel_is_final() -> None:
    assert not is_pending(CANCEL)
