"""The tables of the journal: messages, tasks and replies that they led to, and the version of this schema."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    insert,
    inspect,
    select,
    text,
    update,
)

from engine.errors import StoreError
from engine.store.dialect import Identity

VERSION = 7


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An instant. Goes in with any time zone, is kept in UTC and comes out in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a timestamp without a time zone")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        # SQLite keeps no zone and PostgreSQL answers in that of the session.
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


metadata = MetaData()

# Conditions of partial indexes: a database uses one only for a query that has its very words. They are given
# to SQLite alone, since the name of PostgreSQL would import its dialect with every start: `prepare` tells it.
OWED = text("application_due AND ack IS NULL")
AT_GATE = text("gate <> ''")

# What a sender writes there may be longer than PostgreSQL's trees take; it is only looked for as it stands.
ANY_LENGTH = {"any_length": True}

meta = Table("meta", metadata, Column("schema_version", Integer, primary_key=True, autoincrement=False))

messages = Table(
    "messages",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("peer", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False, unique=True),
    Column("sending_application", Text, nullable=False),
    Column("sending_facility", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("message_type", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("decision", Text, nullable=False),
    Column("effect", Text),
    Column("accept_ack", LargeBinary),
    Column("application_due", Boolean, nullable=False),
    Column("ack", LargeBinary),
    Column("ack_code", Text),
    Column("acked_at", UtcDateTime),
    Column("member_id", Identity),
    Index("messages_owed", "id", sqlite_where=OWED),
)

# ``message_id`` and ``parent_id`` are numbers of what may have been pruned since; none is given again. As
# constraints they would need an index each, for which every insert would pay, to let anything be pruned.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("message_id", Identity),
    Column("parent_id", Identity),
    Column("routes", Text, nullable=False),
    Column("archive", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("selector", Text, nullable=False),
    Column("alike", LargeBinary, nullable=False),
    Column("study_uid", Text, nullable=False),
    Column("series_uid", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("instances", Integer),
    Column("failures", Integer, nullable=False),
    Column("missing", Text),
    Column("gate", Text, nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("expedited", Boolean, nullable=False),
    Column("appointment", UtcDateTime),
    Column("due_at", UtcDateTime, nullable=False),
    Column("began_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("cancel_requested", Boolean, nullable=False),
    Column("outcome", Text),
    Column("choices", Text),
    Column("progress", Text),
    Column("member_id", Identity),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("tasks_at_gate", "status", sqlite_where=AT_GATE),
    # One archive's waiting tasks of one priority, those due first, without sorting; the last columns are
    # there so that tasks behind a closed gate are passed over without being read.
    Index(
        "tasks_waiting",
        "status",
        "archive",
        "priority",
        "due_at",
        "id",
        "destination",
        "kind",
        "expedited",
    ),
    # Digests lie anywhere in an index: a new task touches the part of those that wait, not that of all.
    Index("tasks_alike", "status", "alike"),
    Index("tasks_of_patient", "patient", "began_at", sqlite_where=text("began_at IS NOT NULL")),
    Index("tasks_expiring", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
)

# What searches judge by, under the digests by which the selectors of tasks name it.
criteria = Table(
    "criteria",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What happened to a task before its present state: attempts that failed, and what people did. A task that
# goes well has no line here.
story = Table(
    "story",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("task_id", ForeignKey("tasks.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("outcome", Text),
    Index("story_of_task", "task_id"),
)

# Gates that hold everything at an archive or for a destination, for those who ask why nothing moves.
closures = Table(
    "closures",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("gate", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("until", UtcDateTime),
)

# Which messages wait for a task: the one that it was made for, and those that asked for the same thing while
# it had not ended.
links = Table(
    "message_tasks",
    metadata,
    Column("message_id", ForeignKey("messages.id"), primary_key=True),
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Index("messages_of_task", "task_id"),
    sqlite_with_rowid=False,  # the key is all there is
)

# The orders and visits that a message's tasks are for.
occasions = Table(
    "occasions",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_giver", Text, nullable=False),
    Column("other", Text, nullable=False),
    Column("other_giver", Text, nullable=False),
    Column("patients", Text, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    Index("occasions_number", "number", info=ANY_LENGTH),
    Index("occasions_other", "other", info=ANY_LENGTH),
    Index("occasions_message", "message_id"),
)

# Patient identifiers that an ADT merge has made one: true also when the message that said so is pruned.
merges = Table(
    "merges",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("message_id", Identity, nullable=False),
    Column("old_id", Text, nullable=False),
    Column("new_id", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Index("merges_old", "old_id", info=ANY_LENGTH),
    Index("merges_new", "new_id", info=ANY_LENGTH),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("wait_for_accept", Boolean, nullable=False),
    Column("first", Float, nullable=False),
    Column("longest", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("give_up_at", UtcDateTime, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("member_id", Identity),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # The oldest waiting letter of each address, without reading any letter.
    Index("outbox_waiting", "status", "host", "port", "id"),
)

# Engines on a shared journal, each from its start to its end. ``member_id`` of other tables is one of them:
# who owes a message its application acknowledgment, carries out a task, delivers a letter.
members = Table(
    "members",
    metadata,
    Column("id", Identity, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("stand_in", Boolean, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat", Integer, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Column("lost_at", UtcDateTime),
)

# The last transaction of each engine that wrote something: there is one row of each, so that who finds his
# number here knows that it was committed.
seals = Table(
    "seals",
    metadata,
    Column("member_id", Identity, primary_key=True, autoincrement=False),
    Column("number", Identity, nullable=False),
)

# C-MOVEs that were let through in the last minutes at nodes that have a rate, with what they have sent.
passages = Table(
    "passages",
    metadata,
    Column("task_id", Identity, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("archive", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# How archives and destinations that have failed have been doing, for all who share the journal.
breakers = Table(
    "breakers",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
)


_KEY = 0x464F5245  # of PostgreSQL's advisory lock for making, changing and copying the tables


def prepare(connection: Connection) -> None:
    """Create the tables in an empty database; in any other `check` it, and that it may be written."""
    if connection.dialect.name == "postgresql":  # engines may start together on a new database
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_KEY})")
        _see_that_it_takes_every_text(connection)
    if inspect(connection).get_table_names():
        check(connection)
        # SQLite opens a write-protected file without a word and refuses only the first write.
        connection.execute(update(meta).values(schema_version=VERSION))
        return
    if connection.dialect.name == "postgresql":
        from engine.store import postgresql

        postgresql.tell_conditions(metadata)
    metadata.create_all(connection)
    connection.execute(insert(meta).values(schema_version=VERSION))


def _see_that_it_takes_every_text(connection: Connection) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreError(
            f"the database keeps texts in {encoding}, which has not every character; make another one with "
            "CREATE DATABASE forefetch TEMPLATE template0 ENCODING 'UTF8'"
        )


def keep_from_starting(connection: Connection) -> bool:
    """On PostgreSQL: whoever is about to `prepare` waits for the end of this transaction. False: somebody has
    begun to."""
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_KEY})").scalar())


def check(connection: Connection) -> None:
    """StoreError unless this is a journal of a schema that this version understands."""
    version = version_of(connection)
    if version < VERSION:
        raise StoreError(
            f"it has schema {version}, and this forefetch has schema {VERSION}: stop every engine on it, and "
            "run `forefetch store upgrade`, which keeps a copy of a file; of PostgreSQL make a backup first"
        )


def version_of(connection: Connection) -> int:
    """The schema of a journal, this one or an older one; StoreError: it is none, or a newer one."""
    if not inspect(connection).has_table(meta.name):
        raise StoreError("it is no journal of forefetch; name another file for the journal")
    version = connection.execute(select(meta.c.schema_version)).scalar()
    if version is None:
        raise StoreError("it does not say which schema it has; restore it from a backup")
    if version > VERSION:
        raise StoreError(
            f"it has schema {version}, which is newer than schema {VERSION} of this forefetch; "
            "install the version of forefetch that wrote it, or a later one"
        )
    return int(version)
