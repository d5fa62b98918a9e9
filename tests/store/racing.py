"""Two transactions at once on a journal that engines share: the second one is begun while what the first has
done cannot be seen yet, and goes on when it can."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveRequest, RetrieveTask, Verb
from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import list_tasks
from engine.store.dialect import open_engine
from engine.store.gates import hold
from engine.store.messages import Journaled, journal, keep_ack
from engine.store.outbox import NewLetter
from engine.store.retention import Pruned, prune
from engine.store.tasks import claim, finish, resolve
from engine.store.verbs import Done, _operate

from . import ARRIVED, FAILED, RESOLVED, message

A = TypeVar("A")
B = TypeVar("B")
Resolved = tuple[list[RetrieveTask], tuple[int, ...]] | None
S = TaskStatus
ORDER = Occasion("order", Number("1001", "HIS"), Number("", ""), ("4711",))
OTHER = Occasion("order", Number("1002", "HIS"), Number("", ""), ("4711",))
WAITS = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


def race(where: str, first: Callable[[Connection], A], *second: Callable[[Connection], B]) -> tuple[A, B]:
    """What both came to; of the second one its last step, each of which is a transaction. The first is
    committed when the second waits for it, or is over."""
    engine = open_engine(where)
    with engine.connect() as one, engine.connect() as other, engine.connect() as looking:
        looking.execution_options(isolation_level="AUTOCOMMIT")
        pid = other.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        with ThreadPoolExecutor(1) as thread:
            with one.begin():
                of_first = first(one)
                running = thread.submit(_steps, other, second)
                while not running.done() and not looking.exec_driver_sql(WAITS, (pid,)).all():
                    pass
            return of_first, running.result()[-1]


def _steps(connection: Connection, steps: Iterable[Callable[[Connection], B]]) -> list[B]:
    results = []
    for step in steps:
        with connection.begin():
            results.append(step(connection))
    return results


def do(where: str, *steps: Callable[[Connection], object]) -> None:
    """One after the other."""
    with open_engine(where).connect() as connection:
        _steps(connection, steps)


def asking(
    number: object, *requests: RetrieveRequest, order: Occasion = ORDER
) -> Callable[[Connection], Journaled]:
    meaning = Meaning(occasions=(order,))
    new = message(number, *requests, meaning=meaning)
    return lambda connection: journal(connection, [(new,)])[0]


def canceling(order: Occasion = ORDER) -> Callable[[Connection], Journaled]:
    new = message(("cancel", order), meaning=Meaning(withdrawn=(order,)))
    return lambda connection: journal(connection, [(new,)])[0]


def verb(what: Verb, *numbers: int) -> Callable[[Connection], list[Done]]:
    return lambda connection: _operate(connection, what, numbers, "ann")


def claiming(number: int) -> Callable[[Connection], RetrieveTask | None]:
    return lambda connection: claim(connection, number, None)


def failing(number: int) -> Callable[[Connection], tuple[int, ...] | None]:
    return lambda connection: finish(connection, number, FAILED, None)


def arriving(number: int) -> Callable[[Connection], tuple[int, ...] | None]:
    return lambda connection: finish(connection, number, ARRIVED, None)


def finding(number: int, *found: RetrieveRequest) -> Callable[[Connection], Resolved]:
    return lambda connection: resolve(connection, number, None, RESOLVED, (), found)


def holding(number: int) -> Callable[[Connection], list[int] | None]:
    """Until now."""
    expires = dt.datetime.now(dt.UTC)
    return lambda connection: hold(connection, number, "approval", "too many", expires, None)


def answering(ack: bytes) -> Callable[[Connection], Sequence[bytes]]:
    letter = NewLetter("his", 2576, ack, control_id="FF1")
    return lambda connection: keep_ack(connection, [(1, ack, ack.decode(), letter)])


def pruning(after: int) -> Callable[[Connection], Pruned]:
    return lambda connection: prune(connection, after, LATER, LATER, 1)


def statuses(where: str) -> list[TaskStatus]:
    return [task.status for task in reversed(list_tasks(where))]
