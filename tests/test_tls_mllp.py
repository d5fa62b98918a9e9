"""MLLP over TLS: the promises of the listener and the sender hold, and each failure names its cure."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ListenError
from engine.hl7.mllp import frame
from engine.listener import Listener, ListenerSettings
from engine.outbox import Outbox
from engine.sender import SendError, send
from engine.store import LetterStatus
from engine.tls import Tls, client_context
from tests.certificates import Certificates
from tests.test_listener import HANG, Ward, house
from tests.test_outbox import Post, ack, control_id_of
from tests.test_sender import peer


def listening(certificates: Certificates, *, mutual: bool = False, **changes: Any) -> Tls:
    pair = certificates.pair()
    return Tls(certificates.ca if mutual else "", pair.certificate, pair.key, **changes)


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return client_context(Tls(certificates.ca), "127.0.0.1")


async def in_thread(work: Callable[[], bytes]) -> bytes:
    async with asyncio.timeout(HANG):
        return await asyncio.get_running_loop().run_in_executor(None, work)


# the listener


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_thousand_pipelined_messages_are_acknowledged_in_order(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = trusting(certificates)
    context.maximum_version = version
    async with house(tls=listening(certificates)) as h:
        client = await h.client(ssl=context)
        expected = [b"%d" % number for number in range(1000)]
        sending = asyncio.create_task(client.send(b"".join(map(frame, expected))))
        assert [await client.answer() for _ in expected] == [b"ACK " + payload for payload in expected]
        await sending


async def test_a_large_message_and_its_answer_go_through(certificates: Certificates) -> None:
    async with house(tls=listening(certificates)) as h:
        payload = b"x" * 3_000_000
        tls = Tls(certificates.ca)
        assert await send(*h.listener.address, [payload], tls=tls) == [b"ACK " + payload]


async def test_a_sender_that_takes_no_answers_is_not_read_any_further(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(window=4, frame_timeout=2, tls=listening(certificates)) as h:
        client = await h.client(limit=1, ssl=trusting(certificates))
        client.writer.write(frame(b"x" * 60_000) * 600)  # more than the buffers of two sockets hold
        await h.ward.until(lambda: len(h.ward.begun) > 0)
        await h.until_empty()
        assert len(h.ward.begun) < 600
    assert "no answer was taken for 2 s (frame_timeout)" in caplog.text


async def test_no_more_messages_are_received_at_a_time_than_the_window_allows(
    certificates: Certificates,
) -> None:
    async with house(window=3, tls=listening(certificates)) as h:
        payloads = [b"%d" % number for number in range(9)]
        h.ward.hold(*payloads)
        client = await h.client(ssl=trusting(certificates))
        await client.send(b"".join(map(frame, payloads)))
        await h.ward.until(lambda: h.ward.running == 3)
        h.ward.let_go()
        assert [await client.answer() for _ in payloads] == [b"ACK " + payload for payload in payloads]
        assert h.ward.most_running == 3


@pytest.mark.parametrize("close_notify", [False, True])
async def test_a_sender_that_has_shut_down_writing_gets_every_answer(
    certificates: Certificates, close_notify: bool
) -> None:
    """By TCP's FIN alone, or by TLS's close_notify before it."""
    payloads = [b"%d" % number for number in range(5)]
    async with house(tls=listening(certificates)) as h:
        h.ward.hold(*payloads)
        raw = socket.create_connection(h.listener.address, timeout=HANG)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting(certificates).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

        def exchange(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    incoming.write(raw.recv(65536))

        def converse() -> bytes:
            exchange(tls.do_handshake)
            tls.write(b"".join(map(frame, payloads)))
            if close_notify:
                with pytest.raises(ssl.SSLWantReadError):
                    tls.unwrap()
            raw.sendall(outgoing.read())
            raw.shutdown(socket.SHUT_WR)
            return b""

        def answers() -> bytes:
            while chunk := raw.recv(65536):
                incoming.write(chunk)
            told = b""
            with suppress(ssl.SSLZeroReturnError):  # close_notify; a cut connection is another error
                while chunk := tls.read(65536):
                    told += chunk
            return told

        with raw:
            await in_thread(converse)
            await h.ward.until(lambda: len(h.ward.begun) == len(payloads))
            h.ward.let_go()
            assert await in_thread(answers) == b"".join(frame(b"ACK " + payload) for payload in payloads)


async def test_senders_need_a_certificate_where_authorities_are_given(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    ours, strange = certificates.pair("his"), certificates.pair("his", strange=True)
    async with house(tls=listening(certificates, mutual=True)) as h:
        tls = Tls(certificates.ca, ours.certificate, ours.key)
        assert await send(*h.listener.address, [b"one"], tls=tls) == [b"ACK one"]
        for refused in (Tls(certificates.ca), Tls(certificates.ca, strange.certificate, strange.key)):
            with pytest.raises(SendError, match=r"message 1 of 1.*refuses our certificate.*tls.certificate"):
                await send(*h.listener.address, [b"two"], tls=refused)
        await h.until_empty()
        assert h.ward.begun == [b"one"]
    assert "it has no certificate, which tls.ca asks for" in caplog.text
    assert "its certificate does not come from our authorities" in caplog.text


async def test_a_plain_sender_on_a_port_for_tls_is_named_in_the_log(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tls=listening(certificates)) as h:
        client = await h.client()
        await client.send(frame(b"MSH|secret"))
        assert await client.rest() == b""
        await h.until_empty()
        assert h.ward.begun == []
    assert "it does not speak TLS, which this port is for" in caplog.text
    assert "secret" not in caplog.text


async def test_a_tls_sender_on_a_plain_port_is_named_in_the_log(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house() as h:
        with pytest.raises(SendError, match=r"no TLS with 127\.0\.0\.1 port .*check that the port"):
            await send(*h.listener.address, [b"one"], tls=Tls(certificates.ca))
        await h.until_empty()
        assert h.ward.begun == []
    assert "it speaks TLS, which this port is not for" in caplog.text


async def test_a_handshake_that_does_not_end_is_bounded_and_counts_as_a_connection(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tls=listening(certificates), max_connections=1, frame_timeout=0.3) as h:
        silent, over = await h.client(), await h.client()
        assert await over.rest() == b""
        assert await silent.rest() == b""
        await h.until_empty()
        assert await send(*h.listener.address, [b"one"], tls=Tls(certificates.ca)) == [b"ACK one"]
    assert "the limit is 1 connections (max_connections)" in caplog.text
    assert "no TLS handshake within 0.3 s (frame_timeout)" in caplog.text


async def test_drain_does_not_wait_for_a_handshake(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tls=listening(certificates), frame_timeout=3600) as h:
        client = await h.client()
        await client.send(b"\x16\x03\x01")
        await send(*h.listener.address, [b"one"], tls=Tls(certificates.ca))  # accepted later, and done
        assert len(h.listener._connections) >= 1
        async with asyncio.timeout(HANG):
            await h.listener.drain(3600)
    assert "closing 1 connections" not in caplog.text


async def test_a_handshake_that_goes_on_while_the_engine_stops_is_no_fault(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    outgoing = ssl.MemoryBIO()
    session = trusting(certificates).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    hello = outgoing.read()
    async with house(tls=listening(certificates)) as h:
        client = await h.client()
        await client.send(hello[:50])
        await send(*h.listener.address, [b"one"], tls=Tls(certificates.ca))  # accepted later, and done
        draining = asyncio.create_task(h.listener.drain(HANG))
        await client.rest()  # our side is shut down
        await client.send(hello[50:])
        client.writer.close()
        await draining
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


async def test_noise_after_the_last_answer_does_not_reset_the_connection(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tls=listening(certificates)) as h:
        client = await h.client(ssl=trusting(certificates))
        await client.send(frame(b"one"))
        await h.ward.until(lambda: h.ward.done == [b"one"])
        draining = asyncio.create_task(h.listener.drain(HANG))
        await asyncio.sleep(0)  # our side is shut down
        raw: Any = client.writer.get_extra_info("socket")
        with socket.socket(fileno=os.dup(raw.fileno())) as beneath:
            beneath.send(b"\x17\x03\x03\x00\x20" + b"z" * 32)
        assert await client.answer() == b"ACK one"
        await draining
    assert "reading failed" not in caplog.text


async def test_noise_after_the_handshake_costs_the_connection_only(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tls=listening(certificates)) as h:
        client = await h.client(ssl=trusting(certificates))
        await client.send(frame(b"one"))
        assert await client.answer() == b"ACK one"
        raw: Any = client.writer.get_extra_info("socket")
        with socket.socket(fileno=os.dup(raw.fileno())) as beneath:
            beneath.send(b"noise" * 100)
        await h.until_empty()
        assert await send(*h.listener.address, [b"two"], tls=Tls(certificates.ca)) == [b"ACK two"]
    assert "reading failed (SSLError)" in caplog.text


async def test_a_listener_without_its_files_does_not_start() -> None:
    listener = Listener(ListenerSettings(port=0, tls=Tls(certificate="/nowhere/c.pem", key="/no")), Ward())
    with pytest.raises(ListenError, match=r"TLS files of the listener cannot be used.*engine\.tls"):
        await listener.start()


# the sender


async def test_a_receiver_that_is_not_to_be_trusted_gets_no_message(certificates: Certificates) -> None:
    cases = [
        (Tls(certificates.strange_ca), "does not come from our authorities"),
        (Tls(certificates.ca, hostname="his.example"), "for another name.*tls.hostname"),
        (Tls("/nowhere/ca.pem"), "our TLS settings cannot be used"),
        (Tls(certificates.ca, hostname=".example"), "'.example' is no name that a certificate can have"),
    ]
    async with house(tls=listening(certificates)) as h:
        for tls, words in cases:
            with pytest.raises(SendError, match=words):
                await send(*h.listener.address, [b"one"], tls=tls)
        assert await send(*h.listener.address, [b"two"], tls=Tls(verify=False)) == [b"ACK two"]
        assert h.ward.begun == [b"two"]


async def test_a_receiver_whose_certificate_is_known_needs_no_authority_and_no_name(
    certificates: Certificates, tmp_path: Path
) -> None:
    """And no other certificate will do, of the same authority and for the right name as it may be."""
    known, other = certificates.pair("receiver.example"), certificates.pair()
    (tmp_path / "none.pem").write_text("no certificate")
    async with house(tls=Tls(certificate=known.certificate, key=known.key)) as h:
        assert await send(*h.listener.address, [b"one"], tls=Tls(peer=known.certificate)) == [b"ACK one"]
        cases = [
            (Tls(peer=other.certificate), "does not come from our authorities"),
            (Tls(peer=str(tmp_path / "none.pem")), "our TLS settings cannot be used.*no certificate in PEM"),
        ]
        for tls, words in cases:
            with pytest.raises(SendError, match=words):
                await send(*h.listener.address, [b"two"], tls=tls)
        assert h.ward.begun == [b"one"]


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(frame(b"MSH|"))
    await reader.read()


async def _closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (_silent, "the TLS handshake is not answered"),
        (_plain, "it does not speak TLS there; check the port"),
        (_closing, "closed the connection during the TLS handshake"),
    ],
)
async def test_a_receiver_that_does_not_shake_hands_is_told_apart(
    certificates: Certificates,
    behaviour: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    words: str,
) -> None:
    async with peer(behaviour) as port:
        with pytest.raises(SendError, match=words):
            await send("127.0.0.1", port, [b"one"], connect_timeout=0.5, tls=Tls(certificates.ca))


# the outbox


class Clinic(Ward):
    """Accepts replies."""

    async def receive(self, payload: bytes, peer: str) -> Any:
        self.answers[payload] = _accepted(payload)
        return await super().receive(payload, peer)


def _accepted(payload: bytes) -> Any:
    from engine.answer import Answer

    return Answer((ack("CA", control_id_of(payload)),))


class Address:
    """What ``Post.letter`` asks of a receiver."""

    def __init__(self, port: int) -> None:
        self.port = port


async def test_a_reply_goes_out_by_tls_where_its_address_has_it(
    certificates: Certificates, tmp_path: Path
) -> None:
    clinic = Clinic()
    listener = Listener(ListenerSettings(port=0, tls=listening(certificates)), clinic)
    await listener.start()
    post = Post(tmp_path / "journal")
    outbox = Outbox(post.store, tls={listener.address: Tls(certificates.ca)})
    await outbox.start()
    try:
        await post.letter(Address(listener.address[1]), "F1")  # type: ignore[arg-type]
        outbox.wake()
        assert (await post.event())[0] == "delivered"
        assert [control_id_of(payload) for payload in clinic.begun] == ["F1"]
    finally:
        await outbox.stop(0)
        await listener.close()
        await post.close()


async def test_a_reply_whose_address_is_not_known_any_more_is_not_sent_in_the_clear(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(tmp_path / "journal")
    receiver = await post.receiver()
    outbox = Outbox(post.store, tls={("10.0.0.7", 2576): Tls(certificates.ca)})
    await outbox.start()
    try:
        with caplog.at_level(logging.WARNING):
            await post.letter(receiver, "F1")
            outbox.wake()
            event = await post.event()
        assert event[0] == "deferred"
        assert "not known whether to encrypt" in event[2]
        assert receiver.payloads.empty()
        assert post.statuses() == [LetterStatus.WAITING]
    finally:
        await outbox.stop(0)
        await post.close()
