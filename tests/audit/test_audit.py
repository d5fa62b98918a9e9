"""The audit trail as a whole: from events to a file and to a collector, whatever becomes of that one."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from lxml import etree

from engine.audit import Audit
from engine.audit.courier import Courier
from engine.audit.fault import AuditUnwritable
from engine.audit.spool import Spool
from engine.audit.transport import TlsLine, UdpLine, open_line
from engine.config import AuditSettings, Collector
from engine.events import Events, OperatorActed
from engine.tls import Tls
from tests.audit.collector import free_port, tls_collector, udp_collector
from tests.audit.happenings import EVERYTHING, config
from tests.audit.test_messages import schema
from tests.certificates import Certificates

Auditing = Callable[..., AuditSettings]


@pytest.fixture
def settings(tmp_path: Path) -> Auditing:
    def made(
        collector: Collector | None = None, *, file: bool = False, spool_size: int = 10**6
    ) -> AuditSettings:
        path = str(tmp_path / "audit.jsonl") if file else ""
        return AuditSettings(path, collector, str(tmp_path / "spool"), spool_size, "FOREFETCH")

    return made


@asynccontextmanager
async def auditing(settings: AuditSettings) -> AsyncIterator[Events]:
    """A collector that is away is asked again after a hundredth of a second, at first."""
    events = Events()
    audit = Audit(settings, config(), events, pause=0.01)
    await audit.start()
    try:
        yield events
    finally:
        await audit.stop()
        await audit.stop()  # once more does no harm


def acted(number: int) -> OperatorActed:
    return OperatorActed("anna", "10.0.0.9", "approve", (number,), True)


def number_of(message: bytes) -> int:
    """The task that a message of ``acted`` is about."""
    root = etree.fromstring(message.partition(b"\xef\xbb\xbf")[2])
    schema().assertValid(root)
    name: str = root.find("ParticipantObjectIdentification").get("ParticipantObjectID")
    return int(name.rpartition("-")[2])


def trusted(certificates: Certificates, port: int) -> Collector:
    return Collector("127.0.0.1", port, Tls(certificates.ca))


@pytest.fixture
def server(certificates: Certificates) -> ssl.SSLContext:
    return certificates.server()


async def test_every_event_is_a_line_of_the_file(settings: Auditing, tmp_path: Path) -> None:
    async with auditing(settings(file=True)) as events:
        for event in EVERYTHING.values():
            events.tell(event)
    lines = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(EVERYTHING)
    assert json.loads(lines[0])["event"] == "started"
    assert not (tmp_path / "spool").exists()


async def test_messages_reach_a_collector_by_udp_in_order(settings: Auditing, tmp_path: Path) -> None:
    with udp_collector() as (collector, inbox):
        async with auditing(settings(collector, file=True)) as events:
            for number in range(40):
                events.tell(acted(number))
            messages = await asyncio.to_thread(inbox.wait_for, 40)
    assert [number_of(message) for message in messages] == list(range(40))
    assert messages[0].startswith(b"<85>1 ")
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 40


async def test_messages_reach_a_collector_by_tls_in_order(
    settings: Auditing, certificates: Certificates, server: ssl.SSLContext
) -> None:
    with tls_collector(server) as collector:
        async with auditing(settings(trusted(certificates, collector.port))) as events:
            for event in EVERYTHING.values():
                events.tell(event)
            for number in range(10_000, 10_040):
                events.tell(acted(number))
            messages = await asyncio.to_thread(collector.inbox.wait_until, b">task 10039<")
    assert [number_of(message) for message in messages[-40:]] == list(range(10_000, 10_040))


async def test_a_collector_may_want_our_certificate(settings: Auditing, certificates: Certificates) -> None:
    pair = certificates.pair()
    with tls_collector(certificates.server(mutual=True)) as collector:
        tls = Tls(certificates.ca, pair.certificate, pair.key)
        async with auditing(settings(Collector("127.0.0.1", collector.port, tls))) as events:
            events.tell(acted(1))
            await asyncio.to_thread(collector.inbox.wait_for, 1)


def test_a_collector_that_nobody_trusts_gets_no_connection_and_the_error_says_why(
    certificates: Certificates,
) -> None:
    strange = certificates.server(certificates.pair(strange=True))
    why = r"enter the one that issued it as tls\.ca"
    with tls_collector(strange) as collector, pytest.raises(OSError, match=why):
        open_line(trusted(certificates, collector.port))
    assert collector.inbox.wait_for(0) == []


async def test_what_is_told_while_a_tls_collector_is_away_comes_in_order_when_it_is_back(
    settings: Auditing, certificates: Certificates, server: ssl.SSLContext
) -> None:
    with tls_collector(server) as first:
        async with auditing(settings(trusted(certificates, first.port))) as events:
            events.tell(acted(0))
            await asyncio.to_thread(first.inbox.wait_for, 1)
            first.close()
            for number in range(1, 30):
                events.tell(acted(number))
            with tls_collector(server, first.port) as second:
                messages = await asyncio.to_thread(second.inbox.wait_until, b">task 29<")
    numbers = [number_of(message) for message in messages]
    assert numbers in (list(range(30)), list(range(1, 30)))  # one that it went away upon is sent again


async def test_what_is_told_while_a_udp_collector_is_away_comes_when_it_is_back(settings: Auditing) -> None:
    port = free_port(socket.SOCK_DGRAM)
    async with auditing(settings(Collector("127.0.0.1", port, None))) as events:
        for number in range(5):
            events.tell(acted(number))
        with udp_collector(port) as (_, inbox):
            messages = await asyncio.to_thread(inbox.wait_for, 5)
    assert [number_of(message) for message in messages] == list(range(5))


async def test_what_an_earlier_run_has_left_goes_first(
    settings: Auditing, certificates: Certificates, server: ssl.SSLContext
) -> None:
    away = trusted(certificates, free_port())
    async with auditing(settings(away)) as events:
        events.tell(acted(1))
    with tls_collector(server) as collector:
        async with auditing(settings(trusted(certificates, collector.port))) as events:
            events.tell(acted(2))
            messages = await asyncio.to_thread(collector.inbox.wait_for, 2)
    assert [number_of(message) for message in messages] == [1, 2]


_LIFE = """
import asyncio, pathlib, sys
from tests.audit.test_audit import acted
from tests.audit.happenings import config
from engine.audit import Audit
from engine.config import AuditSettings, Collector
from engine.events import Events

