"""All in numbers: whether images are moving."""

from __future__ import annotations

from pydantic import Field

from engine.store import Selection, is_running, standing
from engine.store.standing import queue_depths
from engine.telling.content import Content
from engine.telling.masking import Masking
from engine.telling.task_contents import CauseContent, WaitingContent
from engine.telling.tasks import summary_dict, summary_of
from engine.telling.veiling import without_comments
from engine.web.api.operation import Call
from engine.web.api.parameters import Parameters
from engine.web.api.site import ClosureTold, closure_told
from engine.web.office import Office
from engine.web.reading import read


class StatusQuery(Parameters):
    """How far back."""

    minutes: int = Field(60, ge=1, le=1440, description="Rates of so many minutes")


class QueueTold(Content):
    """Tasks of one archive that are not final."""

    archive: str = Field(description="Its name in the routes file")
    status: str = Field(description="SCHEDULED, HELD or IN_PROGRESS")
    count: int = Field(description="How many")


class MinuteTold(Content):
    """What happened in one minute."""

    at: str = Field(description="When it began")
    messages: int = Field(description="Messages that got an answer")
    refused: int = Field(description="Of these, with AE, AR, CE or CR")
    arrived: int = Field(description="Studies that arrived")
    failed: int = Field(description="Moves that failed")
    instances: int = Field(description="Objects that were sent")


class LatencyTold(Content):
    """Milliseconds from a message to its first answer, of late."""

    median: float = Field(description="Half of them were quicker")
    p99: float = Field(description="99 in 100 were quicker")


class Status(Content):
    """How it goes."""

    engine_running: bool = Field(description="Whether a forefetch serves this journal")
    counts: dict[str, int] = Field(description="How many tasks have each status; none is left out")
    queues: list[QueueTold] = Field(description="What is not final, by archive")
    waiting: list[WaitingContent] = Field(description="What for, the most frequent first")
    causes: list[CauseContent] = Field(description="Why others have not arrived, the most frequent first")
    closures: list[ClosureTold] = Field(description="Gates that are closed, and until when")
    rates: list[MinuteTold] = Field(description="Minute by minute, the one that runs last")
    latency: LatencyTold | None = Field(description="Null: no message has come of late")


async def tell_status(call: Call) -> Status:
    """GET /status"""
    minutes = call.query(StatusQuery).minutes
    recent, latency = call.office.metrics.recent(minutes), call.office.metrics.latency()
    told = await read(_of_journal, call.office, call.masking)
    told.rates = [MinuteTold(**it._asdict() | {"at": it.at.isoformat()}) for it in recent]
    if latency is not None:
        told.latency = LatencyTold(median=latency.median * 1000, p99=latency.p99 * 1000)
    return told


def _of_journal(office: Office, masking: Masking) -> Status:
    summary = without_comments(summary_of(office.config, Selection()), masking)
    depths = queue_depths(office.journal).items()
    return Status(
        engine_running=is_running(office.journal),
        queues=[QueueTold(archive=it, status=str(status), count=n) for (status, it), n in depths],
        closures=[closure_told(it) for it in standing(office.journal).closures],
        rates=[],
        latency=None,
        **summary_dict(summary),
    )
