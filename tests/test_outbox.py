"""The outbox against real receivers: absent, silent, rude and good ones, and through kill -9."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import signal
import socket
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import engine.outbox
from engine.errors import StoreError
from engine.hl7.mllp import frame
from engine.outbox import Outbox
from engine.retrieve.retry import backoff
from engine.sender import connect
from engine.store import LetterStatus, NewLetter, Store, list_letters
from tests.store import message

ROOT = Path(__file__).parents[1]
NAME = "DOE^JANE"
Answers = list[bytes] | None  # None: close the connection without an answer
Clock = Callable[[], dt.datetime]


def reply(control_id: str) -> bytes:
    return f"MSH|^~\\&|FF||HIS||20240506||ACK^O01^ACK|{control_id}|P|2.5.1\rMSA|AA|1|{NAME}\r".encode()


def ack(code: str, control_id: str) -> bytes:
    return f"MSH|^~\\&|HIS||FF||20240506||ACK|9|P|2.5.1\rMSA|{code}|{control_id}|{NAME}\r".encode()


def control_id_of(payload: bytes) -> str:
    return payload.split(b"|")[9].decode()


def accepts(payload: bytes) -> Answers:
    return [ack("CA", control_id_of(payload))]


def silent(payload: bytes) -> Answers:
    return []


class Receiver:
    """Listens from `listen` on; keeps what it got; answers as told and then waits for the sender to close."""

    def __init__(self, answer: Callable[[bytes], Answers] = accepts) -> None:
        self.answer = answer
        self.payloads: asyncio.Queue[bytes] = asyncio.Queue()
        self.unanswered = self.most_unanswered = 0
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # and nobody else's: connections are refused until `listen`
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket)

    def connect_and_do_not_read(self) -> None:
        self._socket.listen()  # the kernel connects, and nobody accepts

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._socket.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.unanswered += 1
        self.most_unanswered = max(self.most_unanswered, self.unanswered)
        try:
            payload = (await reader.readuntil(b"\x1c\r"))[1:-2]
            answers = self.answer(payload)
            self.payloads.put_nowait(payload)
            self.unanswered -= 1
            for answer in answers or []:
                writer.write(answer if answer.startswith(b"HTTP") else frame(answer))
            if answers is not None:
                await reader.read()
        finally:
            writer.close()


class WatchedStore(Store):
    """Tells what it was told about letters, once that is durable."""

    events: asyncio.Queue[tuple[Any, ...]]

    async def delivered(self, letter_id: int) -> None:
        await super().delivered(letter_id)
        self.events.put_nowait(("delivered", letter_id))

    async def refused(self, letter_id: int, reason: str) -> None:
        await super().refused(letter_id, reason)
        self.events.put_nowait(("refused", letter_id, reason))

    async def defer(self, letter_id: int, due_at: dt.datetime, reason: str) -> None:
        await super().defer(letter_id, due_at, reason)
        self.events.put_nowait(("deferred", letter_id, reason, due_at))

    async def give_up(self, letter_id: int, reason: str) -> None:
        await super().give_up(letter_id, reason)
        self.events.put_nowait(("given up", letter_id, reason))


class Post:
    """A journal, its outbox at work, and letters to post."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = WatchedStore.open(path)
        self.store.events = asyncio.Queue()
        self.shift = dt.timedelta()
        self._stack = AsyncExitStack()

    def clock(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.shift

    async def receiver(self, answer: Callable[[bytes], Answers] = accepts, *, up: bool = True) -> Receiver:
        receiver = Receiver(answer)
        self._stack.push_async_callback(receiver.close)
        if up:
            await receiver.listen()
        return receiver

    async def start(self, *, answer_timeout: float = 30, clock: Clock | None = None) -> Outbox:
        outbox = Outbox(self.store, clock or self.clock, answer_timeout=answer_timeout)
        await outbox.start()
        self._stack.push_async_callback(outbox.stop, 0)
        return outbox

    async def letter(self, receiver: Receiver, control_id: str, **changes: Any) -> None:
        """Keep a message and its reply, as intake does."""
        kept = await self.store.journal(message(control_id))
        fields: dict[str, Any] = {"first": 0.01, "longest": 0.02, "give_up": 3600} | changes
        fields.setdefault("payload", reply(control_id))
        letter = NewLetter("127.0.0.1", receiver.port, control_id=control_id, **fields)
        await self.store.keep_ack(kept.message_id, letter.payload, "AA", letter)

    async def event(self) -> tuple[Any, ...]:
        async with asyncio.timeout(20):
            return await self.store.events.get()

    def statuses(self) -> list[LetterStatus]:
        return [letter.status for letter in reversed(list_letters(self.path))]

    async def close(self) -> None:
        await self._stack.aclose()
        await self.store.close()


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    post = Post(tmp_path / "journal")
    yield post
    await post.close()


async def got(receiver: Receiver) -> bytes:
    async with asyncio.timeout(20):
        return await receiver.payloads.get()


async def test_a_letter_that_is_posted_goes_out_as_it_is(post: Post) -> None:
    receiver = await post.receiver()
    outbox = await post.start()
    await post.letter(receiver, "F1")
    outbox.wake()
    assert await post.event() == ("delivered", 1)
    assert await got(receiver) == reply("F1")
    (letter,) = list_letters(post.path)
    assert (letter.status, letter.attempts) == (LetterStatus.DELIVERED, 1)


async def test_what_was_left_goes_out_after_the_start(post: Post) -> None:
    receiver = await post.receiver()
    await post.letter(receiver, "F1")
    await post.start()
    assert await post.event() == ("delivered", 1)


async def test_a_receiver_that_is_down_gets_it_when_it_is_up(post: Post) -> None:
    receiver = await post.receiver(up=False)
    await post.letter(receiver, "F1")
    await post.start()
    kind, _, reason, _ = await post.event()
    assert (kind, reason.split(";")[0]) == (
        "deferred",
        f"nothing listens on 127.0.0.1 port {receiver.port}",
    )
    await receiver.listen()
    while (event := await post.event())[0] == "deferred":
        pass
    assert event == ("delivered", 1)
    assert receiver.payloads.qsize() == 1


@pytest.mark.parametrize("code", ["CE", "CR", "AE", "AR"])
async def test_a_refusal_is_final_and_logged_without_patient_data(
    post: Post, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = await post.receiver(lambda payload: [ack(code, control_id_of(payload))])
    await post.letter(receiver, "F1")
    with caplog.at_level(logging.DEBUG):
        await post.start()
        assert await post.event() == (
            "refused",
            1,
            f"the receiver answered {code}; look in its log for MSH-10 F1",
        )
    assert post.statuses() == [LetterStatus.REFUSED]
    assert f"is refused: the receiver answered {code}" in caplog.text
    assert NAME not in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        ack("AA", "F1"),
        b"MSH|^~\\&|\rMSA|CA|F1",
        b"MSH$^~\\&$HIS$$$$$$$$$\nMSA$CA$F1$\n",
    ],
)
async def test_acceptance_is_understood_also_from_receivers_of_little_learning(
    post: Post, answer: bytes
) -> None:
    receiver = await post.receiver(lambda payload: [answer])
    await post.letter(receiver, "F1")
    await post.start()
    assert await post.event() == ("delivered", 1)