async def live(folder, port):
    events = Events()
    collector = Collector("127.0.0.1", int(port), None)
    settings = AuditSettings(folder + "/audit.jsonl", collector, folder + "/spool", 10**6, "FOREFETCH")
    await Audit(settings, config(), events).start()
    for number in range(300):
        events.tell(acted(number))
    while sum(path.stat().st_size for path in pathlib.Path(folder, "spool").glob("*.spool")) < 50_000:
        await asyncio.sleep(0.001)
    sys.stdout.write("told\\n")
    sys.stdout.flush()
    await asyncio.sleep(60)

asyncio.run(live(*sys.argv[1:]))
"""


def die(folder: Path, port: int) -> None:
    """Tell 300 actions in a process that is killed when a good part of them is in the spool."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LIFE, str(folder), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()


async def test_kill_9_loses_nothing_that_was_spooled(settings: Auditing, tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    await asyncio.to_thread(die, tmp_path, port)
    spooled = b"".join(path.read_bytes() for path in (tmp_path / "spool").glob("*.spool")).count(b"<85>1 ")
    with udp_collector(port) as (collector, inbox):
        async with auditing(settings(collector)) as events:
            events.tell(acted(1000))
            messages = await asyncio.to_thread(inbox.wait_until, b">task 1000<")
    assert spooled > 20
    numbers = [number_of(message) for message in messages]
    assert numbers[:-1] == list(range(len(numbers) - 1))
    assert len(numbers) - 1 in (spooled, spooled - 1)  # the last one may be torn


async def test_a_full_spool_is_told_once_and_the_file_has_what_is_missing_there(
    settings: Auditing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = Collector("127.0.0.1", free_port(socket.SOCK_DGRAM), None)
    async with auditing(settings(away, file=True, spool_size=3000)) as events:
        for number in range(300):
            events.tell(acted(number))
    assert caplog.text.count("audit.spool_size") == 1
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 300
    assert sum(path.stat().st_size for path in (tmp_path / "spool").glob("*.spool")) <= 3000


async def test_a_host_that_is_no_name_leaves_everything_in_the_spool(
    settings: Auditing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with auditing(settings(Collector("a" * 70 + ".example", 514, None))) as events:
        events.tell(acted(1))
    assert "stay in the spool" in caplog.text
    assert any(path.stat().st_size for path in (tmp_path / "spool").glob("*.spool"))


def test_a_courier_that_has_hung_delivers_nothing_after_its_end(tmp_path: Path) -> None:
    """Another process may have the spool by then: an engine, after a stand-in."""
    go, hangs, line = threading.Event(), threading.Event(), Mock()

    def open_slowly() -> Mock:
        hangs.set()
        go.wait(30)
        return line

    spool = Spool(str(tmp_path / "spool"), 10**6)
    spool.open()
    spool.append([b"one"])
    courier = Courier(spool, open_slowly, "a name that hangs", 0.01)
    courier.start()
    assert hangs.wait(30)
    courier.stop(0.01)
    spool.close()
    go.set()
    courier.stop(30)
    line.close.assert_called()
    line.send.assert_not_called()


async def test_an_event_that_makes_trouble_costs_no_other(
    settings: Auditing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with auditing(settings(file=True)) as events:
        events.tell(acted(1))
        events.tell(OperatorActed(object(), "", "approve", (2,), True))  # type: ignore[arg-type]
        events.tell(acted(3))
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["tasks"] for line in lines] == [[1], [3]]
    assert "OperatorActed was lost by a fault" in caplog.text


async def test_a_place_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    collector = Collector("127.0.0.1", free_port(socket.SOCK_DGRAM), None)
    settings = AuditSettings(str(tmp_path / "audit"), collector, str(tmp_path / "file" / "x"), 1000, "F")
    audit = Audit(settings, config(), Events())
    with pytest.raises(AuditUnwritable, match=r"audit\.spool"):
        await audit.start()
    await audit.stop()


async def test_an_event_is_taken_without_waiting_and_too_many_are_told(
    settings: Auditing, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the start nobody writes: the queue fills, and the loop goes on."""
    events = Events()
    audit = Audit(settings(file=True), config(), events)
    for number in range(10_005):
        events.tell(acted(number))
    assert caplog.text.count("events come faster than the disk takes them") == 1
    await audit.stop()


def test_a_message_that_is_too_long_for_udp_does_not_hold_up_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with udp_collector() as (collector, inbox):
        line = UdpLine(collector.host, collector.port)
        line.send([b"x" * 70_000, b"short"])
        assert inbox.wait_for(1) == [b"short"]
        line.close()
    assert "too long for UDP" in caplog.text


def test_a_collector_that_has_gone_is_noticed_before_anything_is_sent(
    certificates: Certificates, server: ssl.SSLContext
) -> None:
    with tls_collector(server) as collector:
        line = TlsLine("127.0.0.1", collector.port, Tls(certificates.ca))
        line.send([b"one"])
        collector.inbox.wait_for(1)
        collector.close()
        with pytest.raises(OSError, match=r"closed|reset"):
            line.send([b"two"])
        line.close()
