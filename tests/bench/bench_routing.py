"""What a message costs by the number of routes, read, decided and told:
``python -m tests.bench.bench_routing``.

µs for one radiology order of 750 bytes, the least of many runs, and beside it the ratio to 20 routes. The
first message of its type, for which the routes are arranged, is told apart (ms). The last row has conditions
that cannot be looked up: every route is tried, and the cost grows with them.
"""

from __future__ import annotations

import datetime as dt
import timeit
from collections.abc import Callable

from engine.explanation import as_json
from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.routing.conditions import All, AnyOf, Condition, OneOf
from engine.routing.router import decide
from engine.routing.rules import DestinationRule, MessagePattern, Route, StudyWant
from engine.routing.table import RouteTable
from tests.bench.load import order

COUNTS = (20, 200, 2000, 20000)
ORM = MessagePattern("ORM", "O01")
NEW = OneOf(FieldPath.parse("ORC-1"), ("NW", "XO"))
FIELDS = (
    "PV1-2",
    "PV1-3.1",
    "PV1-3.4",
    "PID-3.4",
    "OBR-4.1",
    "OBR-16.1",
    "OBR-24",
    "ORC-17",
    "MSH-3",
    "MSH-4",
)


def route(number: int, condition: Condition, pattern: MessagePattern = ORM) -> Route:
    study = StudyWant(FieldPath.parse("ZDS-1.1"))
    return Route(f"rule-{number}", (pattern,), (study,), "main", DestinationRule("reading"), condition)


def ward(number: int, field: str = "PV1-3.1") -> OneOf:
    return OneOf(FieldPath.parse(field), (f"WARD{number}",))


def one_field(number: int) -> Route:
    return route(number, All((NEW, ward(number))))


def different_fields(number: int) -> Route:
    return route(number, All((NEW, ward(number, FIELDS[number % len(FIELDS)]))))


def types(number: int) -> Route:
    return route(number, NEW, MessagePattern("ORM", f"Z{number}"))


def one_matches(number: int) -> Route:
    return route(
        number, All((NEW, OneOf(FieldPath.parse("PV1-3.1"), ("RAD" if number == 7 else f"W{number}",))))
    )


def not_looked_up(number: int) -> Route:
    return route(number, AnyOf((ward(number), ward(number, "PV1-3.4"))))


def cost(make: Callable[[int], Route], count: int, raw: bytes, now: dt.datetime) -> tuple[float, float]:
    """Seconds of the first message, and of a later one."""
    table = RouteTable(make(number) for number in range(count))

    def one() -> None:
        message = Message(raw)
        as_json(message, decide(message, table, now))

    timer = timeit.Timer(one)
    first = timer.timeit(1)
    number = max(1, int(0.01 / timer.timeit(1)))
    return first, min(timer.repeat(20, number)) / number


def main() -> None:
    raw, now = order(1).replace(b"@NUMBER@", b"100000000001"), dt.datetime.now().astimezone()
    print(f"{'routes':22}" + "".join(f"{count:>14}" for count in COUNTS))
    for make in (one_field, different_fields, types, one_matches, not_looked_up):
        costs = [cost(make, count, raw, now) for count in COUNTS]
        name = make.__name__.replace("_", " ")
        least = costs[0][1]
        print(f"{name:22}" + "".join(f"{spent * 1e6:8.0f} ×{spent / least:<5.2g}" for _, spent in costs))
        print(f"{'  first, ms':22}" + "".join(f"{first * 1e3:8.1f}{'':6}" for first, _ in costs))


if __name__ == "__main__":
    main()
