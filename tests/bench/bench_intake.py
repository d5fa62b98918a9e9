"""How many messages a second ``forefetch serve`` takes, each on the disk and routed before its answer, beside
two peers in the same run: ``python -m tests.bench.bench_intake [seconds]``.

20 routes, none of which matches: AA. Each figure is the median of three turns, in which all take their turn.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.engine import processor_time, serving
from tests.bench.load import Load, load, order
from tests.bench.peers import NAMES, peer

TURNS = 3
SHAPES = ((1, 1), (8, 1), (64, 1), (1, 64))
"""Connections, and the messages that each has under way."""
UNMATCHED = """
  - name: rule-{number}
    messages: [ORM^O01, OMI^O23]
    when:
      - {{field: ORC-1, in: [NW, XO]}}
      - {{field: PV1-3.1, equals: WARD{number}}}
    studies: [{{study: ZDS-1.1}}]
    from: main
    to: reading
"""


def routes(count: int) -> str:
    return "".join(UNMATCHED.format(number=number) for number in range(count))


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    print(f"{'connections':>11} {'window':>6}  {'forefetch':>9} {'median':>8} {'p99':>8}", end="")
    print(f" {'CPU':>8} " + "".join(f" {name:>10} {'ratio':>6}" for name in NAMES))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = stack.enter_context(serving(folder, routes(20)))
        peers = {name: stack.enter_context(peer(name, folder)) for name in NAMES}
        first = iter(range(0, 10**12, 10**7))
        for connections, window in SHAPES:
            got: list[Load] = []
            spent: list[float] = []
            theirs: dict[str, list[float]] = {name: [] for name in NAMES}

            def turn(address: tuple[str, int], connections: int = connections, window: int = window) -> Load:
                text, begin = order(1), next(first)
                return load(
                    address, text, connections=connections, window=window, seconds=seconds, first=begin
                )

            for _ in range(TURNS):
                begin = processor_time(engine.process)
                got.append(turn(engine.address))
                spent.append((processor_time(engine.process) - begin) / len(got[-1].spent))
                for name, address in peers.items():
                    theirs[name].append(turn(address).rate)
            assert {code for it in got for code in it.codes} == {"AA"}
            middle = sorted(got, key=lambda it: it.rate)[TURNS // 2]
            print(f"{connections:11} {window:6}  {middle.rate:7.0f}/s", end="")
            print(f" {middle.percentile(50):5.2f} ms {middle.percentile(99):5.2f} ms", end="")
            print(f" {statistics.median(spent) * 1e6:5.0f} µs ", end="")
            for name in NAMES:
                rate = statistics.median(theirs[name])
                print(f" {rate:8.0f}/s {middle.rate / rate:6.2f}", end="")
            print(flush=True)


if __name__ == "__main__":
    main()
