"""Several engines on one journal, and senders in processes of their own, for the benches."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench_intake import routes
from tests.bench.engine import Serving, processor_time, serving_file
from tests.bench.load import Load, load, order

Address = tuple[str, int]
_CONFIG = """
engine: {{listen: "127.0.0.1:0", store: "{store}", ae_title: FOREFETCH}}
archives:
{archives}
destinations:
  reading: {{ae_title: READING, host: 127.0.0.1, port: 9}}
routes:
"""
_ARCHIVE = "  {name}: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {port}, concurrency: {concurrency}{more}}}"
_MATCHING = """
  - name: all
    messages: [ORM^O01]
    studies: [{study: ZDS-1.1}]
    from: main
    to: reading
    acknowledge: accepted
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """``store``: `sqlite` or `postgresql`, with so many engines."""

    store: str
    engines: int

    def __str__(self) -> str:
        return f"{self.store} x{self.engines}"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Engines that listen."""

    engines: Sequence[Serving]

    @property
    def addresses(self) -> list[Address]:
        return [it.address for it in self.engines]

    def processor(self) -> float:
        """Seconds for which all have worked."""
        return sum(processor_time(it.process) for it in self.engines)


@contextmanager
def running(folder: Path, config: str, count: int) -> Iterator[Nodes]:
    """So many engines with one configuration."""
    with ExitStack() as stack:
        engines = []
        for number in range(count):
            file = folder / f"routes{number}.yaml"
            file.write_text(config)
            engines.append(stack.enter_context(serving_file(file, allow=True)))
        yield Nodes(engines)


def intake(store: str, *, tasked: bool) -> str:
    """20 routes that do not match; ``tasked``: and one that does, whose archive has a closed window."""
    hour = (time.localtime().tm_hour + 12) % 24
    closed = f', windows: "{hour:02}:00-{(hour + 1) % 24:02}:00"'
    archive = _ARCHIVE.format(name="main", port=9, concurrency=4, more=closed)
    return _CONFIG.format(store=store, archives=archive) + routes(20) + (_MATCHING if tasked else "")


def dispatch(store: str, archives: Mapping[str, int], concurrency: int) -> str:
    """Archives by their names and ports."""
    lines = (
        _ARCHIVE.format(name=it, port=port, concurrency=concurrency, more="") for it, port in archives.items()
    )
    return _CONFIG.format(store=store, archives="\n".join(lines)) + _MATCHING.replace(
        "main", next(iter(archives))
    )


def message() -> bytes:
    """An order whose study UID has no component that begins with a zero."""
    return order(1).replace(b".@NUMBER@^", b".1@NUMBER@^")


class Crowd:
    """Senders, in as many processes as there are engines."""

    def __init__(self, most: int) -> None:
        self._pool = ProcessPoolExecutor(most, multiprocessing.get_context("spawn"))
        list(self._pool.map(time.sleep, [0.5] * most))  # each is there before anything is measured
        self._first = iter(range(0, 10**12, 10**7))

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def send(self, addresses: Sequence[Address], connections: int, seconds: float) -> tuple[Load, float]:
        """Spread over the addresses; what came of it, and the processor time of the senders in seconds."""
        some, more = divmod(connections, len(addresses))
        shares = [(address, some + (place < more)) for place, address in enumerate(addresses)]
        parts = [
            self._pool.submit(_send, address, share, seconds, next(self._first))
            for address, share in shares
            if share
        ]
        whole, spent = Load(), 0.0
        for part in parts:
            got, processor = part.result()
            whole.seconds = max(whole.seconds, got.seconds)
            whole.spent += got.spent
            whole.codes += got.codes
            spent += processor
        return whole, spent


def _send(address: Address, connections: int, seconds: float, first: int) -> tuple[Load, float]:
    begin = time.process_time()
    got = load(address, message(), connections=connections, seconds=seconds, first=first)
    return got, time.process_time() - begin
