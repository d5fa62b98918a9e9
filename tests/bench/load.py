"""A load of HL7 messages over MLLP: many connections from one thread, as little work a message as can be.

Every message differs in its MSH-10 and in its order numbers; every answer is looked at for its MSA-1.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

_VT, _END = b"\x0b", b"\x1c\r"
_NUMBER = b"@NUMBER@"
ORDER = (
    "MSH|^~\\&|RIS|FOREST|FOREFETCH|FOREST|{time}||ORM^O01^ORM_O01|@NUMBER@|P|2.5.1\r"
    "PID|1||P@NUMBER@^^^FOREST^MR~9876543210^^^NATIONAL^NH||MOORE^JULIAN^ANDREW||19571112|M|||"
    "12 HIGH STREET^^RIVERTON^^4021^NZ||+64-3-555-0171|||M\r"
    "PV1|1|O|RAD^WAITING^2^FOREST||||0421^KERR^FIONA^^^DR|0389^OKAFOR^IFE^^^DR||||||||||V@NUMBER@^^^FOREST\r"
    "ORC|NW|A@NUMBER@^RIS|F@NUMBER@^RIS||SC||^^^{time}^^R||{time}|0033^CLERK^ANNA|||RAD\r"
    "OBR|1|A@NUMBER@^RIS|F@NUMBER@^RIS|CTCHEST^CT THORAX WITH CONTRAST^L|||{time}||||||"
    "persistent cough, nodule in the right upper lobe to be followed||||0389^OKAFOR^IFE^^^DR|||"
    "ACC@NUMBER@||||||CT||^^^{time}^^R\r"
    "ZDS|1.2.826.0.1.3680043.8.498.{salt}.@NUMBER@^FORE^Application^DICOM\r"
)
"""A radiology order of about 750 bytes. ``{time}`` is MSH-7, and ``{salt}`` keeps runs apart."""


def order(salt: int, text: str = ORDER) -> bytes:
    """The order of this moment, for a `Load`."""
    now = time.strftime("%Y%m%d%H%M%S")
    return text.replace("{time}", now).replace("{salt}", str(salt)).encode()


@dataclass(slots=True)
class Load:
    """What came of it. ``spent``: seconds from the first byte sent to the answer, one a message."""

    seconds: float = 0.0
    spent: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Messages a second."""
        return len(self.spent) / self.seconds

    def percentile(self, part: float) -> float:
        """Milliseconds within which so many parts of one hundred were answered."""
        return sorted(self.spent)[min(len(self.spent) - 1, int(len(self.spent) * part / 100))] * 1000


class _Sender:
    """One connection that keeps ``window`` messages under way."""

    def __init__(self, address: tuple[str, int], window: int) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.window = window
        self.begun: deque[float] = deque()
        self._rest = b""

    def send(self, numbers: Iterator[bytes], parts: list[bytes], count: int) -> None:
        now = time.perf_counter()
        self.begun.extend([now] * count)
        self.socket.sendall(b"".join(next(numbers).join(parts) for _ in range(count)))

    def receive(self) -> list[bytes]:
        """The answers that are complete now."""
        chunk = self.socket.recv(2**16)
        if not chunk:
            raise ConnectionError("the engine has closed the connection")
        *whole, self._rest = (self._rest + chunk).split(_END)
        return whole


def load(
    address: tuple[str, int],
    message: bytes,
    *,
    connections: int,
    seconds: float,
    window: int = 1,
    most: int | None = None,
    first: int = 0,
) -> Load:
    """Send for so many seconds, or ``most`` messages; every connection its next ones as soon as answers come.
    ``first``: where MSH-10 begins to count."""
    head, *tail = (_VT + message + _END).split(_NUMBER)
    parts = [head, *tail]
    counter = iter(range(first, 2**62))
    numbers = (b"%012d" % number for number in counter)
    result = Load()
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        senders = [_Sender(address, window) for _ in range(connections)]
        for sender in senders:
            stack.callback(sender.socket.close)
            ready.register(sender.socket, selectors.EVENT_READ, sender)
        begin = time.perf_counter()
        end, sent, open_ones = begin + seconds, 0, 0
        for sender in senders:
            sender.send(numbers, parts, window)
            sent, open_ones = sent + window, open_ones + window
        while open_ones:
            for key, _ in ready.select(10):
                sender = key.data
                answers = sender.receive()
                now = time.perf_counter()
                for answer in answers:
                    result.spent.append(now - sender.begun.popleft())
                    at = answer.find(b"\rMSA|") + 5
                    result.codes[answer[at : at + 2].decode()] += 1
                open_ones -= len(answers)
                if answers and now < end and (most is None or sent < most):
                    sender.send(numbers, parts, len(answers))
                    sent, open_ones = sent + len(answers), open_ones + len(answers)
        result.seconds = time.perf_counter() - begin
    return result
