"""Enhanced acknowledgment mode, cancels, merges and schedules on real sockets and associations."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

import pytest

from engine.app import Engine
from engine.hl7.message import Message
from engine.hl7.mllp import frame
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import Verb
from engine.sender import send
from engine.store import list_tasks, operate
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, ROUTES, Hospital, field, fields, hospital, order

CONDITIONS = ["", "AL", "NE", "ER", "SU"]


class Line:
    """An MLLP connection on which blocks come when they like."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    def send(self, message: bytes) -> None:
        self.writer.write(frame(message))

    async def block(self) -> bytes:
        async with asyncio.timeout(20):
            return (await self._reader.readuntil(b"\x1c\r"))[1:-2]

    async def rest(self) -> list[str]:
        """MSA-1 of every block up to the end, which comes when this side has ended."""
        self.writer.write_eof()
        async with asyncio.timeout(20):
            data = await self._reader.read()
        return [field(block.strip(b"\x0b"), "MSA-1") for block in data.split(b"\x1c\r") if block]


@asynccontextmanager
async def line(engine: Engine) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(*engine.address)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def enhanced(message: bytes, accept: str, application: str) -> bytes:
    """The message with MSH-15 and MSH-16."""
    msh, _, rest = message.partition(b"\r")
    return msh + f"|||{accept}|{application}\r".encode() + rest


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        yield running


def wanted(condition: str, success: bool) -> bool:
    return condition == "AL" or condition == ("SU" if success else "ER")


def expected(accept: str, application: str, kind: str) -> list[str]:
    """HL7 v2 ch. 2.9.2 and 2.9.3, table 0155: the codes that are to come, in order."""
    application_code = {"good": "AA", "fails": "AE", "refused": "AE"}[kind]
    if not accept and not application:
        return [application_code]
    if kind == "refused":
        if wanted(accept, False):
            return ["CE"]
        return ["AE"] if wanted(application, False) else []
    codes = ["CA"] if wanted(accept, True) else []
    return codes + ([application_code] if wanted(application, kind == "good") else [])


@pytest.mark.parametrize("kind", ["good", "fails", "refused"])
async def test_every_pair_of_conditions_is_answered_as_the_standard_says(site: Hospital, kind: str) -> None:
    messages = {
        "good": order("RE", study=CHEST_CT, control_id="@"),
        "fails": order("RE", study="2.25.404", control_id="@"),
        "refused": order(control_id="") + b"ZZZ|@\r",
    }
    async with Engine(site.config, ALLOWED) as engine:
        for number, (accept, application) in enumerate(product(CONDITIONS, CONDITIONS)):
            message = messages[kind].replace(b"@", str(number).encode())
            async with line(engine) as connection:
                connection.send(enhanced(message, accept, application))
                codes = await connection.rest()
            assert codes == expected(accept, application, kind), (accept, application)


