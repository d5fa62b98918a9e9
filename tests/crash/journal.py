"""What a dead engine has left on the disk. Read from a copy: the engine must find its files as they fell."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.retrieve.outcome import TaskStatus
from engine.store import Event

_MESSAGES = "SELECT id, control_id, raw, accept_ack, ack FROM messages"
_TASKS = "SELECT * FROM tasks"
_LINKS = "SELECT message_id, task_id FROM message_tasks"
_STORY = "SELECT task_id, event, text, outcome FROM story ORDER BY id"
_LOOK = "SELECT id, study_uid, status, attempts FROM tasks WHERE study_uid IN ({})"
_LETTERS = "SELECT message_id, status, payload FROM outbox"


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message in the journal, with the numbers of its tasks."""

    id: int
    raw: bytes
    accept_ack: bytes | None
    ack: bytes | None
    tasks: frozenset[int]

    def kept(self, kind: str) -> bytes | None:
        """Its acknowledgment of a kind: accept or application."""
        return self.accept_ack if kind == "accept" else self.ack


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of a task's story; ``outcome`` as the journal writes it."""

    event: Event
    text: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class KeptTask:
    """A task in the journal; ``row`` is all of it, by column."""

    study_uid: str
    status: TaskStatus
    attempts: int
    failures: int
    approved: bool
    row: Mapping[str, Any]
    story: tuple[KeptLine, ...]

    def told(self, event: Event) -> int:
        """How often something has happened to it."""
        return sum(line.event is event for line in self.story)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Messages by their control ID, tasks by their number, letters (status, payload) by their message's."""

    sound: str = "ok"
    messages: dict[str, KeptMessage] = field(default_factory=dict)
    tasks: dict[int, KeptTask] = field(default_factory=dict)
    letters: dict[int, tuple[str, bytes]] = field(default_factory=dict)

    def moves(self) -> dict[str, list[KeptTask]]:
        """The C-MOVEs of each study."""
        found: dict[str, list[KeptTask]] = {}
        for task in self.tasks.values():
            if task.study_uid:
                found.setdefault(task.study_uid, []).append(task)
        return found


def snapshot(journal: Path) -> Snapshot:
    """The journal as it is. Its process must not run."""
    with TemporaryDirectory(dir=journal.parent) as folder:
        for suffix in ("", "-wal"):
            part = journal.with_name(journal.name + suffix)
            if part.exists():
                shutil.copy(part, folder)
        with closing(sqlite3.connect(Path(folder) / journal.name)) as database:
            database.row_factory = sqlite3.Row
            return _read(database)


@dataclass(frozen=True, slots=True)
class LiveTask:
    """A C-MOVE as a look from outside sees it."""

    id: int
    study_uid: str
    status: TaskStatus
    attempts: int


def look(journal: Path, studies: Iterable[str]) -> list[LiveTask]:
    """The C-MOVEs of these studies as they are now, also while an engine writes."""
    query = _LOOK.format(", ".join(f"'{uid}'" for uid in studies))
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []  # no engine has come so far as to make the tables
    return [LiveTask(number, uid, TaskStatus(status), attempts) for number, uid, status, attempts in rows]


def _read(database: sqlite3.Connection) -> Snapshot:
    (sound,) = database.execute("PRAGMA integrity_check").fetchone()
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone():
        return Snapshot(sound)  # killed before its tables were there
    tasks_of: dict[int, set[int]] = {}
    for message_id, task_id in database.execute(_LINKS):
        tasks_of.setdefault(message_id, set()).add(task_id)
    messages = {
        row["control_id"]: KeptMessage(
            row["id"], row["raw"], row["accept_ack"], row["ack"], frozenset(tasks_of.get(row["id"], ()))
        )
        for row in database.execute(_MESSAGES)
    }
    stories: dict[int, list[KeptLine]] = {}
    for task_id, event, text, outcome in database.execute(_STORY):
        stories.setdefault(task_id, []).append(KeptLine(Event(event), text, outcome))
    tasks = {row["id"]: _task(row, stories.get(row["id"], [])) for row in database.execute(_TASKS)}
    letters = {row["message_id"]: (row["status"], row["payload"]) for row in database.execute(_LETTERS)}
    return Snapshot(sound, messages, tasks, letters)


def _task(row: sqlite3.Row, story: Sequence[KeptLine]) -> KeptTask:
    return KeptTask(
        study_uid=row["study_uid"],
        status=TaskStatus(row["status"]),
        attempts=row["attempts"],
        failures=row["failures"],
        approved=bool(row["approved"]),
        row=dict(row),
        story=tuple(story),
    )
