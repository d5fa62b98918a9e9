"""Move one study or series and say how that ended. The one way in which anything is moved, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from engine.errors import ForefetchError
from engine.resolve import Finder, resolve
from engine.retrieve.outcome import MoveResponse, Outcome, SubOperations, failure, judge
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority

Progress = Callable[[SubOperations], None]


class Client(Finder, Protocol):
    """An archive as it is used here; blocking, called from worker threads."""

    def find_instances(self, study_uid: str, series_uid: str) -> list[str]: ...

    def move(
        self,
        study_uid: str,
        destination_ae_title: str,
        series_uid: str = "",
        *,
        priority: Priority = Priority.MEDIUM,
        progress: Progress | None = None,
        canceled: threading.Event | None = None,
    ) -> MoveResponse: ...

    def stop(self) -> None: ...

    def close_idle(self) -> None: ...

    def close(self) -> None: ...


def move(
    client: Client,
    study: Study,
    destination_ae_title: str,
    *,
    priority: Priority = Priority.MEDIUM,
    progress: Progress | None = None,
    canceled: threading.Event | None = None,
) -> Outcome:
    """C-MOVE, after the gate has opened. A series is first looked up in its study: an archive may send what
    carries the series UID whichever study was named. Every failure is an outcome, with the counters of the
    last pending response where there was no final one; nothing known is raised."""
    told = SubOperations()

    def keep(counters: SubOperations) -> None:
        nonlocal told
        told = counters
        if progress is not None:
            progress(counters)

    try:
        if study.series_uid:
            membership = resolve(client, study)
            if not membership.studies:
                return membership.outcome
        response = client.move(
            study.study_uid,
            destination_ae_title,
            study.series_uid,
            priority=priority,
            progress=keep,
            canceled=canceled,
        )
    except ForefetchError as error:
        return replace(failure(error), counters=told)
    return judge(response)
