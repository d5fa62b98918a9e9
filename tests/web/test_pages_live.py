"""What changes comes by itself, from one producer, for as long as somebody listens."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial

import pytest
from sqlalchemy import update
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import StoreError
from engine.events import Events, OperatorActed, Stopping
from engine.retrieve.outcome import SubOperations
from engine.store.reader import opened
from engine.store.rows import counters_text
from engine.store.schema import tasks
from engine.telling.masking import Masking
from engine.web.pages import overview
from engine.web.pages.live import Live
from engine.web.pages.overview import Fragments
from engine.web.pages.press import Press
from tests.web.reception import Reception


class Scene:
    """What there is to see: each look shows the next of ``shown``, the last one for ever."""

    def __init__(self, *shown: Mapping[str, str] | Exception) -> None:
        self._shown = list(shown)
        self.looks = 0

    async def look(self) -> Mapping[str, str]:
        self.looks += 1
        now = self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]
        if isinstance(now, Exception):
            raise now
        return now


async def next_html(stream: AsyncIterator[str]) -> str:
    """The next event that has something in it."""
    async with asyncio.timeout(20):
        async for event in stream:
            if event.startswith("data:"):
                return event
    raise AssertionError("the stream has ended")


async def test_everything_is_sent_at_first_and_then_what_has_changed() -> None:
    scene = Scene({"a": "<p id=a>1</p>", "b": "<p id=b>1</p>"}, {"a": "<p id=a>1</p>", "b": "<p id=b>2</p>"})
    live = Live(scene.look, Events(), pace=0)
    async with aclosing(live.stream()) as stream:
        assert await next_html(stream) == "data: <p id=a>1</p><p id=b>1</p>\n\n"
        assert await next_html(stream) == "data: <p id=b>2</p>\n\n"


async def test_one_producer_looks_for_all_and_rests_when_nobody_listens() -> None:
    scene = Scene({"a": "<p id=a></p>"})
    live = Live(scene.look, Events(), pace=3600)
    async with aclosing(live.stream()) as one, aclosing(live.stream()) as other:
        await next_html(one)
        await next_html(other)
        assert scene.looks == 1
        assert live.listeners == 2
    assert live.listeners == 0
    async with aclosing(live.stream()) as later:
        await next_html(later)


async def test_html_of_several_lines_is_one_event() -> None:
    live = Live(Scene({"a": "<p id=a>\n\n1</p>"}).look, Events(), pace=3600)
    async with aclosing(live.stream()) as stream:
        assert await next_html(stream) == "data: <p id=a>\ndata: 1</p>\n\n"


async def test_a_line_says_that_somebody_is_there_where_nothing_changes() -> None:
    live = Live(Scene({}).look, Events(), pace=3600, heartbeat=0.01)
    async with aclosing(live.stream()) as stream, asyncio.timeout(20):
        async for event in stream:
            if event == "event: beat\ndata: still here\n\n":
                break


async def test_a_journal_that_cannot_be_read_for_a_moment_ends_nothing() -> None:
    live = Live(Scene(StoreError("busy"), {"a": "<p id=a></p>"}).look, Events(), pace=0)
    async with aclosing(live.stream()) as stream:
        assert "id=a" in await next_html(stream)


@pytest.mark.parametrize("error", [StoreError("the journal is away"), KeyError("Aalto")])
async def test_what_cannot_be_looked_at_is_not_told_as_it_was(error: Exception) -> None:
    scene = Scene({"verdict": "<p id=verdict>Moving</p>"}, error, {"verdict": "<p id=verdict>Moving</p>"})
    instead = partial(overview.instead, Press(dt.UTC))
    async with aclosing(Live(scene.look, Events(), instead=instead, pace=0).stream()) as stream:
        assert "Moving" in await next_html(stream)
        told = await next_html(stream)
        assert "Not known" in told
        assert ("the journal is away" in told) == isinstance(error, StoreError)
        assert "Aalto" not in told
        assert "Moving" in await next_html(stream)


async def test_that_the_engine_stops_is_the_last_that_is_told(desk: Reception) -> None:
    events = Events()
    live = Live(Scene({}).look, events, instead=partial(overview.instead, Press(dt.UTC)), pace=3600)
    async with asyncio.timeout(20), aclosing(live.stream()) as stream:
        await anext(stream)
        events.tell(Stopping())
        assert "Stopping</h1>" in "".join([event async for event in stream])
    desk.office.events.tell(Stopping())
    assert "Stopping</h1>" in await desk.see("/")


async def test_whoever_comes_while_the_last_one_leaves_is_told_too() -> None:
    scene = Scene({"a": "<p id=a>1</p>"}, {"a": "<p id=a>2</p>"})
    leaving, live = asyncio.Event(), Live(scene.look, Events(), pace=3600)

    async def leave(stream: AsyncGenerator[str, None]) -> None:
        leaving.set()
        await stream.aclose()

    first = live.stream()
    await next_html(first)
    gone = asyncio.create_task(leave(first))
    await leaving.wait()
    async with aclosing(live.stream()) as second:
        assert await next_html(second) == "data: <p id=a>2</p>\n\n"
    await gone


async def test_what_was_seen_before_everybody_left_is_not_told_to_those_who_come_later() -> None:
    live = Live(Scene({"a": "<p id=a>1</p>"}, {"a": "<p id=a>2</p>"}).look, Events(), pace=3600)
    for number in ("1", "2"):
        async with aclosing(live.stream()) as stream:
            assert await next_html(stream) == f"data: <p id=a>{number}</p>\n\n"


async def test_streams_end_with_the_engine() -> None:
    events = Events()
    live = Live(Scene({}).look, events, pace=3600)
    async with asyncio.timeout(20), aclosing(live.stream()) as stream:
        await anext(stream)
        events.tell(Stopping())
        assert [event async for event in stream if event.startswith("data:")] == []


async def test_the_stream_of_the_pages_has_every_part_of_the_overview(desk: Reception) -> None:
    chunks: list[bytes] = []
    told = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()  # nobody hangs up
        raise AssertionError

    async def send(message: Message) -> None:
        chunks.append(message.get("body", b""))
        if b"data:" in chunks[-1]:
            told.set()

    headers = [(b"x-role", b"viewer")]
    scope = {"type": "http", "method": "GET", "path": "/live", "query_string": b"", "headers": headers}
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(_call(desk.app, scope, receive, send))
        await told.wait()
        desk.office.events.tell(Stopping())
    page = b"".join(chunks).decode()
    for name in ("verdict", "counts", "rates", "nodes", "underway", "failures"):
        assert f'id="{name}"' in page
    assert "FF-1001" not in page


async def test_whoever_asks_for_the_head_of_the_stream_does_not_wait_for_its_end(desk: Reception) -> None:
    async with desk.visitor() as browser:
        answer = await browser.head("/live")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def test_a_task_is_told_of_while_it_is_under_way_and_once_more_when_it_is_not(desk: Reception) -> None:
    number = desk.number_of("HELD")
    office = desk.office
    fragments = Fragments(office, Press(dt.UTC), Masking(shown=False))
    with opened(office.journal, read_only=False) as connection:
        this = update(tasks).where(tasks.c.id == number)
        counters = counters_text(SubOperations(remaining=6, completed=3, failed=1))
        connection.execute(this.values(status="IN_PROGRESS", gate="", progress=counters))
        connection.commit()
        moving = (await fragments.look())[f"state-{number}"]
        connection.execute(this.values(status="SCHEDULED"))
        connection.commit()
    assert '<progress max="10" value="4"' in moving
    assert "1 failed" in moving
    assert "Scheduled" in (await fragments.look())[f"state-{number}"]
    assert f"state-{number}" not in await fragments.look()


async def test_a_task_that_began_and_ended_between_two_looks_is_told_of(desk: Reception) -> None:
    office = desk.office
    fragments = Fragments(office, Press(dt.UTC), Masking(shown=False))
    number = desk.number_of("HELD")
    assert f"state-{number}" not in await fragments.look()
    office.events.tell(OperatorActed("otto", "127.0.0.1", "hold", (number,), permitted=True))
    assert "Held" in (await fragments.look())[f"state-{number}"]
