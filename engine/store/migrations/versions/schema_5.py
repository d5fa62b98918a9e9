"""Schema 5: what searches judge by is kept once, under its digest. Messages may be pruned before what came of
them. Indexes have only the rows that are looked for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.store.migrations.rows import fill_in, in_parts
from engine.store.migrations.selectors import as_text

revision = "5"
down_revision = "4"

_TASKS = sa.table(
    "tasks",
    sa.column("id", sa.Integer),
    sa.column("kind", sa.Text),
    sa.column("selector", sa.Text),
    sa.column("alike", sa.LargeBinary),
)
_NAMES = {"fk": "fk_%(table_name)s_%(column_0_name)s"}  # what SQLite has without a name is dropped by it


def upgrade() -> None:
    for name in ("tasks_alike", "tasks_of_patient"):
        op.drop_index(name, "tasks")
    _keep_criteria_once()
    with op.batch_alter_table("tasks", naming_convention=_NAMES) as batch:
        batch.drop_constraint("fk_tasks_message_id", type_="foreignkey")
        batch.drop_constraint("fk_tasks_parent_id", type_="foreignkey")
    with op.batch_alter_table("merges", naming_convention=_NAMES) as batch:
        batch.drop_constraint("fk_merges_message_id", type_="foreignkey")
    with op.batch_alter_table("message_tasks", recreate="always", table_kwargs={"sqlite_with_rowid": False}):
        pass  # the key is all there is
    _make_indexes()


def _make_indexes() -> None:
    owed, at_gate = sa.text("application_due AND ack IS NULL"), sa.text("gate <> ''")
    op.create_index("messages_owed", "messages", ["id"], sqlite_where=owed)
    op.create_index("tasks_at_gate", "tasks", ["status"], sqlite_where=at_gate)
    op.create_index("tasks_alike", "tasks", ["status", "alike"])
    began = sa.text("began_at IS NOT NULL")
    op.create_index("tasks_of_patient", "tasks", ["patient", "began_at"], sqlite_where=began)


def _keep_criteria_once() -> None:
    criteria = op.create_table(
        "criteria",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    texts: dict[str, str] = {}
    for rows in in_parts(_TASKS, _TASKS.c.kind == "priors"):
        fill_in(_TASKS, [_by_digest(row, texts) for row in rows])
    op.bulk_insert(criteria, [{"digest": digest, "text": text} for digest, text in texts.items()])


def _by_digest(row: sa.Row[Any], texts: dict[str, str]) -> dict[str, Any]:
    """A search that names what it judges by, which goes to ``texts``."""
    selector = json.loads(row.selector)
    criteria = as_text(selector.pop("criteria"))
    digest = hashlib.sha256(criteria.encode()).hexdigest()
    texts[digest] = criteria
    text = as_text({"criteria": digest, **selector})
    return {"id": row.id, "selector": text, "alike": hashlib.sha256(text.encode()).digest()}
