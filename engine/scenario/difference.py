"""One thing that is not as expected."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """``place`` is a step or a part of what is expected; ``what`` the value in it."""

    place: str
    what: str
    expected: str
    got: str
