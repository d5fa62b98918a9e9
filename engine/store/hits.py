"""How often each route matched lately, by the decisions in a journal."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from engine.store.reader import reading
from engine.store.schema import messages

_NEWEST = 2000


class Hits(NamedTuple):
    """Of the newest ``looked`` messages, which came since then: how many each route took, by its name."""

    looked: int
    since: dt.datetime | None
    by_route: Mapping[str, int]


def route_hits(where: str | Path, *, newest: int = _NEWEST) -> Hits:
    """Look at so many of the newest messages. Blocks. StoreError as for `list_tasks`."""
    query = select(messages.c.received_at, messages.c.decision).order_by(messages.c.id.desc()).limit(newest)
    counted: Counter[str] = Counter()
    looked, since = 0, None
    with reading(where) as connection:
        for row in connection.execution_options(yield_per=200).execute(query):
            looked, since = looked + 1, row.received_at
            with suppress(ValueError, AttributeError):  # what cannot be read has matched nothing
                counted.update(json.loads(row.decision or "{}").get("routes", ()))
    return Hits(looked, since, counted)
