"""Validation of whole messages against the standard's structures, by hl7apy, where a route asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from engine.errors import ErrorCode, MessageError
from engine.hl7.message import Message
from engine.hl7.segments import split_segments


def require_valid(message: Message, profiles: Iterable[Any]) -> None:
    """MessageError where hl7apy finds a fault by one of these message profiles (None: the standard's own
    structures). It takes its time."""
    for profile in profiles:
        fault = faults_of(message, profile)
        if fault:
            text = f"not valid for HL7 {message.header.version}: {fault}"
            raise MessageError(text, code=ErrorCode.SEGMENT_SEQUENCE)


def faults_of(message: Message, profile: Any = None) -> str:
    """What hl7apy finds against the structure of the message in its own version; empty where it is valid.

    ``profile``: a message profile that hl7apy has loaded, instead of the standard's structures. The text
    names segments and fields, and may name a value.
    """
    text = message.raw[message.raw.index(b"MSH") :].decode(message.header.codec, "replace")
    text = "\r".join(split_segments(text))
    try:
        parse_message(
            text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True, message_profile=profile
        ).validate()
    except HL7apyException as error:
        return str(error)
    except (AttributeError, KeyError, ValueError, TypeError, IndexError) as error:
        # hl7apy raises these for structures that its tables do not have, such as 2.3 and older
        return f"hl7apy cannot read it ({type(error).__name__})"
    return ""
