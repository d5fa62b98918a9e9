"""One C-FIND: what is asked, and what of the results is to be believed (PS3.4 C.4.1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydicom.dataset import Dataset

from engine.dicom.keys import Key
from engine.dicom.status import SUCCESS
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import QueryFailed
from engine.logs import about
from engine.scu import identifiers
from engine.scu.association import NodeAssociation
from engine.scu.dimse import Bounds

_log = logging.getLogger(__name__)

MAX_RESULTS = 10_000  # of one C-FIND; more are no answer to a question about one patient or study

Record = TypeVar("Record", StudyRecord, SeriesRecord, str)


@dataclass(frozen=True, slots=True)
class Level(Generic[Record]):
    """What is asked for at a level, and how a result is read: None is one without a valid UID."""

    name: str
    return_keys: tuple[str, ...]
    read: Callable[[Dataset], Record | None]


STUDIES = Level("STUDY", identifiers.STUDY_RETURN_KEYS, identifiers.study_record)
SERIES = Level("SERIES", identifiers.SERIES_RETURN_KEYS, identifiers.series_record)
INSTANCES = Level("IMAGE", identifiers.INSTANCE_RETURN_KEYS, identifiers.instance_uid)
STUDY_LISTING = Level("STUDY", identifiers.STUDY_LISTING_KEYS, identifiers.study_listing)
SERIES_LISTING = Level("SERIES", identifiers.SERIES_LISTING_KEYS, identifiers.series_record)


@dataclass(frozen=True, slots=True)
class Match(Generic[Record]):
    """A result that has what was asked, but for the keys (keywords) of which it says nothing: ``untold``."""

    record: Record
    untold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found(Generic[Record]):
    """What a C-FIND came to. ``left_out``: results that do not have what was asked, or no valid UID.
    ``truncated``: there is more than the limit, and the archive was told to stop."""

    matches: tuple[Match[Record], ...]
    left_out: int = 0
    truncated: bool = False

    @property
    def records(self) -> list[Record]:
        return [match.record for match in self.matches]


class Search(Generic[Record]):
    """A C-FIND under way. Beyond ``limit`` matches ``enough`` is set, which sends a C-CANCEL where it is one
    of the bounds; what comes after it is not looked at."""

    def __init__(
        self, node: str, level: Level[Record], keys: Mapping[str, Key], limit: int | None = None
    ) -> None:
        """IdentifierError for a key that cannot be encoded."""
        wire = {keyword: key.wire for keyword, key in keys.items()}
        self._query = identifiers.query(level.name, wire, level.return_keys)
        self._level: Level[Record] = level
        self._node, self._keys, self._limit = node, keys, limit
        self._matches: list[Match[Record]] = []
        self._results = 0
        self.enough = threading.Event()

    def run(self, association: NodeAssociation, bounds: Bounds) -> None:
        """Raises NodeError; QueryFailed for a final status that is not success, unless there are enough."""
        status, _ = association.find(self._query, replace(bounds, enough=self.enough), self._take)
        if status.Status != SUCCESS and not self.enough.is_set():
            text = f"C-FIND ended with status 0x{status.Status:04X}"
            raise self._failed(text, status, identifiers.comment(status))

    def found(self) -> Found[Record]:
        """What has come so far."""
        left_out = self._results - len(self._matches)
        if left_out:
            _log.warning(
                "archive %s: %d of %d results of a C-FIND ignored, for they do not carry the keys that were"
                " asked or a valid UID",
                self._node,
                left_out,
                self._results,
                extra=about("asked", archive=self._node),
            )
        return Found(tuple(self._matches[: self._limit]), left_out, self.enough.is_set())

    def _take(self, status: Dataset, identifier: Dataset | None) -> None:
        if self.enough.is_set():
            return
        if identifier is None:
            raise self._failed("C-FIND sent a result that cannot be decoded", status)
        if self._results == MAX_RESULTS:
            raise self._failed(f"C-FIND found more than {MAX_RESULTS} results", status)
        self._results += 1
        untold = identifiers.untold(identifier, self._keys)
        record = self._level.read(identifier) if untold is not None else None
        if untold is not None and record is not None:
            self._matches.append(Match(record, untold))
        if self._limit is not None and len(self._matches) > self._limit:
            self.enough.set()

    def _failed(self, text: str, status: Dataset, said: str = "") -> QueryFailed:
        return QueryFailed(self._node, text, status.Status, said)
