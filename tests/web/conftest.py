"""A page with users, and one without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.house import House, served


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """With users."""
    async with served(tmp_path) as it:
        yield it


@pytest.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[House]:
    """Without: for this machine only."""
    async with served(tmp_path, users="") as it:
        yield it
