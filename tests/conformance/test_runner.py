"""The suite finds what it is there to find: receivers with one fault each fail, and one without passes."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.conformance.__main__ import main
from tests.conformance.answer import Answer, Deviation
from tests.conformance.case import Case, Exchange, Finish, Level, Then, read
from tests.conformance.notation import Names, readable
from tests.conformance.receiver import Running
from tests.conformance.runner import Runner

_NUMBERS = count()
_BLOCK = re.compile(rb"\x0b(.*?)\x1c\r", re.DOTALL)
_ONE = Exchange("<VT>${good A}<FS><CR>", answers=({"MSA-1": "AA", "MSA-2": "${A}"},))
_TWO = Exchange("<VT>${good A}<FS><CR><VT>${good B}<FS><CR>", answers=({"MSA-2": "${A}"}, {"MSA-2": "${B}"}))

Answering = Callable[[list[bytes]], bytes]


def _ack(message: bytes, control_id: str = "", time: str = "20261124080000") -> bytes:
    sent = message.split(b"|")[9].decode()
    own = control_id or f"R{next(_NUMBERS)}"
    text = f"MSH|^~\\&|R|W|S|L|{time}||ACK^A01^ACK|{own}|P|2.5.1\rMSA|AA|{sent}\r"
    return f"\x0b{text}\x1c\r".encode()


def _each(one: Callable[[bytes], bytes]) -> Answering:
    return lambda messages: b"".join(map(one, messages))


def _is_whole(stream: bytes) -> bool:
    return stream.endswith(b"\x1c\r")


@contextmanager
def _receiver(answering: Answering) -> Iterator[tuple[str, int]]:
    """A receiver that answers what has come when it ends with an end block."""

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            stream = b""
            while chunk := self.request.recv(2**16):
                stream += chunk
                if _is_whole(stream):
                    self.request.sendall(answering(_BLOCK.findall(stream)))
                    stream = b""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server.server_address[0], server.server_address[1]  # type: ignore[misc]
        finally:
            server.shutdown()
            serving.join()


def _case(*exchanges: Exchange) -> Case:
    return Case("a case", "a clause", "a reason", Level.MUST, exchanges)


@pytest.mark.parametrize("exchange", [_ONE, _TWO])
def test_a_receiver_without_fault_passes(exchange: Exchange) -> None:
    with _receiver(_each(_ack)) as address:
        Runner(address).run(_case(exchange))


@pytest.mark.parametrize(
    ("exchange", "answering", "fault"),
    [
        (_ONE, _each(lambda m: _ack(m) + _ack(m)), "MSA-2 is"),  # the next answer is taken for the probe's
        (_ONE, _each(lambda m: _ack(m, control_id="SAME")), "MSH-10 was in another answer"),
        (_ONE, _each(lambda m: _ack(m, control_id=m.split(b"|")[9].decode())), "the sender's"),
        (_ONE, _each(lambda m: _ack(m, time="19991231235959")), "MSH-7"),
        (_ONE, _each(lambda m: _ack(m).replace(b"AA", b"AE")), "MSA-1 is 'AE'"),
        (_ONE, _each(lambda m: _ack(m).replace(b"AA", b"OK")), "table 0008"),
        (_ONE, _each(lambda m: _ack(m).replace(b"MSA|", b"MSB|")), "one MSH and one MSA"),
        (_ONE, _each(lambda m: _ack(m).replace(b"|R|", b"|\x00|")), "control character"),
        (_ONE, _each(lambda m: _ack(m)[1:]), "not one block"),
        (_ONE, _each(lambda m: _ack(m).replace(b"\r\x1c", b"\x1c")), "last segment has no CR"),
        (_ONE, _each(lambda m: b"\x0bOK\x1c\r"), "does not begin with MSH"),
        (_ONE, _each(lambda m: b""), "nothing came within"),
        (_TWO, lambda messages: _ack(messages[0]), "nothing came within"),
        (_TWO, lambda messages: b"".join(map(_ack, messages[::-1])), "MSA-2 is"),
    ],
)
def test_a_receiver_with_a_fault_fails(exchange: Exchange, answering: Answering, fault: str) -> None:
    with _receiver(answering) as address, pytest.raises(Deviation, match=fault):
        Runner(address, timeout=0.3).run(_case(exchange))


def test_a_receiver_that_does_not_close_fails_a_case_that_asks_it_to() -> None:
    with _receiver(_each(_ack)) as address, pytest.raises(Deviation, match="nothing came within"):
        Runner(address, timeout=0.3).run(_case(Exchange("junk", then=Then.CLOSED)))


def test_an_answer_where_none_is_due_fails() -> None:
    silent = _case(Exchange("<VT>${good A}<FS><CR>", finish=Finish.HALF_CLOSE, then=Then.CLOSED))
    with _receiver(_each(_ack)) as address, pytest.raises(Deviation, match="an answer too many"):
        Runner(address).run(silent)


@pytest.mark.parametrize(
    ("text", "stands_for"),
    [
        ("<VT>MSH|^~\\&|\n<CR><FS><CR>", b"\x0bMSH|^~\\&|\r\x1c\r"),
        ("<xE4><NUL><LF><A*3>", b"\xe4\x00\nAAA"),
        ("\u00e4 <B> ${", b"\xc3\xa4 <B> ${"),
    ],
)
def test_the_notation_is_read(text: str, stands_for: bytes) -> None:
    assert Names().to_bytes(text) == stands_for


def test_a_control_id_is_the_same_in_a_run_and_new_in_the_next() -> None:
    names = Names()
    assert names.to_bytes("${A}") == names.to_bytes("${A}") == names.control_id("A").encode()
    assert len({names.to_bytes("${A}"), names.to_bytes("${B}"), Names().to_bytes("${A}")}) == 3
    assert re.fullmatch(names.to_pattern("${A}<xE4>.*"), f"{names.control_id('A')}\u00e4 and more")


def test_bytes_are_shown_in_the_notation() -> None:
    assert readable(b"\x0bMSH|\xe4\x1c\r") == "<VT>MSH|<xE4><FS><CR>"


def test_fields_components_and_occurrences_of_an_answer_are_read() -> None:
    answer = Answer(b"MSH|^~\\&|A^B|C\rMSA|AA|1\rERR||X^1\rERR||Y^2^3\r")
    paths = ["MSH-1", "MSH-2", "MSH-3", "MSH-3.2", "MSH-4", "ERR-2.1", "ERR(2)-2.3", "ERR(3)-1", "MSA-9"]
    assert [answer.field(path) for path in paths] == ["|", "^~\\&", "A^B", "B", "C", "X", "3", "", ""]
    assert answer.count("ERR") == 2


@pytest.mark.parametrize(
    "row", ["{name: x, clause: x, why: x, sent: x}", "{name: x, clause: x, why: x, then: sleeps}"]
)
def test_a_table_with_a_word_that_means_nothing_is_refused(tmp_path: Path, row: str) -> None:
    table = tmp_path / "table.yaml"
    table.write_text(f"receiver: any\ncases:\n  - {row}\n")
    with pytest.raises((TypeError, ValueError)):
        read(table)


def test_the_command_prints_a_table_and_passes_forefetch(
    forefetch: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = forefetch.address
    assert main([host, str(port), "--only", "answers: ", "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "pass  must    answers: sender and receiver change places\n" in printed
    assert "FAIL" not in printed


def test_the_command_says_what_failed_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.hl7"
    own.write_bytes(b"MSH|^~\\&|OWN|W|X|Y|20260101||ADT^A08|1|P|2.4\nPID|1||K\xe4\n")
    seen: list[bytes] = []

    def answering(messages: list[bytes]) -> bytes:
        seen.extend(messages)
        return b"".join(_ack(message).replace(b"AA", b"AR") for message in messages)

    with _receiver(answering) as (host, port):
        assert main([host, str(port), "--only", "a block is answered", "--message", str(own)]) == 1
    assert "FAIL  must    framing: a block is answered by a block\n" in capsys.readouterr().out
    assert re.fullmatch(
        rb"MSH\|\^~\\&\|OWN\|W\|X\|Y\|19991231235959\|\|ADT\^A08\|S\w+\|P\|2.4\rPID\|1\|\|K\xe4\r", seen[0]
    )
