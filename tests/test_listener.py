"""The MLLP server, over real connections: order, limits, faults, times, and how each side may end it."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from engine import outgoing as outgoing_module
from engine.answer import Answer
from engine.errors import ListenError
from engine.hl7.mllp import frame
from engine.listener import Listener, ListenerSettings

HANG = 20.0
"""Seconds after which a test that hangs fails."""


class Ward:
    """A receiver that acknowledges with ``ACK <payload>``, or as told in ``answers``; messages named in
    ``gates`` wait for theirs."""

    def __init__(self) -> None:
        self.gates: dict[bytes, asyncio.Event] = {}
        self.answers: dict[bytes, Answer] = {}
        self.begun: list[bytes] = []
        self.done: list[bytes] = []
        self.running = 0
        self.most_running = 0
        self.changed = asyncio.Condition()

    async def receive(self, payload: bytes, peer: str) -> Answer:
        self.begun.append(payload)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await self._tell()
        try:
            if payload in self.gates:
                await self.gates[payload].wait()
        finally:
            self.running -= 1
        if payload.startswith(b"raise"):
            raise ValueError(payload.decode())
        self.done.append(payload)
        await self._tell()
        return self.answers.get(payload) or Answer((b"ACK " + payload,))

    def refuse(self, head: bytes, reason: str) -> bytes:
        if head.startswith(b"raise"):
            raise ValueError(head.decode())
        return b"NAK " + head + b" " + reason.encode()

    def hold(self, *payloads: bytes) -> None:
        self.gates.update({payload: asyncio.Event() for payload in payloads})

    def let_go(self, *payloads: bytes) -> None:
        for payload in payloads or tuple(self.gates):
            self.gates[payload].set()

    def promise(self, payload: bytes) -> asyncio.Future[bytes | None]:
        """Have a message answered with ``CA <payload>`` now and with what is promised later."""
        later: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.answers[payload] = Answer((b"CA " + payload,), (later,))
        return later

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG), self.changed:
            await self.changed.wait_for(condition)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class Client:
    """A sender that writes raw bytes and reads acknowledgments."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(HANG):
            await self.writer.drain()

    async def answer(self) -> bytes:
        async with asyncio.timeout(HANG):
            block = await self.reader.readuntil(b"\x1c\r")
        assert block[:1] == b"\x0b"
        return block[1:-2]

    async def rest(self) -> bytes:
        async with asyncio.timeout(HANG):
            return await self.reader.read()

    def reset(self) -> None:
        """Make closing send RST instead of FIN."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class House:
    """A listener with its receiver, and clients that are closed at the end."""

    def __init__(self, listener: Listener, ward: Ward, stack: AsyncExitStack) -> None:
        self.listener = listener
        self.ward = ward
        self._stack = stack

    async def client(self, **options: Any) -> Client:
        reader, writer = await asyncio.open_connection(*self.listener.address, **options)
        self._stack.callback(writer.transport.abort)
        return Client(reader, writer)

    async def until_empty(self) -> None:
        """Until the listener has let go of every connection."""
        waited = [connection.done for connection in self.listener._connections]
        if waited:
            _, late = await asyncio.wait(waited, timeout=HANG)
            assert not late


@asynccontextmanager
async def house(**settings: Any) -> AsyncIterator[House]:
    ward = Ward()
    listener = Listener(ListenerSettings(port=0, **settings), ward)
    await listener.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(listener.close)
        yield House(listener, ward, stack)


async def test_a_message_is_acknowledged() -> None:
    async with house() as h:
        client = await h.client()
        await client.send(frame(b"one"))
        assert await client.answer() == b"ACK one"


async def test_a_message_in_single_bytes_is_acknowledged() -> None:
    async with house() as h:
        client = await h.client()
        for byte in frame(b"MSH|one"):
            await client.send(bytes([byte]))
        assert await client.answer() == b"ACK MSH|one"
        assert h.ward.begun == [b"MSH|one"]


async def test_a_thousand_pipelined_messages_are_acknowledged_in_order() -> None:
    async with house() as h:
        client = await h.client()
        payloads = [b"message %d" % number for number in range(1000)]
        await client.send(b"".join(map(frame, payloads)))
        assert [await client.answer() for _ in payloads] == [b"ACK " + payload for payload in payloads]
        assert h.ward.begun == payloads


async def test_acknowledgments_keep_the_order_though_the_first_message_is_slow() -> None:
    async with house() as h:
        h.ward.hold(b"slow")
        client = await h.client()
        await client.send(frame(b"slow") + frame(b"two") + frame(b"three"))
        await h.ward.until(lambda: h.ward.done == [b"two", b"three"])
        h.ward.let_go()
        assert [await client.answer() for _ in range(3)] == [b"ACK slow", b"ACK two", b"ACK three"]


async def test_a_slow_connection_delays_no_other() -> None:
    async with house(window=1) as h:
        h.ward.hold(b"slow")
        slow, quick = await h.client(), await h.client()
        await slow.send(frame(b"slow") + frame(b"behind"))
        await h.ward.until(lambda: h.ward.begun == [b"slow"])
        await quick.send(frame(b"quick"))
        assert await quick.answer() == b"ACK quick"
        assert h.ward.running == 1
        h.ward.let_go()
        assert [await slow.answer(), await slow.answer()] == [b"ACK slow", b"ACK behind"]


async def test_no_more_messages_are_received_at_a_time_than_the_window_allows() -> None:
    async with house(window=3) as h:
        payloads = [b"%d" % number for number in range(10)]
        h.ward.hold(*payloads)
        client = await h.client()
        await client.send(b"".join(map(frame, payloads)))
        await h.ward.until(lambda: h.ward.running == 3)
        h.ward.let_go(b"1", b"2")  # answers that wait for the first still count
        await h.ward.until(lambda: h.ward.running == 1)
        assert len(h.ward.begun) == 3
        h.ward.let_go()
        assert [await client.answer() for _ in payloads] == [b"ACK " + payload for payload in payloads]
        assert h.ward.most_running == 3


async def test_messages_that_await_answers_are_limited_in_bytes_together() -> None:
    async with house(max_message_bytes=100) as h:
        payloads = [bytes([letter]) * 40 for letter in b"abcd"]
        h.ward.hold(*payloads)
        client = await h.client()
        await client.send(b"".join(map(frame, payloads)))
        await h.ward.until(lambda: h.ward.running == 2)
        h.ward.let_go()
        assert [await client.answer() for _ in payloads] == [b"ACK " + payload for payload in payloads]
        assert h.ward.most_running == 2


async def test_a_sender_that_takes_no_answers_is_not_read_any_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(window=4, frame_timeout=0.3) as h:
        client = await h.client(limit=1)
        payload = b"x" * 60_000
        client.writer.write(frame(payload) * 600)  # more than the buffers of two sockets hold
        await h.ward.until(lambda: len(h.ward.begun) > 0)
        await h.until_empty()
        assert len(h.ward.begun) < 600
    assert "no answer was taken for 0.3 s (frame_timeout)" in caplog.text


async def test_fs_without_cr_gets_its_answer() -> None:
    async with house() as h:
        client = await h.client()
        await client.send(b"\x0bone\x1c")
        assert await client.answer() == b"ACK one"
        await client.send(b"\r" + frame(b"two"))
        assert await client.answer() == b"ACK two"


async def test_a_sender_that_never_sends_cr_is_not_idle_sooner_than_others() -> None:
    async with house(frame_timeout=0.05) as h:
        client = await h.client()
        for payload in (b"one", b"two"):
            await client.send(b"\x0b" + payload + b"\x1c")
            assert await client.answer() == b"ACK " + payload
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.reader.read()


async def test_a_block_has_its_own_time_though_every_chunk_ends_in_the_middle_of_one() -> None:
    async with house(frame_timeout=0.05) as h:
        client = await h.client()
        for number in range(80):  # longer than one block may take
            await client.send(b"\x0b%d" % number if number == 0 else b"\x1c\r\x0b%d" % number)
            await asyncio.sleep(0.01)
        await client.send(b"\x1c\r")
        assert [await client.answer() for _ in range(80)] == [b"ACK %d" % number for number in range(80)]


async def test_fs_without_cr_behind_a_full_window_gets_its_answer() -> None:
    async with house(window=1) as h:
        h.ward.hold(b"one")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two") + b"\x0bthree\x1c")
        await h.ward.until(lambda: h.ward.running == 1)
        h.ward.let_go()
        assert [await client.answer() for _ in range(3)] == [b"ACK one", b"ACK two", b"ACK three"]


async def test_silence_in_a_block_behind_a_full_window_gets_a_nak() -> None:
    async with house(window=1, frame_timeout=0.05) as h:
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two") + b"\x0bMSH|half")
        assert [await client.answer(), await client.answer()] == [b"ACK one", b"ACK two"]
        assert (await client.answer()).startswith(b"NAK MSH|half no byte for 0.05 s")


async def test_an_oversize_message_gets_a_nak_in_its_place_and_the_next_one_an_ack() -> None:
    async with house(max_message_bytes=10) as h:
        h.ward.hold(b"one")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"x" * 15) + frame(b"two"))
        await h.ward.until(lambda: h.ward.begun == [b"one"])
        h.ward.let_go()
        assert await client.answer() == b"ACK one"
        assert await client.answer() == b"NAK xxxxxxxxxxx more than 10 bytes (max_message_bytes)"
        assert await client.answer() == b"ACK two"


async def test_an_oversize_message_without_end_gets_a_nak_and_the_connection_closes() -> None:
    async with house(max_message_bytes=10) as h:
        client = await h.client()
        await client.send(b"\x0b" + b"x" * 2_000_000)  # still under way when it is given up
        assert (await client.answer()).startswith(b"NAK xxxxxxxxxxx")
        assert await client.rest() == b""


async def test_a_lost_end_block_does_not_merge_two_messages() -> None:
    async with house() as h:
        client = await h.client()
        await client.send(b"\x0bMSH|one" + frame(b"MSH|two"))
        assert await client.answer() == b"NAK MSH|one end block missing"
        assert await client.answer() == b"ACK MSH|two"


async def test_a_lost_start_block_gets_a_nak() -> None:
    async with house() as h:
        client = await h.client()
        await client.send(b"MSH|one\x1c\r" + frame(b"MSH|two"))
        assert await client.answer() == b"NAK MSH|one start block missing"
        assert await client.answer() == b"ACK MSH|two"


async def test_junk_is_logged_by_its_count_only(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as h:
        client = await h.client()
        await client.send(b"DOE^JOHN" + frame(b"one"))
        assert await client.answer() == b"ACK one"
    assert "sent 8 bytes outside of a block" in caplog.text
    assert "DOE" not in caplog.text


async def test_a_connection_without_a_byte_is_closed_quietly() -> None:
    async with house(idle_timeout=0.05) as h:
        client = await h.client()
        assert await client.rest() == b""
        assert h.ward.begun == []


async def test_a_connection_that_awaits_an_answer_is_not_idle() -> None:
    async with house(idle_timeout=0.05) as h:
        h.ward.hold(b"slow")
        client = await h.client()
        await client.send(frame(b"slow"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.reader.read()
        await client.send(frame(b"two"))
        await h.ward.until(lambda: h.ward.done == [b"two"])
        h.ward.let_go()
        assert [await client.answer(), await client.answer()] == [b"ACK slow", b"ACK two"]
        assert await client.rest() == b""


async def test_a_connection_is_idle_since_its_last_answer() -> None:
    async with house(idle_timeout=0.5) as h:
        h.ward.hold(b"slow")
        client = await h.client()
        await client.send(frame(b"slow"))
        await asyncio.sleep(0.9)
        h.ward.let_go()
        assert await client.answer() == b"ACK slow"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.reader.read()


async def test_a_sender_that_takes_no_answer_gains_no_time_by_sending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(frame_timeout=0.3, window=500) as h:
        client = await h.client(limit=1)
        await client.send(b"".join(frame(b"%d" % number + b"x" * 60_000) for number in range(250)) + b"\x0b")
        with suppress(OSError):
            async with asyncio.timeout(HANG):
                while not client.writer.transport.is_closing():
                    await client.send(b"x")
                    await asyncio.sleep(0.05)
    assert "no answer was taken for 0.3 s (frame_timeout)" in caplog.text


async def test_silence_in_a_block_gets_a_nak_and_the_connection_closes() -> None:
    async with house(frame_timeout=0.05) as h:
        client = await h.client()
        await client.send(b"\x0bMSH|half")
        reason = b"no byte for 0.05 s in the middle of a block (frame_timeout)"
        assert await client.answer() == b"NAK MSH|half " + reason
        assert await client.rest() == b""
        assert h.ward.begun == []


async def test_silence_in_an_oversize_block_gets_no_second_nak() -> None:
    async with house(frame_timeout=0.05, max_message_bytes=10) as h:
        client = await h.client()
        await client.send(b"\x0b" + b"x" * 15)
        assert (await client.answer()).startswith(b"NAK")
        assert await client.rest() == b""


async def test_a_connection_over_the_limit_is_closed_and_the_log_names_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(max_connections=1) as h:
        first = await h.client()
        await first.send(frame(b"one"))
        assert await first.answer() == b"ACK one"
        second = await h.client()
        assert await second.rest() == b""
        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(lines) == 1
        assert "limit is 1" in lines[0]
        assert "max_connections" in lines[0]
        first.writer.close()
        await h.until_empty()
        third = await h.client()
        await third.send(frame(b"three"))
        assert await third.answer() == b"ACK three"


async def test_a_sender_that_has_shut_down_writing_gets_every_answer() -> None:
    async with house() as h:
        h.ward.hold(b"one")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two"))
        client.writer.write_eof()
        await h.ward.until(lambda: h.ward.done == [b"two"])
        h.ward.let_go()
        assert await client.rest() == frame(b"ACK one") + frame(b"ACK two")


async def test_answers_larger_than_the_socket_buffers_are_delivered_before_closing() -> None:
    async with house() as h:
        payloads = [b"a" * 12_000_000, b"b" * 20_000, b"c" * 20_000]
        client = await h.client()
        await client.send(b"".join(map(frame, payloads)))
        client.writer.write_eof()
        await h.ward.until(lambda: len(h.ward.done) == len(payloads))
        assert await client.rest() == b"".join(frame(b"ACK " + payload) for payload in payloads)


async def test_a_sender_that_shuts_down_in_a_block_gets_a_nak() -> None:
    async with house() as h:
        client = await h.client()
        await client.send(b"\x0bMSH|half")
        client.writer.write_eof()
        assert await client.rest() == frame(b"NAK MSH|half end block missing")


async def test_a_reset_stops_no_receive_and_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as h:
        h.ward.hold(b"one")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two"))
        await h.ward.until(lambda: h.ward.done == [b"two"])
        client.reset()
        other = await h.client()  # by its answer the reset has been seen
        await other.send(frame(b"other"))
        assert await other.answer() == b"ACK other"
        h.ward.let_go()
        await h.ward.until(lambda: b"one" in h.ward.done)
        other.writer.close()
        await h.until_empty()
    assert "ConnectionResetError" in caplog.text
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING]


@pytest.mark.parametrize("stream", [frame(b"raise DOE^JOHN"), b"\x0braise DOE^JOHN" + frame(b"MSH|two")])
async def test_a_receiver_that_raises_costs_the_connection_and_no_name_is_logged(
    stream: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with house() as h:
        client = await h.client()
        await client.send(stream + frame(b"after"))
        assert await client.rest() == b""
        other = await h.client()
        await other.send(frame(b"other"))
        assert await other.answer() == b"ACK other"
    assert "ValueError instead of an answer" in caplog.text
    assert "DOE" not in caplog.text


async def test_a_receiver_that_raises_stops_no_other_receive() -> None:
    async with house() as h:
        h.ward.hold(b"slow")
        client = await h.client()
        await client.send(frame(b"raise") + frame(b"slow"))
        assert await client.rest() == b""
        h.ward.let_go()
        await h.ward.until(lambda: h.ward.done == [b"slow"])


async def test_drain_answers_what_was_received_and_then_closes() -> None:
    async with house(window=2) as h:
        payloads = [b"%d" % number for number in range(6)]
        h.ward.hold(*payloads)
        client, idle, half = await h.client(), await h.client(), await h.client()
        await idle.send(frame(b"idle"))
        assert await idle.answer() == b"ACK idle"
        await half.send(frame(b"half") + b"\x0bMSH|ha")
        assert await half.answer() == b"ACK half"
        await client.send(b"".join(map(frame, payloads)))
        await h.ward.until(lambda: h.ward.running == 2)
        address = h.listener.address
        draining = asyncio.create_task(h.listener.drain(HANG))
        assert await idle.rest() == b""
        assert await half.rest() == b""  # not a NAK: it can be sent again
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        await client.send(frame(b"too late"))
        h.ward.let_go()
        assert await client.rest() == b"".join(frame(b"ACK " + payload) for payload in payloads)
        await draining
        assert b"too late" not in h.ward.begun


async def test_drain_cuts_off_what_is_not_answered_in_time(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as h:
        h.ward.hold(b"slow")
        client = await h.client()
        await client.send(frame(b"slow"))
        await h.ward.until(lambda: h.ward.running == 1)
        await h.listener.drain(0.01)
        assert h.ward.running == 0
        assert h.ward.done == []
        assert await client.rest() == b""
    assert "closing 1 connections" in caplog.text


async def test_what_waits_for_room_is_not_begun_when_it_is_cut_off() -> None:
    async with house(window=1) as h:
        h.ward.hold(b"one", b"two", b"three")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two") + frame(b"three"))
        await h.ward.until(lambda: h.ward.running == 1)
        async with asyncio.timeout(HANG):
            await h.listener.drain(0.01)
        assert h.ward.begun == [b"one"]
        assert await client.rest() == b""


async def test_accepted_sockets_send_at_once_and_notice_peers_that_are_gone() -> None:
    async with house() as h:
        client = await h.client()
        await client.send(frame(b"one"))
        await client.answer()
        (connection,) = h.listener._connections
        accepted = connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_an_address_in_use_is_named_with_the_cure() -> None:
    async with house() as h:
        host, port = h.listener.address
        second = Listener(ListenerSettings(host=host, port=port), h.ward)
        with pytest.raises(ListenError, match=f"cannot listen on {host}:{port}.*change the listener's"):
            await second.start()
        with pytest.raises(RuntimeError):
            second.address  # noqa: B018
        await second.close()


async def test_a_connection_cut_off_before_its_first_step_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    class CutOff(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            for connection in h.listener._connections:
                connection.cut_off()
            return True

    caplog.set_level(logging.INFO, "engine")
    async with house() as h:
        caplog.handler.addFilter(cut_off := CutOff())
        client = await h.client()
        assert await client.rest() == b""
        caplog.handler.removeFilter(cut_off)
        assert not h.listener._connections
    assert "connected (1 open)" in caplog.text


async def test_a_message_may_get_no_answer_at_all() -> None:
    async with house(window=1) as h:
        h.ward.answers[b"MSA"] = Answer()
        client = await h.client()
        await client.send(frame(b"MSA") + frame(b"one") + frame(b"MSA"))
        assert await client.answer() == b"ACK one"
        client.writer.write_eof()
        assert await client.rest() == b""
        assert h.ward.begun == [b"MSA", b"one", b"MSA"]


async def test_the_answers_to_a_batch_keep_their_order_and_their_place() -> None:
    async with house() as h:
        h.ward.answers[b"batch"] = Answer((b"ACK b1", b"ACK b2", b"ACK b3"))
        h.ward.hold(b"one", b"batch")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"batch") + frame(b"two"))
        await h.ward.until(lambda: h.ward.done == [b"two"])
        h.ward.let_go(b"batch")
        await h.ward.until(lambda: h.ward.done == [b"two", b"batch"])
        h.ward.let_go(b"one")
        answers = [await client.answer() for _ in range(5)]
        assert answers == [b"ACK one", b"ACK b1", b"ACK b2", b"ACK b3", b"ACK two"]


async def test_a_later_answer_comes_after_its_accept_answer_and_delays_no_other() -> None:
    async with house(window=1) as h:
        first, second = h.ward.promise(b"one"), h.ward.promise(b"two")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two") + frame(b"three"))
        assert [await client.answer() for _ in range(3)] == [b"CA one", b"CA two", b"ACK three"]
        second.set_result(b"AA two")
        assert await client.answer() == b"AA two"
        await client.send(frame(b"four"))
        assert await client.answer() == b"ACK four"
        first.set_result(b"AA one")
        assert await client.answer() == b"AA one"


async def test_a_later_answer_that_is_ready_at_once_still_comes_second() -> None:
    async with house() as h:
        h.ward.promise(b"one").set_result(b"AA one")
        client = await h.client()
        await client.send(frame(b"one"))
        assert [await client.answer(), await client.answer()] == [b"CA one", b"AA one"]


async def test_a_later_answer_may_be_the_only_one() -> None:
    async with house() as h:
        later = h.ward.promise(b"one")
        h.ward.answers[b"one"] = Answer((), (later,))
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two"))
        assert await client.answer() == b"ACK two"
        later.set_result(b"AA one")
        assert await client.answer() == b"AA one"


async def test_a_later_answer_that_is_none_sends_nothing() -> None:
    async with house() as h:
        h.ward.promise(b"one").set_result(None)
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two"))
        client.writer.write_eof()
        assert await client.rest() == frame(b"CA one") + frame(b"ACK two")


async def test_a_sender_that_has_shut_down_writing_gets_its_later_answers() -> None:
    async with house() as h:
        first, second = h.ward.promise(b"one"), h.ward.promise(b"two")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two"))
        client.writer.write_eof()
        assert [await client.answer(), await client.answer()] == [b"CA one", b"CA two"]
        second.set_result(b"AA two")
        assert await client.answer() == b"AA two"
        first.set_result(b"AA one")
        assert await client.rest() == frame(b"AA one")


async def test_a_later_answer_to_a_sender_that_has_shut_down_is_not_waited_for_without_end() -> None:
    async with house(frame_timeout=0.05) as h:
        later = h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one"))
        client.writer.write_eof()
        assert await client.rest() == frame(b"CA one")
        await h.until_empty()
        assert later.cancelled()


async def test_a_connection_that_awaits_a_later_answer_is_not_idle() -> None:
    async with house(idle_timeout=0.05) as h:
        later = h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one"))
        assert await client.answer() == b"CA one"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.reader.read()
        await client.send(frame(b"two"))
        assert await client.answer() == b"ACK two"
        later.set_result(b"AA one")
        assert await client.answer() == b"AA one"
        assert await client.rest() == b""


async def test_a_later_answer_for_a_connection_that_is_gone_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house() as h:
        later = h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one"))
        assert await client.answer() == b"CA one"
        client.reset()
        other = await h.client()  # by its answer the reset has been seen
        await other.send(frame(b"other"))
        assert await other.answer() == b"ACK other"
        if not later.cancelled():
            later.set_result(b"AA one")
        other.writer.close()
        await h.until_empty()
    assert "ConnectionResetError" in caplog.text
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING]


async def test_a_connection_that_is_gone_does_not_keep_its_place_for_a_later_answer() -> None:
    async with house(max_connections=1) as h:
        h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one"))
        assert await client.answer() == b"CA one"
        client.reset()
        await h.until_empty()
        other = await h.client()
        await other.send(frame(b"other"))
        assert await other.answer() == b"ACK other"


async def test_a_later_answer_that_raises_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house() as h:
        later = h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one") + frame(b"two"))
        assert [await client.answer(), await client.answer()] == [b"CA one", b"ACK two"]
        later.set_exception(ValueError("DOE^JOHN"))
        del later, h.ward.answers[b"one"]
        client.writer.write_eof()
        assert await client.rest() == b""
        await h.until_empty()
        gc.collect()
    assert "ValueError instead of an answer" in caplog.text
    assert "DOE" not in caplog.text


async def test_more_later_answers_than_may_be_pending_stay_away_and_hold_nothing_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outgoing_module, "_MOST_LATER", 2)
    async with house(window=1) as h:
        names = [b"%d" % number for number in range(5)]
        later = {name: h.ward.promise(name) for name in names}
        client = await h.client()
        await client.send(b"".join(map(frame, names)))
        assert [await client.answer() for _ in names] == [b"CA " + name for name in names]
        for name in names:
            later[name].set_result(b"AA " + name)
        assert sorted([await client.answer(), await client.answer()]) == [b"AA 0", b"AA 1"]
        client.writer.write_eof()
        assert await client.rest() == b""
    assert "one will stay away" in caplog.text


async def test_connections_that_only_wait_for_answers_leave_their_place_to_others() -> None:
    async with house(max_connections=1) as h:
        later = h.ward.promise(b"one")
        first = await h.client()
        await first.send(frame(b"one"))
        first.writer.write_eof()
        assert await first.answer() == b"CA one"
        second = await h.client()
        await second.send(frame(b"two"))
        assert await second.answer() == b"ACK two"
        later.set_result(b"AA one")
        assert await first.rest() == frame(b"AA one")


async def test_drain_gives_the_later_answers_that_are_ready_in_time() -> None:
    async with house() as h:
        later = h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one"))
        assert await client.answer() == b"CA one"
        draining = asyncio.create_task(h.listener.drain(HANG))
        await asyncio.sleep(0)  # draining has begun
        later.set_result(b"AA one")
        assert await client.rest() == frame(b"AA one")
        await draining


async def test_drain_does_not_wait_longer_for_later_answers_than_it_may() -> None:
    async with house() as h:
        h.ward.promise(b"one")
        client = await h.client()
        await client.send(frame(b"one"))
        assert await client.answer() == b"CA one"
        await h.listener.drain(0.01)
        assert await client.rest() == b""
        assert not h.listener._connections
