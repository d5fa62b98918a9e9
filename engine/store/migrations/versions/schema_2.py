"""Schema 2: an outbox; who gave the numbers of orders and visits, and whose they are; what a message did.

Priorities begin with one for STAT. A visit was also what is a pre-admission now.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from engine.store.migrations.rows import fill_in, in_parts
from engine.store.migrations.selectors import as_text

revision = "2"
down_revision = "1"

_OCCASIONS = sa.table("occasions", sa.column("kind", sa.Text))
_TASKS = sa.table(
    "tasks",
    sa.column("id", sa.Integer),
    sa.column("kind", sa.Text),
    sa.column("priority", sa.Integer),
    sa.column("selector", sa.Text),
)
_PRIORITIES = {0: 2, 1: 1, 2: 3}  # MEDIUM, HIGH and LOW


def upgrade() -> None:
    op.add_column("messages", sa.Column("effect", sa.Text))
    with op.batch_alter_table("occasions", recreate="always") as batch:
        batch.add_column(
            sa.Column("number_giver", sa.Text, nullable=False, server_default=""), insert_after="number"
        )
        batch.add_column(
            sa.Column("other_giver", sa.Text, nullable=False, server_default=""), insert_after="other"
        )
        batch.add_column(sa.Column("patients", sa.Text, nullable=False, server_default="[]"))
    with op.batch_alter_table("occasions") as batch:
        for name in ("number_giver", "other_giver", "patients"):
            batch.alter_column(name, server_default=None)
    either = sa.update(_OCCASIONS).where(_OCCASIONS.c.kind == "visit").values(kind="visit or pre-admission")
    op.execute(either)
    op.execute(_TASKS.update().values(priority=sa.case(_PRIORITIES, value=_TASKS.c.priority)))
    _say_whose_accession()
    _make_outbox()


def _say_whose_accession() -> None:
    """A search by accession number knows whose it may be: here anybody's."""
    for rows in in_parts(_TASKS, _TASKS.c.kind == "accession"):
        searches = [(row.id, json.loads(row.selector)) for row in rows]
        fill_in(
            _TASKS,
            [{"id": number, "selector": as_text({**it, "patient_ids": []})} for number, it in searches],
        )


def _make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.Integer, sa.ForeignKey("messages.id"), nullable=False, unique=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("control_id", sa.Text, nullable=False),
        sa.Column("wait_for_accept", sa.Boolean, nullable=False),
        sa.Column("first", sa.Float, nullable=False),
        sa.Column("longest", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("give_up_at", sa.DateTime, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )
    op.create_index("outbox_waiting", "outbox", ["status", "host", "port", "id"])
