"""A Query/Retrieve SCP (PS3.4 annex C) to test against: real associations and real sub-operations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_MOVE, DimseServiceType
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from engine.dicom.identifiers import valid_ae_title
from engine.errors import IdentifierError
from engine.retrieve.task import Priority
from engine.simulator.catalogue import PATIENT_ROOT, STUDY_ROOT, Catalogue, HeldObject, hold
from engine.simulator.exchange import Exchange
from engine.simulator.fault_fields import Kind, Operation
from engine.simulator.matching import texts
from engine.simulator.query import answer_query, studies_of
from engine.simulator.retrieval import answer_first, retrieve
from engine.simulator.scp import Address, Faults, Service, SimulatedNode
from engine.simulator.studies import GeneratedStudy, datasets
from engine.simulator.suboperations import SubOperations
from engine.simulator.wire import Ended

logger = logging.getLogger(__name__)

_LEVELS = {
    PatientRootQueryRetrieveInformationModelFind: PATIENT_ROOT,
    PatientRootQueryRetrieveInformationModelMove: PATIENT_ROOT,
    StudyRootQueryRetrieveInformationModelFind: STUDY_ROOT,
    StudyRootQueryRetrieveInformationModelMove: STUDY_ROOT,
}
_DESTINATION_UNKNOWN = 0xA801
_IDENTIFIER_MISMATCH = 0xA900
_JOIN = 10.0  # s

Content = GeneratedStudy | Dataset | HeldObject


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """A C-MOVE request as it arrived. Several UIDs stand in one text with a backslash between them."""

    calling_ae_title: str
    destination: str
    study_uid: str
    series_uid: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class QueryAsked:
    """A C-FIND request and what became of it. ``keys``: those with a value, by keyword, as text. ``results``
    were sent; ``canceled``: a C-CANCEL came for it while it was under way."""

    calling_ae_title: str
    level: str
    keys: Mapping[str, str]
    results: int
    canceled: bool


class SimulatedArchive(SimulatedNode):
    """An archive of generated studies, datasets (with file meta information) or loaded folders.

    C-FIND and C-MOVE in Study Root and Patient Root, at every level. ``destinations`` are the addresses
    of the AE titles that it knows. A C-MOVE of nothing ends in success with counters of zero, as with
    many archives; an unknown destination, and one that does not accept an association, in 0xA801.
    """

    principal = Operation.MOVE

    def __init__(
        self,
        ae_title: str,
        content: Iterable[Content],
        destinations: Mapping[str, Address],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        faults: Faults = (),
    ) -> None:
        super().__init__(ae_title, host, port, faults)
        self._catalogue = Catalogue(_held(content))
        self._destinations = {valid_ae_title(title): address for title, address in destinations.items()}
        self._moves: list[MoveAsked] = []
        self._queries: list[QueryAsked] = []
        self._late: list[threading.Thread] = []  # they send what was said to have arrived
        self._connecting: WeakSet[Association] = WeakSet()
        for sop_class in _LEVELS:
            self._ae.add_supported_context(sop_class)

    @property
    def moves(self) -> tuple[MoveAsked, ...]:
        """The C-MOVE requests so far, in the order in which they arrived."""
        with self._lock:
            return tuple(self._moves)

    @property
    def queries(self) -> tuple[QueryAsked, ...]:
        """The C-FIND requests so far that no fault has struck before they were looked at, in the order in
        which they ended; the peer may know earlier."""
        with self._lock:
            return tuple(self._queries)

    def stop(self) -> None:
        super().stop()
        for thread in self._late:
            thread.join(_JOIN)
        self._late.clear()

    def _services(self) -> Mapping[type[DimseServiceType], Service]:
        return {
            **super()._services(),
            C_FIND: (Operation.FIND, self._find),
            C_MOVE: (Operation.MOVE, self._move),
        }

    def _subject(self, exchange: Exchange) -> dict[str, Any]:
        if isinstance(exchange.request, C_MOVE):
            asked = _asked(exchange)
            with self._lock:
                self._moves.append(asked)
            return {"studies": studies_of(exchange), "destination": asked.destination}
        return {"studies": studies_of(exchange)} if isinstance(exchange.request, C_FIND) else {}

    def _find(self, exchange: Exchange) -> None:
        levels = _LEVELS[exchange.request.AffectedSOPClassUID]
        try:
            answer_query(exchange, self._catalogue, levels, self.ae_title)
        finally:
            with self._lock:
                self._queries.append(_query(exchange))

    def _move(self, exchange: Exchange) -> None:
        title = _destination(exchange)
        address = self._destinations.get(title)
        if address is None:
            exchange.final(_DESTINATION_UNKNOWN)
            return
        levels = _LEVELS[exchange.request.AffectedSOPClassUID]
        try:
            objects = self._catalogue.select(levels, exchange.event.identifier)
        except IdentifierError:
            exchange.final(_IDENTIFIER_MISMATCH)
            return
        if exchange.struck.by(Kind.EMPTY) is not None:
            objects = ()
        originator = (exchange.calling_ae_title, exchange.request.MessageID)
        connect = partial(self._connect, (title, address), objects, originator)
        if exchange.struck.by(Kind.ANSWER_FIRST) is None or not objects:
            retrieve(exchange, objects, connect)
        else:
            self._send_late(answer_first(exchange, objects, connect, self._stopping))

    def _connect(
        self, destination: tuple[str, Address], objects: Sequence[HeldObject], originator: tuple[str, int]
    ) -> SubOperations:
        suboperations = SubOperations(self._ae, destination, objects, originator, self._watch)
        if self._stopping.is_set() and not suboperations.established:
            suboperations.close()
            raise Ended  # and do not call the destination unknown
        return suboperations

    def _open_associations(self) -> list[Association]:
        """Also those that a destination has not accepted yet, which pynetdicom does not list."""
        listed = super()._open_associations()
        with self._lock:
            return listed + [it for it in self._connecting if it not in listed]

    def _watch(self, association: Association) -> None:
        with self._lock:
            self._connecting.add(association)
            if self._stopping.is_set() and association.dul.socket is not None:
                association.dul.socket._shutdown_socket()

    def _send_late(self, send: Callable[[], None]) -> None:
        def run() -> None:
            try:
                send()
            except Ended:
                pass
            except Exception as exc:  # noqa: BLE001  such as a file that cannot be read any more
                logger.error("%s: sending late failed: %s", self.ae_title, type(exc).__name__)

        thread = threading.Thread(target=run, name=f"{self.ae_title} late", daemon=True)
        with self._lock:
            self._late.append(thread)
        thread.start()


def _held(content: Iterable[Content]) -> Iterator[HeldObject]:
    for item in content:
        match item:
            case HeldObject():
                yield item
            case GeneratedStudy():
                yield from map(_in_memory, datasets(item))
            case _:
                yield _in_memory(item)


def _in_memory(dataset: Dataset) -> HeldObject:
    return hold(dataset, lambda: dataset)


def _destination(exchange: Exchange) -> str:
    return (exchange.request.MoveDestination or "").strip()


def _query(exchange: Exchange) -> QueryAsked:
    identifier = exchange.event.identifier
    keys = {element.keyword: "\\".join(texts(element)) for element in identifier if any(texts(element))}
    level = keys.pop("QueryRetrieveLevel", "")
    canceled = exchange.request.MessageID in exchange.wire.association.dimse.cancel_req
    return QueryAsked(exchange.calling_ae_title, level, keys, exchange.responses, canceled)


def _asked(exchange: Exchange) -> MoveAsked:
    identifier = exchange.event.identifier
    study, series = (
        "\\".join(texts(identifier[keyword])) if keyword in identifier else ""
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID")
    )
    return MoveAsked(
        calling_ae_title=exchange.calling_ae_title,
        destination=_destination(exchange),
        study_uid=study,
        series_uid=series,
        priority=Priority.of_dimse(exchange.request.Priority or 0),
    )
