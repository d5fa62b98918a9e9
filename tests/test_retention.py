"""Keeping a journal within its limits."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from engine.config import Limits
from engine.retention import ALL, KEPT, Excess, Retention, excess
from engine.store import Stock, Store, stock
from tests.store import RECEIVED, message, opened, request
from tests.store.test_retention import ended

NOW = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HELD = Stock(1000, 20_000_000)
LONG_AFTER = RECEIVED + 10 * DAY


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), None),
        (Limits(age=90 * DAY), Excess("age", NOW - 90 * DAY, ALL)),
        (Limits(age=dt.timedelta(hours=1)), Excess("age", NOW - KEPT, ALL)),
        (Limits(messages=1000), None),
        (Limits(messages=999), Excess("messages: 999", NOW - KEPT, 1)),
        (Limits(size=20_000_000), None),
        (Limits(size=10_000_000), Excess("size: 0.01GB", NOW - KEPT, ALL)),
        (Limits(age=90 * DAY, messages=900), Excess("messages: 900", NOW - KEPT, 100)),
        (Limits(age=90 * DAY, messages=1000, size=10**9), Excess("age", NOW - 90 * DAY, ALL)),
        (Limits(messages=1000, size=10**7), Excess("size: 0.01GB", NOW - KEPT, ALL)),
    ],
)
def test_the_first_limit_that_is_exceeded_says_what_goes(limits: Limits, expected: Excess | None) -> None:
    assert excess(limits, HELD, NOW) == expected


async def received(store: Store, *days: int) -> None:
    """Messages that came so many days before `LONG_AFTER`."""
    for number, ago in enumerate(days):
        await store.journal(message(number, received_at=LONG_AFTER - ago * DAY))


class Watched(Retention):
    """Tells that it has swept."""

    def __init__(self, store: Store, path: Path, limits: Limits, now: dt.datetime) -> None:
        super().__init__(store, path, limits, lambda: now)
        self.swept = asyncio.Event()

    async def sweep(self) -> int:
        try:
            return await super().sweep()
        finally:
            self.swept.set()


def retention(store: Store, path: Path, limits: Limits, now: dt.datetime = LONG_AFTER) -> Watched:
    return Watched(store, path, limits, now)


async def test_what_is_older_than_the_age_goes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await received(store, 9, 8, 7, 5, 0)
        assert await retention(store, path, Limits(age=6 * DAY)).sweep() == 3
        assert stock(path).messages == 2


async def test_the_oldest_go_until_so_many_are_left(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await received(store, *range(100, 0, -1))
        kept = retention(store, path, Limits(messages=60))
        assert [await kept.sweep(), await kept.sweep()] == [40, 0]
        assert stock(path).messages == 60


async def test_the_oldest_go_until_the_journal_is_small_enough(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        for number in range(200):
            await store.journal(message(number, raw=bytes(8000)))
        limit = stock(path).size // 2
        await retention(store, path, Limits(size=limit)).sweep()
        assert 0.8 * limit < stock(path).size <= limit
        assert stock(path).messages > 50


async def test_after_the_number_the_age_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await received(store, *range(100, 0, -1))
        assert await retention(store, path, Limits(messages=99, age=50 * DAY)).sweep() == 50


async def test_what_came_today_stays_and_that_is_told_once_an_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await received(store, 3, 2, 1, 0, 0)
        kept = retention(store, path, Limits(messages=1))
        assert [await kept.sweep(), await kept.sweep()] == [2, 0]
    told = [it.getMessage() for it in caplog.records if it.levelname == "WARNING"]
    assert len(told) == 1
    assert "3 messages" in told[0]
    assert "cannot be kept within messages: 1" in told[0]
    assert "25 hours" in told[0]


async def test_an_old_message_that_was_worked_on_today_stays(tmp_path: Path) -> None:
    """Its studies count for what is moved today."""
    path, now = tmp_path / "journal", dt.datetime.now(dt.UTC)
    async with opened(path) as store:
        await ended(store, await store.journal(message(1, request())))
        await store.journal(message(2, request("9.9", archive="other")))
        today = retention(store, path, Limits(age=2 * DAY), now)
        assert await today.sweep() == 0
        later = retention(store, path, Limits(age=2 * DAY), now + 2 * DAY)
        assert await later.sweep() == 1


async def test_it_prunes_by_itself_and_ends_when_it_is_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal"
    caplog.set_level("INFO")
    async with opened(path) as store:
        await received(store, 9, 8, 0)
        kept = retention(store, path, Limits(age=5 * DAY))
        await kept.start()
        await kept.swept.wait()
        await kept.stop()
        assert "2 messages and 0 tasks were pruned" in caplog.text
        assert stock(path).messages == 1


async def test_a_journal_that_cannot_be_read_is_told_and_does_not_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path / "journal") as store:
        kept = retention(store, tmp_path / "missing", Limits(age=5 * DAY))
        await kept.start()
        await kept.swept.wait()
        assert "there is no journal" in caplog.text
        await kept.stop()


async def test_without_limits_nothing_goes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await received(store, 9, 8, 0)
        kept = retention(store, path, Limits(), LONG_AFTER + 10_000 * DAY)
        await kept.start()
        await kept.stop()
        assert await kept.sweep() == 0
