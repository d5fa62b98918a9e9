"""What people, gates, acknowledgments and pruning do while an engine does something else."""

from __future__ import annotations

import datetime as dt

import pytest

from engine.retrieve.task import Verb
from engine.routing.meaning import Merge, PatientIdentifier
from engine.store import list_tasks, standing
from engine.store.gates import close_gate, defer_alike, expire
from engine.store.messages import journal, unanswered
from engine.store.occasions import merge
from engine.store.verbs import Done

from . import PRIORS, execute, message, request
from .racing import (
    LATER,
    OTHER,
    S,
    answering,
    arriving,
    asking,
    canceling,
    claiming,
    do,
    failing,
    finding,
    holding,
    pruning,
    race,
    statuses,
    verb,
)


def test_of_two_that_are_alike_one_is_tried_again(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1), failing(1))
    do(shared, asking(2, request(), order=OTHER), claiming(2), failing(2))
    _, second = race(shared, verb(Verb.RETRY, 1), verb(Verb.RETRY, 2))
    assert second == [Done(2, False, "task 1 does the same")]


def test_what_is_just_asked_for_again_is_not_tried_again(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1), failing(1))
    asked, done = race(shared, asking(2, request(), order=OTHER), verb(Verb.RETRY, 1))
    assert (asked.task_ids, done) == ((2,), [Done(1, False, "task 2 does the same")])


def test_a_message_joins_what_is_just_tried_again(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1), failing(1))
    _, asked = race(shared, verb(Verb.RETRY, 1), asking(2, request(), order=OTHER))
    assert asked.task_ids == (1,)


def test_what_is_tried_again_is_canceled_with_its_order(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1), failing(1))
    _, canceled = race(shared, verb(Verb.RETRY, 1), canceling())
    assert canceled.withdrawn.canceled == (1,)


def test_what_is_just_canceled_with_its_order_is_not_tried_again(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1), failing(1))
    _, done = race(shared, canceling(), verb(Verb.RETRY, 1))
    assert done == [Done(1, False, "its order or visit was canceled: nobody wants it any more")]


def test_what_has_just_begun_is_not_held(shared: str) -> None:
    do(shared, asking(1, request()))
    _, (done,) = race(shared, claiming(1), verb(Verb.HOLD, 1))
    assert not done.done
    assert statuses(shared) == [S.IN_PROGRESS]


def test_what_is_just_approved_does_not_expire(shared: str) -> None:
    do(shared, asking(1, request()), holding(1))
    _, expired = race(shared, verb(Verb.APPROVE, 1), expire)
    assert expired == []
    assert statuses(shared) == [S.SCHEDULED]


def test_what_expires_is_told_by_one(shared: str) -> None:
    do(shared, asking(1, request()), holding(1))
    first, second = race(shared, expire, expire)
    assert ([task.id for task, _ in first], second) == ([1], [])
    assert execute(shared, "SELECT count(*) FROM story WHERE event = 'expired'") == [(1,)]


def test_what_has_just_begun_is_not_deferred(shared: str) -> None:
    do(shared, asking(1, request("1.1")), asking(2, request("1.2"), order=OTHER))
    (like, _) = list_tasks(shared)
    _, messages = race(shared, claiming(1), lambda it: defer_alike(it, like, LATER, "window", "at night"))
    assert messages == [2]
    assert [task.gate for task in reversed(list_tasks(shared))] == ["", "window"]


def test_a_gate_that_two_close_at_once_is_noted_once(shared: str) -> None:
    race(
        shared,
        lambda it: close_gate(it, "archive", "pacs", "window", "at night", None),
        lambda it: close_gate(it, "archive", "pacs", "window", "at night", LATER),
    )
    assert [(it.gate, it.until) for it in standing(shared).closures] == [("window", LATER)]


def test_of_two_acknowledgments_the_first_one_is_kept_with_its_letter(shared: str) -> None:
    do(shared, asking(1))
    first, second = race(shared, answering(b"AA"), answering(b"AE"))
    assert first == second == [b"AA"]
    assert execute(shared, "SELECT payload FROM outbox") == [(b"AA",)]


def test_what_is_owed_an_acknowledgment_is_found_while_a_task_is_added_to_it(shared: str) -> None:
    owed = message(1, request(PRIORS), application_due=True)
    do(shared, lambda it: journal(it, [(owed,)]), claiming(1))
    _, unanswered_ones = race(shared, finding(1, request("1.7")), unanswered)
    assert [it.message_id for it in unanswered_ones] == [1]


def test_a_search_that_has_just_begun_is_not_given_to_the_surviving_patient(shared: str) -> None:
    merged = Merge(PatientIdentifier("4711", ""), PatientIdentifier("1", ""))
    do(shared, asking(1, request(PRIORS)))
    race(shared, claiming(1), lambda it: merge(it, 1, [merged], dt.datetime.now(dt.UTC)))
    (task,) = list_tasks(shared)
    assert task.request.selector == PRIORS


def test_what_is_just_tried_again_is_not_pruned(shared: str) -> None:
    do(shared, asking(1, request()), asking(2, request("1.9"), order=OTHER), claiming(1), failing(1))
    _, pruned = race(shared, verb(Verb.RETRY, 1), pruning(0))
    assert (pruned.messages, pruned.tasks) == (0, 0)
    assert statuses(shared) == [S.SCHEDULED, S.SCHEDULED]


def test_what_is_just_pruned_is_not_tried_again(shared: str) -> None:
    do(shared, asking(1, request()), asking(2, request("1.9"), order=OTHER), claiming(1), failing(1))
    pruned, done = race(shared, pruning(0), verb(Verb.RETRY, 1))
    assert (pruned.messages, pruned.tasks) == (1, 1)
    assert done == [Done(1, False, "there is no such task")]


@pytest.mark.parametrize("after", [0, 1])
def test_of_two_that_prune_at_once_one_leaves_it_to_the_other(shared: str, after: int) -> None:
    do(shared, asking(1, request()), asking(2, request()), claiming(1), arriving(1))
    do(shared, asking(3, request("1.9"), order=OTHER))
    first, second = race(shared, pruning(0), pruning(after))
    assert [(it.messages, it.ended) for it in (first, second)] == [(1, False), (0, True)]
    do(shared, pruning(0))
    assert statuses(shared) == [S.SCHEDULED]
