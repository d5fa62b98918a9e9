"""Enhanced acknowledgment mode as Medplum's HL7 client and server see it, with Orthanc as the archive.

The destination is slow on purpose: what came first is known from the order of events, not from a clock.
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pynetdicom.events import Event

from engine.simulator import SimulatedDestination
from tests.peers.conftest import Folders, Site
from tests.peers.dcmtk import store
from tests.peers.forefetch import forefetch
from tests.peers.medplum import Medplum, receiver, sender
from tests.peers.nodes import ArchiveNode
from tests.peers.orders import Acknowledgment, Order, control_id, omi
from tests.peers.orthanc import orthanc
from tests.peers.studies import LARGE, OBJECTS, PRIOR_CT, STUDIES, UNKNOWN

pytestmark = pytest.mark.peers

LARGE_UID, OBJECTS_OF_LARGE = LARGE.study_uid, 50
CANCEL = "CA"
_PATIENCE = 30.0  # seconds
_numbers = itertools.count(1)


class SlowDestination(SimulatedDestination):
    """A workstation that answers a C-STORE late while it holds."""

    def __init__(self) -> None:
        super().__init__("SLOW")
        self._pace = 0.0
        self._before = 0
        self._asked = threading.Event()
        self._released = threading.Event()

    def hold(self, pace: float) -> None:
        """From now on every object takes ``pace`` seconds, or until ``release``."""
        self._pace, self._before = pace, len(self.objects)
        self._asked.clear()
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    def wait_until_asked(self) -> None:
        """Until an archive waits for the answer to a C-STORE."""
        assert self._asked.wait(_PATIENCE)

    def studies(self) -> dict[str, int]:
        """How many objects of each study have arrived since ``hold``, by Study Instance UID."""
        return dict(Counter(it.study_uid for it in self.objects[self._before :]))

    def _store(self, event: Event) -> int:
        self._asked.set()
        self._released.wait(self._pace)
        return super()._store(event)


@pytest.fixture(scope="module")
def _destination() -> Iterator[SlowDestination]:
    with SlowDestination() as node:
        yield node


@pytest.fixture
def slow(_destination: SlowDestination) -> Iterator[SlowDestination]:
    """It holds."""
    _destination.hold(_PATIENCE)
    yield _destination
    _destination.release()


@pytest.fixture(scope="module")
def archive(_destination: SlowDestination, folders: Folders) -> Iterator[ArchiveNode]:
    folder = folders("orthanc-slow")
    with orthanc("ORTHANC", {"SLOW": _destination.address[1]}, folder) as node:
        store(
            [it for it in STUDIES if it.study_uid in (LARGE_UID, PRIOR_CT)],
            node.ae_title,
            node.port,
            folder / "studies",
        )
        yield node


@pytest.fixture(scope="module")
def site(archive: ArchiveNode, folders: Folders) -> Iterator[Site]:
    with forefetch(routes_file(folders("forefetch-slow"), archive)) as engine:
        yield Site(archive, engine)


@pytest.fixture
def ris(site: Site) -> Iterator[Medplum]:
    """Medplum's client, connected to Forefetch."""
    with sender(site.forefetch.port) as medplum:
        yield medplum


def routes_file(folder: Path, archive: ArchiveNode, reply_port: int = 0) -> Path:
    """What an order names goes to SLOW, on the day before ORC-7.4 where that is not empty. With a
    ``reply_port``, application acknowledgments go there."""
    route = {
        "name": "ordered",
        "messages": "OMI^O23",
        "studies": {"study": "IPC-3.1"},
        "from": "archive",
        "to": "slow",
        "schedule": {"field": "ORC-7.4", "before": "24h"},
    }
    content: dict[str, Any] = {
        "engine": {"listen": "127.0.0.1:0", "store": str(folder / "forefetch.db")},
        "archives": {"archive": {"ae_title": archive.ae_title, "host": "127.0.0.1", "port": archive.port}},
        "destinations": {"slow": {"ae_title": "SLOW"}},
        "routes": [route],
    }
    if reply_port:
        retry = {"first": "1s", "longest": "1s"}
        content["replies"] = [{"application": "RIS", "to": f"127.0.0.1:{reply_port}", "retry": retry}]
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def enhanced(order: Order, number: str = "", when: dt.datetime | None = None) -> bytes:
    """An order that asks for both acknowledgments always (MSH-15 and MSH-16), for a time (ORC-7.4)."""
    number = number or f"E{next(_numbers)}"
    time = when.strftime("%Y%m%d%H%M%S%z") if when is not None else ""
    msh, *segments = (
        omi(order).decode().replace("|P1^HIS|F1^RIS|", f"|{number}^HIS|{number}^RIS|").split("\r")
    )
    orc = f"ORC|{order.control}|"
    segments = [f"{it}||^^^{time}" if it.startswith(orc) else it for it in segments]
    return "\r".join([f"{msh}|||AL|AL", *segments]).encode()


def next_ack(medplum: Medplum, *messages: bytes) -> tuple[str, int]:
    """MSA-1 of the next acknowledgment, and which of these messages it is for."""
    acknowledgment = medplum.next("received").acknowledgment
    return acknowledgment.code, [control_id(it) for it in messages].index(acknowledgment.control_id)


def next_acks(medplum: Medplum, *messages: bytes) -> list[Acknowledgment]:
    """The next acknowledgment of each of these messages, which may come in any order."""
    told = [medplum.next("received").acknowledgment for _ in messages]
    by_message = {acknowledgment.control_id: acknowledgment for acknowledgment in told}
    return [by_message[control_id(message)] for message in messages]


