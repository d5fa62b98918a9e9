"""The tool that the project grew from: pacs_retrieve, a C-MOVE by study or series."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.by_hand import Stage, Tell
from engine.dicom.identifiers import valid_uid
from engine.errors import ForefetchError, GateClosed
from engine.mcp.asking import NotAnswered
from engine.mcp.caller import Ctx, Progress, who
from engine.mcp.desk import Desk
from engine.mcp.hints import MOVES
from engine.mcp.result import clear, told
from engine.mcp.whose import counted, without_patient
from engine.report import report, succeeded
from engine.retrieve.gate import refuse
from engine.retrieve.outcome import Outcome, failure
from engine.retrieve.policy import BY_HAND, REHEARSAL
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority, RetrieveRequest, RetrieveTask
from engine.telling.content import Answer
from engine.waiting import foresee

_MOST_INSTANCES = 50  # of those that failed, in one answer


class RetrieveReport(Answer):
    """How a retrieve ended."""

    status: Literal["SUCCESS", "FAILED"] = Field(
        description="SUCCESS only where every object is known to have arrived (of a dry run: could be moved)"
    )
    study_instance_uid: str
    series_instance_uid: str | None = Field(description="null for the whole study")
    destination_ae_title: str
    archive: str | None = Field(description="the archive that was to send it, null where none was chosen")
    dry_run: bool = Field(description="true: nothing was moved, whatever the status")
    message: str = Field(description="what happened, in a sentence")
    cause: str = Field(description="the same in a word, such as arrived, destination-unknown or gate-closed")
    cure: str | None = Field(description="what a person can do about it")
    completed: int | None = Field(description="objects that arrived; null where the archive does not say")
    failed: int | None = Field(description="objects that did not; null where the archive does not say")
    warnings: int | None = Field(description="objects that arrived with a warning; null as above")
    remaining: int | None = Field(description="objects that were left over; null as above")
    dicom_status: str | None = Field(
        description="of the final C-MOVE response, such as 0xA801; null: none came"
    )
    comment: str | None = Field(description="the archive's own words, (0000,0902) Error Comment")
    failed_instances: list[str] = Field(
        description=f"SOP instance UIDs that failed, {_MOST_INSTANCES} at most"
    )
    gate: list[str] = Field(description="of a dry run: what would keep the retrieve from being made now")
    task: int | None = Field(description="its number in the journal (task_status tells its story)")
    task_status: str | None = Field(description="of that task, such as COMPLETED, WARNING, FAILED, CANCELED")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The arguments as they were given, and what has been made of them so far."""

    study_uid: str
    series_uid: str
    destination: str
    dry_run: bool
    archive: str | None = None
    task: RetrieveTask | None = None
    gate: tuple[str, ...] = ()

    def answer(self, outcome: Outcome) -> CallToolResult:
        good = succeeded(outcome, dry_run=self.dry_run)
        text = report(outcome, self.study_uid, self.series_uid, self.destination, dry_run=self.dry_run)
        lines = [text, *(f"Gate: {sentence}" for sentence in self.gate)]
        if self.task is not None:
            lines.append(f"Task: {self.task.id}")
        return told("\n".join(lines), self._structured(outcome, good), failed=not good)

    def _structured(self, outcome: Outcome, good: bool) -> RetrieveReport:
        count, status = outcome.counters, outcome.dicom_status
        return RetrieveReport(
            status="SUCCESS" if good else "FAILED",
            study_instance_uid=self.study_uid,
            series_instance_uid=self.series_uid or None,
            destination_ae_title=self.destination,
            archive=self.archive,
            dry_run=self.dry_run,
            message=outcome.text,
            cause=outcome.cause.value,
            cure=outcome.cure or None,
            completed=count.completed,
            failed=count.failed,
            warnings=count.warning,
            remaining=count.remaining,
            dicom_status=None if status is None else f"0x{status:04X}",
            comment=outcome.comment or None,
            failed_instances=list(outcome.failed_instances[:_MOST_INSTANCES]),
            gate=list(self.gate),
            task=None if self.task is None else self.task.id,
            task_status=None if self.task is None else self.task.status.value,
        )


