"""Schema 7: several engines on one journal: who they are, which of them has what, what they have let through,
and how the nodes that have failed are doing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7"
down_revision = "6"

_Identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("messages", "tasks", "outbox"):
        op.add_column(name, sa.Column("member_id", _Identity))
    op.create_table(
        "members",
        sa.Column("id", _Identity, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("stand_in", sa.Boolean, nullable=False),
        sa.Column("started_at", _Instant, nullable=False),
        sa.Column("beat", sa.Integer, nullable=False),
        sa.Column("seen_at", _Instant, nullable=False),
        sa.Column("left_at", _Instant),
        sa.Column("lost_at", _Instant),
    )
    op.create_table(
        "seals",
        sa.Column("member_id", _Identity, primary_key=True, autoincrement=False),
        sa.Column("number", _Identity, nullable=False),
    )
    op.create_table(
        "passages",
        sa.Column("task_id", _Identity, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("archive", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("at", _Instant, nullable=False),
    )
    op.create_table(
        "breakers",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
    )
