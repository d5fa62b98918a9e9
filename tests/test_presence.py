"""Counting what a node has: what is told, what is not, and what is awaited."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from engine.dicom.study import SeriesRecord, StudyRecord
from engine.presence import Counts, Presence, await_presence, compare, count, look
from engine.retrieve.selector import Study

STUDY = Study("1.2")
SERIES = Study("1.2", "1.2.1")


class Told:
    """A node that answers with these records; each question for series may have another answer."""

    def __init__(
        self, studies: Sequence[int | None], *series: dict[str, int | None], twice: bool = False
    ) -> None:
        self._studies = studies
        self._series = list(series)
        self._copies = 2 if twice else 1
        self.asked = 0

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        return [StudyRecord(study_uid, instances=number) for number in self._studies]

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        self.asked += 1
        now = self._series.pop(0) if len(self._series) > 1 else self._series[0]
        return [
            SeriesRecord(study_uid, uid, instances=number)
            for uid, number in now.items()
            if series_uid in ("", uid)
        ] * self._copies


@pytest.mark.parametrize(
    ("node", "counts"),
    [
        (Told([12], {}), {"": 12}),
        (Told([], {}), {}),
        (Told([5, 7], {}), {"": 12}),
        (Told([None], {"1": 3, "2": 4}), {"": 7}),
        (Told([0], {"1": 3}), {"": 3}),
        (Told([None], {"1": 3, "2": None}), {"": None}),
        (Told([None], {"1": 3, "2": 0}), {"": None}),
        (Told([None], {}), {"": None}),
        (Told([5, None], {"1": 6}), {"": 6}),
    ],
)
def test_a_study_is_counted_as_far_as_the_node_tells(node: Told, counts: Counts) -> None:
    assert count(node, STUDY) == counts


def test_series_are_counted_one_by_one() -> None:
    node = Told([12], {"1.2.1": 3, "1.2.2": None})
    assert count(node, STUDY, by_series=True) == {"1.2.1": 3, "1.2.2": None}
    assert count(node, SERIES) == {"1.2.1": 3}


def test_a_series_that_is_filed_twice_is_summed_up() -> None:
    assert count(Told([], {"1": 3, "2": None}, twice=True), STUDY, by_series=True) == {"1": 6, "2": None}


@pytest.mark.parametrize(
    ("archive", "destination", "presence", "complete"),
    [
        ({"": 12}, {"": 12}, Presence(12, 12, (), 1), True),
        ({"": 12}, {"": 13}, Presence(12, 12, (), 1), True),
        ({"": 12}, {"": 11}, Presence(12, 11, ("",), 1), False),
        ({"": 12}, {}, Presence(12, 0, ("",), 1), False),
        ({"": 12}, {"": None}, Presence(12, None, ("",), 1), False),
        ({"": None}, {"": 12}, Presence(None, None, ("",), 1), False),
        ({}, {}, Presence(0, 0, (), 0), False),
        ({}, {"": 5}, Presence(0, 0, (), 0), False),
        ({"a": 3, "b": 4}, {"a": 7, "b": 3, "c": 9}, Presence(7, 6, ("b",), 2), False),
        ({"a": 3, "b": 4}, {"a": 3, "b": None}, Presence(7, None, ("b",), 2), False),
    ],
)
def test_only_what_both_count_is_there(
    archive: Counts, destination: Counts, presence: Presence, complete: bool
) -> None:
    found = compare(archive, destination)
    assert found == presence
    assert found.complete is complete


def test_what_is_lacking_everywhere_is_the_whole() -> None:
    assert compare({"a": 3, "b": 4}, {"a": 2, "b": 3}).part == ()
    assert compare({"a": 3, "b": 4}, {"a": 3}).part == ("b",)
    assert compare({"a": 3, "b": 4}, {"a": 3, "b": 4}).part == ()


def test_both_are_asked_at_the_same_level() -> None:
    archive, destination = Told([12], {"1.2.1": 12}), Told([12], {"1.2.9": 12})
    assert look(archive, destination, STUDY, by_series=False).complete
    assert look(archive, destination, STUDY, by_series=True) == Presence(12, 0, ("1.2.1",), 1)


def awaited(destination: Told, within: float = 0.05, canceled: threading.Event | None = None) -> Presence:
    return await_presence({"1.2.1": 3}, destination, STUDY, by_series=True, within=within, canceled=canceled)


def test_what_is_indexed_late_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.presence._PAUSE", 0.001)
    destination = Told([], {}, {"1.2.1": 1}, {"1.2.1": 1}, {"1.2.1": 3})
    assert awaited(destination, within=60.0).complete
    assert destination.asked == 4


class Clock(threading.Event):
    """An event that nobody sets: whoever waits for it lets time pass."""

    now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False


def test_what_comes_starts_the_wait_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("engine.presence.monotonic", lambda: clock.now)
    growing: list[dict[str, int | None]] = [{}, {"1.2.1": 1}, {"1.2.1": 2}, {"1.2.1": 2}, {"1.2.1": 3}]
    assert awaited(Told([], *growing), within=1.0, canceled=clock).complete
    stuck = Told([], {}, {"1.2.1": 1}, {"1.2.1": 1})
    assert awaited(stuck, within=1.0, canceled=clock).there == 1
    assert stuck.asked == 4  # at once, after half a second, and twice more in the second that followed


def test_it_is_given_up_where_nothing_more_comes() -> None:
    destination = Told([], {"1.2.1": 2})
    assert awaited(destination) == Presence(3, 2, ("1.2.1",), 1)
    assert destination.asked == 2


def test_without_time_it_is_asked_once() -> None:
    destination = Told([], {"1.2.1": 2})
    assert not awaited(destination, within=0.0).complete
    assert destination.asked == 1


def test_a_destination_that_does_not_count_is_not_awaited() -> None:
    destination = Told([], {"1.2.1": None})
    assert not awaited(destination, within=60.0).known
    assert destination.asked == 1


def test_a_cancel_ends_the_wait() -> None:
    canceled = threading.Event()
    canceled.set()
    destination = Told([], {"1.2.1": 2})
    assert awaited(destination, within=60.0, canceled=canceled).there == 2
    assert destination.asked == 1
