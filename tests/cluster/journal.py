"""The journal as it is in the end, and what lost engines had under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from tests.postgres import Server


@dataclass(frozen=True, slots=True)
class KeptMessage:
    id: int
    control_id: str
    raw: bytes
    accept_ack: bytes | None
    ack: bytes | None


@dataclass(frozen=True, slots=True)
class KeptTask:
    """``began``, ``changed`` and ``created`` in seconds since the epoch."""

    id: int
    message_id: int
    study_uid: str
    archive: str
    status: str
    gate: str
    attempts: int
    reason: str
    member_id: int | None
    created: float
    began: float | None
    changed: float

    @property
    def final(self) -> bool:
        return self.status in ("COMPLETED", "WARNING", "FAILED", "CANCELED")


@dataclass(frozen=True, slots=True)
class KeptMember:
    id: int
    address: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Journal:
    """``links``: which tasks serve a message, by their numbers. ``letters``: their number by status."""

    messages: list[KeptMessage]
    tasks: dict[int, KeptTask]
    links: dict[int, list[int]]
    members: list[KeptMember]
    letters: dict[str, int]


_MESSAGES = "SELECT id, control_id, raw, accept_ack, ack FROM messages ORDER BY id"
_TASKS = """
    SELECT id, message_id, study_uid, archive, status, gate, attempts, reason, member_id,
        extract(epoch FROM created_at)::float8 AS created,
        extract(epoch FROM began_at)::float8 AS began,
        extract(epoch FROM updated_at)::float8 AS changed
    FROM tasks ORDER BY id
"""
_MEMBERS = "SELECT id, address, lost_at IS NOT NULL AS lost FROM members ORDER BY id"
_UNDER_WAY = """
    SELECT id, attempts FROM tasks WHERE status = 'IN_PROGRESS' AND archive = 'main' AND member_id IN
        (SELECT id FROM members WHERE address = %s AND left_at IS NULL AND lost_at IS NULL)
"""  # a task of another archive may have to wait for a rate or a breaker, whoever takes it over


def read(server: Server, database: str) -> Journal:
    """All of it."""
    with server.connect(database) as connection:

        def rows(kind: type[Any], query: str) -> list[Any]:
            with connection.cursor(row_factory=class_row(kind)) as cursor:
                return cursor.execute(query).fetchall()

        links: dict[int, list[int]] = {}
        for message_id, task_id in connection.execute("SELECT message_id, task_id FROM message_tasks"):
            links.setdefault(message_id, []).append(task_id)
        return Journal(
            rows(KeptMessage, _MESSAGES),
            {task.id: task for task in rows(KeptTask, _TASKS)},
            links,
            rows(KeptMember, _MEMBERS),
            dict(connection.execute("SELECT status, count(*) FROM outbox GROUP BY status").fetchall()),
        )


def under_way(server: Server, database: str, address: str) -> tuple[tuple[int, int], ...]:
    """The tasks at the main archive of the engine that listens there, each with its attempt."""
    with server.connect(database) as connection:
        return tuple(connection.execute(_UNDER_WAY, (address,)).fetchall())
