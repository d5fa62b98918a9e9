"""Which messages are taken at all, before any route is asked (HL7 v2 ch. 2.9.2.2, table 0357: 200 to 203)."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from engine.errors import ErrorCode, MessageError
from engine.hl7.message import Header
from engine.routing.table import RouteTable


@dataclass(frozen=True, slots=True)
class Sender:
    """Patterns for MSH-3.1 and MSH-4.1; ``*`` and ``?`` are wild cards."""

    application: str = "*"
    facility: str = "*"

    def matches(self, header: Header) -> bool:
        return fnmatchcase(header.application, self.application) and fnmatchcase(
            header.facility, self.facility
        )


@dataclass(frozen=True, slots=True)
class Admission:
    """What the operator accepts. Empty means anything; ``unrouted`` says whether a message that no route is
    for is accepted (there is nothing to do) or rejected."""

    senders: tuple[Sender, ...] = ()
    processing_ids: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    unrouted: bool = True


ANYTHING = Admission()


def examine(header: Header, admission: Admission, table: RouteTable) -> None:
    """MessageError, an AR, for what is not accepted."""
    if admission.senders and not any(sender.matches(header) for sender in admission.senders):
        raise _rejected(
            "sender is not among those accepted (intake.senders)", ErrorCode.TABLE_VALUE_NOT_FOUND, "MSH-3.1"
        )
    processing = header.processing_id.partition(header.delimiters.component)[0]
    if admission.processing_ids and processing not in admission.processing_ids:
        accepted = ", ".join(admission.processing_ids)
        raise _rejected(
            f"processing ID {processing!r} is not accepted: {accepted}",
            ErrorCode.UNSUPPORTED_PROCESSING_ID,
            "MSH-11.1",
        )
    if admission.versions and not any(fnmatchcase(header.version, it) for it in admission.versions):
        accepted = ", ".join(admission.versions)
        raise _rejected(
            f"version {header.version!r} is not accepted: {accepted}",
            ErrorCode.UNSUPPORTED_VERSION,
            "MSH-12.1",
        )
    if not admission.unrouted:
        _examine_type(header, table)


def _examine_type(header: Header, table: RouteTable) -> None:
    if table.takes(header):
        return
    if table.takes_type(header.type_code):
        raise _rejected(
            f"no route is for the event {header.message_type}", ErrorCode.UNSUPPORTED_EVENT, "MSH-9.2"
        )
    raise _rejected(
        f"no route is for messages of type {header.type_code}", ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "MSH-9.1"
    )


def _rejected(text: str, code: ErrorCode, location: str) -> MessageError:
    return MessageError(text, code=code, location=location, reject=True)
