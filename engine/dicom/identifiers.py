"""What may go on the wire as a UID, an AE title or a matching key.

Checked before any association is opened: a list of UIDs (``A\\B``, PS3.4 C.2.2.2.2) would move several
studies, ``*`` and ``?`` are wild cards (PS3.4 C.2.2.2.4) and an empty key matches everything (C.2.2.2.3).
"""

from __future__ import annotations

import re

from engine.errors import IdentifierError

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")  # PS3.5 9.1
_UID_LENGTH = 64
_AE_TITLE_LENGTH = 16
_KEY_LENGTH = 64  # the longest of LO (PatientID) and SH (AccessionNumber), PS3.5 6.2


def valid_uid(text: str, what: str = "UID") -> str:
    """The UID, or IdentifierError. At most 64 of digits and single dots, no leading zeros (PS3.5 9.1)."""
    if "\\" in text:
        raise IdentifierError(f"{what} is a list of UIDs ({text}); exactly one is allowed")
    if not text:
        raise IdentifierError(f"{what} is empty")
    if len(text) > _UID_LENGTH:
        raise IdentifierError(f"{what} {text[:_UID_LENGTH]!r}… has {len(text)} characters; 64 are allowed")
    if not _UID.fullmatch(text):
        raise IdentifierError(f"{what} {text!r} is not a UID (numbers joined by dots, no leading zeros)")
    return text


def valid_ae_title(text: str, what: str = "AE title") -> str:
    """The AE title without its padding spaces, or IdentifierError (PS3.5 6.2, AE: 1 to 16 characters)."""
    title = text.strip(" ")
    if not title:
        raise IdentifierError(f"{what} is empty")
    if len(title) > _AE_TITLE_LENGTH:
        raise IdentifierError(f"{what} {title!r} has {len(title)} characters; 16 are allowed")
    if "\\" in title or not all(" " <= character <= "~" for character in title):
        raise IdentifierError(f"{what} {title!r} has a backslash or a character that is not printable ASCII")
    return title


def valid_key(text: str, what: str) -> str:
    """A value for single value matching (PS3.4 C.2.2.2.1), or IdentifierError."""
    key = text.strip(" ")
    if not key:
        raise IdentifierError(f"{what} is empty; an empty key would match every study")
    if len(key) > _KEY_LENGTH:
        raise IdentifierError(f"{what} has {len(key)} characters; {_KEY_LENGTH} are allowed")
    for wild in "*?\\":
        if wild in key:
            raise IdentifierError(f"{what} has the character {wild}, which would match other studies too")
    if not key.isprintable():  # control characters and lone surrogates among them
        raise IdentifierError(f"{what} has a control character, or one that cannot be printed")
    return key
