"""One attempt at a task, and what may truthfully be said of it: asked before, moved, verified, diagnosed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.diagnosis import diagnose
from engine.errand import Carried, Errand
from engine.errors import ForefetchError
from engine.logs import about
from engine.move import Client, Progress, move
from engine.presence import Presence, compare, count, look
from engine.resolve import Finder, resolve
from engine.retrieve.outcome import Cause, Outcome, TaskStatus, failure
from engine.retrieve.parts import combine
from engine.retrieve.selector import Study
from engine.retrieve.task import Verify
from engine.verification import lacking_at, listed_as_failed, verify

__all__ = ["Carried", "Errand", "carry"]

_log = logging.getLogger(__name__)
# After these nothing more is asked: it was stopped, or nobody has been asked for anything.
_AT_ONCE = frozenset({Cause.CANCELED, Cause.INVALID, Cause.UNREACHABLE, Cause.REJECTED, Cause.BUSY})
# After these the next series would fare no better.
_ARCHIVE_LOST = frozenset({Cause.UNREACHABLE, Cause.REJECTED, Cause.BUSY, Cause.ABORTED, Cause.TIMED_OUT})
_SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 C.5.6


def carry(
    client: Client,
    destination: Finder | None,
    errand: Errand,
    *,
    progress: Progress | None = None,
    canceled: threading.Event | None = None,
    echo: Callable[[], None] | None = None,
) -> Carried:
    """Carry out an errand; blocking, for worker threads. The gate has opened before.

    ``destination`` is the destination as it can be queried, None where it cannot. ``echo`` is a C-ECHO to
    it, which raises NodeError, where its address is known; it is made only after a failure that does not
    say whether the destination is at fault. Whatever a node does becomes an outcome; no ForefetchError is
    raised.
    """
    return _Attempt(client, destination, errand, progress, canceled).run(echo)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An errand with those whom it concerns."""

    client: Client
    destination: Finder | None
    errand: Errand
    progress: Progress | None
    canceled: threading.Event | None

    def run(self, echo: Callable[[], None] | None) -> Carried:
        errand, missing = self.errand, self.errand.missing
        before = self._look_before() if errand.skip_present or errand.dry_run else None
        if before is not None and before.complete and errand.skip_present:
            text = f"{before} are there already; nothing was moved"
            outcome = Outcome(TaskStatus.COMPLETED, Cause.ALREADY_THERE, text, arrived=True)
            return Carried(outcome, instances=before.of)
        if errand.dry_run:
            return self._rehearse(before)
        if before is not None and before.known and errand.by_series and errand.divisible:
            missing = before.part
        outcome, missing = self._send(missing)
        if outcome.cause in _AT_ONCE or (self._canceled and not outcome.arrived):
            return Carried(outcome, missing)
        carried = self._verified(outcome, missing)
        return replace(carried, outcome=diagnose(self.client, errand.study, carried.outcome, echo))

    @property
    def _canceled(self) -> bool:
        return self.canceled is not None and self.canceled.is_set()

    def _look_before(self) -> Presence | None:
        """What is there already, None where that cannot be asked: nothing is skipped by guess."""
        errand = self.errand
        if self.destination is None:
            return None
        try:
            return look(self.client, self.destination, errand.study, by_series=errand.by_series)
        except ForefetchError as error:
            cause = failure(error).cause
            sentence = "what is at %s already cannot be asked: %s"
            _log.info(sentence, errand.destination_ae_title, cause, extra=about("looked", cause=cause.value))
            return None

    def _rehearse(self, before: Presence | None) -> Carried:
        """A dry run: whether the archive has it, how much it is, and how much of it is there already."""
        errand = self.errand
        try:
            found = resolve(self.client, errand.study)
            if not found.studies:
                return Carried(found.outcome)
            if before is None:
                before = compare(count(self.client, errand.study, by_series=errand.by_series), {})
        except ForefetchError as error:
            return Carried(failure(error))
        what = str(errand.study) if before.of is None else f"{before.of} objects"
        text = f"dry run: would have moved {what} to {errand.destination_ae_title}"
        text += f", where {before.there} are already" if before.there else ""
        outcome = Outcome(TaskStatus.CANCELED, Cause.DRY_RUN, f"{text}; nothing was moved")
        return Carried(outcome, instances=before.of)

    def _send(self, missing: tuple[str, ...]) -> tuple[Outcome, tuple[str, ...]]:
        """One C-MOVE for each missing series (PS3.4 C.4.2.1.4, Study Root at SERIES level) or for all; the
        series that are still missing where that is known."""
        if missing and self.errand.divisible:
            parts: dict[str, Outcome] = {}
            for series_uid in missing:
                outcome = parts[series_uid] = self._move(Study(self.errand.study.study_uid, series_uid))
                if _refuses_series(outcome):
                    sentence = "the archive does not retrieve single series: the whole study instead"
                    _log.info(sentence, extra=about("moved", cause=outcome.cause.value))
                    return self._move(self.errand.study), ()
                if outcome.status is TaskStatus.CANCELED or outcome.cause in _ARCHIVE_LOST:
                    break
            arrived = {series_uid for series_uid, outcome in parts.items() if outcome.arrived}
            return combine(parts, len(missing)), tuple(uid for uid in missing if uid not in arrived)
        return self._move(self.errand.study), ()

    def _move(self, study: Study) -> Outcome:
        outcome = move(
            self.client,
            study,
            self.errand.destination_ae_title,
            priority=self.errand.priority,
            progress=self.progress,
            canceled=self.canceled,
        )
        extra = about("moved", cause=outcome.cause.value, counters=outcome.counters.by_name)
        _log.info("C-MOVE has ended: %s (%s)", outcome.cause, outcome.counters, extra=extra)
        return outcome

    def _verified(self, outcome: Outcome, missing: tuple[str, ...]) -> Carried:
        """With what the destination says where it is to be asked, and what the next attempt has to bring."""
        carried = Carried(outcome, missing)
        asked = self.errand.verify is not Verify.OFF
        if asked:
            carried = verify(self.client, self.destination, self.errand, outcome, self.canceled)
        if carried.outcome.arrived:
            return replace(carried, missing=())
        if self.errand.divisible and (asked or outcome.cause is Cause.SOME_FAILED):
            found = lacking_at(self.client, self.destination, self.errand.study)
            if found is None and not missing:
                found = listed_as_failed(self.client, self.errand.study, outcome)
            missing = missing if found is None else found
        return replace(carried, missing=missing)


def _refuses_series(outcome: Outcome) -> bool:
    return outcome.cause is Cause.IDENTIFIER_MISMATCH or outcome.dicom_status == _SOP_CLASS_NOT_SUPPORTED
