"""The words by which earlier studies are told relevant."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from engine.config.fields import Listed, Pattern, Text
from engine.config.models.base import Section, default

BUILTIN = "builtin"

Words = Annotated[list[Text], Listed]


class GroupSection(Section):
    """Procedures that are read together: those with one of the codes; or those of one of the modalities whose
    text matches one of the patterns or names one of the body parts."""

    codes: Words = default([], "OBR-4 as in the message: CTTHX, or CTTHX^^LOCAL for that coding system only")
    text: Annotated[list[Pattern], Listed] = default([], "found anywhere in the text of the procedure")
    body_part: Words = default([], "named in the text of the procedure")
    modality: Words = default([], "of these only")

    @model_validator(mode="after")
    def _something(self) -> GroupSection:
        if not (self.codes or self.text or self.body_part):
            raise ValueError("codes, text or body_part")
        return self


class RelationSection(Section):
    """Groups that are relevant to each other, each to each."""

    groups: Annotated[list[Text], Field(min_length=2)]
    weight: Annotated[float, Field(ge=0, le=1, description="1 is as good as the same group")]


class LateralitySection(Section):
    """Words for sides. A single L, R or B counts as the last word of a text, whatever stands here."""

    left: Words = default([], "such as left, links")
    right: Words = default([], "such as right, rechts")
    both: Words = default([], "such as bilateral")


class VocabularySection(Section):
    """How a site writes procedures, body parts and sides. Words: case and accents do not count; ``*`` at the
    end (or the beginning) stands for the rest of a word."""

    extends: Text | None = default(
        BUILTIN, "the vocabulary that this one adds to; ~ for none. A group of the same name replaces"
    )
    groups: dict[str, GroupSection] = default({}, "procedure groups by name")
    related: list[RelationSection] = default(
        [], "which groups are relevant to each other; the last one counts"
    )
    body_parts: dict[str, Words] = default({}, "words for each body part, beside its name")
    regions: dict[str, Words] = default({}, "what a body part contains")
    modality_families: dict[str, Words] = default({}, "modalities that are read like each other")
    laterality: LateralitySection = default({}, "words for sides")
    paired: Words = default([], "body parts that have a left and a right one")
