"""A PostgreSQL that may be killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Server


@pytest.fixture(scope="session")
def durable() -> Iterator[Server]:
    """Its commits are on the disk. Whoever stops it starts it again."""
    with Server() as server:
        yield server
