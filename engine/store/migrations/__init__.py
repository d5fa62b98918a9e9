"""Steps from each schema of the journal to the next, for `engine.store.upgrade`.

A step is a revision of Alembic in ``versions``: ``revision`` is the schema that it makes, ``down_revision``
the one that it starts from, ``upgrade()`` does it by ``alembic.op``. A change of `engine.store.schema` takes
a step more: raise ``VERSION`` there, write ``versions/schema_N.py`` here, and keep a journal of the schema
before as ``tests/store/released/N.sql``; a test compares what the steps make with what a new journal gets.
Steps up to 6 meet SQLite alone: before schema 7 there was nothing else.

A step says by itself what it needs of tables, rows and texts of its day, and takes nothing from modules that
go on changing. There is no way back but a backup.
"""
