"""The conditions of a route."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from engine.config.fields import Path, Pattern, Text, When
from engine.config.models.base import Section


class DateSection(Section):
    after: When | None = None
    before: When | None = None

    @model_validator(mode="after")
    def _some(self) -> DateSection:
        if self.after is None and self.before is None:
            raise ValueError("after, before or both")
        return self


class FieldCondition(Section):
    """A condition on the values of one field; exactly one operator."""

    field: Path
    equals: Text | None = None
    in_: Annotated[list[Text] | None, Field(alias="in", min_length=1)] = None
    regex: Pattern | None = None
    exists: bool | None = None
    date: DateSection | None = None

    @model_validator(mode="after")
    def _one_operator(self) -> FieldCondition:
        operators = (self.equals, self.in_, self.regex, self.exists, self.date)
        if sum(operator is not None for operator in operators) != 1:
            raise ValueError("exactly one of equals, in, regex, exists, date")
        return self


class NotCondition(Section):
    not_: Annotated[ConditionSection, Field(alias="not")]


class AllCondition(Section):
    all_: Annotated[list[ConditionSection], Field(alias="all", min_length=1)]


class AnyCondition(Section):
    any_: Annotated[list[ConditionSection], Field(alias="any", min_length=1)]


def _kind(value: Any) -> str:
    for key, kind in (("not", "NotCondition"), ("all", "AllCondition"), ("any", "AnyCondition")):
        if isinstance(value, dict) and key in value:
            return kind
    return "FieldCondition"


ConditionSection = Annotated[
    Annotated[NotCondition, Tag("NotCondition")]
    | Annotated[AllCondition, Tag("AllCondition")]
    | Annotated[AnyCondition, Tag("AnyCondition")]
    | Annotated[FieldCondition, Tag("FieldCondition")],
    Discriminator(_kind),
]
