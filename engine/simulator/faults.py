"""Faults that a simulated node can be told to have, as values, from YAML and from the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from engine.config.yamlfile import read
from engine.errors import ConfigError, ForefetchError, IdentifierError
from engine.simulator.fault_fields import COUNTERS, READ, WRITE, Kind, Operation, Rejection

_REQUESTS = frozenset(Operation) - {Operation.ASSOCIATION}
_QUERY_RETRIEVE = frozenset({Operation.FIND, Operation.MOVE})
_BEFALLS: Mapping[Kind, frozenset[Operation]] = {
    Kind.REJECT: frozenset({Operation.ASSOCIATION}),
    Kind.ABORT: frozenset(Operation),
    Kind.CLOSE: frozenset(Operation),
    Kind.SILENCE: frozenset(Operation),
    Kind.STALL: _REQUESTS,
    Kind.STATUS: _REQUESTS,
    Kind.EMPTY: _QUERY_RETRIEVE,
    Kind.ENDLESS: _QUERY_RETRIEVE,
    Kind.COUNTERS: frozenset({Operation.MOVE}),
    Kind.DELAY: frozenset(Operation),
    Kind.IGNORE_CANCEL: _QUERY_RETRIEVE,
    Kind.ANSWER_FIRST: frozenset({Operation.MOVE}),
    Kind.DROP: frozenset({Operation.MOVE, Operation.STORE}),
    Kind.DUPLICATE: frozenset({Operation.STORE}),
}

_PROGRESS = ("after_objects", "after_responses")
_COMMON = frozenset({"at", "fault", "on", "after", "times", "study", "destination"})
_TAKES: Mapping[Kind, tuple[str, ...]] = {
    Kind.REJECT: ("reject",),
    Kind.ABORT: _PROGRESS,
    Kind.CLOSE: _PROGRESS,
    Kind.SILENCE: _PROGRESS,
    Kind.STALL: _PROGRESS,
    Kind.STATUS: ("status", "comment", "failed_instances", "leave_out", *COUNTERS, *_PROGRESS),
    Kind.ENDLESS: ("delay", *_PROGRESS),
    Kind.COUNTERS: ("leave_out", *COUNTERS),
    Kind.DELAY: ("delay",),
    Kind.DROP: ("object",),
    Kind.DUPLICATE: ("status",),
}
_NEEDS = {Kind.STATUS: "status", Kind.DELAY: "delay"}

F = TypeVar("F", bound="Fault")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the node ``at`` (its name in routes.yaml). ForefetchError where it makes no sense.

    Of the operations that match ``on``, ``study`` and ``destination`` (AE title of a C-MOVE) the first
    ``after`` pass, and the next ``times`` (None: all) are struck. Without ``on`` it befalls what the node is
    there for: C-MOVE at an archive, C-STORE at a destination. ``delay`` is in seconds.
    """

    at: str
    fault: Kind
    on: Operation | None = None
    after: int = 0
    times: int | None = 1
    study: str = ""
    destination: str = ""
    reject: Rejection | None = None
    status: int | None = None
    comment: str = ""
    failed_instances: tuple[str, ...] = ()
    leave_out: str = ""
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    delay: float | None = None
    object: int | None = None
    after_objects: int | None = None
    after_responses: int | None = None

    def __post_init__(self) -> None:
        if not self.at:
            raise ForefetchError("at: name the node as routes.yaml does")
        if self.on is not None and self.on not in _BEFALLS[self.fault]:
            allowed = ", ".join(sorted(_BEFALLS[self.fault]))
            raise ForefetchError(f"on: {self.fault} befalls {allowed}; found {self.on}")
        takes = _COMMON | set(_TAKES.get(self.fault, ()))
        for name in self._given():
            if name not in takes:
                allowed = ", ".join(_TAKES.get(self.fault, ())) or "nothing but filters"
                raise ForefetchError(f"{name}: {self.fault} takes {allowed}")
        needed = _NEEDS.get(self.fault)
        if needed is not None and getattr(self, needed) is None:
            raise ForefetchError(f"{needed}: {self.fault} needs it")
        if self.fault is Kind.COUNTERS and set(self._given()) <= _COMMON:
            raise ForefetchError("counters: say leave_out, or give a counter, such as completed: 5")

    @property
    def befalls(self) -> frozenset[Operation]:
        """The operations that it could befall."""
        return _BEFALLS[self.fault]

    def operation(self, principal: Operation) -> Operation:
        """What it befalls at a node that is there for ``principal``."""
        return self.on or (Operation.ASSOCIATION if self.fault is Kind.REJECT else principal)

    @property
    def counters(self) -> dict[str, int]:
        """The counters that the final response is to state, by their names."""
        stated = {name: getattr(self, name) for name in COUNTERS}
        return {name: count for name, count in stated.items() if count is not None}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``archive: status=0xA702, on=move, times=2``. ForefetchError names the place and the cure."""
        at, colon, rest = text.partition(":")
        parts = [part.strip() for part in re.findall(r'(?:[^,"]|"[^"]*")+', rest)]
        if not colon or not parts:
            raise ForefetchError(
                f"fault {text!r}: expected NODE: FAULT, KEY=VALUE…, such as 'archive: status=0xA702, times=2'"
            )
        kind, _, value = (word.strip() for word in parts[0].partition("="))
        written: dict[Any, Any] = {"at": at.strip(), "fault": kind}
        if value:
            written[kind] = value.strip('"')
        for part in parts[1:]:
            key, equals, value = (word.strip() for word in part.partition("="))
            if not equals or key in written:
                raise ForefetchError(f"fault {text!r}: {part!r}: expected KEY=VALUE, each key once")
            written[key] = value.strip('"')
        return _fault(cls, written, f"fault {text!r}")

    def __str__(self) -> str:
        """The form that ``parse`` reads."""
        kind = str(self.fault)
        given = {name: WRITE.get(name, str)(getattr(self, name)) for name in self._given()}
        own = given.pop(kind, None)
        words = [f"{kind}={own}" if own is not None else kind]
        words += [f'{key}="{text}"' if "," in text else f"{key}={text}" for key, text in given.items()]
        return f"{self.at}: {', '.join(words)}"

    def _given(self) -> list[str]:
        """The fields, besides ``at`` and ``fault``, that are not at their default."""
        return [it.name for it in fields(self)[2:] if getattr(self, it.name) != it.default]


def parse_faults(value: object) -> tuple[Fault, ...]:
    """From what YAML gives: a list of mappings (or of texts for `Fault.parse`), also below a key ``faults``.

    ForefetchError names the place and the cure. Numbers may be numbers or text.
    """
    if isinstance(value, Mapping) and set(value) == {"faults"}:
        value = value["faults"]
    if not isinstance(value, list | tuple):
        raise ForefetchError(
            "faults: expected a list, such as [{at: archive, fault: status, status: 0xA702}]"
        )
    return tuple(_parsed(item, f"faults[{number}]") for number, item in enumerate(value))


def read_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a YAML file. ForefetchError names the file, the place and the cure."""
    try:
        return parse_faults(read(path.read_text(encoding="utf-8"), str(path)).value)
    except ConfigError:
        raise
    except (OSError, UnicodeDecodeError) as exc:
        raise ForefetchError(f"{path}: cannot be read as UTF-8 text: {exc}") from exc
    except ForefetchError as exc:
        raise ForefetchError(f"{path}: {exc}") from exc


def _parsed(item: object, place: str) -> Fault:
    if isinstance(item, str):
        return Fault.parse(item)
    if not isinstance(item, Mapping):
        raise ForefetchError(f"{place}: expected a mapping, such as {{at: archive, fault: abort}}")
    written = {"on" if key is True else key: value for key, value in item.items()}  # YAML 1.1: `on` is true
    return _fault(Fault, written, place)


def _fault(kind: type[F], written: Mapping[Any, Any], place: str) -> F:
    values = {}
    for key in ("at", "fault"):
        if not written.get(key):
            raise ForefetchError(f"{place}: {key} is missing")
    for key, value in written.items():
        if key not in READ:
            raise ForefetchError(f"{place}: {key}: no such key; there are {', '.join(sorted(READ))}")
        try:
            values[key] = READ[key](value)
        except (ValueError, IdentifierError) as exc:
            raise ForefetchError(f"{place}: {key}: expected {exc}; found {value!r}") from exc
    try:
        return kind(**values)
    except ForefetchError as exc:
        raise ForefetchError(f"{place}: {exc}") from exc
