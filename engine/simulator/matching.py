"""C-FIND attribute matching (PS3.4 C.2.2.2): does a value of the archive satisfy a key of the query?

Universal, single value, list of UID, wild card and range matching. Sequence matching is not supported.
"""

from __future__ import annotations

import re

from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

_RANGES = frozenset({"DA", "TM"})
_LITERAL = frozenset({"DA", "TM", "UI", "IS"})  # C.2.2.2.4: no wild cards
_WILD = {"*": ".*", "?": "."}


def texts(element: DataElement) -> tuple[str, ...]:
    """The values of an element without padding; none where it is empty."""
    if element.is_empty:
        return ()
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    return tuple(str(value).strip() for value in values)


def matches(key: DataElement, element: DataElement) -> bool:
    """Whether one of the values satisfies one of the key's. An empty key is satisfied by everything."""
    wanted = texts(key)
    if not any(wanted):
        return True
    values = texts(element) or ("",)
    return any(_match(element.VR, text, value) for text in wanted for value in values)


def _match(vr: str, key: str, value: str) -> bool:
    if vr in _RANGES and "-" in key:
        return _in_range(key, value)
    if vr == "PN":  # C.2.2.2.1: names may be compared without regard to case; trailing ^ mean nothing
        key, value = key.casefold().rstrip("^"), value.casefold().rstrip("^")
    if vr in _LITERAL or not _WILD.keys() & set(key):
        return key == value
    pattern = "".join(_WILD.get(character, re.escape(character)) for character in key)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _in_range(key: str, value: str) -> bool:
    """C.2.2.2.5: both ends belong to the range; one with less precision includes all that begins with it."""
    low, _, high = key.partition("-")
    return bool(value) and low <= value and (not high or value[: len(high)] <= high)
