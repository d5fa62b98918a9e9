"""Group commit: one thread, one connection, one fsync for as many operations as are waiting.

An operation is a function of the connection and of the arguments of several calls, oldest first; it returns
one result a call. Whatever is queued while a commit is under way goes into the next transaction together,
in the order in which it came. No result is given out before its commit is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, TypeVarTuple

from sqlalchemy import Connection

from engine.errors import StoreError
from engine.events import Committed, Events
from engine.store.criteria import Unlearnt, learn
from engine.store.dialect import (
    WAIT_ENDED,
    Seal,
    again,
    begun,
    explain,
    is_broken,
    is_confirmed,
    seal,
    waited_in_vain,
    was_committed,
)

if TYPE_CHECKING:
    from engine.store.owners import Ticket

_ATTEMPTS = 5  # of a call that gets into the way of another engine's
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

Operation = Callable[[Connection, Sequence[tuple[*Ts]]], Sequence[R]]


def each(one: Callable[[Connection, *Ts], R]) -> Operation[*Ts, R]:
    """The operation that carries out its calls one by one."""

    def operation(connection: Connection, calls: Sequence[tuple[*Ts]]) -> Sequence[R]:
        return [one(connection, *arguments) for arguments in calls]

    return operation


class _Call(NamedTuple):
    operation: Operation[*tuple[Any, ...], Any]
    arguments: tuple[Any, ...]
    future: asyncio.Future[Any]


@dataclass(slots=True)
class _Tried:
    """How far a transaction has come. ``sealed``: all but its commit was done."""

    results: list[Any] = field(default_factory=list)
    operation_failed: bool = False
    sealed: Seal | None = None


class Writer:
    """Runs operations for one event loop; at most ``batch_limit`` share a transaction. As many are queued as
    there are callers that wait."""

    def __init__(
        self,
        connection: Connection,
        *,
        batch_limit: int = 256,
        name: str = "journal",
        events: Events | None = None,
        ticket: Callable[[], Ticket] | None = None,
        last: Operation[*tuple[Any, ...], Any] | None = None,
        trouble: Callable[[], str] = str,
    ) -> None:
        """``ticket`` gives each transaction of a shared journal its own; calls of ``last`` come last in one:
        engines that lock things in different orders wait for each other. While there is a ``trouble`` every
        call fails by it at once. ``events`` are told of each
        transaction that changed something, or failed: one that had nothing to write goes well on a full disk
        too."""
        self._connection = connection
        self._batch_limit = batch_limit
        self._events = events
        self._ticket = ticket
        self._last = last
        self._trouble = trouble
        self._gathered: list[_Call] = []  # by the event loop
        self._left: list[_Call] = []  # by the thread, for the next transaction
        self._queue: SimpleQueue[list[_Call]] = SimpleQueue()  # an empty list, the last entry: closed
        self._wrote = False  # the thread, in the batch at hand
        self._closed = False
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, operation: Operation[*Ts, R], *arguments: *Ts) -> R:
        """The result, once it is durable. StoreError: it failed and has changed nothing.

        An operation whose waiter is cancelled is carried out all the same.
        """
        return await self.submit(operation, *arguments)

    def submit(self, operation: Operation[*Ts, R], *arguments: *Ts) -> asyncio.Future[R]:
        """The same, in its place behind what was submitted before. StoreError at once: the journal is
        closed."""
        if self._closed:
            raise StoreError("the journal is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        if not self._gathered:
            loop.call_soon(self._hand_over)
        self._gathered.append(_Call(operation, arguments, future))
        return future

    def _hand_over(self) -> None:
        """What one turn of the event loop has submitted, at once: the thread would begin on the first call
        alone, and fight for the interpreter with those who are about to make the others."""
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._queue.put(gathered)

    async def close(self) -> None:
        """Carry out what is queued and close the connection."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._queue.put([])
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        with self._connection:
            while batch := self._next_batch():
                began = time.perf_counter()
                self._wrote = False
                trouble = self._trouble()
                results = [StoreError(trouble) for _ in batch] if trouble else self._attempt(batch)
                seconds = time.perf_counter() - began
                failed = not self._wrote and any(isinstance(result, StoreError) for result in results)
                told = Committed(len(batch), seconds, failed) if failed or self._wrote else None
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    batch[0].future.get_loop().call_soon_threadsafe(self._settle, batch, results, told)

    def _next_batch(self) -> list[_Call]:
        """Wait for calls and take those behind them; none at all: closed."""
        batch = self._left or self._queue.get()
        while batch and len(batch) < self._batch_limit and not self._queue.empty():
            more = self._queue.get()
            if not more:
                self._queue.put(more)  # seen behind the last calls; the next turn ends
                break
            batch = batch + more
        self._left = batch[self._batch_limit :]
        batch = batch[: self._batch_limit]
        return batch if self._last is None else sorted(batch, key=lambda call: call.operation is self._last)

    def _attempt(self, batch: list[_Call]) -> list[Any]:
        """One result or StoreError a call. Where one call is at fault, the others are run again without it;
        where the transaction is, nobody's work is kept."""
        for attempt in range(_ATTEMPTS):
            tried = _Tried()
            try:
                return self._transact(batch, tried)
            except Exception as exc:  # noqa: BLE001  a waiter must hear of everything that goes wrong here
                if tried.sealed is not None and was_committed(self._connection, tried.sealed):
                    self._connection.invalidate()
                    self._wrote = True
                    return tried.results
                if not tried.operation_failed or is_broken(self._connection) or waited_in_vain(exc):
                    self._connection.invalidate()  # may be left in the transaction; the next opens another
                    return [_store_error(exc) for _ in batch]
                if len(batch) > 1:
                    break
                if attempt == _ATTEMPTS - 1 or not self._may_go_better(exc):
                    return [_store_error(exc)]
        return [result for call in batch for result in self._attempt([call])]

    def _may_go_better(self, exc: Exception) -> bool:
        """If it is tried again: after what another engine has done meanwhile."""
        if not isinstance(exc, Unlearnt):
            return again(self._connection, exc)
        with contextlib.suppress(Exception), self._connection.begin():
            learn(self._connection)
            return True
        return False

    def _transact(self, batch: list[_Call], tried: _Tried) -> list[Any]:
        if self._ticket is not None:
            self._connection.execution_options(ticket=self._ticket())
        with self._connection.begin():
            before = begun(self._connection)
            try:
                tried.results = self._perform(batch)
            except Exception:
                tried.operation_failed = True
                raise
            tried.sealed = seal(self._connection, before)
        if not is_confirmed(self._connection):
            raise StoreError(WAIT_ENDED)
        self._wrote |= tried.sealed.wrote
        return tried.results

    def _perform(self, batch: list[_Call]) -> list[Any]:
        results: list[Any] = []
        for operation, calls in groupby(batch, key=lambda call: call.operation):
            results += operation(self._connection, [call.arguments for call in calls])
        return results

    def _settle(self, batch: list[_Call], results: list[Any], told: Committed | None) -> None:
        """Runs in the event loop."""
        if self._events is not None and told is not None:
            self._events.tell(told)
        for call, result in zip(batch, results, strict=True):
            if call.future.done():
                continue  # its waiter was cancelled
            if isinstance(result, StoreError):
                call.future.set_exception(result)
            else:
                call.future.set_result(result)


def _store_error(exc: Exception) -> StoreError:
    if isinstance(exc, StoreError):
        return exc
    error = StoreError(f"the journal could not be written or read: {explain(exc)}")
    error.__cause__ = exc
    return error
