"""The engines that share a journal, and how they do. Nodes of DICOM are another matter:
`engine.telling.nodes`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from engine.place import is_shared
from engine.store import is_running
from engine.store.members import Member, MemberState, members_of
from engine.telling.content import Content

ALONE = "an engine serves this journal, and no other can: it is a file"
NOBODY = "no engine serves this journal"
_TOLD_AFTER = dt.timedelta(days=1)  # its end
_NEWS = dt.timedelta(minutes=15)


class EngineTold(Content):
    """One engine."""

    number: int = Field(description="Its number, which no other gets; a new one at each start")
    process: str = Field(description="Host and process, as host:process")
    kind: Literal["engine", "stand-in"] = Field(
        description="A stand-in carries out only what is asked for by hand"
    )
    address: str = Field(description="Where it takes HL7 messages; empty: nowhere")
    state: MemberState = Field(
        description="Silent: its beats are missing; left: it was stopped; lost: it was taken for dead, and "
        "what it had goes on elsewhere"
    )
    silent: float | None = Field(description="Seconds since its last beat; null: it has left or was lost")
    version: str = Field(description="Of Forefetch")
    since: str = Field(description="When it came")
    ended: str | None = Field(description="When it left or was taken for lost")
    under_way: int = Field(description="Tasks that it carries out")


class EngineList(Content):
    """Engines of the journal, those that are alive first."""

    shared: bool = Field(description="Whether several may share the journal: it is in PostgreSQL")
    engine_running: bool = Field(description="Whether a forefetch serves this journal")
    engines: list[EngineTold] = Field(
        description="With those that ended in the last 24 hours; none where the journal is not shared"
    )


def engine_list(where: str) -> EngineList:
    """StoreError: the journal cannot be read. Blocks."""
    found = [engine_told(member) for member in lately(members_of(where))]
    return EngineList(shared=is_shared(where), engine_running=is_running(where), engines=found)


def lately(members: Iterable[Member]) -> list[Member]:
    """Those that are alive, or ended not long ago."""
    return [it for it in members if it.ended is None or it.now - it.ended < _TOLD_AFTER]


def engine_told(member: Member) -> EngineTold:
    """A member as content."""
    return EngineTold(
        number=member.id,
        process=member.name,
        kind="stand-in" if member.stand_in else "engine",
        address=member.address,
        state=member.state,
        silent=round(member.silent, 1) if member.alive else None,
        version=member.version,
        since=member.started_at.isoformat(),
        ended=None if member.ended is None else member.ended.isoformat(),
        under_way=member.under_way,
    )


def state_line(member: Member) -> str:
    """Such as ``silent for 9 s``, without a time of day."""
    word = f"silent for {member.silent:.0f} s" if member.state is MemberState.SILENT else str(member.state)
    return f"{word} (stand-in)" if member.stand_in else word


def troubles(members: Iterable[Member]) -> Iterator[str]:
    """Sentences on those that are silent, or were lost a moment ago."""
    for member in members:
        who = f"engine node {member.id} ({member.name})"
        if member.state is MemberState.SILENT:
            yield f"{who} has been silent for {member.silent:.0f} s"
        if member.lost_at is not None and member.now - member.lost_at < _NEWS:
            yield f"{who} was lost; what it had under way goes on elsewhere"
