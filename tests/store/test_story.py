"""The story of a task: who asked, what happened, what people did, what it led to."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.retrieve.outcome import SubOperations, TaskStatus
from engine.retrieve.task import Choice, Verb
from engine.store import Event, operate, story_of

from . import ARRIVED, FAILED, PRIORS, RESOLVED, message, opened, request

NOW = dt.datetime.now(dt.UTC)
WIRE = replace(FAILED, dicom_status=0xA702, counters=SubOperations(0, 1, 2, 0), failed_instances=("1.9",))


async def test_a_task_that_goes_well_has_no_lines(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message("M1", request()))
        await store.claim(1)
        await store.finish(1, ARRIVED)
        story = story_of(where, 1)
    assert story is not None
    assert (story.lines, story.children) == ((), ())
    (asked,) = story.messages
    assert (asked.id, asked.message_type, asked.control_id) == (kept.message_id, "ORM^O01", "M1")
    assert asked.ack_code == ""


async def test_every_attempt_is_told_with_what_the_archive_said(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request()))
        for attempt in ("first", "second"):
            await store.claim(1)
            await store.reschedule(1, WIRE, NOW, attempt, ())
        await store.claim(1)
        await store.finish(1, FAILED)
        operate(where, Verb.RETRY, [1], "ann")
        operate(where, Verb.HOLD, [1], "bob")
        story = story_of(where, 1)
    assert story is not None
    assert [(line.event, line.text) for line in story.lines] == [
        (Event.ATTEMPT_FAILED, "first"),
        (Event.ATTEMPT_FAILED, "second"),
        (Event.RETRIED, "by ann"),
        (Event.HELD, "by bob"),
    ]
    assert [line.outcome for line in story.lines] == [WIRE, WIRE, FAILED, None]
    assert [line.at for line in story.lines] == sorted(line.at for line in story.lines)


async def test_a_question_tells_what_it_chose_and_led_to_and_nothing_else_of_its_message(
    where: str | Path,
) -> None:
    choices = (Choice(True, "CT, newest", "1.1"), Choice(False, "too old", "1.7"))
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS), request("9.9")))
        await store.claim(1)
        await store.resolve(1, RESOLVED, choices, [request("1.1"), request("1.2")])
        question, child, other = (story_of(where, number) for number in (1, 3, 2))
    assert question is not None
    assert question.task.choices == choices
    assert [task.id for task in question.children] == [3, 4]
    assert child is not None
    assert (child.task.parent_id, child.children) == (1, ())
    assert other is not None
    assert other.children == ()


async def test_every_message_that_asked_is_told(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message("M1", request()))
        await store.journal(message("M2", request()))
        await store.keep_ack(2, b"ack", "AA")
        story = story_of(where, 1)
    assert story is not None
    assert [(asked.control_id, asked.ack_code) for asked in story.messages] == [("M1", ""), ("M2", "AA")]


async def test_a_retried_question_forgets_what_it_had_chosen(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS)))
        await store.claim(1)
        await store.resolve(1, FAILED, (Choice(False, "too old", "1.7"),), [])
        operate(where, Verb.RETRY, [1], "ann")
        story = story_of(where, 1)
    assert story is not None
    assert (story.task.status, story.task.choices) == (TaskStatus.SCHEDULED, ())


async def test_there_is_no_story_of_no_task(where: str | Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        story_of(tmp_path / "another", 1)
    async with opened(where):
        assert story_of(where, 1) is None
