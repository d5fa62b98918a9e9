"""Places in the engine at which it can be made to end by SIGKILL, each with a name.

Nothing of the engine is changed for it: a method is wrapped in the process that is to die. A new point is a
line in `POINTS`. A method that the engine no longer has stops the process at the start, and so the test.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import engine.carry
import engine.verification
from engine.dispatcher import Dispatcher
from engine.dispatcher.entrance import Entrance
from engine.listener import Listener
from engine.scu import ArchiveClient
from engine.sender import Connection
from engine.store import Store
from engine.store.writer import Writer

STRUCK = "@struck"
"""Begins the line of standard error by which a process says that it has reached its point."""

Strike = Callable[[], None]
Install = Callable[[Strike], None]
Wrap = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Point:
    """``most``: up to so many passages are usual in a short life. ``drains``: it is passed after SIGTERM.
    ``load``: what has to be sent for it (a method of `Senders`)."""

    install: Install
    most: int = 3
    drains: bool = False
    load: str = ""


def arm(name: str, passage: int = 1) -> None:
    """Have this process end by SIGKILL when it passes a point for so many times. KeyError: no such point."""
    passed = 0

    def strike() -> None:
        nonlocal passed
        passed += 1
        if passed == passage:
            os.write(2, f"{STRUCK} {name} {passage}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    POINTS[name].install(strike)


def before(owner: Any, method: str, when: Callable[..., bool] = lambda *_, **__: True) -> Install:
    """When a method, or a function of a module, is called. ``when`` holds for the arguments without the
    first, which is ``self``."""

    def install(strike: Strike) -> None:
        def called(*arguments: Any, **named: Any) -> None:
            if when(*arguments[1:], **named):
                strike()

        _wrap(owner, method, called, lambda _: None)

    return install


def after(owner: Any, method: str, when: Callable[[Any], bool] = lambda _: True) -> Install:
    """When a method has returned a result for which ``when`` holds, before its caller gets it."""

    def install(strike: Strike) -> None:
        _wrap(owner, method, lambda *_, **__: None, lambda result: strike() if when(result) else None)

    return install


def in_transaction(method: str, when: Callable[[Any], bool] = lambda _: True) -> Install:
    """When the statements of a method of `Store` are executed and its transaction is not committed; ``when``
    holds for one of the results of several callers."""

    def install(strike: Strike) -> None:
        inside: ContextVar[bool] = ContextVar("inside", default=False)
        original, run = getattr(Store, method), Writer.run

        async def watched(*arguments: Any, **named: Any) -> Any:
            token = inside.set(True)
            try:
                return await original(*arguments, **named)
            finally:
                inside.reset(token)

        async def run_watched(writer: Writer, operation: Wrap, *arguments: Any) -> Any:
            def struck(connection: Any, calls: Sequence[Any]) -> Any:
                results = operation(connection, calls)
                if any(when(result) for result in results):
                    strike()
                return results

            return await run(writer, struck if inside.get() else operation, *arguments)

        setattr(Store, method, watched)
        setattr(Writer, "run", run_watched)  # noqa: B010  mypy: a method is not assigned to

    return install


def first_object(strike: Strike) -> None:
    """When the archive tells of the first object that has arrived: in the middle of a C-MOVE."""
    move = ArchiveClient.move

    def watched(*arguments: Any, progress: Wrap | None = None, **named: Any) -> Any:
        begun = False

        def report(counters: Any) -> None:
            nonlocal begun
            if not begun:
                begun = True
                strike()
            if progress is not None:
                progress(counters)

        return move(*arguments, progress=report, **named)

    setattr(ArchiveClient, "move", watched)  # noqa: B010


def next_series(strike: Strike) -> None:
    """When one series of a study has been moved and the C-MOVE of the next one is about to begin."""
    move, last = ArchiveClient.move, threading.local()

    def watched(client: ArchiveClient, study_uid: str, title: str, series_uid: str = "", **named: Any) -> Any:
        if series_uid and getattr(last, "study", "") == study_uid:
            strike()
        last.study = study_uid if series_uid else ""
        return move(client, study_uid, title, series_uid, **named)

    setattr(ArchiveClient, "move", watched)  # noqa: B010


def _wrap(owner: Any, method: str, called: Wrap, returned: Wrap) -> None:
    original = getattr(owner, method)

    @functools.wraps(original)
    async def later(*arguments: Any, **named: Any) -> Any:
        called(*arguments, **named)
        result = await original(*arguments, **named)
        returned(result)
        return result

    @functools.wraps(original)
    def now(*arguments: Any, **named: Any) -> Any:
        called(*arguments, **named)
        result = original(*arguments, **named)
        returned(result)
        return result

    setattr(owner, method, later if inspect.iscoroutinefunction(original) else now)


def _given(result: Any) -> bool:
    return result is not None


def _takes_back(taken_back: Any) -> bool:
    return bool(taken_back.canceled or taken_back.running)


POINTS = {
    # The start
    "listening, before recovery": Point(after(Listener, "start"), 1),
    "recovery in its transaction": Point(in_transaction("recover"), 1),
    "recovered": Point(after(Store, "recover"), 1),
    # A message
    "message in its transaction": Point(in_transaction("journal"), load="study"),
    "message committed, no ACK yet": Point(after(Store, "journal"), load="study"),
    "cancel committed, nothing stopped yet": Point(
        before(Dispatcher, "withdraw", _takes_back), 1, load="cancel_planned"
    ),
    # A search
    "search answered": Point(after(ArchiveClient, "find_studies"), 1, load="priors"),
    "children in their transaction": Point(in_transaction("resolve"), 1, load="priors"),
    "children committed": Point(after(Store, "resolve", _given), 1, load="priors"),
    # A retrieve
    "claim in its transaction": Point(in_transaction("claim"), load="study"),
    "claimed, no C-MOVE yet": Point(after(Store, "claim", _given), load="study"),
    "first object of a C-MOVE": Point(first_object, load="study"),
    "final response, finish not kept": Point(after(ArchiveClient, "move"), load="study"),
    "finish in its transaction": Point(in_transaction("finish"), load="study"),
    "finish committed, no ACK kept": Point(after(Store, "finish", _given), load="study"),
    # An attempt that failed
    "attempt failed, not kept": Point(before(Store, "reschedule"), 2, load="flaky"),
    "retry in its transaction": Point(in_transaction("reschedule", _given), 2, load="flaky"),
    "retry committed": Point(after(Store, "reschedule", _given), 2, load="flaky"),
    "breaker opened": Point(after(Store, "close_gate"), 1, load="dead"),
    # Verification, and the rest of a study
    "moved, not verified": Point(before(engine.carry, "verify"), 1, load="partial"),
    "archive counted, destination not asked": Point(
        before(engine.verification, "await_presence"), 1, load="dropped"
    ),
    "destination answers that objects are missing": Point(
        after(engine.verification, "await_presence", lambda presence: not presence.complete),
        1,
        load="dropped",
    ),
    "verified, not kept": Point(after(engine.carry, "verify"), 1, load="dropped"),
    "between two series of a partial retry": Point(next_series, 1, load="partial"),
    "known what is there already": Point(after(engine.carry, "look"), 1, load="there_already"),
    # Gates, and people
    "hold in its transaction": Point(in_transaction("hold"), 1, load="held"),
    "held": Point(after(Store, "hold"), 1, load="held"),
    "deferral in its transaction": Point(in_transaction("defer_tasks"), 1, load="closed"),
    "deferred": Point(after(Store, "defer_tasks"), 1, load="closed"),
    "approval seen, not claimed": Point(
        before(Entrance, "enter", lambda task: bool(task.approved)), 1, load="held"
    ),
    "cancel from outside seen, nothing stopped": Point(after(Store, "to_cancel", bool), 1, load="slow"),
    "expiry in its transaction": Point(in_transaction("expire", bool), 1, load="expiring"),
    "expired": Point(after(Store, "expire", bool), 1, load="expiring"),
    # Its acknowledgment
    "ACK in its transaction": Point(in_transaction("keep_ack"), 2, load="study"),
    "ACK kept, not sent": Point(after(Store, "keep_ack"), 2, load="study"),
    # The outbox
    "letter sent, not accepted": Point(after(Connection, "flush"), 1, load="letter"),
    "letter accepted, not marked": Point(before(Store, "delivered"), 1, load="letter"),
    "letter mark in its transaction": Point(in_transaction("delivered"), 1, load="letter"),
    "letter marked": Point(after(Store, "delivered"), 1, load="letter"),
    # SIGTERM
    "SIGTERM, nothing drained": Point(before(Listener, "drain"), 1, drains=True),
    "SIGTERM, connections drained": Point(after(Listener, "drain"), 1, drains=True),
    "SIGTERM, retrieves ended": Point(after(Dispatcher, "stop"), 1, drains=True),
    "SIGTERM, journal about to close": Point(before(Store, "close"), 1, drains=True),
}
