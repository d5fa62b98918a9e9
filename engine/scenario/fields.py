"""The kinds of scalar that a scenario is written with. A refusal says what is expected, with an example."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from engine.config.fields import duration
from engine.dicom.identifiers import valid_uid
from engine.errors import IdentifierError
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.task import Priority


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a value has to be: this text, or where written ``/…/`` a text that the pattern is found in."""

    text: str
    pattern: re.Pattern[str] | None = None

    def fits(self, value: object) -> bool:
        if self.pattern is not None:
            return self.pattern.search(str(value)) is not None
        return str(value) == self.text

    def __str__(self) -> str:
        return self.text if self.text else "nothing"

    @classmethod
    def parse(cls, text: object) -> Wanted:
        """From YAML. ValueError for a list, a mapping, or what is no regular expression."""
        if text is None:
            return cls("")
        if not isinstance(text, str):
            raise ValueError("a value, or a pattern such as /CT|MR/")
        if len(text) < 3 or not (text[0] == text[-1] == "/"):
            return cls(text)
        try:
            return cls(text, re.compile(text[1:-1]))
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"a regular expression between slashes ({error})") from None


def _one_of(words: Iterable[str]) -> Callable[[object], Wanted]:
    known = tuple(words)

    def parse(text: object) -> Wanted:
        wanted = Wanted.parse(text)
        if wanted.pattern is None and wanted.text not in known:
            raise ValueError(f"one of {', '.join(known)}, or a pattern between slashes")
        return wanted

    return parse


def _uid(text: object) -> str:
    try:
        return valid_uid(text if isinstance(text, str) else "")
    except IdentifierError as error:
        raise ValueError(f"a UID such as 2.25.1001 ({error})") from None


def _wait(text: object) -> float | None:
    """Seconds, or None for as long as it takes."""
    if text == "settled":
        return None
    try:
        return duration(text).total_seconds()
    except ValueError:
        raise ValueError("a duration such as 2s, or settled") from None


_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
Value = Annotated[Wanted, PlainValidator(Wanted.parse), WithJsonSchema(_SCALAR)]
Status = Annotated[Wanted, PlainValidator(_one_of(TaskStatus)), WithJsonSchema(_SCALAR)]
CauseWord = Annotated[Wanted, PlainValidator(_one_of(Cause)), WithJsonSchema(_SCALAR)]
PriorityWord = Annotated[
    Wanted, PlainValidator(_one_of(it.name.lower() for it in Priority)), WithJsonSchema(_SCALAR)
]
Uid = Annotated[str, PlainValidator(_uid), WithJsonSchema({"type": "string", "examples": ["2.25.1001"]})]
Wait = Annotated[
    float | None, PlainValidator(_wait), WithJsonSchema({"type": "string", "examples": ["2s", "settled"]})
]