async def test_the_accept_ack_comes_at_once_and_the_application_ack_with_the_counts(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
        connection.send(enhanced(order("RE", study=CHEST_CT), "AL", "AL"))
        accept, application = await connection.block(), await connection.block()
    assert (field(accept, "MSA-1"), field(accept, "MSA-2")) == ("CA", "M1")
    assert (field(application, "MSA-1"), field(application, "MSA-2")) == ("AA", "M1")
    assert "completed 5" in field(application, "ERR-7")
    assert field(accept, "MSH-10") != field(application, "MSH-10")
    assert field(application, "MSH-15") == field(application, "MSH-16") == "NE"
    assert field(accept, "MSH-15") == ""


async def test_a_slow_application_ack_does_not_hold_back_later_accept_acks(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
        for number in range(4):
            connection.send(enhanced(order(control_id=f"M{number}"), "AL", "AL"))
        blocks = [await connection.block() for _ in range(8)]
    accepts = [field(block, "MSA-2") for block in blocks if field(block, "MSA-1") == "CA"]
    applications = [field(block, "MSA-2") for block in blocks if field(block, "MSA-1") == "AA"]
    assert accepts == ["M0", "M1", "M2", "M3"]
    assert sorted(applications) == ["M0", "M1", "M2", "M3"]


async def test_a_resent_message_gets_both_of_its_acks_again(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        answers = []
        for _ in range(2):
            async with line(engine) as connection:
                connection.send(enhanced(order("RE", study=CHEST_CT), "AL", "AL"))
                answers.append([await connection.block(), await connection.block()])
    assert answers[0] == answers[1]
    assert len(site.archive.moves) == 1


async def test_a_resent_message_gets_its_acks_whatever_has_become_of_its_tasks_since(site: Hospital) -> None:
    """A person has brought the task back and holds it."""
    message = enhanced(order("RE", study="2.25.404"), "NE", "ER")
    path = site.config.engine.store
    async with Engine(site.config, ALLOWED) as engine:
        async with line(engine) as connection:
            connection.send(message)
            first = await connection.block()
        (task,) = list_tasks(path)
        operate(path, Verb.RETRY, [task.id], "tester")
        operate(path, Verb.HOLD, [task.id], "tester")
        async with line(engine) as connection:
            connection.send(message)
            assert await connection.block() == first
    assert field(first, "MSA-1") == "AE"


async def test_an_acknowledgment_is_never_acknowledged(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await send(*engine.address, [order("HD")])
        async with line(engine) as connection:
            connection.send(ack)
            connection.send(enhanced(ack, "AL", "AL"))
            connection.send(order("HD", control_id="M2"))
            assert await connection.rest() == ["AA"]


async def test_the_application_ack_is_made_when_its_connection_is_gone(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        async with line(engine) as connection:
            connection.send(enhanced(order("RE", study=CHEST_CT), "AL", "AL"))
            assert field(await connection.block(), "MSA-1") == "CA"
        assert await asyncio.to_thread(site.reading.wait_for, 5, 20.0, CHEST_CT)
        async with line(engine) as connection:
            connection.send(enhanced(order("RE", study=CHEST_CT), "AL", "AL"))
            assert await connection.rest() == ["CA", "AA"]


async def test_a_batch_is_answered_message_by_message(site: Hospital) -> None:
    batch = (
        b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r"
        + order("HD", control_id="A")
        + order("RE", study=CHEST_CT, control_id="B")
    )
    async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
        connection.send(batch + b"BTS|2\rFTS|1\r")
        first, second = await connection.block(), await connection.block()
    assert [field(first, "MSA-2"), field(second, "MSA-2")] == ["A", "B"]
    assert field(second, "MSA-3") == "1 of 1 study arrived"


INTAKE = """
intake: {senders: {application: HIS}, processing_ids: [P], versions: "2.5*", unrouted: reject}
routes:
  - {name: r, messages: ORM^O01, studies: {study: ZDS-1.1}, from: main, to: reading, respond: ORR^O02}
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        (b"|HIS|", b"|OTHER|", "103", ["MSH", "3", "1"]),
        (b"|P|2", b"|T|2", "202", ["MSH", "11", "1"]),
        (b"|2.5.1", b"|2.6", "203", ["MSH", "12", "1"]),
        (b"ORM^O01", b"ORM^O99", "201", ["MSH", "9", "2"]),
        (b"ORM^O01", b"ORU^R01", "200", ["MSH", "9", "1"]),
    ],
)
async def test_what_intake_does_not_accept_is_rejected_with_its_code_and_place(
    tmp_path: Path, old: bytes, new: bytes, code: str, place: list[str]
) -> None:
    with hospital(tmp_path, INTAKE) as site:
        async with Engine(site.config, ALLOWED) as engine:
            (ack,) = await send(*engine.address, [order(study=CHEST_CT).replace(old, new, 1)])
            (good,) = await send(*engine.address, [order(study=CHEST_CT)])
    assert field(ack, "MSA-1") == "AR"
    assert field(ack, "ERR-3.1") == code
    assert [field(ack, f"ERR-2.{part}") for part in ("1", "3", "5")] == place
    assert (field(good, "MSA-1"), Message(good).header.message_type) == ("AA", "ORR^O02")


SCHEDULED = """
routes:
  - name: later
    messages: ORM^O01
    when: {field: ORC-1, in: [NW, XO]}
    studies: {study: ZDS-1.1}
    from: main
    to: reading
    schedule: {field: OBR-36, before: 12h}
"""


def appointment(when: dt.datetime | None, control: str = "NW", **what: str) -> bytes:
    """An order for the chest CT with OBR-36 (scheduled date/time)."""
    message = order(control, **{"study": CHEST_CT, **what})
    told = when.strftime("%Y%m%d%H%M%S%z") if when is not None else ""
    return message.replace(b"^CT Chest^L", b"^CT Chest^L" + b"|" * 32 + told.encode(), 1)


async def test_a_retrieve_waits_for_its_time_and_a_sooner_need_pulls_it_forward(tmp_path: Path) -> None:
    in_two_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine:
            (first,) = await send(*engine.address, [appointment(in_two_days)])
            (again,) = await send(*engine.address, [appointment(in_two_days, control_id="M2")])
            waiting = list_tasks(site.config.engine.store)
            moved_before = len(site.archive.moves)
            (now,) = await send(*engine.address, [appointment(None, control_id="M3")])
        (task,) = list_tasks(site.config.engine.store)
    assert field(first, "MSA-1") == field(again, "MSA-1") == "AA"
    assert "is due at" in field(first, "ERR-8")
    assert [it.status for it in waiting] == [TaskStatus.SCHEDULED]
    assert waiting[0].request.due == (in_two_days - dt.timedelta(hours=12)).replace(microsecond=0)
    assert moved_before == 0
    assert field(now, "MSA-3") == "1 of 1 study arrived"
    assert task.status is TaskStatus.COMPLETED
    assert len(site.archive.moves) == 1


async def test_a_task_that_falls_due_is_carried_out_without_another_message(tmp_path: Path) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12, seconds=2)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [appointment(soon)])
            assert await asyncio.to_thread(site.reading.wait_for, 5, 20.0, CHEST_CT)


async def test_a_cancel_right_behind_a_batch_is_kept_behind_its_orders(tmp_path: Path) -> None:
    in_two_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    batch = b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + appointment(in_two_days)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
            connection.writer.write(frame(batch) + frame(order("CA", control_id="C1")))
            await connection.block()
            assert field(await connection.block(), "MSA-3") == "1 retrieve canceled"
        (task,) = list_tasks(site.config.engine.store)
    assert task.status is TaskStatus.CANCELED


@pytest.mark.parametrize("control", ["CA", "DC", "OC"])
async def test_a_cancel_ends_what_waits_for_its_order(tmp_path: Path, control: str) -> None:
    in_two_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [appointment(in_two_days)])
            (ack,) = await send(*engine.address, [order(control, control_id="C1")])
            (again,) = await send(*engine.address, [order(control, control_id="C2")])
        (task,) = list_tasks(site.config.engine.store)
    assert (field(ack, "MSA-1"), field(ack, "MSA-3")) == ("AA", "1 retrieve canceled")
    assert field(again, "MSA-3") == "nothing was waiting"
    assert task.status is TaskStatus.CANCELED
    assert site.archive.moves == ()


async def test_a_changed_order_replaces_what_waits_for_it(tmp_path: Path) -> None:
    in_two_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [appointment(in_two_days)])
            await send(*engine.address, [appointment(in_two_days, "XO", control_id="M2", study=OLD_KNEE)])
        new, old = list_tasks(site.config.engine.store)
    assert (str(old.request.selector), old.status) == (f"study {CHEST_CT}", TaskStatus.CANCELED)
    assert (str(new.request.selector), new.status) == (f"study {OLD_KNEE}", TaskStatus.SCHEDULED)


async def test_after_a_merge_priors_are_sought_under_both_identifiers(site: Hospital) -> None:
    merge = (
        b"MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|20261124||ADT^A40|A1|P|2.5.1\r"
        b"EVN|A40|20261124\rPID|1||FF-5000^^^FOREST^MR||Aalto^Mira\rMRG|FF-1001^^^FOREST^MR\r"
    )
    async with Engine(site.config, ALLOWED) as engine:
        (before,) = await send(*engine.address, [order(patient="FF-5000")])
        await send(*engine.address, [merge])
        (after,) = await send(*engine.address, [order(patient="FF-5000", control_id="M2")])
    assert field(before, "MSA-3") == "no study to move"
    assert field(after, "MSA-3") == "3 of 3 studies arrived"
    assert sorted(fields(after, "ERR-4")) == ["I", "I", "I"]


VISITS = """
routes:
  - name: visits
    messages: [ADT^A01, ADT^A05]
    studies: {priors: {within: 10y}}
    from: main
    to: reading
    schedule: {field: PV2-8}
"""


def visit(event: str, control_id: str, number: str = "V1") -> bytes:
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).strftime("%Y%m%d%H%M%S%z")
    segments = [
        f"MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|20261124||ADT^{event}|{control_id}|P|2.5.1",
        f"EVN|{event}|20261124",
        "PID|1||FF-1001^^^FOREST^MR||Aalto^Mira",
        "PV1|1|I|W1" + "|" * 16 + number,
        "PV2" + "|" * 8 + tomorrow,
    ]
    return "".join(segment + "\r" for segment in segments).encode()


@pytest.mark.parametrize(("event", "cancel"), [("A01", "A11"), ("A05", "A38")])
async def test_a_canceled_visit_takes_back_its_retrieves_and_no_others(
    tmp_path: Path, event: str, cancel: str
) -> None:
    with hospital(tmp_path, VISITS) as site:
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [visit(event, "1")])
            (other,) = await send(*engine.address, [visit(cancel, "2", number="V2")])
            (ack,) = await send(*engine.address, [visit(cancel, "3")])
        (task,) = list_tasks(site.config.engine.store)
    assert field(other, "MSA-3") == "nothing was waiting"
    assert field(ack, "MSA-3") == "1 retrieve canceled"
    assert task.status is TaskStatus.CANCELED


async def test_a_patient_update_is_carried_out_once(tmp_path: Path) -> None:
    routes = VISITS.replace("[ADT^A01, ADT^A05]", "[ADT^A01, ADT^A08]")
    with hospital(tmp_path, routes) as site:
        async with Engine(site.config, ALLOWED) as engine:
            acks = await send(*engine.address, [visit(event, event) for event in ("A01", "A08")])
            acks += await send(*engine.address, [visit("A08", "again")])
        tasks = list_tasks(site.config.engine.store)
    assert [field(ack, "MSA-1") for ack in acks] == ["AA", "AA", "AA"]
    assert len(tasks) == 1


@asynccontextmanager
async def reply_receiver(*codes: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A receiver of application acknowledgments at an address of its own, which answers with these accept
    codes in turn (the last one for ever); its port, and what it has received."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            block = (await reader.readuntil(b"\x1c\r"))[1:-2]
            received.append(block)
            code = codes[min(len(received), len(codes)) - 1]
            if code:
                own = field(block, "MSH-10")
                writer.write(frame(f"MSH|^~\\&|HIS|HOSP|||2026||ACK|1|P|2.5.1\rMSA|{code}|{own}\r".encode()))
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], received


def with_reply_address(port: int) -> str:
    return f"replies: [{{application: HIS, to: 127.0.0.1:{port}, retry: {{first: 1s, longest: 1s}}}}]\n"


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is waited for happens in the engine
            await asyncio.sleep(0.02)


async def test_an_application_ack_goes_to_its_reply_address_until_it_is_taken(tmp_path: Path) -> None:
    async with reply_receiver("", "CA") as (port, received):
        with hospital(tmp_path, with_reply_address(port) + ROUTES) as site:
            async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
                connection.send(enhanced(order("RE", study=CHEST_CT), "AL", "AL"))
                assert await connection.rest() == ["CA"]
                await eventually(lambda: len(received) == 2)
    first, second = received
    assert first == second
    assert (field(first, "MSA-1"), field(first, "MSA-2")) == ("AA", "M1")
    assert (field(first, "MSH-15"), field(first, "MSH-16")) == ("AL", "NE")


async def test_an_application_ack_that_is_owed_is_sent_after_a_restart(tmp_path: Path) -> None:
    """The engine ends before the study is due to be moved, and is started when it is."""
    routes = ROUTES.replace("acknowledge: accepted", "schedule: {field: OBR-36}")
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)
    async with reply_receiver("CA") as (port, received):
        with hospital(tmp_path, with_reply_address(port) + routes) as site:
            async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
                connection.send(enhanced(appointment(soon, "SC"), "AL", "AL"))
                assert field(await connection.block(), "MSA-1") == "CA"
            assert received == []
            async with Engine(site.config, ALLOWED):
                await eventually(lambda: len(received) == 1)
    assert (field(received[0], "MSA-1"), field(received[0], "MSA-3")) == ("AA", "1 of 1 study arrived")


async def test_a_cancel_asks_for_nothing_whatever_its_route(tmp_path: Path) -> None:
    routes = "routes: [{name: all, messages: '*', studies: {study: ZDS-1.1}, from: main, to: reading}]"
    with hospital(tmp_path, routes) as site:
        async with Engine(site.config, ALLOWED) as engine:
            (ack,) = await send(*engine.address, [order("CA", study=CHEST_CT)])
            mixed = order("CA", study=CHEST_CT, control_id="M2") + b"ORC|NW|P2\rOBR|2|P2\r"
            (refused,) = await send(*engine.address, [mixed])
    assert (field(ack, "MSA-1"), field(ack, "MSA-3")) == ("AA", "nothing was waiting")
    assert field(refused, "MSA-1") == "AE"
    assert "send them apart" in field(refused, "ERR-8")
    assert site.archive.moves == ()


async def test_a_cancel_behind_an_order_that_takes_longer_to_examine_is_kept_behind_it(
    tmp_path: Path,
) -> None:
    routes = VISITS.replace("schedule:", "validate: true\n    schedule:")
    with hospital(tmp_path, routes) as site:
        async with Engine(site.config, ALLOWED) as engine:
            for number in range(5):
                visits = [visit("A05", f"a{number}", f"V{number}"), visit("A38", f"b{number}", f"V{number}")]
                admitted, canceled = await send(*engine.address, visits, pipelined=True)
                assert field(admitted, "MSA-2") == f"a{number}"
                assert field(canceled, "MSA-3") == "1 retrieve canceled"
        assert {task.status for task in list_tasks(site.config.engine.store)} == {TaskStatus.CANCELED}


async def test_a_cancel_that_is_sent_again_gets_the_answer_of_the_first(tmp_path: Path) -> None:
    in_two_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [appointment(in_two_days)])
            copies = [send(*engine.address, [order("CA", control_id="C1")]) for _ in range(4)]
            answers = {ack for (ack,) in await asyncio.gather(*copies)}
    assert [field(ack, "MSA-3") for ack in answers] == ["1 retrieve canceled"]


@pytest.mark.parametrize(
    "broken",
    [
        b"MSH|^~\\&|A|B|C|D|||ACK||P|2.5\rMSA|AA|1\r",
        b"MSH|^^^^|A|B|C|D|||ACK|1|P|2.5\rMSA|AA|1\r",
        b"MSH|^~\\&|A|B|C|D||||1|P|2.5\rMSA|AA|1\r",
        b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5\r",
        b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5\rMSA|AA|1\rMSH|^~\\&|A|B|C|D|||ACK|1|P|2.5\rMSA|AA|1\r",
    ],
)
async def test_a_broken_acknowledgment_is_not_acknowledged_either(site: Hospital, broken: bytes) -> None:
    async with Engine(site.config, ALLOWED) as engine, line(engine) as connection:
        connection.send(broken)
        connection.writer.write(b"\x0b" + broken)  # without its end block
        connection.send(order("HD"))
        assert await connection.rest() == ["AA"]


async def test_a_merge_that_cannot_be_made_is_an_error(site: Hospital) -> None:
    merge = (
        b"MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|20261124||ADT^A40|A1|P|2.5.1\r"
        b"EVN|A40|20261124\rPID|1||FF-1001^^^FOREST^MR||Aalto^Mira\rMRG|FF-99*^^^FOREST^MR\r"
    )
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await send(*engine.address, [merge])
        (after,) = await send(*engine.address, [order(control_id="M2")])
    assert (field(ack, "MSA-1"), field(ack, "ERR-2.1")) == ("AE", "MRG")
    assert field(after, "MSA-3") == "3 of 3 studies arrived"


@pytest.mark.parametrize("when", ["0001", "00010101", "99991231235959", "soon", '""'])
async def test_a_date_that_is_none_or_out_of_all_bounds_is_now_or_late_but_no_fault(
    tmp_path: Path, when: str
) -> None:
    message = order(study=CHEST_CT).replace(b"^CT Chest^L", b"^CT Chest^L" + b"|" * 32 + when.encode(), 1)
    with hospital(tmp_path, SCHEDULED) as site:
        async with Engine(site.config, ALLOWED) as engine:
            (ack,) = await send(*engine.address, [message])
    assert field(ack, "MSA-1") == "AA"
    assert ("is due at" in field(ack, "ERR-8")) is when.startswith("9999")
