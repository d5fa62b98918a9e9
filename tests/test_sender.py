"""The MLLP client against real receivers, good and bad."""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from engine.answer import Answer
from engine.hl7.mllp import frame
from engine.listener import Listener, ListenerSettings
from engine.sender import SendError, send

PAYLOADS = [b"MSH|%d" % number for number in range(5)]
Behaviour = Callable[[StreamReader, StreamWriter], Awaitable[None]]


class Echo:
    """Acknowledges with the payload; counts how many are received at a time."""

    def __init__(self) -> None:
        self.peers: set[str] = set()

    async def receive(self, payload: bytes, peer: str) -> Answer:
        self.peers.add(peer)
        return Answer((b"ACK " + payload,))

    def refuse(self, head: bytes, reason: str) -> bytes:
        return b"NAK " + reason.encode()


@asynccontextmanager
async def peer(behaviour: Behaviour) -> AsyncIterator[int]:
    """A receiver that does with its one connection as told, then closes; gives its port."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await behaviour(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def block(reader: StreamReader) -> bytes:
    return (await reader.readuntil(b"\x1c\r"))[1:-2]


@pytest.mark.parametrize("pipelined", [False, True])
async def test_acknowledgments_come_in_order_over_one_connection(pipelined: bool) -> None:
    echo = Echo()
    listener = Listener(ListenerSettings(port=0), echo)
    await listener.start()
    try:
        answers = await send(*listener.address, PAYLOADS, pipelined=pipelined)
    finally:
        await listener.close()
    assert answers == [b"ACK " + payload for payload in PAYLOADS]
    assert len(echo.peers) == 1


async def test_nothing_to_send_is_no_error() -> None:
    async def wait(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read()

    async with peer(wait) as port:
        assert await send("127.0.0.1", port, []) == []


async def test_a_message_waits_for_the_acknowledgment_before_it() -> None:
    sent_early: list[bytes] = []

    async def acknowledge(reader: StreamReader, writer: StreamWriter) -> None:
        for _ in PAYLOADS:
            await block(reader)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    sent_early.append(await reader.read(1))
            writer.write(frame(b"ACK"))

    async with peer(acknowledge) as port:
        assert await send("127.0.0.1", port, PAYLOADS) == [b"ACK"] * 5
    assert sent_early == []


async def test_pipelined_messages_wait_for_nothing() -> None:
    async def acknowledge_at_the_end(reader: StreamReader, writer: StreamWriter) -> None:
        payloads = [await block(reader) for _ in PAYLOADS]
        writer.write(b"".join(map(frame, payloads)))

    async with peer(acknowledge_at_the_end) as port:
        assert await send("127.0.0.1", port, PAYLOADS, pipelined=True) == PAYLOADS


async def test_pipelining_more_than_the_buffers_hold_does_not_lock_up() -> None:
    listener = Listener(ListenerSettings(port=0, window=2), Echo())
    await listener.start()
    payloads = [b"%d" % number + b"x" * 100_000 for number in range(200)]
    try:
        answers = await send(*listener.address, payloads, pipelined=True)
    finally:
        await listener.close()
    assert answers == [b"ACK " + payload for payload in payloads]


async def test_an_acknowledgment_without_cr_and_after_junk_is_taken() -> None:
    async def sloppy(reader: StreamReader, writer: StreamWriter) -> None:
        for _ in range(2):
            await block(reader)
            writer.write(b"\0\x0bACK\x1c")
        await reader.read()

    async with peer(sloppy) as port:
        assert await send("127.0.0.1", port, PAYLOADS[:2]) == [b"ACK", b"ACK"]


async def test_a_refused_connection_is_told_with_the_cure() -> None:
    async with peer(lambda reader, writer: asyncio.sleep(0)) as port:
        pass
    with pytest.raises(
        SendError, match=f"nothing listens on 127.0.0.1 port {port}; check the port"
    ) as caught:
        await send("127.0.0.1", port, PAYLOADS)
    assert caught.value.acknowledgments == ()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_close_before_the_acknowledgment_keeps_those_that_came() -> None:
    async def close_after_one(reader: StreamReader, writer: StreamWriter) -> None:
        await block(reader)
        writer.write(frame(b"ACK"))
        await block(reader)

    async with peer(close_after_one) as port:
        with pytest.raises(SendError, match="message 2 of 5: the receiver closed the connection") as caught:
            await send("127.0.0.1", port, PAYLOADS)
    assert caught.value.acknowledgments == (b"ACK",)


async def test_no_acknowledgment_in_time_is_told_with_the_time() -> None:
    async def say_nothing(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read()

    async with peer(say_nothing) as port:
        with pytest.raises(SendError, match=r"message 1 of 5: no acknowledgment within 0\.05 s"):
            await send("127.0.0.1", port, PAYLOADS, timeout=0.05)


@pytest.mark.parametrize("answer", [b"\x0bMSH|half", b"MSH|ACK\x1c\r"])
async def test_a_broken_acknowledgment_is_no_acknowledgment(answer: bytes) -> None:
    async def break_off(reader: StreamReader, writer: StreamWriter) -> None:
        await block(reader)
        writer.write(answer)

    async with peer(break_off) as port:
        with pytest.raises(SendError, match="block missing"):
            await send("127.0.0.1", port, PAYLOADS[:1])


async def test_a_host_that_does_not_resolve_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_name_server(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_name_server)
    with pytest.raises(SendError, match="no connection to ris port 2575: Name or service not known"):
        await send("ris", 2575, PAYLOADS)


async def test_a_host_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def for_ever(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", for_ever)
    with pytest.raises(SendError, match=r"127\.0\.0\.1 port 2575 does not answer within 0\.05 s"):
        await send("127.0.0.1", 2575, PAYLOADS, connect_timeout=0.05)
