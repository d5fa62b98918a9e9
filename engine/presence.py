"""How many objects of a study a node has, by C-FIND, and what a destination has of what an archive has."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from engine.dicom.study import total
from engine.resolve import Finder
from engine.retrieve.selector import Study

Counts = Mapping[str, int | None]
"""Objects by Series Instance UID, or those of the whole study under the empty name. None: there are some, but
the node does not say how many. No entry: none."""

_PAUSE = 0.5  # seconds between two questions to a destination that is still indexing


@dataclass(frozen=True, slots=True)
class Presence:
    """What a destination has of what an archive has.

    ``of``: how many objects the archive has, ``there``: how many of them are at the destination; None where
    that is not known. ``lacking``: those of the archive's ``entries`` that are not known to be there in full.
    """

    of: int | None
    there: int | None
    lacking: tuple[str, ...] = ()
    entries: int = 0

    @property
    def known(self) -> bool:
        return self.there is not None

    @property
    def complete(self) -> bool:
        """Whether all is known to be there. Of nothing, nothing is."""
        return bool(self.of) and self.known and not self.lacking

    @property
    def part(self) -> tuple[str, ...]:
        """The entries to ask the archive for: what is lacking, none by name where that is all."""
        return self.lacking if len(self.lacking) < self.entries else ()

    def __str__(self) -> str:
        return f"{self.there} of {self.of} objects"


def count(finder: Finder, study: Study, *, by_series: bool = False) -> Counts:
    """Ask a node how many objects it has of a study, or of one series of it. Raises NodeError.

    The counts are optional keys (PS3.4 tables C.6-5 and C.6-3): where the study level does not tell, the
    series are summed up. A zero for what a node does have counts as not told.
    """
    if by_series or study.series_uid:
        return _by_series(finder, study)
    records = finder.find_studies(study_uid=study.study_uid)
    if not records:
        return {}
    counted = total(record.instances for record in records)
    return {"": counted or total(_by_series(finder, study).values()) or None}


def compare(archive: Counts, destination: Counts) -> Presence:
    """What the destination has, entry by entry: too many of one series do not make up for another."""
    there = {name: _both(wanted, destination.get(name, 0)) for name, wanted in archive.items()}
    lacking = tuple(name for name, has in there.items() if has is None or has != archive[name])
    return Presence(total(archive.values()), total(there.values()), lacking, len(archive))


def look(archive: Finder, destination: Finder, study: Study, *, by_series: bool) -> Presence:
    """Ask both, once. Raises NodeError."""
    counts = count(archive, study, by_series=by_series)
    return compare(counts, count(destination, study, by_series=by_series))


def await_presence(
    archive: Counts,
    destination: Finder,
    study: Study,
    *,
    by_series: bool,
    within: float,
    canceled: threading.Event | None = None,
) -> Presence:
    """Ask a destination until everything is there, or nothing more has come for ``within`` seconds: many take
    their time to index, and some archives answer success before they have sent. Raises NodeError."""
    canceled = canceled or threading.Event()
    presence = compare(archive, count(destination, study, by_series=by_series))
    give_up = monotonic() + within
    while presence.known and not presence.complete:
        left = give_up - monotonic()
        if left <= 0 or canceled.wait(min(_PAUSE, left)):
            break
        earlier = presence.there or 0
        presence = compare(archive, count(destination, study, by_series=by_series))
        if (presence.there or 0) > earlier:
            give_up = monotonic() + within
    return presence


def _by_series(finder: Finder, study: Study) -> Counts:
    counts: dict[str, int | None] = {}
    for record in finder.find_series(study.study_uid, study.series_uid):
        both = (counts.get(record.series_uid, 0), record.instances or None)  # one may be filed twice
        counts[record.series_uid] = total(both)
    return counts


def _both(wanted: int | None, has: int | None) -> int | None:
    return None if wanted is None or has is None else min(wanted, has)
