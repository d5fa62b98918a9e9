"""From what an archive answered to what may be said about it.

PS3.4 C.4.2: the final C-MOVE response has a status and may have counters of sub-operations. A counter that
is absent is unknown, not zero; "success" without a single completed sub-operation is not an arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.dicom.status import MoveStatus, move_status
from engine.errors import (
    AssociationAborted,
    AssociationRejected,
    ForefetchError,
    GateClosed,
    IdentifierError,
    NodeBusy,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    QueryFailed,
    TlsFailed,
)


class TaskStatus(StrEnum):
    """Where a retrieve task stands. The last four are final."""

    SCHEDULED = "SCHEDULED"
    HELD = "HELD"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.WARNING, TaskStatus.FAILED, TaskStatus.CANCELED})


class Cause(StrEnum):
    """Why a task ended as it did; every way that calls for a different cure has its own word."""

    ARRIVED = "arrived"
    RESOLVED = "resolved"
    UNCOUNTED = "uncounted"
    NOTHING_MOVED = "nothing-moved"
    STORED_WITH_WARNINGS = "stored-with-warnings"
    SOME_FAILED = "some-failed"
    ALL_FAILED = "all-failed"
    CANNOT_COUNT = "out-of-resources-matches"
    CANNOT_PERFORM = "out-of-resources-suboperations"
    DESTINATION_UNKNOWN = "destination-unknown"
    IDENTIFIER_MISMATCH = "identifier-mismatch"
    UNABLE_TO_PROCESS = "unable-to-process"
    NOT_AUTHORIZED = "not-authorized"
    OTHER_STATUS = "other-status"
    CANCELED = "canceled"
    UNREACHABLE = "unreachable"
    REJECTED = "association-rejected"
    ABORTED = "association-aborted"
    TIMED_OUT = "timed-out"
    QUERY_FAILED = "query-failed"
    NOT_FOUND = "not-found"
    INVALID = "invalid"
    GATE_CLOSED = "gate-closed"
    DRY_RUN = "dry-run"
    EXPIRED = "approval-expired"
    ALREADY_THERE = "already-there"
    MISSING = "missing-at-destination"
    UNVERIFIED = "unverified"
    BUSY = "node-busy"
    TLS_FAILED = "tls-failed"
    INTERNAL = "internal-error"


@dataclass(frozen=True, slots=True)
class SubOperations:
    """Counters of a C-MOVE response, (0000,1020) to (0000,1023). None where the archive left one out."""

    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None

    @property
    def stated(self) -> bool:
        """Whether the archive said anything about what it did."""
        return not (self.completed is None and self.failed is None and self.warning is None)

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.by_name.items()) or "no counts given"

    @property
    def by_name(self) -> dict[str, int]:
        """Those that the archive has stated."""
        named = {
            "completed": self.completed,
            "failed": self.failed,
            "warning": self.warning,
            "remaining": self.remaining,
        }
        return {name: count for name, count in named.items() if count is not None}


@dataclass(frozen=True, slots=True)
class MoveResponse:
    """The final response of one C-MOVE as received. ``last_pending`` are the counters of the last pending
    response, where there was one."""

    status: int
    counters: SubOperations = SubOperations()
    comment: str = ""
    failed_instances: tuple[str, ...] = ()
    last_pending: SubOperations | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, with a sentence for a person and, where something can be done, the cure.

    ``arrived`` is true only where every object of the study is known to have been stored.
    """

    status: TaskStatus
    cause: Cause
    text: str
    arrived: bool = False
    dicom_status: int | None = None
    counters: SubOperations = SubOperations()
    comment: str = ""
    failed_instances: tuple[str, ...] = ()
    cure: str = ""

    @property
    def sentence(self) -> str:
        """The text with the cure, where there is one."""
        return f"{self.text} ({self.cure})" if self.cure else self.text


_CURES = {
    Cause.UNCOUNTED: "check at the destination; the archive does not count what it sends",
    Cause.NOTHING_MOVED: "check that the archive holds the study",
    Cause.SOME_FAILED: "check the destination's log and free space, then retrieve again",
    Cause.ALL_FAILED: "check that the destination is up and accepts these SOP classes from the archive",
    Cause.CANNOT_COUNT: "try again later; the archive is out of resources",
    Cause.CANNOT_PERFORM: "check that the destination is up and reachable from the archive, then try again",
    Cause.DESTINATION_UNKNOWN: "enter the destination's AE title, host and port in the archive",
    Cause.IDENTIFIER_MISMATCH: "the archive refuses Study Root retrieval of this identifier",
    # Orthanc says so for an unknown study, an unknown destination and one that does not answer
    Cause.UNABLE_TO_PROCESS: "check that the archive holds the study, knows the destination and reaches it; "
    "its log says which",
    Cause.NOT_AUTHORIZED: "allow this calling AE title to retrieve in the archive",
    Cause.OTHER_STATUS: "look in the archive's log",
    Cause.UNREACHABLE: "check host, port and firewall, and that the node runs (forefetch echo)",
    Cause.REJECTED: "enter this calling AE title in the archive, and check the called one (forefetch echo)",
    Cause.ABORTED: "enter this calling AE title in the archive, or look in its log and try again",
    Cause.TIMED_OUT: "raise the archive's timeouts in routes.yaml, or look at its load",
    Cause.QUERY_FAILED: "look in the archive's log",
    Cause.NOT_FOUND: "check that the archive holds it, and its routing",
    Cause.MISSING: "retrieve again; if objects stay missing, look in the logs of destination and archive",
    Cause.UNVERIFIED: "check at the destination, and whether it answers queries and counts objects",
    Cause.BUSY: "lower the archive's concurrency in routes.yaml, or raise its limit of associations",
    Cause.EXPIRED: "approve it in time, or allow more time in routes.yaml; send the order again",
}

