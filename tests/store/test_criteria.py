"""What searches judge by is in the journal once, and in the memory of those who read it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.retrieve.selector import PriorCriteria, Study
from engine.store import criteria, list_tasks

from . import PRIORS, execute, message, opened, request

NEWEST, OLDEST = PriorCriteria(newest=3), PriorCriteria(oldest=1)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process."""
    monkeypatch.setattr(criteria, "_known", {})
    monkeypatch.setattr(criteria, "_written", {})


async def test_searches_that_judge_alike_share_what_they_judge_by(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        replace(PRIORS, patient_id=str(n), criteria=replace(NEWEST if n % 3 else OLDEST)) for n in range(30)
    ]
    async with opened(where) as store:
        await asyncio.gather(*(store.journal(message(n, request(it))) for n, it in enumerate(asked[:20])))
        await asyncio.gather(*(store.journal(message(n, request(it))) for n, it in enumerate(asked)))
    assert execute(where, "SELECT count(*) FROM criteria") == [(2,)]
    forget(monkeypatch)
    assert [task.request.selector for task in reversed(list_tasks(where))] == asked
    forget(monkeypatch)
    async with opened(where) as store:
        assert [task.request.selector for task in await store.waiting("pacs", 50)] == asked
        again = await store.journal(
            message("again", request(replace(PRIORS, patient_id="7", criteria=NEWEST)))
        )
        assert again.task_ids == (8,)


async def test_a_reader_learns_what_came_after_it_had_begun(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(replace(PRIORS, criteria=NEWEST))))
        forget(monkeypatch)
        assert len(list_tasks(where)) == 1
        await store.journal(message(2, request(replace(PRIORS, criteria=OLDEST))))
        forget(monkeypatch)
        assert [task.request.selector for task in list_tasks(where)] == [
            replace(PRIORS, criteria=OLDEST),
            replace(PRIORS, criteria=NEWEST),
        ]


async def test_a_search_whose_criteria_are_missing_is_named(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS)))
    execute(where, "DELETE FROM criteria")
    forget(monkeypatch)
    with pytest.raises(StoreError, match="task 1 in the journal cannot be understood"):
        list_tasks(where)


def test_many_criteria_that_are_made_anew_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)
    names = {criteria.digest_of(PriorCriteria(newest=n % 7)) for n in range(1000)}
    assert len(names) == 7
    assert len(criteria._written) <= 256
    assert len(criteria._known) == 7


async def test_what_another_engine_has_kept_is_learnt_when_it_is_met(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS), request("1.2.3")))
        forget(monkeypatch)
        assert [task.request.selector for task in await store.waiting("pacs", 9)] == [PRIORS, Study("1.2.3")]
        forget(monkeypatch)
        task = await store.claim(1)
    assert task is not None
    assert task.request.selector == PRIORS


async def test_what_nobody_has_kept_is_told(where: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS)))
        execute(where, "DELETE FROM criteria")
        forget(monkeypatch)
        with pytest.raises(StoreError, match="task 1 in the journal cannot be understood"):
            await store.waiting("pacs", 9)
