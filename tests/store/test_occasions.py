"""Orders and visits that are taken back, and patients that are merged, in the journal."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Selector, StudiesOfAccession, Study
from engine.retrieve.task import Choice, RetrieveRequest
from engine.routing.meaning import Meaning, Merge, Number, Occasion, PatientIdentifier
from engine.store import Journaled, NewMessage, Store, Withdrawn

from . import ARRIVED, CANCELED, FAILED, PRIORS, RESOLVED, execute, message, opened, request

S = TaskStatus
NOTHING = Withdrawn()


def number_of(text: str) -> Number:
    """``P1`` or, with who gave it, ``P1^RIS``."""
    value, _, giver = text.partition("^")
    return Number(value, giver)


def order(placer: str = "", filler: str = "") -> Occasion:
    return Occasion("order", number_of(placer), number_of(filler))


def visit(number: str = "", patient: str = "") -> Occasion:
    return Occasion("visit", number_of(number), number_of(patient), (patient,) if patient else ())


P1, P2 = order("P1", "F1"), order("P2", "F2")


def asking(number: object, occasions: Sequence[Occasion], *requests: RetrieveRequest) -> NewMessage:
    """A message whose retrieves are for these orders or visits; one study where none is given."""
    return message(number, *(requests or (request(),)), meaning=Meaning(occasions=tuple(occasions)))


def canceling(number: object, *withdrawn: Occasion) -> NewMessage:
    return message(number, meaning=Meaning(withdrawn=withdrawn))


def replacing(number: object, occasion: Occasion, *requests: RetrieveRequest) -> NewMessage:
    meaning = Meaning(occasions=(occasion,), withdrawn=(occasion,), replaced=True)
    return message(number, *requests, meaning=meaning)


async def statuses(store: Store, kept: Journaled) -> list[TaskStatus]:
    return [task.status for task in await store.tasks_of(kept.message_id)]


@pytest.mark.parametrize(
    ("kept", "named", "same"),
    [
        (order("P1", "F1"), order("P1", "F1"), True),
        (order("P1", "F1"), order("P1"), True),
        (order("P1", "F1"), order("", "F1"), True),
        (order("P1"), order("P1", "F1"), True),
        (order("", "F1"), order("P1", "F1"), True),
        (order("P1"), order("P1"), True),
        (order("", "F1"), order("", "F1"), True),
        (order("P1", "F1"), order("P1", "F2"), False),  # they contradict each other
        (order("P1", "F1"), order("P2", "F1"), False),
        (order("P1", "F1"), order("P2", "F2"), False),
        (order("P1"), order("", "F1"), False),  # they have nothing in common
        (order("P1"), order("P2"), False),
        (order("P1", "F1"), order("F1", "P1"), False),  # a placer number is no filler number
        (order("P1"), order("p1"), False),
        (order("P1", "F1"), visit("P1", "F1"), False),
        (visit("V1", "4711"), visit("V1", "4711"), True),
        (visit("V1", "4711"), visit("V2", "4711"), False),
        (visit("V1", "4711"), visit("V1"), True),
        (visit("V1", "4711"), order("V1", "4711"), False),
    ],
    ids=str,
)
async def test_an_order_or_visit_is_found_by_what_both_messages_know_of_it(
    kept: Occasion, named: Occasion, same: bool, where: str | Path
) -> None:
    assert kept.same_as(named) == named.same_as(kept) == same
    async with opened(where) as store:
        asked = await store.journal(asking(1, [kept]))
        canceled = await store.journal(canceling(2, named))
        assert canceled.withdrawn == (Withdrawn(asked.task_ids) if same else NOTHING)
        assert await statuses(store, asked) == [S.CANCELED if same else S.SCHEDULED]


async def test_what_has_not_begun_ends_and_says_why(where: str | Path) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request("1.1"), request("1.2", due=later)))
        other = await store.journal(asking(2, [P2], request("1.3")))
        canceled = await store.journal(canceling(3, P1))
        assert canceled.new
        assert canceled.task_ids == ()
        assert canceled.withdrawn == Withdrawn(asked.task_ids)
        for task in await store.tasks_of(asked.message_id):
            assert task.status is S.CANCELED
            assert task.outcome is not None
            assert task.outcome.cause is Cause.CANCELED
            assert "canceled" in task.outcome.text
            assert await store.claim(task.id) is None
            assert await store.settled_by(task.id) == (asked.message_id,)
        assert [task.id for task in await store.waiting("pacs", 10)] == list(other.task_ids)
        assert await store.next_due("pacs") is None


async def test_what_is_held_ends_too(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1]))
        await store.hold(asked.task_ids[0], "switch", "retrieving is switched off")
        assert (await store.journal(canceling(2, P1))).withdrawn == Withdrawn(asked.task_ids)
        await store.recover()
        assert await statuses(store, asked) == [S.CANCELED]


async def test_what_is_under_way_is_to_be_stopped_and_ends_when_it_has(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request("1.1"), request("1.2")))
        await store.claim(asked.task_ids[0])
        canceled = await store.journal(canceling(2, P1))
        assert canceled.withdrawn == Withdrawn(asked.task_ids[1:], asked.task_ids[:1])
        assert await statuses(store, asked) == [S.IN_PROGRESS, S.CANCELED]
        assert await store.settled_by(asked.task_ids[1]) == ()
        assert await store.finish(asked.task_ids[0], CANCELED) == (asked.message_id,)


async def test_what_arrives_though_it_is_being_stopped_has_arrived(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1]))
        await store.claim(asked.task_ids[0])
        await store.journal(canceling(2, P1))
        assert await store.finish(asked.task_ids[0], ARRIVED) == (asked.message_id,)
        assert await statuses(store, asked) == [S.COMPLETED]


async def test_what_was_being_stopped_is_not_scheduled_again(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request("1.1"), request("1.2")))
        other = await store.journal(asking(2, [P2], request("1.3")))
        for task_id in (*asked.task_ids, *other.task_ids):
            await store.claim(task_id)
        assert (await store.journal(canceling(3, P1))).withdrawn == Withdrawn((), asked.task_ids)
        await store.release(asked.task_ids[0], "shutting down")
        assert await store.waiting("pacs", 10) == []
    async with opened(where) as store:
        assert await store.recover() == 1
        assert [task.id for task in await store.waiting("pacs", 10)] == list(other.task_ids)
        for task in await store.tasks_of(asked.message_id):
            assert task.status is S.CANCELED
            assert task.outcome is not None
            assert task.outcome.cause is Cause.CANCELED
        assert await store.settled_by(asked.task_ids[0]) == (asked.message_id,)


async def test_what_has_ended_stays_as_it_ended(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request("1.1"), request("1.2"), request("1.3")))
        await store.claim(asked.task_ids[0])
        await store.finish(asked.task_ids[0], ARRIVED)
        await store.finish(asked.task_ids[1], FAILED)
        canceled = await store.journal(canceling(2, P1))
        assert canceled.withdrawn == Withdrawn(asked.task_ids[2:])
        assert await statuses(store, asked) == [S.COMPLETED, S.FAILED, S.CANCELED]


async def test_a_shared_task_stays_until_every_order_is_canceled(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1], request("1.1"), request("1.2")))
        two = await store.journal(asking(2, [P2], request("1.1")))
        shared, own = one.task_ids
        assert two.task_ids == (shared,)
        assert (await store.journal(canceling(3, P1))).withdrawn == Withdrawn((own,))
        assert await statuses(store, two) == [S.SCHEDULED]
        assert (await store.journal(canceling(4, P1))).withdrawn == NOTHING
        assert (await store.journal(canceling(5, P2))).withdrawn == Withdrawn((shared,))
        assert set(await store.settled_by(shared)) == {one.message_id, two.message_id}


async def test_a_shared_task_under_way_is_stopped_only_when_every_order_is_canceled(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1]))
        await store.claim(one.task_ids[0])
        two = await store.journal(asking(2, [P2]))
        assert (await store.journal(canceling(3, P2))).withdrawn == NOTHING
        assert (await store.journal(canceling(4, P1))).withdrawn == Withdrawn((), one.task_ids)
        assert set(await store.finish(one.task_ids[0], CANCELED) or ()) == {one.message_id, two.message_id}


async def test_one_message_may_cancel_every_order_of_a_shared_task(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1]))
        await store.journal(asking(2, [P2]))
        assert (await store.journal(canceling(3, P1, P2))).withdrawn == Withdrawn(one.task_ids)


async def test_a_task_that_a_message_without_an_order_waits_for_stays(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1]))
        await store.journal(message(2, request()))
        assert (await store.journal(canceling(3, P1))).withdrawn == NOTHING
        assert await statuses(store, one) == [S.SCHEDULED]


async def test_the_tasks_of_a_message_with_two_orders_stay_until_both_are_canceled(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1, P2], request("1.1"), request("1.2")))
        assert (await store.journal(canceling(2, P2))).withdrawn == NOTHING
        assert await statuses(store, asked) == [S.SCHEDULED, S.SCHEDULED]
        assert (await store.journal(canceling(3, P1))).withdrawn == Withdrawn(asked.task_ids)


async def test_an_order_that_was_sent_twice_is_canceled_in_both_messages(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1], request("1.1")))
        two = await store.journal(asking(2, [order("P1")], request("1.2")))
        canceled = await store.journal(canceling(3, order("P1")))
        assert canceled.withdrawn == Withdrawn((*one.task_ids, *two.task_ids))


async def test_the_children_of_a_question_are_canceled_with_its_order(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request(PRIORS)))
        await store.claim(asked.task_ids[0])
        found = [request("1.5"), request("1.6"), request("1.7")]
        resolved = await store.resolve(asked.task_ids[0], RESOLVED, [], found)
        assert resolved is not None
        first, second, third = (child.id for child in resolved[0])
        await store.claim(second)
        await store.finish(third, FAILED)
        canceled = await store.journal(canceling(2, P1))
        assert canceled.withdrawn == Withdrawn((first,), (second,))
        assert await statuses(store, asked) == [S.COMPLETED, S.CANCELED, S.IN_PROGRESS, S.FAILED]


async def test_a_child_that_serves_another_order_too_stays(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request(PRIORS)))
        await store.claim(asked.task_ids[0])
        resolved = await store.resolve(asked.task_ids[0], RESOLVED, [], [request("1.5"), request("1.6")])
        assert resolved is not None
        own, shared = (child.id for child in resolved[0])
        other = await store.journal(asking(2, [P2], request("1.6")))
        assert other.task_ids == (shared,)
        assert (await store.journal(canceling(3, P1))).withdrawn == Withdrawn((own,))
        assert await statuses(store, other) == [S.SCHEDULED]


async def test_a_question_that_waits_is_canceled_before_it_is_asked(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request(PRIORS)))
        assert (await store.journal(canceling(2, P1))).withdrawn == Withdrawn(asked.task_ids)
        assert await store.resolve(asked.task_ids[0], RESOLVED, [], [request("1.5")]) is None


async def test_a_question_that_is_answered_while_its_order_is_canceled_leaves_nothing(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request(PRIORS)))
        (question,) = asked.task_ids
        await store.claim(question)
        canceled, resolved = await asyncio.gather(
            store.journal(canceling(2, P1)),
            store.resolve(question, RESOLVED, [Choice(True, "newest", "1.5")], [request("1.5")]),
        )
        assert canceled.withdrawn == Withdrawn((), (question,))
        assert resolved == ([], (asked.message_id,))
        (task,) = await store.tasks_of(asked.message_id)
        assert task.status is S.CANCELED
        assert task.outcome is not None
        assert task.outcome.cause is Cause.CANCELED
        assert await store.waiting("pacs", 10) == []


async def test_an_order_that_is_replaced_loses_its_old_tasks_and_gets_new_ones(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1], request("1.1"), request("1.2"), request("1.3")))
        await store.claim(asked.task_ids[2])
        changed = await store.journal(replacing(2, P1, request("1.2"), request("1.3"), request("1.4")))
        assert changed.withdrawn == Withdrawn(asked.task_ids[:2], asked.task_ids[2:])
        assert not set(changed.task_ids) & set(asked.task_ids)
        assert [task.request.selector for task in await store.tasks_of(changed.message_id)] == [
            Study("1.2"),
            Study("1.3"),
            Study("1.4"),
        ]
        assert [task.id for task in await store.waiting("pacs", 10)] == list(changed.task_ids)
        # what replaced it stands, and can be canceled in its turn
        assert (await store.journal(canceling(3, P1))).withdrawn == Withdrawn(changed.task_ids)


async def test_a_replaced_order_joins_the_tasks_that_others_still_want(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1]))
        await store.journal(asking(2, [P2]))
        changed = await store.journal(replacing(3, P1, request()))
        assert changed.withdrawn == NOTHING
        assert changed.task_ids == asked.task_ids
        assert (await store.journal(canceling(4, P2))).withdrawn == NOTHING
        assert (await store.journal(canceling(5, P1))).withdrawn == Withdrawn(asked.task_ids)


async def test_an_order_that_is_given_again_after_its_cancel_stands(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1]))
        await store.journal(canceling(2, P1))
        two = await store.journal(asking(3, [P1]))
        assert two.task_ids != one.task_ids
        assert await statuses(store, two) == [S.SCHEDULED]
        repeated = await store.journal(canceling(2, P1))  # the first cancel, sent again
        assert (repeated.new, repeated.withdrawn) == (False, NOTHING)
        assert await statuses(store, two) == [S.SCHEDULED]


async def test_a_message_that_cancels_one_order_and_gives_another_does_both(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(asking(1, [P1], request("1.1")))
        meaning = Meaning(occasions=(P2,), withdrawn=(P1,))
        both = await store.journal(message(2, request("1.2"), meaning=meaning))
        assert both.withdrawn == Withdrawn(one.task_ids)
        assert await statuses(store, both) == [S.SCHEDULED]
        assert (await store.journal(canceling(3, P2))).withdrawn == Withdrawn(both.task_ids)


async def test_a_cancel_of_nothing_that_is_known_takes_nothing_back(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message("no order", request()))
        canceled = await store.journal(canceling(1, P1))
        assert (canceled.new, canceled.withdrawn) == (True, NOTHING)
        late = await store.journal(asking(2, [P1], request("1.2")))
        assert await statuses(store, late) == [S.SCHEDULED]


async def test_messages_of_one_commit_count_in_their_order(where: str | Path) -> None:
    async with opened(where) as store:
        early, canceled, late, other, merged = await asyncio.gather(
            store.journal(asking(1, [P1])),
            store.journal(canceling(2, P1)),
            store.journal(asking(3, [P1])),
            store.journal(asking(4, [P2])),
            store.journal(message(5, meaning=Meaning(merges=(merge("1", "2"),)))),
        )
        assert canceled.withdrawn == Withdrawn(early.task_ids)
        assert (early.withdrawn, late.withdrawn, merged.withdrawn) == (NOTHING,) * 3
        assert [early.new, canceled.new, late.new, other.new, merged.new] == [True] * 5
        assert await statuses(store, early) == [S.CANCELED]
        assert await statuses(store, late) == [S.SCHEDULED]
        assert other.task_ids == late.task_ids != early.task_ids
        assert await store.identifiers("1", "") == ("1", "2")


async def test_orders_are_known_after_a_restart(where: str | Path) -> None:
    async with opened(where) as store:
        asked = await store.journal(asking(1, [P1]))
    async with opened(where) as store:
        assert (await store.journal(canceling(2, P1))).withdrawn == Withdrawn(asked.task_ids)


# Merges


def merge(old: str, new: str, authority: str = "") -> Merge:
    return Merge(PatientIdentifier(old, authority), PatientIdentifier(new, authority))


def merging(number: object, *merges: Merge) -> NewMessage:
    return message(number, meaning=Meaning(merges=merges))


def priors(patient: str, authority: str = "") -> PriorsOfPatient:
    return replace(PRIORS, patient_id=patient, authority=authority)


async def test_a_patient_that_was_never_merged_has_one_identifier(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(merging("other", merge("8", "9")))
        assert await store.identifiers("1", "") == ("1",)
        assert await store.identifiers("1", "A") == ("1",)


async def test_merges_in_a_chain_make_one_patient_whichever_end_is_asked(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(merging(1, merge("1", "2"), merge("0", "2")))
        await store.journal(merging(2, merge("2", "3")))
        await store.journal(merging(3, merge("3", "1")))  # in a ring
        await store.journal(merging("other", merge("8", "9")))
        for given in ("0", "1", "2", "3"):
            found = await store.identifiers(given, "")
            assert found[0] == given
            assert sorted(found) == ["0", "1", "2", "3"]
    async with opened(where) as store:
        assert sorted(await store.identifiers("3", "")) == ["0", "1", "2", "3"]


async def test_an_identifier_that_is_used_again_links_nobody_to_anybody_else(where: str | Path) -> None:
    """A placeholder for unknown patients: merged into one of them, and later into another."""
    async with opened(where) as store:
        await store.journal(merging(1, merge("UNKNOWN1", "ANNA"), merge("OLD", "ANNA")))
        await store.journal(merging(2, merge("UNKNOWN1", "BERTA")))
        assert await store.identifiers("ANNA", "") == ("ANNA", "OLD")
        assert await store.identifiers("BERTA", "") == ("BERTA", "UNKNOWN1")
        assert await store.identifiers("UNKNOWN1", "") == ("UNKNOWN1", "BERTA")


async def test_a_cancel_from_another_giver_or_for_another_patient_takes_nothing_back(
    where: str | Path,
) -> None:
    mine = Occasion("order", Number("1001", "HIS"), Number(), ("4711",))
    async with opened(where) as store:
        asked = await store.journal(asking(1, [mine]))
        for number, other in enumerate(
            (
                Occasion("order", Number("1001", "LAB"), Number(), ("4711",)),
                Occasion("order", Number("1001", "HIS"), Number(), ("4712",)),
                Occasion("order", Number("1001"), Number(), ("4712",)),
            )
        ):
            assert (await store.journal(canceling(f"c{number}", other))).withdrawn == NOTHING
        await store.journal(merging("m", merge("4711", "4712")))
        same = Occasion("order", Number("1001"), Number(), ("4712",))  # merged in between
        assert (await store.journal(canceling("last", same))).withdrawn == Withdrawn(asked.task_ids)


@pytest.mark.parametrize(
    ("of", "asked", "found"),
    [
        ("A", "A", ("1", "2")),
        ("A", "B", ("1",)),
        ("A", "", ("1",)),
        ("", "A", ("1",)),
        ("", "", ("1", "2")),
    ],
)
async def test_a_merge_holds_for_its_own_authority(
    of: str, asked: str, found: tuple[str, ...], where: str | Path
) -> None:
    async with opened(where) as store:
        await store.journal(merging(1, merge("1", "2", of)))
        assert await store.identifiers("1", asked) == found


async def test_a_chain_does_not_change_from_one_authority_to_another(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(merging(1, merge("1", "2", "A")))
        await store.journal(merging(2, merge("2", "3", "B")))  # another patient 2
        assert await store.identifiers("1", "A") == ("1", "2")
        assert await store.identifiers("3", "B") == ("3", "2")
        assert await store.identifiers("1", "") == ("1",)


@pytest.mark.parametrize(
    ("searched", "merged", "becomes"),
    [
        (priors("1"), merge("1", "2"), "2"),
        (priors("1", "A"), merge("1", "2", "A"), "2"),
        (priors("1", "A"), merge("1", "2"), "1"),
        (priors("1"), merge("1", "2", "A"), "1"),
        (priors("1", "B"), merge("1", "2", "A"), "1"),
        (priors("2"), merge("1", "2"), "2"),
        (priors("11"), merge("1", "2"), "11"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("status", "where"),
    [*((status, "sqlite") for status in TaskStatus), (S.SCHEDULED, "postgresql")],
    indirect=["where"],
)
async def test_a_search_that_waits_is_for_the_surviving_patient(
    searched: PriorsOfPatient, merged: Merge, becomes: str, status: TaskStatus, where: str | Path
) -> None:
    full = replace(
        searched, criteria=PriorCriteria(("CT",), newest=3), issuer="HOSPITAL", day=dt.date(2024, 2, 29)
    )
    async with opened(where) as store:
        kept = await store.journal(message(1, request(full)))
        execute(where, "UPDATE tasks SET status = :status", status=status.value)
        assert (await store.journal(merging(2, merged))).withdrawn == NOTHING
        (task,) = await store.tasks_of(kept.message_id)
    waits = status in {S.SCHEDULED, S.HELD}
    assert task.request.selector == (replace(full, patient_id=becomes) if waits else full)
    assert task.status is status


@pytest.mark.parametrize("selector", [Study("1"), StudiesOfAccession("1")], ids=repr)
async def test_what_is_no_search_by_patient_is_not_changed_by_a_merge(
    selector: Selector, where: str | Path
) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request(selector)))
        await store.journal(merging(2, merge("1", "2")))
        (task,) = await store.tasks_of(kept.message_id)
        assert task.request.selector == selector


async def test_only_the_searches_of_the_merged_patient_change(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, *(request(priors(patient)) for patient in ("1", "5", "6"))))
        await store.journal(merging(2, merge("1", "2"), merge("5", "7")))
        patients = [task.request.selector for task in await store.tasks_of(kept.message_id)]
        assert patients == [priors("2"), priors("7"), priors("6")]


async def test_a_search_that_was_changed_is_joined_under_the_surviving_patient(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request(priors("1"))))
        await store.journal(merging(2, merge("1", "2")))
        two = await store.journal(message(3, request(priors("2"))))
        assert two.task_ids == one.task_ids


async def test_a_merge_that_is_sent_again_changes_nothing_more(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(merging(1, merge("1", "2")))
        kept = await store.journal(message(2, request(priors("1"))))
        again = await store.journal(merging(1, merge("1", "2")))
        assert not again.new
        (task,) = await store.tasks_of(kept.message_id)
        assert task.request.selector == priors("1")  # its aliases are asked for when it is carried out
        assert await store.identifiers("1", "") == ("1", "2")
