"""Schema 6: the fingerprints of messages of one second lie together in the order of MSH-10. What was asked
for by hand is no message: its fingerprint stays."""

from __future__ import annotations

import hashlib
import re

import sqlalchemy as sa

from engine.store.migrations.rows import fill_in, in_parts

revision = "6"
down_revision = "5"

_MESSAGES = sa.table(
    "messages",
    sa.column("id", sa.Integer),
    sa.column("fingerprint", sa.LargeBinary),
    sa.column("control_id", sa.Text),
    sa.column("raw", sa.LargeBinary),
)
_BEFORE_MSH = b"\xef\xbb\xbf \t\r\n"
_TIME = 6  # MSH-7, counted from the name of the segment
_DIGITS = re.compile("[0-9]+")


def upgrade() -> None:
    for rows in in_parts(_MESSAGES):
        fill_in(
            _MESSAGES,
            [
                {"id": row.id, "fingerprint": _fingerprint(row.raw, row.control_id)}
                for row in rows
                if row.raw.lstrip(_BEFORE_MSH).startswith(b"MSH")
            ],
        )


def _fingerprint(raw: bytes, control_id: str) -> bytes:
    digits = _DIGITS.match(_time(raw))
    second = int(digits[0].ljust(14, "0") if digits else 0).to_bytes(8, "big")
    return second + control_id[:20].encode("utf-8", "replace") + hashlib.sha256(raw).digest()


def _time(raw: bytes) -> str:
    line = re.split(rb"[\r\n]", raw.lstrip(_BEFORE_MSH), maxsplit=1)[0]
    fields = line.split(line[3:4], _TIME + 1)
    return fields[_TIME].strip(b" ")[:14].decode("ascii", "replace") if len(fields) > _TIME else ""
