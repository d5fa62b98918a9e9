"""How long messages are kept."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from engine.config.fields import Duration, Off, Size
from engine.config.models.base import Section, default

_SHORTEST = dt.timedelta(days=2)


class RetentionSection(Section):
    """Messages leave the journal when the first of these limits is exceeded, the oldest first."""

    age: Duration | None = default(None, "older messages go; 2d or longer; default: no limit")
    messages: Annotated[int, Field(ge=1)] | None = default(None, "so many are kept; default: no limit")
    size: Size | None = default(None, "of the journal, such as 20GB; default: no limit")

    @field_validator("age")
    @classmethod
    def _long(cls, age: dt.timedelta | None) -> dt.timedelta | None:
        if age is not None and age < _SHORTEST:
            raise ValueError("2d or longer: budgets count what was moved today")
        return age

    @model_validator(mode="after")
    def _some(self) -> RetentionSection:
        if self.age is None and self.messages is None and self.size is None:
            raise ValueError("age, messages, size or several of them; off keeps everything")
        return self


def _retention(value: Any) -> str:
    return "Off" if isinstance(value, str) else "RetentionSection"


RetentionChoice = Annotated[
    Annotated[RetentionSection, Tag("RetentionSection")] | Annotated[Off, Tag("Off")],
    Discriminator(_retention),
]
