"""A Query/Retrieve SCP (PS3.4 annex C) to test against: real associations and real sub-operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydicom.dataset import Dataset
from pynetdicom import build_context, evt
from pynetdicom.dimse_primitives import C_MOVE
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from engine.dicom.identifiers import valid_ae_title
from engine.errors import IdentifierError
from engine.retrieve.task import Priority
from engine.simulator.catalogue import PATIENT_ROOT, STUDY_ROOT, Catalogue, HeldObject, hold
from engine.simulator.matching import texts
from engine.simulator.scp import Address, SimulatedNode
from engine.simulator.studies import GeneratedStudy, datasets
from engine.simulator.suboperations import SubOperationConnection, contexts

_LEVELS = {
    PatientRootQueryRetrieveInformationModelFind: PATIENT_ROOT,
    PatientRootQueryRetrieveInformationModelMove: PATIENT_ROOT,
    StudyRootQueryRetrieveInformationModelFind: STUDY_ROOT,
    StudyRootQueryRetrieveInformationModelMove: STUDY_ROOT,
}
_PENDING = 0xFF00
_CANCEL = 0xFE00
_IDENTIFIER_MISMATCH = 0xA900

Content = GeneratedStudy | Dataset | HeldObject


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """A C-MOVE request as it arrived. Several UIDs stand in one text with a backslash between them."""

    calling_ae_title: str
    destination: str
    study_uid: str
    series_uid: str
    priority: Priority


class SimulatedArchive(SimulatedNode):
    """An archive of generated studies, datasets (with file meta information) or loaded folders.

    C-FIND and C-MOVE in Study Root and Patient Root, at every level. ``destinations`` are the addresses
    of the AE titles that it knows. A C-MOVE of nothing ends in success with counters of zero, as with
    many archives; an unknown destination, and one that does not answer, in 0xA801 (pynetdicom's choice).
    """

    def __init__(
        self,
        ae_title: str,
        content: Iterable[Content],
        destinations: Mapping[str, Address],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(ae_title, host, port)
        self._catalogue = Catalogue(_held(content))
        self._destinations = {valid_ae_title(title): address for title, address in destinations.items()}
        self._moves: list[MoveAsked] = []
        for sop_class in _LEVELS:
            self._ae.add_supported_context(sop_class)

    @property
    def moves(self) -> tuple[MoveAsked, ...]:
        """The C-MOVE requests so far, in the order in which they arrived."""
        with self._lock:
            return tuple(self._moves)

    def _services(self) -> list[tuple[evt.InterventionEvent, Callable[[Event], Any]]]:
        return [*super()._services(), (evt.EVT_C_FIND, self._find), (evt.EVT_C_MOVE, self._move)]

    def _find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        levels = _LEVELS[event.request.AffectedSOPClassUID]
        try:
            for response in self._catalogue.find(levels, event.identifier):
                if event.is_cancelled:
                    yield _CANCEL, None
                    return
                response.RetrieveAETitle = self.ae_title
                yield _PENDING, response
        except IdentifierError:
            yield _IDENTIFIER_MISMATCH, None

    def _move(self, event: Event) -> Iterator[Any]:
        """In pynetdicom's order: where to, how many, then each object. It sends the responses."""
        asked = _asked(event)
        with self._lock:
            self._moves.append(asked)
        address = self._destinations.get(asked.destination)
        if address is None:
            yield None, None
            return
        try:
            objects = self._catalogue.select(_LEVELS[event.request.AffectedSOPClassUID], event.identifier)
        except IdentifierError:
            # pynetdicom takes a failure status only once it has an association with the destination.
            yield *address, {"contexts": [build_context(Verification)]}
            yield 1
            yield _IDENTIFIER_MISMATCH, None
            return
        connection = SubOperationConnection(event.assoc.requestor.ae_title)
        yield *address, {"contexts": contexts(objects), "evt_handlers": connection.handlers()}
        yield len(objects)
        for held in objects:
            if event.is_cancelled:
                yield _CANCEL, None
                return
            dataset = held.read()
            connection.notice_closing()
            yield _PENDING, dataset


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


def _asked(event: Event) -> MoveAsked:
    identifier = event.identifier
    study, series = (
        "\\".join(texts(identifier[keyword])) if keyword in identifier else ""
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID")
    )
    return MoveAsked(
        calling_ae_title=event.assoc.requestor.ae_title,
        destination=(event.move_destination or "").strip(),
        study_uid=study,
        series_uid=series,
        priority=Priority.of_dimse(cast(C_MOVE, event.request).Priority or 0),
    )
