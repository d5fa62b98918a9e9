"""Bringing a journal of an older schema to this one, by the steps in `engine.store.migrations`.

All of them are one transaction, in which nobody else uses the journal: it is brought to this schema, or stays
as it was. Alembic is imported here alone.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.place import is_shared
from engine.store import schema
from engine.store.alone import alone
from engine.store.dialect import explain

STEPS = Path(__file__).with_name("migrations")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The schema before and after, which are the same where nothing was to be done. ``copy``: where the
    journal is kept as it was, if it is."""

    before: int
    after: int
    copy: Path | None = None


def upgrade(where: str | Path, *, backup: bool = True, steps: Path = STEPS) -> Upgraded:
    """Bring a journal to this schema. With ``backup``, a copy of a SQLite file is written beside it before;
    PostgreSQL's is the business of who runs it.

    Blocks for as long as it takes. StoreError: there is none, it is of another kind or newer, in use, or
    something went wrong, after which it is as it was; with the cure.
    """
    copy = None
    try:
        with alone(where, rebuild=True) as connection:
            before = schema.version_of(connection)
            if before < schema.VERSION:
                copy = _copy(Path(where), before) if backup and not is_shared(where) else None
                _take(connection, before, steps)
    except BaseException:
        if copy is not None:
            copy.unlink()
        raise
    return Upgraded(before, schema.VERSION, copy)


def _take(connection: Connection, before: int, folder: Path) -> None:
    """One step after the other; each says in `meta` how far it is."""
    steps = list(ScriptDirectory(str(folder)).iterate_revisions(str(schema.VERSION), str(before)))
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(steps):
            try:
                step.module.upgrade()
                connection.execute(update(schema.meta).values(schema_version=int(step.revision)))
            except (SQLAlchemyError, ValueError, LookupError, TypeError, AttributeError) as exc:
                told = explain(exc)
                raise StoreError(
                    f"the step to schema {step.revision} has failed: {told}; {_AS_IT_WAS}"
                ) from exc
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StoreError(f"it names rows that it does not have; {_AS_IT_WAS}")


_AS_IT_WAS = "the journal is as it was"


def _copy(journal: Path, version: int) -> Path:
    """The file as it is committed, in one file, readable for its owner alone."""
    copy = journal.with_name(f"{journal.name}.schema-{version}")
    try:
        copy.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise StoreError(
            f"its copy {copy} is there already, from an earlier upgrade; move it away, or say --no-backup"
        ) from None
    except OSError as exc:
        raise StoreError(f"{copy} cannot be written: {_or_none(exc)}") from exc
    try:
        with (
            closing(sqlite3.connect(f"{journal.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except BaseException as exc:
        copy.unlink()
        if isinstance(exc, sqlite3.Error):
            raise StoreError(f"{copy} cannot be written: {_or_none(exc)}") from exc
        raise
    return copy


def _or_none(error: Exception) -> str:
    return f"{explain(error)}; or say --no-backup, if there is another copy"
