"""How many messages a second ``forefetch serve`` takes, each on the disk before its answer:
``python -m tests.bench.bench_intake [seconds]``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.engine import serving
from tests.bench.load import load, order

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
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    for connections in (1, 8, 64):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), routes(20)) as engine:
            load(engine.address, order(1), connections=connections, seconds=1)
            got = load(engine.address, order(2), connections=connections, seconds=seconds, first=10**9)
            print(
                f"{connections:3} connections: {got.rate:8.0f} messages/s, "
                f"median {got.percentile(50):6.2f} ms, "
                f"p99 {got.percentile(99):6.2f} ms, {dict(got.codes)}"
            )


if __name__ == "__main__":
    main()
