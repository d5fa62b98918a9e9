"""What Forefetch asks of a DICOM node: C-ECHO, C-FIND and C-MOVE in the Study Root model (PS3.4 C.6.2)."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping

from pydicom.dataset import Dataset

from engine.dicom import status as dimse_status
from engine.dicom.identifiers import valid_ae_title, valid_uid
from engine.dicom.keys import Exactly, Key, study_keys
from engine.dicom.node import Archive, Node, Timeouts
from engine.dicom.status import MoveStatus, move_status
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import AssociationAborted, NodeError
from engine.logs import about
from engine.retrieve.outcome import MoveResponse, SubOperations
from engine.retrieve.task import Priority
from engine.scu import find, identifiers
from engine.scu.association import VERIFICATION, NodeAssociation
from engine.scu.dimse import CANCEL_GRACE, Bounds, NotSent
from engine.scu.find import Found, Level, Record, Search
from engine.scu.pool import AssociationPool

_log = logging.getLogger(__name__)

_USABLE_AFTER = {
    MoveStatus.SUCCESS,
    MoveStatus.SUBOPERATIONS_FAILED,
    MoveStatus.CANCELED,
}  # an association after a C-MOVE
UNVERIFIED = (
    "its certificate is not verified (tls.verify: false), so that anybody in between can read and change "
    "everything; enter the authority as tls.ca instead"
)


class ArchiveClient:
    """The SCU side of one archive. Any thread may call it; each call blocks until its operation has ended.

    Every method raises IdentifierError before a connection is made, and the NodeErrors. ``grace`` is how
    many seconds an archive may take to end an operation after the C-CANCEL that follows when the total time
    is over or the operation is canceled.
    """

    def __init__(self, archive: Archive, *, grace: float = CANCEL_GRACE) -> None:
        self._archive = archive
        self._grace = grace
        self._stopping = threading.Event()
        self._pool = AssociationPool(
            self._connect,
            archive.name,
            archive.concurrency,
            archive.idle,
            health=math.inf if archive.health is None else archive.health,
            check=self._check,
        )
        if archive.tls is not None and not archive.tls.verify:
            extra = about("unverified", archive=archive.name)
            _log.warning("archive %s: %s", archive.name, UNVERIFIED, extra=extra)

    @property
    def open_associations(self) -> int:
        return self._pool.open_associations

    def echo(self) -> None:
        """C-ECHO. Raises NodeError where the answer is not success."""
        bounds = Bounds(time.monotonic() + self._archive.timeouts.total)
        self._pool.run(lambda association: _echo(association, self._archive, bounds), bounds)

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        """The studies that carry exactly these keys, of which one must be given.

        Raises QueryFailed for a final status that is not success and for more than MAX_RESULTS results.
        """
        keys = study_keys(patient_id=patient_id, accession=accession, study_uid=study_uid)
        return self._find(find.STUDIES, keys).records

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        """The series of a study, or the one that is asked for. Raises as find_studies does."""
        keys = {"StudyInstanceUID": Exactly(valid_uid(study_uid, "study instance UID"))}
        if series_uid:
            keys["SeriesInstanceUID"] = Exactly(valid_uid(series_uid, "series instance UID"))
        return self._find(find.SERIES, keys).records

    def find_instances(self, study_uid: str, series_uid: str) -> list[str]:
        """The SOP Instance UIDs of a series, by a C-FIND at IMAGE level. Raises as find_studies does."""
        keys = {
            "StudyInstanceUID": Exactly(valid_uid(study_uid, "study instance UID")),
            "SeriesInstanceUID": Exactly(valid_uid(series_uid, "series instance UID")),
        }
        return self._find(find.INSTANCES, keys).records

    def list_studies(self, keys: Mapping[str, Key], limit: int | None = None) -> Found[StudyRecord]:
        """What a person wants to read of the studies that have these keys (`engine.dicom.keys.study_keys`),
        whose they are included. Beyond ``limit`` the archive is told to stop. Raises as find_studies does."""
        return self._find(find.STUDY_LISTING, keys, limit)

    def list_series(self, keys: Mapping[str, Key], limit: int | None = None) -> Found[SeriesRecord]:
        """The same of the series of a study (`series_keys`)."""
        return self._find(find.SERIES_LISTING, keys, limit)

    def move(
        self,
        study_uid: str,
        destination_ae_title: str,
        series_uid: str = "",
        *,
        priority: Priority = Priority.MEDIUM,
        progress: Callable[[SubOperations], None] | None = None,
        canceled: threading.Event | None = None,
    ) -> MoveResponse:
        """Have a study, or one series of it, sent to a destination; the final response as it came.

        ``progress`` gets the counters of each pending response. ``canceled`` may be set by any thread: a
        C-CANCEL follows within a quarter of a second, and AssociationAborted where the archive goes on for
        longer than the grace. Set before the request was sent, or a `Stop` that forbids it, it gives a
        response of status 0xFE00.
        """
        destination = valid_ae_title(destination_ae_title, "destination AE title")
        keys = {"StudyInstanceUID": valid_uid(study_uid, "study instance UID")}
        if series_uid:
            keys["SeriesInstanceUID"] = valid_uid(series_uid, "series instance UID")
        query = identifiers.query("SERIES" if series_uid else "STUDY", keys)
        bounds = self._bounds(canceled)

        def exchange(association: NodeAssociation) -> MoveResponse:
            return self._move(association, query, destination, priority, progress, bounds)

        try:
            return self._pool.run(exchange, bounds)
        except NotSent:
            return MoveResponse(dimse_status.CANCEL)

    def stop(self) -> None:
        """End every query under way by C-CANCEL, and let none begin: each raises AssociationAborted or
        QueryFailed. A C-MOVE has its own ``canceled``."""
        self._stopping.set()

    def close_idle(self) -> None:
        """Release the associations that were not used for ``archive.idle`` seconds."""
        self._pool.close_idle()

    def close(self) -> None:
        """Release all associations; one that is in use when its operation ends."""
        self._pool.close()

    def _connect(self) -> NodeAssociation:
        return NodeAssociation(self._archive, self._archive.calling_ae_title, self._archive.timeouts)

    def _check(self, association: NodeAssociation) -> None:
        """A C-ECHO that has to be answered as soon as an A-ASSOCIATE would be."""
        _echo(association, self._archive, Bounds(time.monotonic() + self._archive.timeouts.acse))

    def _bounds(self, canceled: threading.Event | None = None) -> Bounds:
        deadline = time.monotonic() + self._archive.timeouts.total
        return Bounds(deadline, canceled or self._stopping, self._grace)

    def _find(self, level: Level[Record], keys: Mapping[str, Key], limit: int | None = None) -> Found[Record]:
        search = Search(self._archive.name, level, keys, limit)
        bounds = self._bounds()
        try:
            self._pool.run(lambda association: search.run(association, bounds), bounds)
        except NotSent as exc:
            raise AssociationAborted(self._archive.name, "no query any more: stopping") from exc
        except NodeError as exc:
            if not search.enough.is_set():
                raise
            sentence = "archive %s: a C-FIND that had brought enough: %s"
            extra = about("asked", archive=self._archive.name)
            _log.info(sentence, self._archive.name, exc.plain, extra=extra)
        return search.found()

    def _move(
        self,
        association: NodeAssociation,
        query: Dataset,
        destination: str,
        priority: Priority,
        progress: Callable[[SubOperations], None] | None,
        bounds: Bounds,
    ) -> MoveResponse:
        pending: SubOperations | None = None

        def report(status: Dataset, _: Dataset | None) -> None:
            nonlocal pending
            pending = identifiers.suboperations(status)
            if progress is not None:
                progress(pending)

        status, identifier = association.move(query, destination, priority.dimse, bounds, report)
        # DCMTK's dcmqrscp keeps its index locked after a C-MOVE that it refuses, until the association ends
        association.spent = move_status(status.Status) not in _USABLE_AFTER
        return MoveResponse(
            status=status.Status,
            counters=identifiers.suboperations(status),
            comment=identifiers.comment(status),
            failed_instances=identifiers.failed_instances(identifier),
            last_pending=pending,
        )


def echo(node: Node, calling_ae_title: str, timeouts: Timeouts) -> None:
    """C-ECHO on an association of its own (PS3.4 annex A), with the TLS and the user identity of the node.
    Raises IdentifierError and NodeError."""
    bounds = Bounds(time.monotonic() + timeouts.total)
    association = NodeAssociation(node, calling_ae_title, timeouts, VERIFICATION)
    try:
        _echo(association, node, bounds)
    except BaseException:
        association.abort()
        raise
    association.release()


def _echo(association: NodeAssociation, node: Node, bounds: Bounds) -> None:
    status, _ = association.echo(bounds)
    if status.Status != dimse_status.SUCCESS:
        said = identifiers.comment(status)
        raise NodeError(node.name, f"C-ECHO ended with status 0x{status.Status:04X}", said)
