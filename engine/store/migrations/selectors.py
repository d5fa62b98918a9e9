"""Selectors of tasks as JSON, written as they were from schema 1 on: without spaces, in the order of their
fields, other characters than ASCII as they are. Tasks are alike where these texts are."""

from __future__ import annotations

import json
from typing import Any


def as_text(value: Any) -> str:
    """A selector, or a part of one, as the journal has it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
