"""After a move: does the destination have what the archive has, and if not, which series are missing?

The archive is counted after the move, not before. What it got in between would make up for something missing
in a count from before; counted after, it is missing itself until it is moved too.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from engine.errand import Carried, Errand
from engine.errors import ForefetchError
from engine.logs import about
from engine.move import Client
from engine.presence import Counts, Presence, await_presence, compare, count, look
from engine.resolve import Finder
from engine.retrieve.outcome import Cause, Outcome, TaskStatus, cure_for, failure
from engine.retrieve.selector import Study

_log = logging.getLogger(__name__)
# Not a success, but something was sent and may not be indexed yet.
_PARTIAL = frozenset({Cause.SOME_FAILED, Cause.ABORTED, Cause.TIMED_OUT})


def verify(
    client: Client,
    destination: Finder | None,
    errand: Errand,
    outcome: Outcome,
    canceled: threading.Event | None = None,
) -> Carried:
    """The outcome as far as the destination agrees with it.

    What the archive calls a success is one only where everything is there; else it is MISSING, or
    UNVERIFIED. What it calls a failure is none where, series by series, everything is there after all.
    """
    title = errand.destination_ae_title
    by_series = errand.by_series or not _successful(outcome)
    waits = _successful(outcome) or outcome.cause in _PARTIAL
    of = None
    if destination is None:
        return Carried(_unverified(outcome, f"{title} cannot be queried"))
    try:
        archive = _expected(count(client, errand.study, by_series=by_series), errand, outcome)
        of = compare(archive, {}).of
        presence = await_presence(
            archive,
            destination,
            errand.study,
            by_series=by_series,
            within=errand.verify_within if waits else 0.0,
            canceled=canceled,
        )
    except ForefetchError as error:
        cause = failure(error).cause
        extra = about("verified", cause=cause.value)
        _log.warning("a move to %s cannot be verified: %s", title, cause, extra=extra)
        return Carried(_unverified(outcome, str(error)), instances=of)
    judged = _judge(outcome, presence, title)
    extra = about("verified", cause=judged.cause.value)
    _log.info("%s are at %s: %s", presence, title, judged.cause, extra=extra)
    return Carried(judged, instances=of)


def lacking_at(client: Client, destination: Finder | None, study: Study) -> tuple[str, ...] | None:
    """The series that a destination does not have in full: empty where it is every one, None where that
    cannot be asked."""
    if destination is None:
        return None
    try:
        presence = look(client, destination, study, by_series=True)
    except ForefetchError as error:
        _log.info("what is missing cannot be asked at the destination: %s", failure(error).cause)
        return None
    return presence.part if presence.known else None


def listed_as_failed(client: Client, study: Study, outcome: Outcome) -> tuple[str, ...] | None:
    """The series of what stands in the Failed SOP Instance UID List (0008,0058) after the move of a study;
    None where that does not name everything that failed, or the archive does not say where it belongs."""
    failed = set(outcome.failed_instances)
    if not failed or outcome.counters.failed != len(failed) or outcome.counters.remaining:
        return None
    found = []
    try:
        for series in client.find_series(study.study_uid):
            instances = failed.intersection(client.find_instances(study.study_uid, series.series_uid))
            if instances:
                found.append(series.series_uid)
                failed -= instances
            if not failed:
                return tuple(found)
    except ForefetchError as error:
        _log.info("what is missing cannot be asked at the archive: %s", failure(error).cause)
    return None


def _expected(counts: Counts, errand: Errand, outcome: Outcome) -> Counts:
    """What the archive counts; where it does not, but has counted what it sent of all there is, that."""
    sent = outcome.counters
    if list(counts.values()) != [None] or errand.missing or sent.completed is None or sent.remaining:
        return counts
    return dict.fromkeys(counts, sent.completed + (sent.failed or 0) + (sent.warning or 0))


def _judge(outcome: Outcome, presence: Presence, title: str) -> Outcome:
    text = f"{presence} are at {title}"
    if presence.complete and outcome.arrived:
        return replace(outcome, text=f"{outcome.text}; {text}")
    if presence.complete:
        if not _successful(outcome):
            text += f", though the archive says: {outcome.text}"
        return replace(
            outcome, status=TaskStatus.COMPLETED, cause=Cause.ARRIVED, text=text, arrived=True, cure=""
        )
    if not presence.of:
        return _unverified(
            outcome,
            "the archive does not count objects" if presence.of is None else "the archive no longer has it",
        )
    if presence.there is None:
        return _unverified(outcome, f"{title} does not count objects")
    if not _successful(outcome):
        return replace(outcome, text=f"{outcome.text}; {text}")
    return _doubted(outcome, Cause.MISSING, f"{text}, {presence.of - presence.there} missing")


def _successful(outcome: Outcome) -> bool:
    """Whether the archive calls it a success."""
    return outcome.arrived or outcome.cause is Cause.UNCOUNTED


def _unverified(outcome: Outcome, why: str) -> Outcome:
    if not _successful(outcome):
        return outcome
    return _doubted(outcome, Cause.UNVERIFIED, f"not verified: {why}; the archive says: {outcome.text}")


def _doubted(outcome: Outcome, cause: Cause, text: str) -> Outcome:
    return replace(
        outcome, status=TaskStatus.WARNING, cause=cause, text=text, arrived=False, cure=cure_for(cause)
    )
