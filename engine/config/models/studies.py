"""Which studies a route asks for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from engine.config.fields import Duration, Listed, Path, Pattern, Text
from engine.config.models.base import Section, default

# Where a message names the study it orders (IHE RAD TF-2 4.2 and 4.4): it is no prior of itself.
ORDERED_STUDY = ["ZDS-1.1", "IPC-3.1"]
ORDERED_ACCESSION = ["IPC-1.1", "OBR-18", "OBR-3.1", "ORC-3.1"]


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


class PriorsSection(Section):
    """The patient's earlier studies, found by C-FIND."""

    patient: Path = default("PID-3.1", "patient ID; the first value is used")
    issuer: str | None = default(
        None, "leave out studies whose Issuer of Patient ID is another; default: the authority of patient"
    )
    modality: Annotated[list[Text], Listed] = default([], "any of these in the study")
    within: Duration | None = default(None, "not older than this")
    newest: Annotated[int, Field(ge=1)] | None = default(None, "at most so many, newest first")
    description: Pattern | None = default(None, "must match somewhere in the study description")
    series: SeriesSection | None = None
    ordered_study: Annotated[list[Path], Listed] = default(
        ORDERED_STUDY, "fields with the UID of the ordered study, which is no prior"
    )
    ordered_accession: Annotated[list[Path], Listed] = default(
        ORDERED_ACCESSION, "fields with its accession number"
    )


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
