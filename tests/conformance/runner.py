"""Play a case to a receiver over TCP and compare what comes back."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from tests.conformance.answer import Answer, Deviation, Rules
from tests.conformance.case import Case, Cut, Exchange, Finish, Then
from tests.conformance.notation import GOOD, Names, readable

_GAP = 0.001
"""Seconds between two writes that should arrive as two. Nothing depends on it but how hard a case is."""

_QUIET = 1.0
"""Seconds in which an answer too many would have come."""

_PROBE = Exchange("<VT>${good PROBE}<FS><CR>", answers=({"MSA-1": "[AC]A", "MSA-2": "${PROBE}"},))


class _Silence(Deviation):
    """Nothing came in time."""


class Connection:
    """A TCP connection to the receiver. Reading waits at most ``timeout`` seconds."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self._socket = socket.create_connection(address, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = b""

    def write(self, chunks: Sequence[bytes], finish: Finish) -> None:
        """Each chunk by itself. A receiver may close before it has them all."""
        with suppress(OSError):
            for number, chunk in enumerate(chunks):
                if number:
                    time.sleep(_GAP)
                self._socket.sendall(chunk)
            if finish is Finish.HALF_CLOSE:
                self._socket.shutdown(socket.SHUT_WR)

    def block(self) -> bytes:
        """What is in the next block; ``Deviation`` where none comes or it is not framed as it must be."""
        while b"\x1c\r" not in self._input:
            if not (chunk := self._read()):
                raise Deviation(f"the connection was closed before the answer; read: {readable(self._input)}")
            self._input += chunk
        block, _, self._input = self._input.partition(b"\x1c\r")
        if not block.startswith(b"\x0b") or b"\x0b" in block[1:] or b"\x1c" in block:
            raise Deviation(f"the answer is not one block: {readable(block)}")
        return block[1:]

    def expect_end(self) -> None:
        """``Deviation`` unless the receiver closes, without a byte more."""
        if rest := self._input + self._read():
            raise Deviation(f"an answer too many: {readable(rest)}")

    def expect_nothing(self) -> None:
        """``Deviation`` if the receiver says anything more. Ends writing, so that most will close at once."""
        self.write([], Finish.HALF_CLOSE)
        self._socket.settimeout(_QUIET)
        with suppress(_Silence):
            self.expect_end()

    def reset(self) -> None:
        """Close by RST: the receiver's answer cannot be delivered any more."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close in any state."""
        self._socket.close()

    def _read(self) -> bytes:
        try:
            return self._socket.recv(2**16)
        except TimeoutError as exc:
            raise _Silence(f"nothing came within {self._socket.gettimeout():g} s") from exc
        except ConnectionError:
            return b""


class Runner:
    """Plays cases to the receiver at ``address``. ``good`` is a message that it accepts, in the notation with
    ``${ID}`` for MSH-10; ``timeout`` in seconds for each answer."""

    def __init__(self, address: tuple[str, int], good: str = GOOD, timeout: float = 20.0) -> None:
        self._address = address
        self._good = good
        self._timeout = timeout
        self._rules = Rules()

    def run(self, case: Case) -> None:
        """Raise ``Deviation`` where the receiver does something else, ``OSError`` where it cannot be reached.

        Whatever a case does to its connection, a good message on a new one is accepted afterwards.
        """
        names = Names(self._good)
        for exchange in case.exchanges:
            self._exchange(exchange, names)
        if case.exchanges[-1].then is not Then.OPEN:
            self._exchange(_PROBE, Names(self._good))

    def _exchange(self, exchange: Exchange, names: Names) -> None:
        connection = Connection(self._address, self._timeout)
        try:
            for chunks, expected in self._rounds(exchange, names):
                self._round(connection, chunks, expected, exchange.finish)
            if exchange.finish is not Finish.RESET:
                self._check_state(connection, exchange)
        finally:
            connection.close()

    def _rounds(self, exchange: Exchange, names: Names) -> Iterator[tuple[list[bytes], list[dict[str, str]]]]:
        """What to write, and the patterns of the answers. The first has the names of the case."""
        places = len(names.to_bytes(exchange.send)) if exchange.cut is Cut.EVERYWHERE else 2
        for place in range(1, places):
            used = [names] + [Names(self._good) for _ in range(exchange.repeat - 1)]
            data = b"".join(each.to_bytes(exchange.send) for each in used)
            expected = [
                {path: each.to_pattern(text) for path, text in fields.items()}
                for each in used
                for fields in exchange.answers
            ]
            yield _cut(data, exchange.cut, place), expected
            names = Names(self._good)

    def _round(
        self, connection: Connection, chunks: list[bytes], expected: list[dict[str, str]], finish: Finish
    ) -> None:
        # Beside reading: a receiver whose answers are not taken stops reading in turn
        writing = threading.Thread(target=connection.write, args=(chunks, finish), daemon=True)
        writing.start()
        try:
            if finish is Finish.RESET:
                writing.join()
                connection.reset()
                return
            for fields in expected:
                answer = Answer(connection.block())
                self._rules.check(answer)
                answer.compare(fields)
        except Deviation as exc:
            raise Deviation(f"{exc}\nafter {' + '.join(map(readable, chunks[:3]))}") from exc
        finally:
            if finish is not Finish.RESET:
                writing.join(self._timeout)

    def _check_state(self, connection: Connection, exchange: Exchange) -> None:
        if exchange.then is Then.CLOSED:
            connection.expect_end()
            return
        if exchange.then is Then.OPEN:
            ((chunks, expected),) = self._rounds(_PROBE, Names(self._good))
            self._round(connection, chunks, expected, Finish.NOTHING)
        connection.expect_nothing()


def _cut(data: bytes, cut: Cut, place: int) -> list[bytes]:
    if not data:
        return []
    if cut is Cut.BYTES:
        return [data[number : number + 1] for number in range(len(data))]
    return [data[:place], data[place:]] if cut is Cut.EVERYWHERE else [data]
