"""A Storage SCP (PS3.4 annex B) that remembers what arrived, and writes it to disk where asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

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
from pynetdicom import AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from engine.dicom.identifiers import valid_uid
from engine.errors import IdentifierError
from engine.simulator.scp import SimulatedNode

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
_SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700
_CANNOT_UNDERSTAND = 0xC000


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
    written with 0xA700 (PS3.4 table B.2-1).
    """

    def __init__(
        self, ae_title: str, host: str = "127.0.0.1", port: int = 0, *, folder: Path | None = None
    ) -> None:
        super().__init__(ae_title, host, port)
        self._folder = folder
        self._objects: list[ArrivedObject] = []
        self._arrival = threading.Condition(self._lock)
        for context in AllStoragePresentationContexts:
            if context.abstract_syntax is not None:
                self._ae.add_supported_context(context.abstract_syntax, _TRANSFER_SYNTAXES)

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

    def _services(self) -> list[tuple[evt.InterventionEvent, Callable[[Event], Any]]]:
        return [*super()._services(), (evt.EVT_C_STORE, self._store)]

    def _store(self, event: Event) -> int:
        try:
            arrived = _arrived_object(event)
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
            self._arrival.notify_all()
        return _SUCCESS


def _arrived_object(event: Event) -> ArrivedObject:
    """IdentifierError where a UID is missing or could not be the name of a file."""
    dataset = event.dataset
    study, series, instance = (
        valid_uid(str(dataset.get(keyword) or ""), keyword)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    return ArrivedObject(
        study_uid=study,
        series_uid=series,
        sop_instance_uid=instance,
        calling_ae_title=event.assoc.requestor.ae_title,
        move_originator=(cast(C_STORE, event.request).MoveOriginatorApplicationEntityTitle or "").strip(),
        size=len(event.encoded_dataset(include_meta=False)),
    )


def _write(event: Event, arrived: ArrivedObject, folder: Path) -> None:
    path = folder / arrived.study_uid / arrived.series_uid / f"{arrived.sop_instance_uid}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(event.encoded_dataset())
