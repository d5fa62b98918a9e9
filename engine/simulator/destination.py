"""A Storage SCP (PS3.4 annex B) that remembers what arrived, and writes it to disk where asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never, cast

from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.dimse_primitives import C_FIND, C_STORE, DimseServiceType
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
)

from engine.errors import IdentifierError
from engine.simulator.catalogue import STUDY_ROOT, Catalogue, HeldObject, hold
from engine.simulator.exchange import SUCCESS, Exchange
from engine.simulator.fault_fields import Kind, Operation
from engine.simulator.query import answer_query, studies_of
from engine.simulator.scp import Faults, Service, SimulatedNode

logger = logging.getLogger(__name__)

_TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    RLELossless,
]
_OUT_OF_RESOURCES = 0xA700
_CANNOT_UNDERSTAND = 0xC000
_DUPLICATE_INSTANCE = 0x0111


@dataclass(frozen=True, slots=True)
class ArrivedObject:
    """One C-STORE that was answered with success.

    ``move_originator`` is the Move Originator AE Title (0000,1030), empty where there was none. ``size`` is
    the length of the data set in bytes as it came.
    """

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    calling_ae_title: str
    move_originator: str
    size: int


class SimulatedDestination(SimulatedNode):
    """A workstation that accepts every storage SOP class.

    With ``folder``, objects become files ``<study>/<series>/<instance>.dcm`` below it; an object that comes
    again overwrites its file. A data set without valid UIDs is refused with 0xC000, one that cannot be
    written with 0xA700 (PS3.4 table B.2-1). C-FIND in Study Root tells what has arrived.
    """

    principal = Operation.STORE

    def __init__(
        self,
        ae_title: str,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        folder: Path | None = None,
        faults: Faults = (),
    ) -> None:
        super().__init__(ae_title, host, port, faults)
        self._folder = folder
        self._objects: list[ArrivedObject] = []
        self._held: dict[str, HeldObject] = {}  # by SOP Instance UID
        self._arrival = threading.Condition(self._lock)
        for context in AllStoragePresentationContexts:
            if context.abstract_syntax is not None:
                self._ae.add_supported_context(context.abstract_syntax, _TRANSFER_SYNTAXES)
        self._ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)

    @property
    def objects(self) -> tuple[ArrivedObject, ...]:
        """Every arrival so far, in order; an object that came twice is there twice."""
        with self._lock:
            return tuple(self._objects)

    def arrived(self, study_uid: str = "") -> int:
        """How many different objects of the study (or of all studies) have arrived."""
        with self._lock:
            return self._arrived(study_uid)

    def wait_for(self, count: int, timeout: float, study_uid: str = "") -> bool:
        """Wait until ``arrived(study_uid)`` is at least ``count``; False after ``timeout`` seconds."""
        with self._arrival:
            return self._arrival.wait_for(lambda: self._arrived(study_uid) >= count, timeout)

    def _arrived(self, study_uid: str) -> int:
        return len({it.sop_instance_uid for it in self._objects if study_uid in ("", it.study_uid)})

    def _services(self) -> Mapping[type[DimseServiceType], Service]:
        return {
            **super()._services(),
            C_STORE: (Operation.STORE, self._answer_store),
            C_FIND: (Operation.FIND, self._find),
        }

    def _subject(self, exchange: Exchange) -> dict[str, Any]:
        if isinstance(exchange.request, C_STORE):
            study = str(exchange.event.dataset.get("StudyInstanceUID") or "")
            with self._lock:
                duplicate = exchange.request.AffectedSOPInstanceUID in self._held
            return {"studies": (study,), "duplicate": duplicate}
        return {"studies": studies_of(exchange)} if isinstance(exchange.request, C_FIND) else {}

    def _find(self, exchange: Exchange) -> None:
        with self._lock:
            catalogue = Catalogue(self._held.values())
        answer_query(exchange, catalogue, STUDY_ROOT, self.ae_title)

    def _answer_store(self, exchange: Exchange) -> None:
        exchange.pause()
        struck = exchange.struck
        if (duplicate := struck.by(Kind.DUPLICATE)) is not None:
            exchange.final(_DUPLICATE_INSTANCE if duplicate.status is None else duplicate.status)
        elif struck.by(Kind.DROP) is not None:
            exchange.final(SUCCESS)
        else:
            exchange.final(self._store(exchange.event))

    def _store(self, event: Event) -> int:
        """Keep an object; the status to answer with."""
        try:
            arrived, held = _arrived_object(event)
            if self._folder is not None:
                _write(event, arrived, self._folder)
        except IdentifierError:
            logger.warning("%s refuses an object without valid UIDs", self.ae_title)
            return _CANNOT_UNDERSTAND
        except OSError as exc:
            logger.error("%s cannot write an object: %s", self.ae_title, exc.strerror)
            return _OUT_OF_RESOURCES
        with self._arrival:
            self._objects.append(arrived)
            self._held[arrived.sop_instance_uid] = held
            self._arrival.notify_all()
        return SUCCESS


def _arrived_object(event: Event) -> tuple[ArrivedObject, HeldObject]:
    """IdentifierError where a UID is missing or could not be the name of a file."""
    dataset = event.dataset
    dataset.file_meta = event.file_meta
    held = hold(dataset, _not_sent_on)
    arrived = ArrivedObject(
        study_uid=held.value("StudyInstanceUID"),
        series_uid=held.value("SeriesInstanceUID"),
        sop_instance_uid=held.value("SOPInstanceUID"),
        calling_ae_title=event.assoc.requestor.ae_title,
        move_originator=(cast(C_STORE, event.request).MoveOriginatorApplicationEntityTitle or "").strip(),
        size=len(event.encoded_dataset(include_meta=False)),
    )
    return arrived, held


def _not_sent_on() -> Never:
    raise AssertionError("a destination answers queries only")


def _write(event: Event, arrived: ArrivedObject, folder: Path) -> None:
    path = folder / arrived.study_uid / arrived.series_uid / f"{arrived.sop_instance_uid}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(event.encoded_dataset())
