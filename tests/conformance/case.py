"""Cases, and how they are read from a table."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

TABLES = Path(__file__).parent / "cases"


class Receiver(StrEnum):
    """Which receiver a table is for: any, Forefetch with the routes of conftest.py, or that with short
    time-outs."""

    ANY = "any"
    FOREFETCH = "forefetch"
    IMPATIENT = "impatient"


class Level(StrEnum):
    """``MUST``: the clause says so. ``SHOULD``: it does not, and a careful receiver does it all the same."""

    MUST = "must"
    SHOULD = "should"


class Cut(StrEnum):
    """How what is sent is cut into writes. ``EVERYWHERE``: in two, once for each place."""

    WHOLE = "whole"
    BYTES = "bytes"
    EVERYWHERE = "everywhere"


class Finish(StrEnum):
    """What the sender does after the last byte, before it reads an answer."""

    NOTHING = "nothing"
    HALF_CLOSE = "half-close"
    RESET = "reset"


class Then(StrEnum):
    """The connection after the answers: it takes a good message; the receiver has closed it; or either.

    None may bring an answer more than the case has.
    """

    OPEN = "open"
    CLOSED = "closed"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One connection. ``send`` is in the notation, ``repeat`` times with new control IDs, pipelined.

    ``answers`` for each repetition, in order: a regular expression for the whole of each field that is named
    (``MSA-1``, ``ERR-3.1``, ``ERR(2)-8``), or the number of segments of a name (``ERR``).
    """

    send: str = ""
    repeat: int = 1
    cut: Cut = Cut.WHOLE
    finish: Finish = Finish.NOTHING
    answers: tuple[Mapping[str, str], ...] = ()
    then: Then = Then.OPEN


@dataclass(frozen=True, slots=True)
class Case:
    """``clause`` of the standard, and ``why`` in a sentence."""

    name: str
    clause: str
    why: str
    level: Level
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One file of cases."""

    name: str
    receiver: Receiver
    cases: tuple[Case, ...]


def tables(folder: Path = TABLES) -> list[Table]:
    """Every table of the folder."""
    return [read(path) for path in sorted(folder.glob("*.yaml"))]


def read(path: Path) -> Table:
    """One table. ValueError or TypeError where it has a key or a value that means nothing."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases = [case for row in document["cases"] for case in _cases(row)]
    names = [case.name for case in cases]
    if len(set(names)) != len(names):
        raise ValueError(f"{path.name} has two cases of one name")
    return Table(path.stem, Receiver(document["receiver"]), tuple(cases))


def _cases(row: dict[str, Any]) -> Iterator[Case]:
    """One case, or one for each combination of ``each``: lists of values, or of rows of values."""
    columns: dict[str, list[Any]] = row.get("each", {})
    for chosen in itertools.product(*columns.values()):
        values: dict[str, str] = {}
        for name, value in zip(columns, chosen, strict=True):
            values |= value if isinstance(value, dict) else {name: value}
        yield _case(_filled({key: row[key] for key in row if key != "each"}, values))


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, values) for value in node]
    if isinstance(node, str):
        return re.sub(r"\$\{(\w+)\}", lambda mark: str(values.get(mark[1], mark[0])), node)
    return node


def _case(row: dict[str, Any]) -> Case:
    about = {key: row.pop(key) for key in ("name", "clause", "why")}
    level = Level(row.pop("level", "must"))
    exchanges = row.pop("exchanges", None) or [row]
    return Case(**about, level=level, exchanges=tuple(_exchange(exchange) for exchange in exchanges))


def _exchange(row: dict[str, Any]) -> Exchange:
    kinds = {"cut": Cut, "finish": Finish, "then": Then}
    values = {key: kinds[key](value) if key in kinds else value for key, value in row.items()}
    answers = tuple({path: str(text) for path, text in each.items()} for each in row.get("answers", []))
    return Exchange(**(values | {"answers": answers}))
