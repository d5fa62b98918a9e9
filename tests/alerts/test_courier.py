"""Notices get through, whatever the other side does, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.alerts.alert import Notice, State
from engine.alerts.courier import Courier
from engine.alerts.fault import NotDelivered
from engine.alerts.ways import deliverer
from tests.alerts.given import Clock, configured, notice
from tests.alerts.receivers import WebServer

FAST = "retry: {first: 0.01s, longest: 0.02s}"


@asynccontextmanager
async def courier(
    folder: Path,
    port: int = 9,
    section: str = "",
    deliver: Callable[[Notice], None] | None = None,
    clock: Callable[[], dt.datetime] | None = None,
) -> AsyncIterator[Courier]:
    settings = configured(folder, f"webhook: {{url: 'http://127.0.0.1:{port}/'{section}}}, {FAST}").alerts
    assert settings is not None
    (way,) = settings.ways
    one = Courier(way, settings, deliver or deliverer(way, "here"), clock or Clock())
    await one.start()
    try:
        yield one
    finally:
        await one.stop(0)


async def test_a_notice_is_tried_again_until_it_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with WebServer([503, 500, 404]).serving() as web, courier(tmp_path, web.port) as one:
        one.hand_over(notice())
        assert (await web.taken.get())["key"] == "breaker:archive:main"
        await one.stop(10)
    assert len(web.requests) == 4
    assert "not delivered, it is tried again: it answers 503" in caplog.text


async def test_of_one_alert_the_newest_notice_goes_out(tmp_path: Path) -> None:
    async with WebServer([503]).serving() as web, courier(tmp_path, web.port) as one:
        for state in (State.RAISED, State.RESOLVED):
            one.hand_over(notice(state))
        one.hand_over(notice(key="disk"))
        await one.stop(10)
        told = {body["key"]: body["state"] for body in (web.taken.get_nowait(), web.taken.get_nowait())}
        assert web.taken.empty()
    assert told == {"breaker:archive:main": "resolved", "disk": "raised"}


async def test_a_notice_that_comes_while_another_is_under_way_goes_out_too(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    states: list[State] = []

    def deliver(notice: Notice) -> None:
        begun.set()
        go_on.wait(10)
        states.append(notice.state)

    async with courier(tmp_path, deliver=deliver) as one:
        one.hand_over(notice())
        await asyncio.to_thread(begun.wait, 10)
        one.hand_over(notice(State.RESOLVED))
        go_on.set()
        await one.stop(10)
    assert states == [State.RAISED, State.RESOLVED]


async def test_one_notice_that_is_never_taken_does_not_keep_others_back(tmp_path: Path) -> None:
    taken = asyncio.Event()
    loop = asyncio.get_running_loop()

    def deliver(notice: Notice) -> None:
        if notice.alert.key == "bad":
            raise NotDelivered("not this one")
        loop.call_soon_threadsafe(taken.set)

    async with courier(tmp_path, deliver=deliver) as one:
        one.hand_over(notice(key="bad"))
        one.hand_over(notice(key="good"))
        await taken.wait()


async def test_a_fault_of_ours_is_logged_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Notice] = []

    def deliver(notice: Notice) -> None:
        calls.append(notice)
        if len(calls) == 1:
            raise ZeroDivisionError

    async with courier(tmp_path, deliver=deliver) as one:
        one.hand_over(notice())
        await one.stop(10)
    assert len(calls) == 2
    assert "fault in forefetch" in caplog.text


async def test_a_notice_that_is_too_old_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    clock.now += dt.timedelta(days=4)
    async with WebServer([500]).serving() as web, courier(tmp_path, web.port, clock=clock) as one:
        one.hand_over(notice())
        await one.stop(10)
    assert len(web.requests) == 1
    assert "not delivered, it is given up" in caplog.text


async def test_a_way_is_told_only_what_it_wants(tmp_path: Path) -> None:
    async with WebServer().serving() as web, courier(tmp_path, web.port, ", only: [disk, silence]") as one:
        one.hand_over(notice())
        await one.stop(10)
    assert web.requests == []


async def test_so_many_notices_wait_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def deliver(notice: Notice) -> None:
        raise NotDelivered("away")

    async with courier(tmp_path, deliver=deliver) as one:
        for number in range(101):
            one.hand_over(notice(key=f"key {number}"))
    assert "100 notices wait, the one of key 0 is given up" in caplog.text


async def test_a_server_that_hangs_delays_no_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def deliver(notice: Notice) -> None:
        begun.set()
        go_on.wait(10)

    async with courier(tmp_path, deliver=deliver) as one:
        one.hand_over(notice())
        await asyncio.to_thread(begun.wait, 10)
        with caplog.at_level(logging.WARNING):
            await one.stop(0)
    assert not go_on.is_set()
    assert "not told any more: breaker:archive:main" in caplog.text
    go_on.set()
