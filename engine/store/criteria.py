"""What searches judge by, kept once: a vocabulary is ten times as long as all else of a task, and the same
for every search of a route. A task names it by the digest of its text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, select

from engine.errors import StoreError
from engine.retrieve.selector import PriorCriteria
from engine.store import rapid, schema

_MOST_WRITTEN = 256
_TEXT: TypeAdapter[PriorCriteria] = TypeAdapter(PriorCriteria)
_ADD = rapid.Insert(schema.criteria, unless_known=["digest"])
_DIGESTS = select(schema.criteria.c.digest)
_OF_DIGESTS = select(schema.criteria).where(
    schema.criteria.c.digest.in_(bindparam("digests", expanding=True))
)


class Unlearnt(StoreError):
    """Something names criteria that this process does not know; the journal may, after `learn`."""


class _Written(NamedTuple):
    of: PriorCriteria
    digest: str
    text: str


_written: dict[int, _Written] = {}  # by identity, which lasts as long as they are here
_known: dict[str, PriorCriteria] = {}  # by what they say themselves, and so of any journal


def digest_of(criteria: PriorCriteria) -> str:
    """The name of these criteria, in hexadecimal digits."""
    return _write(criteria).digest


def keep(connection: Connection, every: Iterable[PriorCriteria]) -> None:
    """Have these criteria in the journal."""
    rows = {it.digest: {"digest": it.digest, "text": it.text} for it in map(_write, every)}
    _ADD.run(connection, [rows[digest] for digest in sorted(rows)])  # two that add the same wait in one order


def learn(connection: Connection) -> None:
    """Read what a journal has and this process does not know; its tasks can be understood after that."""
    unknown = [it for it in connection.execute(_DIGESTS).scalars() if it not in _known]
    if unknown:
        for digest, text in connection.execute(_OF_DIGESTS, {"digests": unknown}):
            _known[digest] = _TEXT.validate_json(text)


def named(digest: str) -> PriorCriteria:
    """The criteria of this name. Unlearnt: another engine has kept them since `learn`."""
    if digest not in _known:
        raise Unlearnt("what it judges by is not in the journal")
    return _known[digest]


def _write(criteria: PriorCriteria) -> _Written:
    """The searches of a route have the very same criteria: each is written once."""
    known = _written.get(id(criteria))
    if known is None:
        text = _TEXT.dump_json(criteria)
        if len(_written) == _MOST_WRITTEN:
            _written.clear()
        digest = hashlib.sha256(text).hexdigest()
        known = _written[id(criteria)] = _Written(criteria, digest, text.decode())
        _known.setdefault(digest, criteria)
    return known