def register(server: MCPServer, desk: Desk) -> None:
    """Add pacs_retrieve."""

    @server.tool(
        title="PACS Retrieve (C-MOVE)",
        annotations=MOVES,
    )
    @clear
    async def pacs_retrieve(
        ctx: Ctx,
        study_instance_uid: Annotated[str, Field(description="Study Instance UID: exactly one")],
        destination_ae_title: Annotated[
            str, Field(description="AE title of a destination that the routes file lists")
        ],
        series_instance_uid: Annotated[
            str, Field(description="only this series, which must belong to the study; empty: the whole study")
        ] = "",
        dry_run: Annotated[bool, Field(description="only tell what would be moved; moves nothing")] = False,
        archive: Annotated[
            str, Field(description="name of the archive, needed where several are listed")
        ] = "",
    ) -> Annotated[CallToolResult, RetrieveReport]:
        """Make the archive (PACS) send one study, or one series of it, to a listed DICOM destination by
        C-MOVE, and wait until that has ended.

        Needs the operator's switch DICOM_HL7_PACS_ALLOW_RETRIEVE, except for a dry run. Status SUCCESS means
        that every object is known to have arrived. Anything else is an error with its cause and cure, partial
        arrival included: do not tell it as success. It may take minutes; progress is told, and cancelling the
        call cancels the retrieve.
        """
        asked = _Asked(study_instance_uid, series_instance_uid, destination_ae_title, dry_run)
        try:
            return await _retrieve(desk, ctx, asked, archive)
        except ForefetchError as error:
            return asked.answer(_refusal(error))


async def _retrieve(desk: Desk, ctx: Ctx, asked: _Asked, archive: str) -> CallToolResult:
    """ForefetchError for what is refused before it is asked for."""
    study = Study(
        valid_uid(asked.study_uid, "study_instance_uid"),
        valid_uid(asked.series_uid, "series_instance_uid") if asked.series_uid else "",
    )
    source, target = desk.archive(archive), desk.destination(asked.destination)
    policy = desk.policy()
    routes = (REHEARSAL if asked.dry_run else BY_HAND,)
    request = RetrieveRequest(study, source.name, target.name, routes, Priority.HIGH)
    if not asked.dry_run:
        reason = refuse(policy, archive=source.name, destination=target.name)
        if reason is not None:
            raise GateClosed(reason)
        request = await counted(desk, source, request, study)
    asked = replace(asked, archive=source.name, destination=target.ae_title)
    ended = await desk.by_hand.retrieve(request, who(ctx), _telling(Progress(ctx)))
    gate: list[str] = []
    if asked.dry_run:
        gate = foresee(replace(request, routes=(BY_HAND,)), policy, dt.datetime.now(dt.UTC))
    outcome = await without_patient(desk, source, study.study_uid, ended.outcome)
    return replace(asked, task=ended.task, gate=tuple(gate)).answer(outcome)


def _refusal(error: ForefetchError) -> Outcome:
    """Of what was not asked for at all; `NotAnswered` has its cure in its sentence."""
    cause = error.__cause__
    if isinstance(error, NotAnswered) and isinstance(cause, ForefetchError):
        return replace(failure(cause), text=str(error), cure="")
    return failure(error)


def _telling(progress: Progress) -> Tell:
    async def tell(stage: Stage) -> None:
        count = stage.counters
        if count is None:
            await progress.tell(0, None, f"waits: {stage.waits}" if stage.waits else "asked for")
            return
        done = (count.completed or 0) + (count.failed or 0) + (count.warning or 0)
        total = None if count.remaining is None else done + count.remaining
        await progress.tell(done, total, str(count))

    return tell
