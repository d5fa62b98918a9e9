"""Journals of earlier schemas, each written by the code of its day and dumped: ``N.sql`` is of schema N.

All have the same story, as far as their schema could tell it: a study that arrived, priors with a child under
way and one that waits, two messages with one accession number for a later time, a failure, an order and its
cancel, a merge, a task that the switch holds, one under way that is to be canceled, a pre-admission; from
schema 2 on a letter, from 3 on a relevance, an attempt that failed and what a person did, from 4 on a call by
hand. Tasks have the same numbers in all of them, messages from schema 5 on another one after the first.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SCHEMAS = sorted(int(path.stem) for path in Path(__file__).parent.glob("*.sql"))


def restore(number: int, journal: Path) -> Path:
    """Make such a journal."""
    with closing(sqlite3.connect(journal)) as database:
        database.executescript(Path(__file__).with_name(f"{number}.sql").read_text("utf-8"))
    return journal


def dump(journal: Path) -> list[str]:
    """All that is in a journal."""
    with closing(sqlite3.connect(journal)) as database:
        return list(database.iterdump())