async def test_acknowledgments_of_other_messages_are_ignored_with_a_warning(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    others = [ack("CR", "F2"), ack("CA", ""), b"no HL7", ack("??", "F1")]
    receiver = await post.receiver(lambda payload: [*others, ack("CA", "F1")])
    await post.letter(receiver, "F1")
    await post.start()
    assert await post.event() == ("delivered", 1)
    assert caplog.text.count("an acknowledgment of another message is ignored") == 3
    assert caplog.text.count("without a code of table 0008 is ignored") == 1


async def test_only_acknowledgments_of_other_messages_are_like_silence(post: Post) -> None:
    receiver = await post.receiver(lambda payload: [ack("CA", "F2")])
    await post.letter(receiver, "F1", first=60, longest=60)
    await post.start(answer_timeout=0.2)
    kind, _, reason, _ = await post.event()
    assert (kind, reason) == ("deferred", "the receiver did not accept it within 0.2 s; look in its log")


async def test_a_silent_receiver_gets_the_same_bytes_again(post: Post) -> None:
    receiver = await post.receiver(silent)
    await post.letter(receiver, "F1")
    await post.start(answer_timeout=0.1)
    assert (await post.event())[0] == "deferred"
    assert await got(receiver) == await got(receiver) == reply("F1")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (None, "the receiver closed the connection before it had accepted it; look in its log"),
        ([b"HTTP" + b"\x0bMSH|x\x0bMSH|y\x1c\r"], "the answer is not MLLP (end block missing)"),
    ],
)
async def test_an_exchange_that_breaks_off_is_tried_again(post: Post, answers: Answers, reason: str) -> None:
    receiver = await post.receiver(lambda payload: answers)
    await post.letter(receiver, "F1")
    await post.start()
    kind, _, found, _ = await post.event()
    assert (kind, found[: len(reason)]) == ("deferred", reason)
    receiver.answer = accepts
    while (event := await post.event())[0] == "deferred":
        pass
    assert event == ("delivered", 1)


