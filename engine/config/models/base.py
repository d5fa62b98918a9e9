"""What every section of routes.yaml has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def default(value: Any, description: str) -> Any:
    """A default in the notation of routes.yaml, so that it reads the same in the exported schema."""
    return Field(default=value, validate_default=True, description=description)


class Section(BaseModel):
    """A mapping of routes.yaml: unknown keys are mistakes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=False,
        hide_input_in_errors=True,
        defer_build=True,  # most are only ever read as part of the file: no validator of their own is needed
    )
