"""The tool that sums up one study: pacs_study_summary."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.dicom.keys import series_keys, study_keys
from engine.dicom.study import SeriesRecord, StudyRecord, total
from engine.mcp.asking import ask
from engine.mcp.desk import Desk
from engine.mcp.hints import ASKS
from engine.mcp.listing import SeriesTold, StudyTold, series_told, studies_told
from engine.mcp.result import clear, refused, told
from engine.scu import ArchiveClient
from engine.scu.find import Found
from engine.telling.content import Answer
from engine.telling.masking import Masking

_UNKNOWN = "unknown"  # where a series has no modality


class StudySummary(Answer):
    """One study with its series."""

    archive: str = Field(description="the archive that was asked, by its name in the routes file")
    study: StudyTold
    series: list[SeriesTold] = Field(description="by number")
    series_count: int | None = Field(
        description="null where the archive tells neither series nor their count"
    )
    instance_count: int | None = Field(description="null where the archive does not count")
    instances_by_modality: dict[str, int | None] = Field(description="null: it does not count all of them")
    remarks: list[str] = Field(description="what does not add up")


def register(server: MCPServer, desk: Desk) -> None:
    """Add pacs_study_summary."""

    @server.tool(
        title="PACS Study Summary (C-FIND)",
        annotations=ASKS,
    )
    @clear
    async def pacs_study_summary(
        study_instance_uid: Annotated[str, Field(description="Study Instance UID: exactly one")],
        archive: Annotated[
            str, Field(description="name of the archive, needed where several are listed")
        ] = "",
    ) -> Annotated[CallToolResult, StudySummary]:
        """Sum up one study of an archive (PACS) by C-FIND: whose and what it is, its series, and how many
        series and instances there are, in all and by modality.

        Moves nothing and needs no switch. Counts that the archive does not give are null, never 0. It is an
        error where the archive has no such study. Patient data is masked unless the operator shows it.
        """
        source = desk.archive(archive)
        of_series = series_keys(study_instance_uid)
        of_study = study_keys(study_uid=study_instance_uid)

        def question(client: ArchiveClient) -> tuple[Found[StudyRecord], Found[SeriesRecord]] | None:
            studies = client.list_studies(of_study)
            return (studies, client.list_series(of_series)) if studies.matches else None

        found = await ask(source, question, desk.masking)
        if found is None:
            return refused(_absent(desk, source.name, study_instance_uid))
        summary = _summary(source.name, *found, desk.masking)
        return told(_text(summary), summary)


def _absent(desk: Desk, archive: str, study_uid: str) -> str:
    others = [name for name in desk.config.archives if name != archive]
    cure = "check the UID, or find the study by pacs_query"
    if others:
        cure += f"; it may be in another archive: {', '.join(others)}"
    return f"{archive} has no study {study_uid}; {cure}"


def _summary(
    archive: str, studies: Found[StudyRecord], series: Found[SeriesRecord], masking: Masking
) -> StudySummary:
    study, *again = studies_told(studies.matches, masking)
    listed = series_told(series.matches)
    sum_of_series = total(one.instances for one in listed) if listed else None
    modalities = sorted({one.modality or _UNKNOWN for one in listed})
    return StudySummary(
        archive=archive,
        study=study,
        series=listed,
        series_count=len(listed) or study.series_count,
        instance_count=study.instance_count or sum_of_series,
        instances_by_modality={
            modality: total(one.instances for one in listed if (one.modality or _UNKNOWN) == modality)
            for modality in modalities
        },
        remarks=_remarks(study, len(again), listed, sum_of_series, series.left_out),
    )


def _remarks(
    study: StudyTold, again: int, series: list[SeriesTold], sum_of_series: int | None, left_out: int
) -> list[str]:
    remarks = []
    if again:
        remarks.append(f"the archive has the study {again + 1} times, of different patients perhaps")
    if not series:
        remarks.append("the archive tells no series of the study")
    elif study.series_count not in (None, len(series)):
        remarks.append(f"the archive counts {study.series_count} series, but tells {len(series)}")
    if study.instance_count and sum_of_series and study.instance_count != sum_of_series:
        text = f"the archive counts {study.instance_count} instances of the study"
        remarks.append(f"{text}, but {sum_of_series} in its series")
    if left_out:
        remarks.append(f"{left_out} series left out, which the archive gave though they are of another study")
    return remarks


def _text(summary: StudySummary) -> str:
    def shown(count: int | None) -> str:
        return "not counted" if count is None else str(count)

    by_modality = ", ".join(f"{name} {shown(count)}" for name, count in summary.instances_by_modality.items())
    return "\n".join(
        [
            f"{summary.archive}: {summary.study}",
            *(f"{number}. {one}" for number, one in enumerate(summary.series, 1)),
            f"series in all: {shown(summary.series_count)}",
            f"instances in all: {shown(summary.instance_count)}"
            + (f" ({by_modality})" if by_modality else ""),
            *summary.remarks,
        ]
    )
