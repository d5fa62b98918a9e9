"""Schema 4: how far the C-MOVE under way has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("progress", sa.Text))