async def test_without_accept_a_letter_is_delivered_when_it_is_written(post: Post) -> None:
    receiver = await post.receiver(silent)
    await post.letter(receiver, "F1", wait_for_accept=False)
    await post.start()
    assert await post.event() == ("delivered", 1)
    assert await got(receiver) == reply("F1")


async def test_without_accept_a_letter_that_is_written_in_part_is_not_delivered(post: Post) -> None:
    receiver = await post.receiver(up=False)
    receiver.connect_and_do_not_read()
    more_than_the_kernel_takes = reply("F1") + b"X" * 2**24
    await post.letter(receiver, "F1", payload=more_than_the_kernel_takes, wait_for_accept=False, first=60)
    await post.start(answer_timeout=0.2)
    assert (await post.event())[2] == "the receiver did not accept it within 0.2 s; look in its log"


async def test_letters_of_one_address_go_one_at_a_time_in_order(post: Post) -> None:
    failures = iter([None, None])

    def fails_twice(payload: bytes) -> Answers:
        return next(failures, accepts(payload))

    receiver = await post.receiver(fails_twice)
    for number in range(1, 6):
        await post.letter(receiver, f"F{number}")
    await post.start()
    events = [(await post.event())[:2] for _ in range(7)]
    assert events == [("deferred", 1), ("deferred", 1), *(("delivered", number) for number in range(1, 6))]
    received = [control_id_of(await got(receiver)) for _ in range(7)]
    assert received == ["F1", "F1", "F1", "F2", "F3", "F4", "F5"]
    assert receiver.most_unanswered == 1


async def test_dead_addresses_delay_no_other(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.outbox, "_MORE", 1)
    dead = [await post.receiver(silent) for _ in range(3)]
    alive = await post.receiver()
    for number, receiver in enumerate([*dead, *dead, alive, alive], 1):
        await post.letter(receiver, f"F{number}")
    await post.start()
    assert [await post.event(), await post.event()] == [("delivered", 7), ("delivered", 8)]
    assert post.statuses() == [LetterStatus.WAITING] * 6 + [LetterStatus.DELIVERED] * 2
    assert {control_id_of(await got(receiver)) for receiver in dead} == {"F1", "F2", "F3"}


async def test_pauses_grow_and_the_letter_is_given_up_with_a_last_attempt(post: Post) -> None:
    receiver = await post.receiver(up=False)
    await post.letter(receiver, "F1", first=10, longest=35, give_up=100)
    now = post.clock() + dt.timedelta(seconds=1)
    outbox = await post.start(clock=lambda: now)
    pauses = []
    while (event := await post.event())[0] == "deferred":
        pauses.append((event[3] - now).total_seconds())
        now = event[3]
        outbox.wake()
    assert event[:2] == ("given up", 1)
    assert len(pauses) >= 5
    for number, most in enumerate([10, 20, 35, 35]):
        assert 0.8 * most <= pauses[number] <= most
    (letter,) = list_letters(post.path)
    assert (letter.status, letter.attempts) == (LetterStatus.GIVEN_UP, len(pauses) + 1)
    assert now == letter.give_up_at
    assert "nothing listens" in letter.reason


async def test_the_next_letter_goes_out_when_the_one_before_is_given_up(post: Post) -> None:
    receiver = await post.receiver(lambda payload: None)
    await post.letter(receiver, "F1", first=60, longest=60, give_up=120)
    await post.letter(receiver, "F2", give_up=86_400)
    outbox = await post.start()
    assert (await post.event())[:2] == ("deferred", 1)
    post.shift = dt.timedelta(hours=1)
    outbox.wake()
    assert (await post.event())[:2] == ("given up", 1)
    assert (await post.event())[:2] == ("deferred", 2)


