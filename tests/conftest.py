"""What tests of several packages use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from engine.event_loop import fastest_loop
from tests.certificates import Certificates
from tests.figures import Figures, figures_of, print_all
from tests.postgres import Server

# The processes that tests start would compile the engine anew, each of them: a fifth of a second of theirs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("patient", deadline=None)  # what a case takes says nothing on a busy machine
settings.load_profile("patient")

_LONGEST = (("test_kill.py",), ("test_storm.py", "test_standby.py"))
_ON_BOTH_LOOPS = {"test_listener.py", "test_tls_mllp.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """asyncio's own loop, and for what depends on it also the engine's."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name in _ON_BOTH_LOOPS:
        factories["fastest"] = fastest_loop()
    return factories


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured."""
    print_all(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest ones at the head of the two halves, with which the workers of `make test` begin: nobody
    waits for them alone in the end."""
    rest = [item for item in items if not any(item.path.name in names for names in _LONGEST)]
    half = len(rest) // 2
    one, other = ([item for item in items if item.path.name in names] for names in _LONGEST)
    items[:] = [*one, *rest[:half], *other, *rest[half:]]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What it is called with is printed above the closing line."""
    return figures_of(request)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL for all tests that want one, where a kill of the machine is nothing to be tested."""
    with Server(durable=False) as server:
        yield server


@pytest.fixture
def shared(postgres: Server) -> Iterator[str]:
    """The URL of a fresh journal there."""
    from engine.store.postgresql import close_pools

    name = postgres.take_journal()
    yield postgres.url(name)
    close_pools()
    postgres.give_back(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """A place for a fresh journal, in each of the databases."""
    if request.param == "sqlite":
        return tmp_path / "journal.db"
    return str(request.getfixturevalue("shared"))
