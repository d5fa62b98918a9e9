"""One engine a journal, and a stand-in that yields to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store import is_running, is_taken
from engine.store import lock as locks
from engine.store.lock import JournalLock
from tests.dicom_peers import eventually


@contextmanager
def locked(journal: Path, *, stand_in: bool = False) -> Iterator[JournalLock]:
    lock = JournalLock(journal, stand_in=stand_in)
    try:
        yield lock
    finally:
        lock.release()


@pytest.mark.parametrize("stand_in", [False, True])
def test_nobody_gets_a_journal_that_an_engine_holds(tmp_path: Path, stand_in: bool) -> None:
    journal = tmp_path / "journal"
    with locked(journal):
        assert (is_running(journal), is_taken(journal)) == (True, True)
        with pytest.raises(StoreError, match="another forefetch is running on it"):
            JournalLock(journal, stand_in=stand_in)
    assert not is_taken(journal)
    with locked(journal, stand_in=stand_in):
        assert is_taken(journal)


def test_a_stand_in_is_no_engine_and_there_is_only_one(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with locked(journal, stand_in=True) as lock:
        assert (is_running(journal), is_taken(journal), lock.wanted) == (False, True, False)
        with pytest.raises(StoreError):
            JournalLock(journal, stand_in=True)


def test_an_engine_waits_until_the_stand_in_has_let_go_and_no_other_comes_between(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    engines: list[JournalLock] = []
    with locked(journal, stand_in=True) as stand_in:
        starting = threading.Thread(target=lambda: engines.append(JournalLock(journal)))
        starting.start()
        assert eventually(lambda: stand_in.wanted)
        assert not engines
        with pytest.raises(StoreError):
            JournalLock(journal, stand_in=True)
    with pytest.raises(StoreError):
        JournalLock(journal, stand_in=True)
    starting.join()
    assert is_running(journal)
    engines[0].release()
    assert not is_taken(journal)


def test_a_stand_in_that_comes_up_just_then_does_not_keep_an_engine_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    stand_ins: list[JournalLock] = []
    take = locks._Lock

    def let_go() -> None:
        eventually(lambda: stand_ins[0].wanted)
        stand_ins[0].release()

    letting_go = threading.Thread(target=let_go)

    def take_second(path: Path, patience: float) -> object:
        """The first that an engine does is done a moment after a stand-in has come up."""
        if not stand_ins:
            monkeypatch.setattr(locks, "_Lock", take)
            stand_ins.append(JournalLock(journal, stand_in=True))
            letting_go.start()
        return take(path, patience)

    monkeypatch.setattr(locks, "_Lock", take_second)
    with locked(journal):
        assert is_running(journal)
    letting_go.join()