def test_a_pause_doubles_up_to_the_longest_however_many_attempts_there_were() -> None:
    assert [backoff(number, 5, 60) for number in range(6)] == [5, 10, 20, 40, 60, 60]
    assert backoff(10**6, 5, 600) == 600


async def test_a_fault_of_ours_puts_a_letter_off_and_stops_nothing(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = await post.receiver()
    await post.letter(receiver, "F1")
    failing = iter([True])

    async def connect_or_fail(*arguments: Any) -> Any:
        if next(failing, False):
            raise RuntimeError("not foreseen")
        return await connect(*arguments)

    monkeypatch.setattr(engine.outbox, "connect", connect_or_fail)
    await post.start()
    assert (await post.event())[2] == "fault in forefetch: RuntimeError"
    assert await post.event() == ("delivered", 1)
    assert "letter 1 failed by a fault of forefetch" in caplog.text


async def test_a_store_that_is_out_of_order_for_a_while_loses_nothing_and_sends_nothing_twice(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.outbox, "_STORE_RETRY", 0.01)
    receiver = await post.receiver()
    await post.letter(receiver, "F1")
    for name in ("due_letters", "delivered"):
        real, failures = getattr(post.store, name), iter([1, 2])

        async def call(*arguments: Any, real: Any = real, failures: Any = failures) -> Any:
            if next(failures, None):
                raise StoreError("the disk is full")
            return await real(*arguments)

        monkeypatch.setattr(post.store, name, call)
    await post.start()
    assert await post.event() == ("delivered", 1)
    assert receiver.payloads.qsize() == 1


async def test_a_stop_lets_a_delivery_end_that_is_under_way(post: Post) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        payload = (await reader.readuntil(b"\x1c\r"))[1:-2]
        asked.set()
        await release.wait()
        writer.write(frame(ack("CA", control_id_of(payload))))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        receiver = await post.receiver()
        receiver.port = server.sockets[0].getsockname()[1]
        await post.letter(receiver, "F1")
        await post.letter(receiver, "F2")
        outbox = await post.start()
        async with asyncio.timeout(20):
            await asked.wait()
            stopping = asyncio.create_task(outbox.stop(20))
            await asyncio.sleep(0)  # the stop has begun
            release.set()
            await stopping
    assert post.statuses() == [LetterStatus.DELIVERED, LetterStatus.WAITING]


async def test_a_delivery_that_is_broken_off_by_a_stop_goes_out_after_the_next_start(post: Post) -> None:
    receiver = await post.receiver(silent)
    await post.letter(receiver, "F1")
    outbox = await post.start()
    assert await got(receiver) == reply("F1")
    await outbox.stop(0)
    (letter,) = list_letters(post.path)
    assert (letter.status, letter.attempts) == (LetterStatus.WAITING, 0)
    receiver.answer = accepts
    await post.start()
    assert await post.event() == ("delivered", 1)
    assert await got(receiver) == reply("F1")


async def test_an_outbox_that_was_not_started_can_be_stopped(post: Post) -> None:
    receiver = await post.receiver()
    await post.letter(receiver, "F1")
    await Outbox(post.store).stop(0)
    assert post.statuses() == [LetterStatus.WAITING]


PROGRAM = """
import asyncio, sys
from engine.outbox import Outbox
from engine.store import NewLetter, Store
from tests.store import message
from tests.test_outbox import reply

async def main():
    store = Store.open(sys.argv[1])
    kept = await store.journal(message(1))
    letter = NewLetter("127.0.0.1", int(sys.argv[2]), reply("F1"), "F1")
    await store.keep_ack(kept.message_id, letter.payload, "AA", letter)
    await Outbox(store).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_letter_that_was_sent_and_not_marked_before_kill_9_comes_again_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    receiver = Receiver(silent)
    await receiver.listen()
    path = tmp_path / "journal"
    program = [sys.executable, "-c", PROGRAM, str(path), str(receiver.port)]
    process = await asyncio.create_subprocess_exec(*program, cwd=ROOT)
    try:
        first = await got(receiver)
    finally:
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    assert [letter.status for letter in list_letters(path)] == [LetterStatus.WAITING]
    receiver.answer = accepts
    post = Post(path)
    try:
        await post.start()
        assert await post.event() == ("delivered", 1)
        assert await got(receiver) == first == reply("F1")
    finally:
        await post.close()
        await receiver.close()
