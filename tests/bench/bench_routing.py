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


def timer(make: Callable[[int], Route], count: int, raw: bytes, now: dt.datetime) -> timeit.Timer:
    table = RouteTable(make(number) for number in range(count))

    def one() -> None:
        message = Message(raw)
        as_json(message, decide(message, table, now))

    return timeit.Timer(one)


def costs(timers: list[timeit.Timer]) -> tuple[list[float], list[float]]:
    """Seconds of the first message, and of a later one: in turn, so that a busy time is shared."""
    first = [timer.timeit(1) for timer in timers]
    numbers = [max(1, int(0.005 / timer.timeit(1))) for timer in timers]
    later = [[timer.timeit(n) / n for timer, n in zip(timers, numbers, strict=True)] for _ in range(40)]
    return first, [min(each) for each in zip(*later, strict=True)]


def main() -> None:
    raw, now = order(1).replace(b"@NUMBER@", b"100000000001"), dt.datetime.now().astimezone()
    print(f"{'routes':22}" + "".join(f"{count:>14}" for count in COUNTS))
    for make in (one_field, different_fields, types, one_matches, not_looked_up):
        first, later = costs([timer(make, count, raw, now) for count in COUNTS])
        name = make.__name__.replace("_", " ")
        print(f"{name:22}" + "".join(f"{spent * 1e6:8.0f} ×{spent / later[0]:<5.3g}" for spent in later))
        print(f"{'  first, ms':22}" + "".join(f"{spent * 1e3:8.1f}{'':6}" for spent in first))


if __name__ == "__main__":
    main()
