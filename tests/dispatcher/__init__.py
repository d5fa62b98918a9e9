"""A dispatcher with scripted archive clients: for what no real peer does on demand."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.dicom.node import Archive, Destination
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.dispatcher import Dispatcher
from engine.dispatcher.meters import Peer
from engine.dispatcher.work import Place
from engine.events import Events
from engine.move import Progress
from engine.retrieve.outcome import MoveResponse, SubOperations
from engine.retrieve.policy import NodeRule, Policy, RouteRule
from engine.retrieve.selector import Selector
from engine.retrieve.task import Priority, RetrieveRequest, RetrieveTask
from engine.store import Journaled, NewMessage, Store, list_tasks

PLAIN = RouteRule()
WORKSTATION: Mapping[str, NodeRule] = {"ws": NodeRule()}
NOTHING_ELSE: Mapping[str, Any] = {}
ARRIVED = MoveResponse(0x0000, SubOperations(0, 3, 0, 0))
NOW = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)


class Scripted:
    """An archive client that answers as it is told: ``script`` maps a study UID to its move."""

    def __init__(self, script: Mapping[str, Callable[[threading.Event], MoveResponse]] | None = None) -> None:
        self.script = dict(script or {})
        self.moved: list[str] = []
        self.closed = 0

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        if patient_id:
            return [StudyRecord("1.2.1", patient_id), StudyRecord("1.2.2", patient_id)]
        return [StudyRecord("1.2.1", accession=accession)]

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        return []

    def find_instances(self, study_uid: str, series_uid: str) -> list[str]:
        return []

    def move(
        self,
        study_uid: str,
        destination_ae_title: str,
        series_uid: str = "",
        *,
        priority: Priority = Priority.MEDIUM,
        progress: Progress | None = None,
        canceled: threading.Event | None = None,
    ) -> MoveResponse:
        self.moved.append(study_uid)
        assert canceled is not None
        happens = self.script.get(study_uid)
        return ARRIVED if happens is None else happens(canceled)

    def echo(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def close_idle(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def request(
    selector: Selector, archive: str = "main", route: str = "r", to: str = "ws", **more: Any
) -> RetrieveRequest:
    return RetrieveRequest(selector, archive, to, (route,), **more)


async def keep(store: Store, *requests: RetrieveRequest, key: int = 0) -> Journaled:
    """Journal a message of its own; ``key`` tells apart those that ask for the same."""
    fingerprint = repr((key, requests)).encode()
    return await store.journal(
        NewMessage(NOW, "peer", fingerprint, "", "", "1", "ORM^O01", "2.5", b"", "{}", requests)
    )


@asynccontextmanager
async def running(
    folder: Path | str,
    *,
    concurrency: int = 2,
    patience: float = 0.0,
    route: RouteRule = PLAIN,
    archive: NodeRule | None = None,
    destinations: Mapping[str, NodeRule] = {"ws": NodeRule()},
    place: Callable[[str], Place] = lambda name: Place(Destination(name, name.upper())),
    aging: dt.timedelta = dt.timedelta(minutes=30),
    verify_within: float = 10.0,
    policy: Mapping[str, Any] = {},
    events: Events | None = None,
    **clients: Peer,
) -> AsyncIterator[tuple[Store, Dispatcher]]:
    """A dispatcher with one client an archive. ``route`` is the rule of the route ``r``, ``archive`` that of
    each archive, ``policy`` what else the policy says. ``folder`` is that of the journal, or its URL."""
    archives = {
        name: Archive(name, name.upper(), "127.0.0.1", 1, concurrency=concurrency) for name in clients
    }
    store = Store.open(folder / "journal.db" if isinstance(folder, Path) else folder, events=events)
    dispatcher = Dispatcher(
        store=store,
        policy=replace(
            Policy(
                True,
                {"r": route, "off": RouteRule(enabled=False)},
                dict.fromkeys(clients, archive or NodeRule(concurrency)),
                destinations,
            ),
            **policy,
        ),
        archives=archives,
        clients=clients,
        places={name: place(name) for name in destinations},
        aging=aging,
        verify_within=verify_within,
        events=events,
    )
    await dispatcher.start()
    try:
        yield store, dispatcher
    finally:
        await dispatcher.stop(patience)
        await store.close()


async def outcome_of(folder: Path) -> list[RetrieveTask]:
    return sorted(list_tasks(folder / "journal.db"), key=lambda task: task.id)


async def until(condition: Callable[[], bool]) -> None:
    """For what only a look from outside can tell."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  it is another process' view
            await asyncio.sleep(0.02)
