from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from engine.errors import NodeTimeout, QueryFailed, StoreError
from engine.retrieve.outcome import Cause, MoveResponse, Outcome, SubOperations, TaskStatus, failure, judge
from engine.retrieve.relevance import (
    Exclusion,
    OrderedExam,
    ProcedureGroup,
    Relation,
    Relevance,
    Term,
    Vocabulary,
    Weights,
)
from engine.retrieve.selector import (
    OrderedStudy,
    PriorCriteria,
    PriorsOfPatient,
    Selector,
    SeriesFilter,
    SeriesOfStudy,
    StudiesOfAccession,
    Study,
)
from engine.retrieve.task import Choice, Priority

from . import PRIORS, RESOLVED, execute, message, on_sqlite_alone, opened, request

SELECTORS: list[Selector] = [
    Study("1.2.3"),
    Study("1.2.3", "1.2.3.4"),
    SeriesOfStudy("1.2.3", SeriesFilter(("CT", "MR"), "thin.*")),
    StudiesOfAccession("A 17"),
    StudiesOfAccession("A 17", SeriesFilter()),
    PRIORS,
    PriorsOfPatient(
        patient_id="Zoë\u00df 4711",
        criteria=PriorCriteria(("CT",), dt.timedelta(days=3650, microseconds=1), 5, "abd|thorax"),
        day=dt.date(2024, 2, 29),
        issuer="HOSPITAL",
        ordered=OrderedStudy(("1.2.3",), ("A1", "A2")),
        series=SeriesFilter(description='quote " and \\ backslash'),
        authority="RADIOLOGY",
    ),
    PriorsOfPatient(
        patient_id="4711",
        criteria=PriorCriteria(
            newest=3,
            relevance=Relevance(
                Vocabulary(
                    groups=(ProcedureGroup("a", (("A1", "L"),), ("x",), ("CHEST",), ("CT",)),),
                    relations=(Relation("a", "b", 0.7),),
                    body_parts=(Term("CHEST", ("thorax",)),),
                    paired=("KNEE",),
                ),
                Weights(group=1),
                minimum=3,
                same=("group", "laterality"),
                take_unknown=False,
            ),
            oldest=1,
            at_least=2,
            exclude=Exclusion(("SR",), "x", ("KNEE",)),
        ),
        day=dt.date(2024, 2, 29),
        exam=OrderedExam((("A1", "L"),), ("CT Chest",), ("CT",)),
    ),
]

OUTCOMES = [
    *(Outcome(TaskStatus.FAILED, cause, cause.value) for cause in Cause),
    judge(MoveResponse(0x0000, SubOperations(0, 3, 0, 0))),
    judge(MoveResponse(0xB000, SubOperations(None, 2, 1, None), "disk full", ("1.2.3.4", "1.2.3.5"))),
    judge(MoveResponse(0xFE00)),
    failure(NodeTimeout("pacs", "60 s of silence")),
    failure(QueryFailed("pacs", "out of resources", 0xA700)),
]


@pytest.mark.parametrize("selector", SELECTORS, ids=repr)
async def test_every_selector_comes_back_as_it_went_in(selector: Selector, where: str | Path) -> None:
    asked = request(selector, routes=("orders", "priors"), priority=Priority.LOW)
    async with opened(where) as store:
        kept = await store.journal(message(1, asked))
        (task,) = await store.tasks_of(kept.message_id)
    assert task.request == asked
    assert type(task.request.selector) is type(selector)
    assert (task.id,) == kept.task_ids
    assert (task.status, task.attempts, task.outcome, task.choices) == (TaskStatus.SCHEDULED, 0, None, ())


@on_sqlite_alone
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: f"{outcome.cause}-{outcome.dicom_status}")
async def test_every_outcome_comes_back_as_it_went_in(outcome: Outcome, where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        await store.claim(kept.task_ids[0])
        assert await store.finish(kept.task_ids[0], outcome) == (kept.message_id,)
        (task,) = await store.tasks_of(kept.message_id)
    assert task.outcome == outcome
    assert task.status is outcome.status


async def test_choices_come_back_as_they_went_in(where: str | Path) -> None:
    scored = Choice(True, "newest", "1.2.5", score=88.0)
    choices = (scored, Choice(True, "newest", "1.2.3"), Choice(False, "modality US", "1.2.4", "1.2.4.1"))
    async with opened(where) as store:
        kept = await store.journal(message(1, request(PRIORS)))
        await store.claim(kept.task_ids[0])
        await store.resolve(kept.task_ids[0], RESOLVED, choices, [])
        (task,) = await store.tasks_of(kept.message_id)
    assert task.choices == choices


async def test_what_was_kept_before_there_was_relevance_comes_back(where: str | Path) -> None:
    criteria = '{"modalities":["CT"],"within":"P5D","newest":2,"description":""}'
    old = f'{{"patient_id":"4711","criteria":{criteria},"day":"2024-05-06","issuer":"","kind":"priors"}}'
    async with opened(where) as store:
        kept = await store.journal(message(1, request(PRIORS)))
        choices = '[{"taken":true,"reason":"newest","study_uid":"1.2.3","series_uid":""}]'
        execute(where, "UPDATE tasks SET selector = :old, choices = :choices", old=old, choices=choices)
        (task,) = await store.tasks_of(kept.message_id)
    criteria_then = PriorCriteria(("CT",), dt.timedelta(days=5), 2)
    assert task.request.selector == PriorsOfPatient("4711", criteria_then, dt.date(2024, 5, 6))
    assert task.choices == (Choice(True, "newest", "1.2.3"),)


async def test_only_a_study_has_its_uids_in_columns(where: str | Path) -> None:
    series = SeriesOfStudy("1.2.9", SeriesFilter())
    async with opened(where) as store:
        await store.journal(message(1, request(Study("1.2.3", "1.2.3.4")), request(series)))
    rows = execute(where, "SELECT kind, study_uid, series_uid FROM tasks ORDER BY id")
    assert rows == [("study", "1.2.3", "1.2.3.4"), ("series", "", "")]


async def test_times_are_kept_in_utc(where: str | Path) -> None:
    before = dt.datetime.now(dt.UTC)
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        (task,) = await store.tasks_of(kept.message_id)
    assert task.created.tzinfo is dt.UTC
    assert before <= task.created == task.updated <= dt.datetime.now(dt.UTC)
    received = dt.datetime(2024, 5, 6, 5, 8, 9, 123456, tzinfo=dt.UTC)
    assert execute(where, "SELECT received_at FROM messages") == [
        ("2024-05-06 05:08:09.123456" if isinstance(where, Path) else received,)
    ]


@pytest.mark.parametrize(
    "damage",
    [
        'selector = \'{"kind": "study", "study_uid": ["DOE^JANE"]}\'',
        "outcome = '[\"DOE^JANE\"]'",
        "status = 'DOE^JANE'",
        "priority = 7",
    ],
)
async def test_a_damaged_row_is_named_and_not_quoted(damage: str, where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        execute(where, f"UPDATE tasks SET {damage}")
        with pytest.raises(StoreError, match=f"task {kept.task_ids[0]} in the journal") as caught:
            await store.tasks_of(kept.message_id)
    assert "JANE" not in str(caught.value)
    if "status" not in damage:
        assert "JANE" not in str(caught.value.__cause__)
