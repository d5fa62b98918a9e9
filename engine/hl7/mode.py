"""Acknowledgment modes (HL7 v2 ch. 2.9.2 and 2.9.3): what a sender asks for in MSH-15 and MSH-16."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.hl7.ack import AckCode
from engine.hl7.encoding import NULL
from engine.hl7.message import Header


class Condition(StrEnum):
    """HL7 table 0155, accept/application acknowledgment conditions."""

    ALWAYS = "AL"
    NEVER = "NE"
    ERROR = "ER"
    SUCCESS = "SU"

    def wants(self, *, success: bool) -> bool:
        """Whether an acknowledgment is wanted for a success (or a failure)."""
        return self is Condition.ALWAYS or self is (Condition.SUCCESS if success else Condition.ERROR)


@dataclass(frozen=True, slots=True)
class Mode:
    """``enhanced``: an accept acknowledgment (CA, CE, CR) when the message is kept, an application
    acknowledgment (AA, AE, AR) as an exchange of its own later, each where its condition wants it.
    Otherwise original mode: one acknowledgment, always."""

    enhanced: bool
    accept: Condition = Condition.NEVER
    application: Condition = Condition.ALWAYS


ORIGINAL = Mode(enhanced=False)


def mode_of(header: Header) -> Mode:
    """Original where MSH-15 and MSH-16 are both empty. In enhanced mode an empty one asks for nothing, and a
    code that table 0155 does not have counts as AL: an answer too many is better than a message in doubt."""
    accept, application = _valued(header.accept_condition), _valued(header.application_condition)
    if not accept and not application:
        return ORIGINAL
    return Mode(True, _condition(accept), _condition(application))


def _valued(text: str) -> str:
    """HL7 null counts as empty."""
    return "" if text == NULL else text


def _condition(text: str) -> Condition:
    if not text:
        return Condition.NEVER
    try:
        return Condition(text.upper())
    except ValueError:
        return Condition.ALWAYS


_ACCEPT = {AckCode.AA: AckCode.CA, AckCode.AE: AckCode.CE, AckCode.AR: AckCode.CR}


def accept_code(code: AckCode) -> AckCode:
    """The code of enhanced mode's first step for one of original mode: CA, CE, CR (HL7 table 0008)."""
    return _ACCEPT.get(code, code)
