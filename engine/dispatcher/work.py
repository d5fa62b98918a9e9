"""One claimed task in a worker thread: ask, or move. Every failure becomes an outcome."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.carry import carry
from engine.dicom.node import Archive, Destination
from engine.dispatcher.lines import subjects
from engine.dispatcher.meters import Probe
from engine.errand import Carried, Errand
from engine.errors import ForefetchError
from engine.logs import about, concerning
from engine.move import Client, Progress
from engine.resolve import Resolution, resolve
from engine.retrieve.outcome import Cause, Outcome, TaskStatus, failure
from engine.retrieve.policy import RouteRule
from engine.retrieve.selector import PriorsOfPatient, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveTask, Verify
from engine.store import Store

_log = logging.getLogger(__name__)

Result = Carried | Resolution


@dataclass(frozen=True, slots=True)
class Place:
    """A destination as a move needs it: ``finder`` where it can be queried, ``probe`` where it can be asked
    by C-ECHO whether it is there."""

    destination: Destination
    finder: Client | None = None
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker thread is to do. ``terms`` are those of the routes that ask for it."""

    task: RetrieveTask
    terms: RouteRule
    dry_run: bool
    aliases: tuple[str, ...]
    verify_within: float

    def __call__(
        self,
        client: Client,
        archive: Archive,
        places: Mapping[str, Place],
        stop: threading.Event,
        progress: Progress | None = None,
    ) -> Result:
        """Blocking, until it has ended or ``stop`` is obeyed."""
        with concerning(**subjects(self.task)):
            return _guarded(self.task.id, lambda: self._carry_out(client, archive, places, stop, progress))

    @property
    def _may_be_there(self) -> bool:
        """An earlier attempt may have brought it and been interrupted before that was verified: what is there
        is not moved again."""
        return self.terms.verify is not Verify.OFF and self.task.attempts > 1

    def _carry_out(
        self,
        client: Client,
        archive: Archive,
        places: Mapping[str, Place],
        stop: threading.Event,
        progress: Progress | None,
    ) -> Result:
        request = self.task.request
        if not isinstance(request.selector, Study):
            return resolve(client, request.selector, self.aliases)
        place = places[request.destination]
        errand = Errand(
            study=request.selector,
            destination_ae_title=place.destination.ae_title,
            priority=request.priority,
            missing=self.task.missing,
            verify=self.terms.verify,
            skip_present=self.terms.skip_present or self._may_be_there,
            dry_run=self.dry_run,
            series_level=archive.series_level,
            verify_within=self.verify_within,
        )
        return carry(client, place.finder, errand, progress=progress, canceled=stop, echo=place.probe)


def _guarded(task_id: int, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except ForefetchError as error:
        return Carried(failure(error))
    except Exception as error:  # noqa: BLE001  a fault of ours must end this task, not the engine
        _log.exception("task %d failed by a fault of forefetch", task_id, extra=about("failed", task=task_id))
        return Carried(fault_of(error))


def fault_of(error: Exception) -> Outcome:
    """Of a fault of ours."""
    return Outcome(TaskStatus.FAILED, Cause.INTERNAL, f"fault in forefetch: {type(error).__name__}")


async def aliases_of(store: Store, task: RetrieveTask) -> tuple[str, ...]:
    """The identifiers under which the patient of a search has to be looked for."""
    selector = task.request.selector
    match selector:
        case PriorsOfPatient():
            return await store.identifiers(selector.patient_id, selector.authority)
        case StudiesOfAccession():
            known = [await store.identifiers(*patient) for patient in selector.patient_ids]
            return tuple(alias for aliases in known for alias in aliases)
        case _:
            return ()
