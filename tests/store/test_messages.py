from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.errors import StoreError
from engine.store import Unanswered

from . import PRIORS, RECEIVED, RESOLVED, message, opened, request


async def test_a_message_is_kept_byte_by_byte_with_its_tasks(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        kept = await store.journal(
            message(1, request("1.2.3"), request("1.2.4"), ack=b"MSA|AA", ack_code="AA")
        )
    assert kept.new
    assert kept.ack == b"MSA|AA"
    assert len(kept.task_ids) == 2
    with closing(sqlite3.connect(path)) as database:
        row = database.execute(
            "SELECT id, peer, sending_application, sending_facility, control_id, message_type, version, raw,"
            " decision, ack, ack_code, acked_at IS NULL FROM messages"
        ).fetchone()
    sent = message(1)
    assert row == (
        kept.message_id,
        *(sent.peer, sent.sending_application, sent.sending_facility, sent.control_id, sent.message_type),
        *(sent.version, sent.raw, sent.decision, b"MSA|AA", "AA", 0),
    )


async def test_a_message_without_requests_is_kept_too(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        kept = await store.journal(message(1))
        assert (kept.new, kept.ack, kept.task_ids) == (True, None, ())
        assert await store.tasks_of(kept.message_id) == []


async def test_the_same_message_again_is_the_first_one(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        first = await store.journal(message(1, request("1.2.3"), request("1.2.4")))
        await store.keep_ack(first.message_id, b"MSA|AA", "AA")
        again = await store.journal(message(1, request("1.2.5"), raw=b"other", ack=b"MSA|AE", ack_code="AE"))
        assert (again.new, again.message_id, again.task_ids) == (False, first.message_id, first.task_ids)
        assert again.ack == b"MSA|AA"
        assert len(await store.tasks_of(first.message_id)) == 2


async def test_the_same_message_again_names_the_children_of_its_questions(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        first = await store.journal(message(1, request(PRIORS)))
        await store.claim(first.task_ids[0])
        resolved = await store.resolve(first.task_ids[0], RESOLVED, [], [request("1.2.3")])
        assert resolved is not None
        again = await store.journal(message(1, request(PRIORS)))
        assert again.task_ids == (*first.task_ids, resolved[0][0].id)


async def test_the_same_message_is_known_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        first = await store.journal(message(1, request()))
    async with opened(tmp_path / "journal") as store:
        again = await store.journal(message(1, request()))
    assert (again.new, again.message_id, again.task_ids) == (False, first.message_id, first.task_ids)


async def test_of_the_same_message_many_times_at_once_one_is_new(tmp_path: Path) -> None:
    same = message(1, request("1.2.3"))  # also the very same object
    async with opened(tmp_path / "journal") as store:
        calls = [store.journal(same) for _ in range(20)]
        calls += [store.journal(message(n % 3, request(f"1.2.{n + 1}"))) for n in range(30)]
        kept = await asyncio.gather(*calls)
        ids = {one.message_id for one in kept}
        assert len(ids) == 3
        assert sorted(one.message_id for one in kept if one.new) == sorted(ids)
        for message_id in ids:
            (task,) = await store.tasks_of(message_id)
            assert {one.task_ids for one in kept if one.message_id == message_id} == {(task.id,)}


async def test_tasks_belong_to_their_own_message_in_a_shared_commit(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        asked = {n: tuple(request(f"1.{n}.{k}") for k in range(n % 4)) for n in range(1, 41)}
        kept = await asyncio.gather(*(store.journal(message(n, *asked[n])) for n in asked))
        for n, one in zip(asked, kept, strict=True):
            tasks = await store.tasks_of(one.message_id)
            assert tuple(task.id for task in tasks) == one.task_ids
            assert tuple(task.request for task in tasks) == asked[n]


async def test_the_first_acknowledgment_stays(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        kept = await store.journal(message(1))
        answers = await asyncio.gather(
            *(store.keep_ack(kept.message_id, f"MSA|{n}".encode(), "AA") for n in range(8))
        )
        assert answers == [b"MSA|0"] * 8
        assert await store.keep_ack(kept.message_id, b"late", "AE") == b"MSA|0"
        assert (await store.journal(message(1))).ack == b"MSA|0"


async def test_acknowledgments_of_several_messages_are_not_mixed_up(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        kept = await asyncio.gather(*(store.journal(message(n)) for n in range(20)))
        answers = await asyncio.gather(
            *(store.keep_ack(one.message_id, f"MSA|{one.message_id}".encode(), "AA") for one in kept)
        )
        assert answers == [f"MSA|{one.message_id}".encode() for one in kept]


async def test_an_acknowledgment_of_no_message_is_refused_alone(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        kept = await store.journal(message(1))
        good, bad = await asyncio.gather(
            store.keep_ack(kept.message_id, b"MSA|AA", "AA"),
            store.keep_ack(999, b"MSA|AA", "AA"),
            return_exceptions=True,
        )
    assert good == b"MSA|AA"
    assert isinstance(bad, StoreError)
    assert "no message 999" in str(bad)


async def test_both_acknowledgments_of_enhanced_mode_are_given_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        enhanced = message(1, request(), accept_ack=b"MSA|CA", application_due=True)
        first = await store.journal(enhanced)
        assert (first.accept_ack, first.ack) == (b"MSA|CA", None)
        again = await store.journal(message(1, accept_ack=b"MSA|CA|second"))
        assert (again.new, again.accept_ack, again.ack) == (False, b"MSA|CA", None)
        await store.keep_ack(first.message_id, b"MSA|AA", "AA")
        again = await store.journal(enhanced)
        assert (again.new, again.accept_ack, again.ack) == (False, b"MSA|CA", b"MSA|AA")


async def test_application_acknowledgments_are_owed_until_they_are_kept_and_over_a_restart(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "journal") as store:
        await store.journal(message("original"))
        await store.journal(message("not wanted", accept_ack=b"MSA|CA"))
        owed = [
            await store.journal(message(n, raw=b"MSH|%d" % n, application_due=True, accept_ack=b"MSA|CA"))
            for n in range(3)
        ]
        await store.keep_ack(owed[1].message_id, b"MSA|AA", "AA")
    async with opened(tmp_path / "journal") as store:
        assert await store.unanswered() == [
            Unanswered(owed[0].message_id, b"MSH|0", RECEIVED, '{"routes": []}'),
            Unanswered(owed[2].message_id, b"MSH|2", RECEIVED, '{"routes": []}'),
        ]
        await store.keep_ack(owed[0].message_id, b"MSA|AE", "AE")
        await store.keep_ack(owed[2].message_id, b"MSA|AA", "AA")
        assert await store.unanswered() == []
