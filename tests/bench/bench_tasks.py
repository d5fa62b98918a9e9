"""What tasks that may not start cost the intake: ``python -m tests.bench.bench_tasks [seconds]``.

Each message makes a task and is answered at once (`acknowledge: accepted`), beside messages that match no
route. The tasks are due in an hour, or wait behind a window, or for an archive that is down. All in turns in
one run; CPU is that of the engine in µs a message, which other work changes less than the rate.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench.bench_intake import routes
from tests.bench.engine import Serving, processor_time, serving_file
from tests.bench.load import Load, load, order

TURNS = 3
CONFIG = """
engine: {{listen: "127.0.0.1:0", store: journal.db, ae_title: FOREFETCH}}
archives:
  main:
    ae_title: ARCHIVE
    host: 127.0.0.1
    port: 9
    breaker: {{failures: 2, pause: 10s}}
{archive}
destinations:
  reading: {{ae_title: READING, host: 127.0.0.1, port: 9}}
routes:
"""
ROUTE = """
  - name: all
    messages: [ORM^O01]
    studies: [{study: ZDS-1.1}]
    from: main
    to: reading
    acknowledge: accepted
"""
CLOSED = {
    "no route matches": ("", ""),
    "due in an hour": ("", "    schedule: {field: OBR-36, before: 0s}\n"),
    "window of the route": ("", "    windows: {closed}\n"),
    "window of the archive": ("    windows: {closed}", ""),
    "archive down": ("", ""),
}


def configuration(name: str) -> str:
    """With 20 routes that do not match, and one that does."""
    archive, route = CLOSED[name]
    hour = (time.localtime().tm_hour + 12) % 24
    closed = f'"{hour:02}:00-{(hour + 1) % 24:02}:00"'
    matching = "" if name == "no route matches" else ROUTE + route.replace("{closed}", closed)
    return CONFIG.format(archive=archive.replace("{closed}", closed)) + routes(20) + matching


def text_of(name: str) -> bytes:
    """The order, with a UID that begins with no zero, and with an appointment in OBR-36 where tasks are to be
    due later."""
    text = order(1).replace(b".@NUMBER@^", b".1@NUMBER@^")
    if name != "due in an hour":
        return text
    due = time.strftime("%Y%m%d%H%M%S", time.localtime(time.time() + 3600))
    return text.replace(b"\rZDS", b"|" * 9 + due.encode() + b"\rZDS")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with ExitStack() as stack:
        engines: dict[str, Serving] = {}
        for number, name in enumerate(CLOSED):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench{number}")))
            (folder / "routes.yaml").write_text(configuration(name))
            engines[name] = stack.enter_context(serving_file(folder / "routes.yaml", allow=True))
        rates: dict[str, list[float]] = {name: [] for name in CLOSED}
        spent: dict[str, list[float]] = {name: [] for name in CLOSED}
        last: dict[str, Load] = {}
        for turn in range(TURNS + 1):  # the first is left out
            for name, engine in engines.items():
                begin = processor_time(engine.process)
                got = load(engine.address, text_of(name), connections=64, seconds=seconds, first=turn * 10**7)
                if turn:
                    rates[name].append(got.rate)
                    spent[name].append((processor_time(engine.process) - begin) / len(got.spent) * 1e6)
                    last[name] = got
        tell(rates, spent, last)


def tell(rates: dict[str, list[float]], spent: dict[str, list[float]], last: dict[str, Load]) -> None:
    base = statistics.median(rates["no route matches"])
    print(f"{'64 connections':22} {'messages/s':>10} {'ratio':>6} {'CPU':>6} {'p99':>9}")
    for name, all_rates in rates.items():
        rate, load_of = statistics.median(all_rates), last[name]
        print(
            f"{name:22} {rate:10.0f} {rate / base:6.2f} {statistics.median(spent[name]):6.0f} "
            f"{load_of.percentile(99):6.1f} ms  {dict(load_of.codes)}"
        )


if __name__ == "__main__":
    main()
