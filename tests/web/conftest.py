"""A page with users, and one without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.retrieve.gate import SWITCH
from tests.web.house import House, served
from tests.web.reception import Filled, Reception, filled, reception


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


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Filled by an engine, once for all who only copy it."""
    return filled(tmp_path_factory.mktemp("journal"))


@pytest.fixture
async def desk(journal: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reception]:
    """The pages, on a journal of one's own."""
    monkeypatch.setenv(SWITCH, "true")
    async with reception(journal, tmp_path) as it:
        yield it
