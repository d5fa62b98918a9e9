"""A failure that does not say whose it is: does the archive have the study, does the destination answer?

Orthanc 1.10, for one, answers 0xC000 alike for a study that it does not have, a destination that it does not
know and one that is down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from engine.errors import ForefetchError
from engine.resolve import Finder, resolve
from engine.retrieve.outcome import Cause, Outcome, cure_for, failure
from engine.retrieve.selector import Study

_log = logging.getLogger(__name__)
_AMBIGUOUS = frozenset({Cause.UNABLE_TO_PROCESS, Cause.NOTHING_MOVED, Cause.CANNOT_PERFORM})


def diagnose(
    archive: Finder, study: Study, outcome: Outcome, echo: Callable[[], None] | None = None
) -> Outcome:
    """The outcome with what the nodes say when asked; status, comment and counters of the archive are kept.
    What cannot be asked changes nothing. ``echo``: C-ECHO to the destination, raises NodeError."""
    if outcome.cause not in _AMBIGUOUS:
        return outcome
    try:
        found = resolve(archive, study)
    except ForefetchError as error:
        _log.info("a failure cannot be diagnosed: %s", failure(error).cause)
        return outcome
    if not found.studies:
        return replace(outcome, cause=Cause.NOT_FOUND, text=found.outcome.text, cure=found.outcome.cure)
    return _blame_destination(outcome, echo)


def _blame_destination(outcome: Outcome, echo: Callable[[], None] | None) -> Outcome:
    held = f"{outcome.text}; the archive has it"
    if echo is None:
        cure = cure_for(Cause.DESTINATION_UNKNOWN)
        return replace(outcome, text=f"{held}, so look at the destination", cure=cure)
    try:
        echo()
    except ForefetchError as error:
        cause = Cause.CANNOT_PERFORM
        text = f"{held}, and the destination does not answer ({failure(error).text})"
        return replace(outcome, cause=cause, text=text, cure=cure_for(cause))
    cure = cure_for(Cause.DESTINATION_UNKNOWN)
    return replace(outcome, text=f"{held}, and the destination answers", cure=cure)