def test_ca_comes_before_anything_has_arrived_and_aa_with_the_counts_of_the_move(
    ris: Medplum, slow: SlowDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    order = enhanced(Order(study=LARGE_UID))
    ris.send(order)
    sent, accepted = ris.next("sent"), ris.next("received")
    slow.wait_until_asked()
    assert slow.studies() == {}
    slow.release()
    told, settled = ris.next("received"), ris.next("settled")
    assert (accepted.acknowledgment.code, accepted.acknowledgment.control_id) == ("CA", control_id(order))
    assert (told.acknowledgment.code, told.acknowledgment.control_id) == ("AA", control_id(order))
    (line,) = told.acknowledgment.problems()
    assert f"completed {OBJECTS_OF_LARGE}, failed 0, warning 0" in line.diagnostics
    assert slow.studies() == {LARGE_UID: OBJECTS_OF_LARGE}
    assert settled.text == told.text
    with capsys.disabled():
        print(f"\nCA after {accepted.at - sent.at:.1f} ms, AA after {told.at - sent.at:.0f} ms")


def test_an_unknown_study_is_accepted_and_then_told_with_the_dicom_status(
    ris: Medplum, slow: SlowDestination
) -> None:
    ris.send(order := enhanced(Order(study=UNKNOWN)))
    assert next_ack(ris, order) == ("CA", 0)
    told = ris.next("received").acknowledgment
    assert (told.code, told.control_id) == ("AE", control_id(order))
    (problem,) = told.problems()
    assert (problem.severity, problem.application_code) == ("E", "C000")
    assert UNKNOWN in problem.text
    assert slow.studies() == {}


def test_a_pipelined_order_is_accepted_before_the_first_one_is_answered(
    ris: Medplum, slow: SlowDestination
) -> None:
    orders = [enhanced(Order(study=study)) for study in (LARGE_UID, PRIOR_CT)]
    ris.send(*orders)
    assert [next_ack(ris, *orders) for _ in orders] == [("CA", 0), ("CA", 1)]
    slow.wait_until_asked()
    assert slow.studies() == {}
    slow.release()
    assert sorted(next_ack(ris, *orders) for _ in orders) == [("AA", 0), ("AA", 1)]
    assert slow.studies() == {LARGE_UID: OBJECTS_OF_LARGE, PRIOR_CT: OBJECTS[PRIOR_CT]}


def test_a_cancel_of_a_retrieve_that_waits_for_its_time_is_answered_aa_and_nothing_moves(
    site: Site, ris: Medplum, slow: SlowDestination
) -> None:
    in_a_week = dt.datetime.now(dt.UTC) + dt.timedelta(days=7)
    order = enhanced(Order(study=LARGE_UID), "P77", in_a_week)
    cancel = enhanced(Order(CANCEL, study=LARGE_UID), "P77")
    ris.send(order)
    assert next_ack(ris, order) == ("CA", 0)
    ris.send(cancel)
    assert next_ack(ris, order, cancel) == ("CA", 1)
    ended, canceled = next_acks(ris, order, cancel)
    assert (canceled.code, canceled.text) == ("AA", "1 retrieve canceled")
    assert (ended.code, ended.problems()[0].application_code) == ("AE", "canceled")
    assert site.archive.moves() == 0
    assert slow.studies() == {}


def test_a_cancel_of_a_retrieve_under_way_stops_orthanc_by_c_cancel(
    site: Site, ris: Medplum, slow: SlowDestination
) -> None:
    """Orthanc looks for a C-CANCEL after each object, and ends the C-MOVE with 0xFE00 and its counts. Without
    one, the study would take 10 seconds here, and come whole."""
    slow.hold(pace=0.2)
    order = enhanced(Order(study=LARGE_UID), "P78")
    cancel = enhanced(Order(CANCEL, study=LARGE_UID), "P78")
    ris.send(order)
    assert next_ack(ris, order) == ("CA", 0)
    slow.wait_until_asked()
    ris.send(cancel)
    assert next_ack(ris, order, cancel) == ("CA", 1)
    ended, canceled = next_acks(ris, order, cancel)
    assert (canceled.code, canceled.text) == ("AA", "1 retrieve being stopped")
    (problem,) = ended.problems()
    arrived = slow.studies()[LARGE_UID]
    assert 0 < arrived < OBJECTS_OF_LARGE
    assert (ended.code, problem.application_code) == ("AE", "FE00")
    left = OBJECTS_OF_LARGE - arrived
    assert f"completed {arrived}, failed 0, warning 0, remaining {left}" in problem.diagnostics


def test_an_application_ack_is_taken_once_by_a_receiver_at_its_reply_address(
    archive: ArchiveNode, slow: SlowDestination, tmp_path: Path
) -> None:
    """Nor is it sent again by the next run, which takes up what an earlier one has left in its outbox."""
    slow.release()
    with receiver() as (port, replies):
        routes = routes_file(tmp_path, archive, port)
        for order in [enhanced(Order(study=PRIOR_CT)) for _ in range(2)]:
            with forefetch(routes) as engine, sender(engine.port) as ris:
                ris.send(order)
                assert next_ack(ris, order) == ("CA", 0)
                told = replies.next("received").acknowledgment
                assert (told.code, told.control_id) == ("AA", control_id(order))
                assert f"completed {OBJECTS[PRIOR_CT]}" in told.problems()[0].diagnostics
                engine.process.await_that(lambda: "is delivered" in engine.process.log(), "rid of the ACK")
                assert [event.kind for event in ris.end()] == ["closed"]
        assert replies.end() == []
