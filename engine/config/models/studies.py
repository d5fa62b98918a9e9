"""Which studies a route asks for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from engine.config.fields import Duration, Listed, Path, Pattern, Text
from engine.config.models.base import Section, default
from engine.config.models.relevance import BUILTIN
from engine.routing.ordered import ACCESSION

# Where a message names the study it orders (IHE RAD TF-2 4.2 and 4.4): it is no prior of itself.
ORDERED_STUDY = ["ZDS-1.1", "IPC-3.1"]
ORDERED_ACCESSION = list(ACCESSION)
# Where it says what is ordered and when: universal service, procedure code and its modifiers, specimen source
# with body site and its modifier, supplemental service (ch. 4.5.3), IPC (ch. 4.20.1); TQ1, ORC.
ORDERED_CODE = ["OBR-4.1", "OBR-4.4", "OBR-44.1", "IPC-6.1"]
ORDERED_TEXT = [
    *("OBR-4.2", "OBR-4.5", "OBR-44.2", "IPC-6.2"),
    *("OBR-15.4", "OBR-15.5", "OBR-45.1", "OBR-45.2", "OBR-46.1", "OBR-46.2"),
]
ORDERED_MODALITY = ["OBR-24", "IPC-5"]
EXAM_DATE = ["OBR-36", "TQ1-7", "OBR-27.4", "ORC-7.4"]


class SeriesSection(Section):
    """Only these series of a study. ``uid`` is a field of the message; the others ask the archive."""

    uid: Path | None = None
    modality: Annotated[list[Text], Listed] = default([], "any of these")
    description: Pattern | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SeriesSection:
        if (self.uid is None) is (not self.modality and self.description is None):
            raise ValueError("either uid, or modality and description (one or both)")
        return self


class StudyItem(Section):
    """Studies whose UID the message names."""

    study: Path
    series: SeriesSection | None = None


class AccessionItem(Section):
    """Studies whose accession number the message names, found by C-FIND."""

    accession: Path
    patient: Path | None = default("PID-3.1", "whose they have to be: any of these IDs; ~ is anybody's")
    series: SeriesSection | None = None


Points = Annotated[int, Field(ge=0, le=1000)]


class WeightsSection(Section):
    """Points for what an earlier study has in common with the order."""

    group: Points = default(40, "procedure group; a related one gets its part of it")
    body_part: Points = 30
    modality: Points = default(10, "half of it for another one of the family")
    laterality: Points = default(10, "side, where the order names one of a body part that has two")
    age: Points = default(10, "on the day of the exam; none for ten years")


class RelevanceSection(Section):
    """How relevant earlier studies are told."""

    vocabulary: Text = default(BUILTIN, "a name under relevance")
    weights: WeightsSection = default({}, "points for what a study has in common with the order")
    minimum: Points = default(25, "relevant from so many points on")
    same: Annotated[list[Literal["group", "body_part", "modality", "laterality"]], Listed] = default(
        ["laterality"], "what is known to be another in one of these is left, whatever its points"
    )
    unknown: Literal["take", "leave"] = default(
        "take", "those of which too little is known to tell; they come after the relevant ones"
    )


class ExcludeSection(Section):
    """Studies that are never taken."""

    modality: Annotated[list[Text], Listed] = default([], "nothing but these in the study")
    description: Pattern | None = default(None, "found anywhere in the study description")
    body_part: Annotated[list[Text], Listed] = default([], "nothing but these; needs relevance")


class PriorsSection(Section):
    """The patient's earlier studies, found by C-FIND."""

    patient: Path = default("PID-3.1", "patient ID; the first value is used")
    issuer: str | None = default(
        None, "leave out studies whose Issuer of Patient ID is another; default: the authority of patient"
    )
    modality: Annotated[list[Text], Listed] = default([], "any of these in the study")
    within: Duration | None = default(None, "not older than this on the day of the exam")
    newest: Annotated[int, Field(ge=1)] | None = default(None, "at most so many, newest first")
    oldest: Annotated[int, Field(ge=0)] = default(0, "beside these, so many of the oldest relevant ones")
    at_least: Annotated[int, Field(ge=0)] = default(
        0, "where fewer are relevant, fill up with the best of the others"
    )
    relevance: (
        Annotated[
            Annotated[str, Tag("VocabularyName")] | Annotated[RelevanceSection, Tag("RelevanceSection")],
            Discriminator(lambda value: "RelevanceSection" if isinstance(value, dict) else "VocabularyName"),
        ]
        | None
    ) = default(None, "a vocabulary, or how relevant ones are told; default: all are relevant")
    exclude: ExcludeSection = default({}, "studies that are never taken")
    description: Pattern | None = default(None, "must match somewhere in the study description")
    series: SeriesSection | None = None
    ordered_study: Annotated[list[Path], Listed] = default(
        ORDERED_STUDY, "fields with the UID of the ordered study, which is no prior"
    )
    ordered_accession: Annotated[list[Path], Listed] = default(
        ORDERED_ACCESSION, "fields with its accession number"
    )
    ordered_code: Annotated[list[Path], Listed] = default(
        ORDERED_CODE, "fields with the code of the procedure"
    )
    ordered_text: Annotated[list[Path], Listed] = default(
        ORDERED_TEXT, "fields that name the procedure, its body part or side"
    )
    ordered_modality: Annotated[list[Path], Listed] = default(ORDERED_MODALITY, "fields with its modality")
    exam_date: Annotated[list[Path], Listed] = default(
        EXAM_DATE, "fields with the time of the exam: the first that holds one; else the day of the message"
    )

    @model_validator(mode="after")
    def _together(self) -> PriorsSection:
        if self.oldest and self.newest is None:
            raise ValueError("newest beside oldest: without it all are taken")
        if self.at_least and self.relevance is None:
            raise ValueError("relevance beside at_least: without it all are relevant")
        if self.newest is not None and self.at_least > self.newest:
            raise ValueError("at_least to be no more than newest")
        if self.exclude.body_part and self.relevance is None:
            raise ValueError("relevance beside exclude.body_part: its vocabulary knows the body parts")
        return self


class PriorsItem(Section):
    priors: PriorsSection


def _item(value: Any) -> str:
    for key, kind in (("accession", "AccessionItem"), ("priors", "PriorsItem")):
        if isinstance(value, dict) and key in value:
            return kind
    return "StudyItem"


Item = Annotated[
    Annotated[StudyItem, Tag("StudyItem")]
    | Annotated[AccessionItem, Tag("AccessionItem")]
    | Annotated[PriorsItem, Tag("PriorsItem")],
    Discriminator(_item),
]
