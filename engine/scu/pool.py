"""The associations to one archive: never more than it allows, reused while they are young."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.errors import NodeBusy, NodeError, NodeTimeout
from engine.scu.association import NodeAssociation
from engine.scu.dimse import SLICE, Bounds, NotSent, Unanswered

T = TypeVar("T")

_log = logging.getLogger(__name__)


class AssociationPool:
    """At most ``size`` associations that ``connect`` opens. Any thread may use it.

    ``idle``: seconds that an unused association is kept. One that was unused for longer than ``health``
    seconds has to pass ``check``, which raises NodeError, before it is used again.
    """

    def __init__(
        self,
        connect: Callable[[], NodeAssociation],
        node: str,
        size: int,
        idle: float,
        health: float = math.inf,
        check: Callable[[NodeAssociation], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self._node = node
        self._size = size
        self._idle_seconds = idle
        self._health = health
        self._check = check
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Condition()  # notified when an association came free or is gone
        self._idle: list[tuple[NodeAssociation, float]] = []  # and since when; the last used is the last
        self._open = 0
        self._changes = 0
        self._closed = False

    @property
    def open_associations(self) -> int:
        with self._lock:
            return self._open

    def run(self, exchange: Callable[[NodeAssociation], T], bounds: Bounds) -> T:
        """What ``exchange`` makes of an association, which is kept only where nothing went wrong.

        One that the node had closed since it was last used costs a second try, not an error. Where the node
        has reached its limit, one of ours that is in use is waited for. Raises NodeTimeout where none is free
        until the deadline, NodeBusy where the limit is reached without us, and NotSent.
        """
        self._admit(bounds)
        try:
            while True:
                reused = self._take()
                if reused is not None:
                    try:
                        return self._use(reused, exchange)
                    except Unanswered:
                        self._abort_idle()  # they were used even longer ago
                association = self._add(bounds)
                if association is not None:
                    return self._use(association, exchange)
        finally:
            self._slots.release()

    def close_idle(self) -> None:
        """Release the associations that were not used for ``idle`` seconds; drop those that are lost."""
        self._release_unused_since(time.monotonic() - self._idle_seconds)

    def close(self) -> None:
        """Release all. One that is in use is released when its operation ends."""
        with self._lock:
            self._closed = True
        self._release_unused_since(time.monotonic())

    def _admit(self, bounds: Bounds) -> None:
        while not bounds.cancel_wanted:
            if self._slots.acquire(timeout=SLICE):
                return
            if time.monotonic() >= bounds.deadline:
                raise NodeTimeout(self._node, f"none of {self._size} associations became free in time")
        raise NotSent

    def _take(self) -> NodeAssociation | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                association, since = self._idle.pop()
            if association.is_established and self._healthy(association, since):
                return association
            self._drop(association)

    def _healthy(self, association: NodeAssociation, since: float) -> bool:
        if time.monotonic() - since <= self._health:
            return True
        try:
            self._check(association)
        except NodeError as exc:
            sentence = "%s: an association that was unused for a while is replaced: %s"
            _log.info(sentence, self._node, exc.plain)
            return False
        except BaseException:
            self._drop(association)
            raise
        return True

    def _add(self, bounds: Bounds) -> NodeAssociation | None:
        """A new one; None where the node has no room for it and one of ours has come free meanwhile."""
        with self._lock:
            changes = self._changes
        try:
            association = self._connect()
        except NodeBusy:
            if self._wait_for_change(changes, bounds):
                return None
            raise
        with self._lock:
            self._open += 1
        return association

    def _wait_for_change(self, changes: int, bounds: Bounds) -> bool:
        """Wait until one of ours that is open comes free or ends; false where none is open or time is up."""
        with self._lock:
            while self._changes == changes:
                if bounds.cancel_wanted:
                    raise NotSent
                if not self._open or time.monotonic() >= bounds.deadline:
                    return False
                self._lock.wait(SLICE)
        return True

    def _use(self, association: NodeAssociation, exchange: Callable[[NodeAssociation], T]) -> T:
        try:
            result = exchange(association)
        except BaseException:
            self._drop(association)
            raise
        with self._lock:
            keep = not self._closed and not association.spent
            if keep:
                self._idle.append((association, time.monotonic()))
                self._note_change()
        if not keep:
            self._release(association)
        return result

    def _drop(self, association: NodeAssociation) -> None:
        try:
            association.abort()
        finally:
            self._forget()

    def _release(self, association: NodeAssociation) -> None:
        try:
            association.release()
        finally:
            self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._open -= 1
            self._note_change()

    def _note_change(self) -> None:
        self._changes += 1
        self._lock.notify_all()

    def _abort_idle(self) -> None:
        with self._lock:
            stale, self._idle = self._idle, []
        for association, _ in stale:
            self._drop(association)

    def _release_unused_since(self, moment: float) -> None:
        with self._lock:
            unused = [entry for entry in self._idle if entry[1] <= moment or not entry[0].is_established]
            self._idle = [entry for entry in self._idle if entry not in unused]
        if unused:  # together: a node that is silent lets each wait for the ACSE timeout
            with ThreadPoolExecutor(len(unused), thread_name_prefix=f"release-{self._node}") as threads:
                list(threads.map(self._release, [association for association, _ in unused]))
