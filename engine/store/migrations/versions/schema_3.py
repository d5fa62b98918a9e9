"""Schema 3: gates, retries and budgets of tasks; their stories; why nodes are closed. Alike tasks are found
by a digest. A search by patient knows more to judge by.

For whom a task counts in a patient's budget, and when it began, is not known of earlier ones.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.store.migrations.rows import fill_in, in_parts
from engine.store.migrations.selectors import as_text

revision = "3"
down_revision = "2"

_TASKS = sa.table(
    "tasks",
    *(sa.column(name, sa.Integer) for name in ("id", "instances", "failures", "approved", "expedited")),
    *(sa.column(name, sa.Text) for name in ("kind", "selector", "status", "patient", "gate", "cause")),
    *(sa.column(name, sa.DateTime) for name in ("due_at", "created_at", "appointment")),
    sa.column("outcome", sa.Text),
    sa.column("alike", sa.LargeBinary),
)
_NEW_CRITERIA = {
    "relevance": None,
    "oldest": 0,
    "at_least": 0,
    "exclude": {"modalities": [], "description": "", "body_parts": []},
}
_NO_EXAM = dict[str, list[str]](codes=[], texts=[], modalities=[])
_REQUIRED = ("alike", "patient", "failures", "gate", "approved", "expedited")


def upgrade() -> None:
    op.drop_index("tasks_waiting", "tasks")
    op.drop_index("tasks_alike", "tasks")
    for column in _columns():
        op.add_column("tasks", column)
    _set_what_is_the_same_for_all()
    for rows in in_parts(_TASKS):
        fill_in(_TASKS, [{"id": row.id, **_values(row)} for row in rows])
    with op.batch_alter_table("tasks") as batch:
        for name in _REQUIRED:
            batch.alter_column(name, nullable=False)
    _make_indexes()
    _make_story_and_closures()


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("alike", sa.LargeBinary),
        sa.Column("patient", sa.Text),
        sa.Column("instances", sa.Integer),
        sa.Column("failures", sa.Integer),
        sa.Column("missing", sa.Text),
        sa.Column("gate", sa.Text),
        sa.Column("approved", sa.Boolean),
        sa.Column("expedited", sa.Boolean),
        sa.Column("appointment", sa.DateTime),
        sa.Column("began_at", sa.DateTime),
        sa.Column("expires_at", sa.DateTime),
    ]


def _set_what_is_the_same_for_all() -> None:
    """What was held waited for the switch or a list, which the next start looks at."""
    held = _TASKS.c.status == "HELD"
    op.execute(
        _TASKS.update().values(
            patient="",
            failures=0,
            approved=0,
            expedited=0,
            gate=sa.case((held, "switch"), else_=""),
            cause=sa.case((held, ""), else_=_TASKS.c.cause),
            appointment=sa.case((_TASKS.c.due_at > _TASKS.c.created_at, _TASKS.c.due_at)),
        )
    )


def _values(row: sa.Row[Any]) -> dict[str, Any]:
    selector = json.loads(row.selector)
    if row.kind == "priors":
        selector = {
            **selector,
            "criteria": {**selector["criteria"], **_NEW_CRITERIA},
            "exam": _NO_EXAM,
        }
    text = as_text(selector)
    return {
        "selector": text,
        "alike": hashlib.sha256(text.encode()).digest(),
        "instances": _stored(row.outcome),
    }


def _stored(outcome: str | None) -> int | None:
    """How many objects a C-MOVE has stored, where the archive counted anything."""
    counters = json.loads(outcome)["counters"] if outcome else {}
    if all(counters.get(name) is None for name in ("completed", "failed", "warning")):
        return None
    return (counters["completed"] or 0) + (counters["warning"] or 0)


def _make_indexes() -> None:
    waiting = ["status", "archive", "priority", "due_at", "id", "destination", "kind", "expedited"]
    op.create_index("tasks_waiting", "tasks", waiting)
    op.create_index("tasks_alike", "tasks", ["alike"])
    op.create_index("tasks_of_patient", "tasks", ["patient", "began_at"])
    op.create_index("tasks_expiring", "tasks", ["expires_at"], sqlite_where=sa.text("expires_at IS NOT NULL"))


def _make_story_and_closures() -> None:
    op.create_table(
        "story",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.Integer, sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
    )
    op.create_index("story_of_task", "story", ["task_id"])
    op.create_table(
        "closures",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("gate", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime),
    )
