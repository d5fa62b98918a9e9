"""What two engines do at once to messages of one order and to their tasks."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from engine.retrieve.selector import PriorCriteria, StudiesOfAccession, Study
from engine.retrieve.task import Verb
from engine.store import locks
from engine.store.criteria import keep
from engine.store.tasks import settled_by

from . import PRIORS, execute, request
from .racing import (
    OTHER,
    S,
    arriving,
    asking,
    canceling,
    claiming,
    do,
    failing,
    finding,
    race,
    statuses,
    verb,
)


def test_the_same_message_at_once_is_kept_once(shared: str) -> None:
    first, second = race(shared, asking(1, request()), asking(1, request()))
    assert (first.new, second.new) == (True, False)
    assert first.task_ids == second.task_ids == (1,)


def test_two_messages_that_ask_the_same_at_once_wait_for_one_task(shared: str) -> None:
    first, second = race(shared, asking(1, request()), asking(2, request(), order=OTHER))
    assert first.task_ids == second.task_ids == (1,)


@pytest.mark.parametrize(("first", "second"), [(20_000, 1), (1, 20_000), (20_000, 20_000)])
def test_more_keys_than_a_server_has_room_for_are_held_all_the_same(
    shared: str, first: int, second: int
) -> None:
    def holding_keys(connection: Connection, count: int) -> int:
        locks.hold(connection, range(count))
        connection.exec_driver_sql("INSERT INTO breakers VALUES (gen_random_uuid()::text, 'pacs', '')")
        return int(connection.exec_driver_sql("SELECT count(*) FROM breakers").scalar_one())

    kept = race(shared, lambda it: holding_keys(it, first), lambda it: holding_keys(it, second))
    assert kept == (1, 2)


def test_searches_that_judge_by_the_same_are_kept_at_once(shared: str) -> None:
    one, other = PriorCriteria(newest=1), PriorCriteria(newest=2)
    race(shared, lambda it: keep(it, [one, other]), lambda it: keep(it, [other, one]))
    assert execute(shared, "SELECT count(*) FROM criteria") == [(2,)]


def test_a_cancel_takes_back_what_another_engine_is_just_keeping(shared: str) -> None:
    kept, canceled = race(shared, asking(1, request()), canceling())
    assert canceled.withdrawn.canceled == kept.task_ids
    assert statuses(shared) == [S.CANCELED]


def test_a_message_does_not_join_what_is_just_being_canceled(shared: str) -> None:
    do(shared, asking(1, request()))
    canceled, joined = race(shared, canceling(), asking(2, request(), order=OTHER))
    assert (canceled.withdrawn.canceled, joined.task_ids) == ((1,), (2,))
    assert statuses(shared) == [S.CANCELED, S.SCHEDULED]


def test_what_another_message_is_just_joining_is_not_canceled(shared: str) -> None:
    do(shared, asking(1, request()))
    joined, canceled = race(shared, asking(2, request(), order=OTHER), canceling())
    assert (joined.task_ids, canceled.withdrawn.wanted) == ((1,), (1,))
    assert statuses(shared) == [S.SCHEDULED]


def test_a_message_does_not_join_what_is_just_ending(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1))
    settled, joined = race(shared, failing(1), asking(2, request(), order=OTHER))
    assert (settled, joined.task_ids) == ((1,), (2,))


def test_what_ends_while_a_message_joins_it_settles_both(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1))
    joined, settled = race(shared, asking(2, request(), order=OTHER), arriving(1))
    assert joined.task_ids == (1,)
    assert sorted(settled or ()) == [1, joined.message_id]


def test_what_is_just_claimed_is_canceled_on_the_wire(shared: str) -> None:
    do(shared, asking(1, request()))
    _, canceled = race(shared, claiming(1), canceling())
    assert canceled.withdrawn.running == (1,)
    assert statuses(shared) == [S.IN_PROGRESS]


def test_what_fails_while_it_is_canceled_ends_canceled(shared: str) -> None:
    do(shared, asking(1, request()), claiming(1))
    race(shared, canceling(), failing(1))
    assert statuses(shared) == [S.CANCELED]


def test_of_two_last_tasks_that_end_at_once_one_settles_their_message(shared: str) -> None:
    do(shared, asking(1, request("1.1"), request("1.2")), claiming(1), claiming(2))
    assert race(shared, arriving(1), arriving(2)) == ((), (1,))


def test_a_task_that_ends_while_the_other_one_is_canceled_settles_their_message(shared: str) -> None:
    do(shared, asking(1, request("1.1"), request("1.2")), asking(2, request("1.2"), order=OTHER))
    do(shared, claiming(1), verb(Verb.HOLD, 2))
    _, settled = race(shared, verb(Verb.CANCEL, 2), arriving(1))
    assert settled == (1,)


def test_who_has_canceled_the_other_one_sees_what_has_ended_meanwhile(shared: str) -> None:
    do(shared, asking(1, request("1.1"), request("1.2")), claiming(1))
    ended, settled = race(shared, arriving(1), canceling(), lambda connection: settled_by(connection, 2))
    assert (ended, settled) == ((), (1,))


def test_what_a_question_just_led_to_is_canceled_with_its_order(shared: str) -> None:
    do(shared, asking(1, request(PRIORS)), claiming(1))
    answered, canceled = race(shared, finding(1, request("1.7"), request("1.8")), canceling())
    assert answered is not None
    assert canceled.withdrawn.canceled == (2, 3)
    assert statuses(shared) == [S.COMPLETED, S.CANCELED, S.CANCELED]


def test_a_question_that_is_just_canceled_leads_to_nothing(shared: str) -> None:
    do(shared, asking(1, request(PRIORS)), claiming(1))
    _, answered = race(shared, canceling(), finding(1, request("1.7")))
    assert answered == ([], (1,))
    assert statuses(shared) == [S.CANCELED]


def test_of_two_questions_that_found_the_same_one_leads_to_it(shared: str) -> None:
    do(shared, asking(1, request(PRIORS), request(StudiesOfAccession("A1"))), claiming(1), claiming(2))
    of_first, of_second = race(shared, finding(1, request("1.7")), finding(2, request(Study("1.7", "1.7.1"))))
    assert of_first is not None
    assert [task.id for task in of_first[0]] == [3]
    assert of_second == ([], ())


def test_two_questions_of_two_messages_that_found_the_same_share_it(shared: str) -> None:
    do(shared, asking(1, request(PRIORS)), asking(2, request(StudiesOfAccession("A1")), order=OTHER))
    do(shared, claiming(1), claiming(2))
    race(shared, finding(1, request("1.7")), finding(2, request("1.7")))
    assert statuses(shared) == [S.COMPLETED, S.COMPLETED, S.SCHEDULED]
