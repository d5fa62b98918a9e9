"""What happens, told as it happens to those who count, audit or alert. Nothing of it decides anything.

Events are told in the event loop, after what they tell of is true (and on the disk, where it is kept). Who
listens must be quick, and puts what takes time elsewhere; a listener that fails is logged, and harms nobody.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from engine.retrieve.outcome import Outcome
from engine.retrieve.task import RetrieveTask

_log = logging.getLogger(__name__)
E = TypeVar("E", bound=tuple[Any, ...])


class MessageAnswered(NamedTuple):
    """A block has its first answer. ``code``: MSA-1 of it (AA, AE, AR, CA, CE, CR), empty where none is sent;
    ``message_type``: MSH-9 as ``ORM^O01``, empty where it could not be read; ``seconds``: since it came."""

    code: str
    message_type: str
    seconds: float
    peer: str


class Committed(NamedTuple):
    """A transaction that changed the journal is on the disk, or one has failed. ``seconds``: what it took;
    ``operations``: how many shared it."""

    operations: int
    seconds: float
    failed: bool


class Queried(NamedTuple):
    """An archive has been asked by C-FIND which studies a task means. ``outcome`` says what came of it."""

    task: RetrieveTask
    outcome: Outcome


class TransferBegan(NamedTuple):
    """An attempt at a C-MOVE begins (not of a dry run)."""

    task: RetrieveTask


class TransferEnded(NamedTuple):
    """That attempt has ended, well or not; the task may be tried again."""

    task: RetrieveTask
    outcome: Outcome
    seconds: float


class TaskEnded(NamedTuple):
    """A task is final: COMPLETED, WARNING, FAILED (a dead letter) or CANCELED. Not told of what a message or
    a person has canceled while it waited: nothing came of it."""

    task: RetrieveTask
    outcome: Outcome


class TaskHeld(NamedTuple):
    """A task waits at a gate for a person."""

    task: RetrieveTask
    gate: str
    reason: str


class GateClosed(NamedTuple):
    """Nothing moves from an archive, or to a destination (``scope``), for now: ``gate`` of docs/gates.md."""

    scope: str
    name: str
    gate: str
    reason: str
    until: dt.datetime | None


class GateOpened(NamedTuple):
    """That is over."""

    scope: str
    name: str
    gate: str


class Started(NamedTuple):
    """The engine listens for HL7 messages here, as ``host:port``."""

    address: str


class Stopping(NamedTuple):
    """The engine takes nothing more, and is about to end."""


class LoggedIn(NamedTuple):
    """Somebody has tried to log in to the operator's page or its API from an address. ``who``: as written."""

    who: str
    origin: str
    succeeded: bool


class OperatorActed(NamedTuple):
    """A person has done something to tasks, or was refused to: ``verb`` as of `Verb`, or another word."""

    who: str
    origin: str
    verb: str
    tasks: tuple[int, ...]
    permitted: bool


class Events:
    """Tells each kind of event to those who listen for it. For one event loop."""

    def __init__(self) -> None:
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}

    def listen(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """Call it with each event of this kind from now on."""
        self._listeners.setdefault(kind, []).append(listener)

    def tell(self, event: tuple[Any, ...]) -> None:
        """Tell an event. Raises nothing."""
        for listener in self._listeners.get(type(event), ()):
            try:
                listener(event)
            except Exception:  # noqa: BLE001  whoever counts must not harm what is counted
                _log.exception("%s could not be taken note of", type(event).__name__)
