"""Compare what a message comes to with what somebody wrote down that it should (``explain --expect``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.config.yamlfile import read
from engine.errors import Complaint, ConfigError

_KEYS = ("meaning", "routes", "requests", "problems", "refused", "found", "ack")


def read_expected(path: Path) -> list[dict[str, Any]]:
    """The mappings of a ``.expected.yaml``: one, or several under ``messages``; else ConfigError."""
    document = read(path.read_text(encoding="utf-8"), str(path))
    value = document.value if document.value is not None else {}
    parts = value.get("messages", [value]) if isinstance(value, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ConfigError(
            [Complaint(str(path), 1, 1, "", f"a mapping with {', '.join(_KEYS)}", "something else")]
        )
    for part in parts:
        for key in part.keys() - set(_KEYS):
            raise ConfigError([document.complaint((key,), f"one of {', '.join(_KEYS)}", key, at_key=True)])
    return parts


def differences(told: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> list[str]:
    """Every difference as a sentence; no difference, an empty list."""
    if len(told) != len(expected):
        return [f"{len(told)} messages in the file, {len(expected)} expected"]
    return [fault for one, wanted in zip(told, expected, strict=True) for fault in _compare(one, wanted)]


def _compare(told: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for key in ("refused", "meaning", "routes", "requests", "problems"):
        got, want = told.get(key) or [], wanted.get(key) or []
        if not _alike(got, want):
            yield f"{key}: expected {want}, got {got}"
    if "found" in told and "found" in wanted:
        moved = [move["series"] or move["study"] for found in told["found"] for move in found["moves"]]
        want = wanted["found"] or []
        if moved != want:
            yield f"found: expected {want}, got {moved}"


def _alike(got: Any, want: Any) -> bool:
    """Whether ``got`` is what was wanted; of a mapping only the keys that were written down count."""
    if isinstance(want, dict):
        return isinstance(got, dict) and all(_alike(got.get(key), value) for key, value in want.items())
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(_alike, got, want))
    return str(got).lower() == str(want).lower() if isinstance(got, bool) else str(got) == str(want)