_FAILURES = {
    MoveStatus.CANNOT_COUNT: Cause.CANNOT_COUNT,
    MoveStatus.CANNOT_PERFORM: Cause.CANNOT_PERFORM,
    MoveStatus.DESTINATION_UNKNOWN: Cause.DESTINATION_UNKNOWN,
    MoveStatus.IDENTIFIER_MISMATCH: Cause.IDENTIFIER_MISMATCH,
    MoveStatus.UNABLE_TO_PROCESS: Cause.UNABLE_TO_PROCESS,
    MoveStatus.NOT_AUTHORIZED: Cause.NOT_AUTHORIZED,
    MoveStatus.OTHER: Cause.OTHER_STATUS,
}


def cure_for(cause: Cause) -> str:
    """What a person can do about it; empty where nothing is to be done."""
    return _CURES.get(cause, "")


def judge(response: MoveResponse) -> Outcome:
    """What may be said after a final C-MOVE response. Pure; every branch has a test."""
    kind = move_status(response.status)
    if kind is MoveStatus.CANCELED:
        text = "the archive ended it as canceled"
        return _outcome(response, TaskStatus.CANCELED, Cause.CANCELED, text, _furthest(response))
    if kind in _FAILURES:
        return _outcome(response, TaskStatus.FAILED, _FAILURES[kind], str(kind), _furthest(response))
    return _judge_counters(response, kind)


def _furthest(response: MoveResponse) -> SubOperations:
    """The counters of a move that was broken off. Orthanc 1.10 ends one that failed with zeros, whatever its
    pending responses had counted: what had been sent by then has been sent."""
    pending, final = response.last_pending, response.counters
    return pending if pending is not None and (pending.completed or 0) > (final.completed or 0) else final


def _judge_counters(response: MoveResponse, kind: MoveStatus) -> Outcome:
    """Success and 0xB000: the counters decide. ``known`` is whether the arrivals were counted at all."""
    count = response.counters
    if not count.stated and response.last_pending is not None and response.last_pending.remaining == 0:
        count = response.last_pending  # the archive counted to the end and left the final counters out
    known = count.completed is not None
    stored = (count.completed or 0) + (count.warning or 0)
    partial = kind is MoveStatus.SUBOPERATIONS_FAILED

    def verdict(status: TaskStatus, cause: Cause, text: str, *, arrived: bool = False) -> Outcome:
        return _outcome(response, status, cause, text, count, arrived=arrived)

    if partial and not count.stated:
        return verdict(TaskStatus.FAILED, Cause.SOME_FAILED, "sub-operations failed, none counted")
    if count.failed and known and not stored:
        return verdict(TaskStatus.FAILED, Cause.ALL_FAILED, f"all {count.failed} sub-operations failed")
    if count.failed:
        of = f" of {count.failed + stored}" if known else ""
        return verdict(TaskStatus.WARNING, Cause.SOME_FAILED, f"{count.failed}{of} objects did not arrive")
    if known and not stored:
        return verdict(TaskStatus.FAILED, Cause.NOTHING_MOVED, "the archive moved nothing")
    # 0xB000 says failures or warnings: without a count of failures it is not known which
    incomplete = bool(response.failed_instances) or (partial and (count.failed is None or not count.warning))
    if not known and not incomplete:
        return verdict(TaskStatus.WARNING, Cause.UNCOUNTED, "success, not counted: what arrived is not known")
    if count.remaining or incomplete:
        return verdict(TaskStatus.WARNING, Cause.SOME_FAILED, "the archive says that not all objects arrived")
    if count.warning:
        text = f"{stored} objects arrived, {count.warning} of them with a warning"
        return verdict(TaskStatus.WARNING, Cause.STORED_WITH_WARNINGS, text, arrived=True)
    return verdict(TaskStatus.COMPLETED, Cause.ARRIVED, f"{stored} objects arrived", arrived=True)


def _outcome(
    response: MoveResponse,
    status: TaskStatus,
    cause: Cause,
    text: str,
    counters: SubOperations | None = None,
    *,
    arrived: bool = False,
) -> Outcome:
    return Outcome(
        status=status,
        cause=cause,
        text=text,
        arrived=arrived,
        dicom_status=response.status,
        counters=counters if counters is not None else response.counters,
        comment=response.comment,
        failed_instances=response.failed_instances,
        cure=cure_for(cause),
    )


_ERROR_CAUSES: tuple[tuple[type[ForefetchError], Cause], ...] = (
    (TlsFailed, Cause.TLS_FAILED),  # whose text has the cure
    (NodeUnreachable, Cause.UNREACHABLE),
    (NodeBusy, Cause.BUSY),
    (AssociationRejected, Cause.REJECTED),
    (AssociationAborted, Cause.ABORTED),
    (NodeTimeout, Cause.TIMED_OUT),
    (QueryFailed, Cause.QUERY_FAILED),
    (IdentifierError, Cause.INVALID),
    (GateClosed, Cause.GATE_CLOSED),
)


def failure(error: ForefetchError) -> Outcome:
    """The outcome of a task that got no final response."""
    cause = next((cause for kind, cause in _ERROR_CAUSES if isinstance(error, kind)), Cause.INTERNAL)
    return Outcome(
        status=TaskStatus.FAILED,
        cause=cause,
        text=error.text if isinstance(error, NodeError) else str(error),
        dicom_status=error.status if isinstance(error, QueryFailed) else None,
        cure=cure_for(cause),
    )
