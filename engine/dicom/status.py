"""C-MOVE response status codes and what they mean (PS3.4 table C.4-2, PS3.7 annex C)."""

from __future__ import annotations

from enum import StrEnum

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = frozenset({0xFF00, 0xFF01})


class MoveStatus(StrEnum):
    """The classes of final C-MOVE statuses that call for different answers."""

    SUCCESS = "success"
    SUBOPERATIONS_FAILED = "one or more sub-operations failed"
    CANNOT_COUNT = "out of resources: unable to calculate the number of matches"
    CANNOT_PERFORM = "out of resources: unable to perform sub-operations"
    DESTINATION_UNKNOWN = "move destination unknown"
    IDENTIFIER_MISMATCH = "identifier does not match the SOP class"
    UNABLE_TO_PROCESS = "unable to process"
    CANCELED = "canceled"
    NOT_AUTHORIZED = "not authorized"
    OTHER = "status that PS3.4 C.4.2 does not define"


_EXACT = {
    SUCCESS: MoveStatus.SUCCESS,
    0xB000: MoveStatus.SUBOPERATIONS_FAILED,
    0xA701: MoveStatus.CANNOT_COUNT,
    0xA702: MoveStatus.CANNOT_PERFORM,
    0xA801: MoveStatus.DESTINATION_UNKNOWN,
    0xA900: MoveStatus.IDENTIFIER_MISMATCH,
    0x0124: MoveStatus.NOT_AUTHORIZED,
    CANCEL: MoveStatus.CANCELED,
}


def move_status(code: int) -> MoveStatus:
    """The class of a final C-MOVE status. Codes that no clause defines are OTHER, never success."""
    if 0xC000 <= code <= 0xCFFF:
        return MoveStatus.UNABLE_TO_PROCESS
    return _EXACT.get(code, MoveStatus.OTHER)


def is_pending(code: int) -> bool:
    """Whether more responses follow (0xFF00; 0xFF01 is C-FIND's)."""
    return code in PENDING
