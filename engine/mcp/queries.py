"""The tools that ask and move nothing: pacs_query here, and pacs_echo and pacs_study_summary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.dicom.keys import Key, series_keys, study_keys
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import IdentifierError
from engine.mcp import echo, summary
from engine.mcp.asking import ask
from engine.mcp.desk import Desk
from engine.mcp.hints import ASKS
from engine.mcp.listing import SeriesTold, StudyTold, series_told, studies_told
from engine.mcp.result import clear, told
from engine.mcp.switches import PATIENT_DATA
from engine.scu import ArchiveClient
from engine.scu.find import Found
from engine.telling.content import Answer
from engine.telling.masking import Masking

_LEVELS = ("study", "series")
_MOST = 200
_OF_PATIENTS = ("patient_id", "patient_name")
_OF_SERIES = ("study_instance_uid", "modality", "description")
_WILD = "wild cards * and ? are allowed, beside two letters or digits at least"

_Level = Annotated[
    str, Field(description="study, or series of one study", json_schema_extra={"enum": list(_LEVELS)})
]
_StudyUid = Annotated[str, Field(description="exactly one; level series needs it")]
_Exact = Annotated[str, Field(description="exactly this one, no wild cards")]
_Name = Annotated[str, Field(description=f"family^given, such as Aal*^M*; {_WILD}")]
_Date = Annotated[
    str, Field(description="YYYYMMDD, YYYY-MM-DD, or a range: YYYYMMDD-YYYYMMDD, YYYYMMDD-, -YYYYMMDD")
]
_Modality = Annotated[str, Field(description="one that the study has, or of the series: such as CT")]
_Description = Annotated[str, Field(description=f"all of it, or a part such as *chest*; {_WILD}")]
_Archive = Annotated[str, Field(description="name of the archive, needed where several are listed")]
_Limit = Annotated[
    int,
    Field(
        description=f"1 to {_MOST}; the archive is told to stop when more match",
        json_schema_extra={"minimum": 1, "maximum": _MOST},
    ),
]


class QueryAnswer(Answer):
    """What a C-FIND found."""

    archive: str = Field(description="the archive that was asked, by its name in the routes file")
    level: str = Field(description="study or series")
    asked: dict[str, str] = Field(description="the keys that were asked; those of a patient masked")
    count: int = Field(description="how many are listed here")
    truncated: bool = Field(description="true: there are more, and these are not the newest of them")
    left_out: int = Field(description="results that the archive gave though they do not match what was asked")
    studies: list[StudyTold] = Field(description="newest first; empty at level series")
    series: list[SeriesTold] = Field(description="by number; empty at level study")


@dataclass(frozen=True, slots=True)
class _Query:
    """The arguments: level, limit, and the keys that were given, by the names of the arguments."""

    level: str
    limit: int
    given: dict[str, str]

    def keys(self, masking: Masking) -> dict[str, Key]:
        """IdentifierError for what must not be asked, or would be asked in vain."""
        if self.level not in _LEVELS:
            raise IdentifierError(f"level {self.level!r} is none; give study or series")
        if not 1 <= self.limit <= _MOST:
            raise IdentifierError(
                f"limit {self.limit} is not between 1 and {_MOST}; narrow the query instead"
            )
        if any(masking.is_pseudonym(self._value(name)) for name in _OF_PATIENTS):
            raise IdentifierError(
                "a masked value is known to no archive; ask by study_instance_uid or accession_number, or "
                f"let the operator show patient data ({PATIENT_DATA})"
            )
        return self._of_studies() if self.level == "study" else self._of_series()

    def _of_studies(self) -> dict[str, Key]:
        return study_keys(
            study_uid=self._value("study_instance_uid"),
            patient_id=self._value("patient_id"),
            accession=self._value("accession_number"),
            patient_name=self._value("patient_name"),
            date=self._value("study_date"),
            modality=self._value("modality"),
            description=self._value("description"),
        )

    def _of_series(self) -> dict[str, Key]:
        if "study_instance_uid" not in self.given:
            raise IdentifierError(
                "level series needs study_instance_uid; find the study at level study first"
            )
        if others := [name for name in self.given if name not in _OF_SERIES]:
            text = "level series asks within one study, by modality and description"
            raise IdentifierError(f"{text}; leave out {', '.join(others)}")
        study, modality, description = map(self._value, _OF_SERIES)
        return series_keys(study, modality=modality, description=description)

    def _value(self, name: str) -> str:
        return self.given.get(name, "")

    def shown(self, masking: Masking) -> dict[str, str]:
        """The keys as they may be repeated."""
        return {
            name: masking.value(value) if name in _OF_PATIENTS else value
            for name, value in self.given.items()
        }


def register(server: MCPServer, desk: Desk) -> None:
    """Add pacs_echo, pacs_query and pacs_study_summary."""
    echo.register(server, desk)
    summary.register(server, desk)

    @server.tool(
        title="PACS Query (C-FIND)",
        annotations=ASKS,
    )
    @clear
    async def pacs_query(
        level: _Level = "study",
        study_instance_uid: _StudyUid = "",
        patient_id: _Exact = "",
        accession_number: _Exact = "",
        patient_name: _Name = "",
        study_date: _Date = "",
        modality: _Modality = "",
        description: _Description = "",
        archive: _Archive = "",
        limit: _Limit = 20,
    ) -> Annotated[CallToolResult, QueryAnswer]:
        """Find studies, or the series of one study, in an archive (PACS) by C-FIND. Moves nothing and needs
        no switch.

        At level study give at least one of study_instance_uid, patient_id, accession_number, patient_name,
        study_date, description; all that are given have to match. Level series needs study_instance_uid, and
        takes modality and description beside it. Finding nothing is no error. Where more match than the
        limit, truncated is true and those listed are the first that the archive gave: narrow the query.
        Patient data is masked unless the operator shows it; a masked value cannot be asked for.
        """
        given = {
            "study_instance_uid": study_instance_uid,
            "patient_id": patient_id,
            "accession_number": accession_number,
            "patient_name": patient_name,
            "study_date": study_date,
            "modality": modality,
            "description": description,
        }
        query = _Query(level, limit, {name: value for name, value in given.items() if value})
        keys, source = query.keys(desk.masking), desk.archive(archive)
        question = partial(_found, query, keys, source.name, desk.masking)
        found = await ask(source, question, desk.masking)
        return told(_text(found), found)


def _found(
    query: _Query, keys: dict[str, Key], archive: str, masking: Masking, client: ArchiveClient
) -> QueryAnswer:
    studies: list[StudyTold] = []
    series: list[SeriesTold] = []
    found: Found[StudyRecord] | Found[SeriesRecord]
    if query.level == "study":
        found = client.list_studies(keys, query.limit)
        studies = studies_told(found.matches, masking)
    else:
        found = client.list_series(keys, query.limit)
        series = series_told(found.matches)
    return QueryAnswer(
        archive=archive,
        level=query.level,
        asked=query.shown(masking),
        count=len(found.matches),
        truncated=found.truncated,
        left_out=found.left_out,
        studies=studies,
        series=series,
    )


def _text(answer: QueryAnswer) -> str:
    lines = [_headline(answer)]
    lines += [f"{number}. {one}" for number, one in enumerate([*answer.studies, *answer.series], 1)]
    if answer.left_out:
        lines.append(
            f"{answer.left_out} results left out, for they do not match what was asked: the archive ignores "
            "a key, or matches it loosely"
        )
    return "\n".join(lines)


def _headline(answer: QueryAnswer) -> str:
    asked = ", ".join(f"{name} {value!r}" for name, value in answer.asked.items())
    noun = "series" if answer.level == "series" else "study" if answer.count == 1 else "studies"
    if not answer.truncated:
        return f"{answer.archive} has {answer.count or 'no'} {noun} with {asked}"
    cure = "narrow the query" + (f", or raise limit (at most {_MOST})" if answer.count < _MOST else "")
    return (
        f"{answer.archive} has more than {answer.count} {noun} with {asked}; these are the first that it "
        f"gave, not the newest, and it was told to stop: {cure}"
    )
