"""Events as the engine tells them, and the site that they are told of."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from engine.audit.site import Site
from engine.config import Config, parse
from engine.events import LoggedIn, OperatorActed, Queried, Started, Stopping, TransferBegan, TransferEnded
from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Selector, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask

NOW = dt.datetime(2026, 11, 27, 9, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
STUDY = "2.25.1001002"
NASTY = "Möller <&\"'> 山田\t\n\r\x00\x1b\x9f\ud800\uffff\U0001f600]]>"
"""Markup, other scripts, control characters, and what is no character at all."""
CONFIG = """
engine: {ae_title: FOREFETCH}
archives:
  main: {ae_title: ARCHIVE, host: 10.0.0.5, port: 104, calling_ae_title: PREFETCH}
destinations:
  reading: {ae_title: READING, host: ws7.hospital.example, port: 11112}
  silent: {ae_title: SILENT}
routes:
  - {name: priors, messages: ORM^O01, studies: [{study: ZDS-1.1}], from: main, to: reading}
"""


def config(section: str = "") -> Config:
    return parse(f"{CONFIG}{section}")


def site() -> Site:
    return Site(config(), "prefetcher", "4711")


def task(selector: Selector | None = None, **changes: Any) -> RetrieveTask:
    request = RetrieveRequest(
        selector=selector or Study(STUDY),
        archive=changes.pop("archive", "main"),
        destination=changes.pop("destination", "reading"),
        routes=("priors",),
        patient=changes.pop("patient", "FF-1001^HOSPITAL"),
    )
    made = RetrieveTask(7, request, TaskStatus.IN_PROGRESS, NOW, NOW, message_id=3)
    return replace(made, **changes)


def priors(patient: str = "FF-1001") -> PriorsOfPatient:
    return PriorsOfPatient(patient, PriorCriteria(), NOW.date(), authority="HOSPITAL")


ARRIVED = Outcome(
    TaskStatus.COMPLETED, Cause.ARRIVED, "5 objects arrived", True, 0, SubOperations(0, 5, 0, 0)
)
PARTLY = Outcome(
    TaskStatus.WARNING,
    Cause.SOME_FAILED,
    "2 of 5 objects did not arrive",
    counters=SubOperations(0, 3, 2, 0),
    failed_instances=("2.25.1", "2.25.2"),
)
FAILED = Outcome(TaskStatus.FAILED, Cause.DESTINATION_UNKNOWN, "move destination unknown")
NO_TRUST = Outcome(TaskStatus.FAILED, Cause.TLS_FAILED, "its certificate has expired; have it renewed")
CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "the archive ended it as canceled")
UNCOUNTED = Outcome(TaskStatus.WARNING, Cause.UNCOUNTED, "success, not counted: what arrived is not known")
THERE = Outcome(TaskStatus.COMPLETED, Cause.ALREADY_THERE, "all of it is there", True)
RESOLVED = Outcome(TaskStatus.COMPLETED, Cause.RESOLVED, "2 studies found, 1 taken")
NOT_FOUND = Outcome(TaskStatus.FAILED, Cause.NOT_FOUND, "the archive has no such study")
REFUSED = Outcome(TaskStatus.FAILED, Cause.QUERY_FAILED, "C-FIND ended with status 0xA700")

EVERYTHING: dict[str, tuple[Any, ...]] = {
    "started": Started("127.0.0.1:2575"),
    "stopping": Stopping(),
    "login": LoggedIn("anna", "10.0.0.9", True),
    "login-refused": LoggedIn(NASTY, "fe80::1", False),
    "action": OperatorActed("anna", "10.0.0.9", "approve", (7, 8), True),
    "action-refused": OperatorActed(NASTY, "", NASTY, (7,), False),
    "action-on-nothing": OperatorActed("anna", "10.0.0.9", "try a message", (), True),
    "action-on-many": OperatorActed("anna", "10.0.0.9", "cancel", tuple(range(5000)), True),
    "query-priors": Queried(task(priors()), RESOLVED),
    "query-priors-nasty": Queried(task(priors("山田-1"), patient=NASTY), replace(REFUSED, text=NASTY)),
    "query-accession": Queried(task(StudiesOfAccession("A1")), NOT_FOUND),
    "query-series": Queried(task(Study(STUDY, "2.25.9")), NO_TRUST),
    "began": TransferBegan(task()),
    "began-unknown-nodes": TransferBegan(task(archive="gone", destination="gone", patient="")),
    "began-nasty": TransferBegan(task(patient=NASTY, archive=NASTY, destination=NASTY)),
    "ended": TransferEnded(task(), ARRIVED, 1.5),
    "ended-partly": TransferEnded(task(), PARTLY, 1.5),
    "ended-failed": TransferEnded(task(Study(STUDY, "2.25.9")), replace(FAILED, text=NASTY), 1.5),
    "ended-no-trust": TransferEnded(task(destination="silent"), NO_TRUST, 0.1),
    "ended-many-failed": TransferEnded(
        task(), replace(PARTLY, failed_instances=tuple(f"2.25.{'1' * 59}" for _ in range(9000))), 1.5
    ),
    "ended-canceled": TransferEnded(task(), CANCELED, 1.5),
    "ended-uncounted": TransferEnded(task(), UNCOUNTED, 1.5),
    "ended-there": TransferEnded(task(), THERE, 0.1),
}
