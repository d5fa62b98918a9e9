from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from engine.simulator import Fault, FaultScript, Kind, Operation

MOVE, FIND, STORE = Operation.MOVE, Operation.FIND, Operation.STORE


def strikes(script: FaultScript, operation: Operation = MOVE, count: int = 1, **about: Any) -> list[str]:
    """What strikes so many operations, one after the other, at an archive."""
    struck = [script.strike(operation, MOVE, **about) for _ in range(count)]
    return [" ".join(str(fault.fault) for fault in it.faults) or "-" for it in struck]


def script(*texts: str) -> FaultScript:
    return FaultScript(map(Fault.parse, texts))


def test_one_operation_is_struck_unless_said_otherwise() -> None:
    assert strikes(script("a: abort"), count=3) == ["abort", "-", "-"]


def test_some_pass_and_then_some_are_struck() -> None:
    assert strikes(script("a: abort, after=1, times=2"), count=4) == ["-", "abort", "abort", "-"]


def test_always_has_no_end() -> None:
    assert strikes(script("a: abort, after=1, times=always"), count=4) == ["-", "abort", "abort", "abort"]


def test_one_that_ends_an_operation_leaves_the_next_its_turn() -> None:
    assert strikes(script("a: abort", "a: silence", "a: close"), count=4) == [
        "abort",
        "silence",
        "close",
        "-",
    ]


def test_after_counts_what_another_fault_strikes() -> None:
    assert strikes(script("a: abort, times=2", "a: close, after=2"), count=4) == [
        "abort",
        "abort",
        "close",
        "-",
    ]


def test_those_that_change_an_operation_strike_together_with_the_one_that_ends_it() -> None:
    both = script("a: drop", "a: delay=1s", "a: abort", "a: counters, leave_out=all")
    struck = both.strike(MOVE, MOVE)
    assert [it.fault for it in struck.faults] == [Kind.DROP, Kind.DELAY, Kind.ABORT, Kind.COUNTERS]
    assert struck.ending is struck.by(Kind.ABORT) is both.faults[2]
    assert struck.by(Kind.DUPLICATE) is None


def test_without_on_it_befalls_what_the_node_is_there_for() -> None:
    faults = script("a: abort, times=always")
    assert strikes(faults, FIND) == ["-"]
    assert strikes(faults, MOVE) == ["abort"]
    assert faults.strike(STORE, STORE).ending is faults.faults[0]


def test_on_study_and_destination_have_to_match() -> None:
    faults = script("a: abort, on=move, study=1.2.3, destination=READING, times=always")
    matching: dict[str, Any] = {"studies": ("1.2.4", "1.2.3"), "destination": "READING"}
    assert strikes(faults, FIND, **matching) == ["-"]
    assert strikes(faults, MOVE, **{**matching, "studies": ("1.2.4",)}) == ["-"]
    assert strikes(faults, MOVE, **{**matching, "destination": "OTHER"}) == ["-"]
    assert strikes(faults, MOVE, **matching) == ["abort"]


def test_a_duplicate_is_counted_only_where_there_is_one() -> None:
    faults = script("a: duplicate, on=store, after=1")
    assert strikes(faults, STORE, 2) == ["-", "-"]
    assert strikes(faults, STORE, 3, duplicate=True) == ["-", "duplicate", "-"]


def test_the_third_object_of_a_destination_is_its_third_store() -> None:
    assert strikes(script("a: drop, on=store, object=3"), STORE, 4) == ["-", "-", "drop", "-"]


def test_what_has_struck_is_remembered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    faults = script("a: abort, times=2", "a: close, on=find")
    assert not faults.fired
    with caplog.at_level(logging.INFO, "engine.simulator.script"):
        strikes(faults, MOVE)
        strikes(faults, FIND)
        strikes(faults, MOVE, 2)
    abort, close = faults.faults
    assert faults.fired == (abort, close, abort)
    assert [it.message for it in caplog.records] == [f"fault strikes: {it}" for it in (abort, close, abort)]


def test_waiting_for_strikes_ends_with_the_last_of_them() -> None:
    faults = script("a: abort, times=always")
    assert not faults.wait_for(1, 0.01)
    thread = threading.Thread(target=strikes, args=(faults, MOVE, 3))
    thread.start()
    assert faults.wait_for(3, 20)
    thread.join()


def test_many_threads_get_exactly_as_many_strikes_as_there_are() -> None:
    faults = script("a: abort, times=50")
    threads = [threading.Thread(target=strikes, args=(faults, MOVE, 20)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(faults.fired) == 50
