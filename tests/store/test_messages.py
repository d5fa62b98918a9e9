from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from engine.errors import StoreError
from engine.hl7.message import Header
from engine.routing.meaning import NO_NUMBER, Meaning, Merge, Number, Occasion, PatientIdentifier
from engine.store import Unanswered, fingerprint
from engine.store.dialect import open_engine
from engine.store.messages import journal, keep_ack
from engine.store.schema import metadata, prepare

from . import PRIORS, RECEIVED, RESOLVED, execute, message, opened, request


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with open_engine(tmp_path / "journal").connect() as connection:
        with connection.begin():
            prepare(connection)
        yield connection


async def test_a_message_is_kept_byte_by_byte_with_its_tasks(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(
            message(1, request("1.2.3"), request("1.2.4"), ack=b"MSA|AA", ack_code="AA")
        )
    assert kept.new
    assert kept.ack == b"MSA|AA"
    assert len(kept.task_ids) == 2
    (row,) = execute(
        where,
        "SELECT id, peer, sending_application, sending_facility, control_id, message_type, version, raw,"
        " decision, ack, ack_code, acked_at IS NULL FROM messages",
    )
    sent = message(1)
    assert row == (
        kept.message_id,
        *(sent.peer, sent.sending_application, sent.sending_facility, sent.control_id, sent.message_type),
        *(sent.version, sent.raw, sent.decision, b"MSA|AA", "AA", 0),
    )


async def test_a_message_without_requests_is_kept_too(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1))
        assert (kept.new, kept.ack, kept.task_ids) == (True, None, ())
        assert await store.tasks_of(kept.message_id) == []


async def test_the_same_message_again_is_the_first_one(where: str | Path) -> None:
    async with opened(where) as store:
        first = await store.journal(message(1, request("1.2.3"), request("1.2.4")))
        await store.keep_ack(first.message_id, b"MSA|AA", "AA")
        again = await store.journal(message(1, request("1.2.5"), raw=b"other", ack=b"MSA|AE", ack_code="AE"))
        assert (again.new, again.message_id, again.task_ids) == (False, first.message_id, first.task_ids)
        assert again.ack == b"MSA|AA"
        assert len(await store.tasks_of(first.message_id)) == 2


async def test_the_same_message_again_names_the_children_of_its_questions(where: str | Path) -> None:
    async with opened(where) as store:
        first = await store.journal(message(1, request(PRIORS)))
        await store.claim(first.task_ids[0])
        resolved = await store.resolve(first.task_ids[0], RESOLVED, [], [request("1.2.3")])
        assert resolved is not None
        again = await store.journal(message(1, request(PRIORS)))
        assert again.task_ids == (*first.task_ids, resolved[0][0].id)


async def test_the_same_message_is_known_after_a_restart(where: str | Path) -> None:
    async with opened(where) as store:
        first = await store.journal(message(1, request()))
    async with opened(where) as store:
        again = await store.journal(message(1, request()))
    assert (again.new, again.message_id, again.task_ids) == (False, first.message_id, first.task_ids)


async def test_of_the_same_message_many_times_at_once_one_is_new(where: str | Path) -> None:
    same = message(1, request("1.2.3"))  # also the very same object
    async with opened(where) as store:
        calls = [store.journal(same) for _ in range(20)]
        calls += [store.journal(message(n % 3, request(f"1.2.{n + 1}"))) for n in range(30)]
        kept = await asyncio.gather(*calls)
        ids = {one.message_id for one in kept}
        assert len(ids) == 3
        assert sorted(one.message_id for one in kept if one.new) == sorted(ids)
        for message_id in ids:
            (task,) = await store.tasks_of(message_id)
            assert {one.task_ids for one in kept if one.message_id == message_id} == {(task.id,)}


async def test_tasks_belong_to_their_own_message_in_a_shared_commit(where: str | Path) -> None:
    async with opened(where) as store:
        asked = {n: tuple(request(f"1.{n}.{k}") for k in range(n % 4)) for n in range(1, 41)}
        kept = await asyncio.gather(*(store.journal(message(n, *asked[n])) for n in asked))
        for n, one in zip(asked, kept, strict=True):
            tasks = await store.tasks_of(one.message_id)
            assert tuple(task.id for task in tasks) == one.task_ids
            assert tuple(task.request for task in tasks) == asked[n]


async def test_the_first_acknowledgment_stays(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1))
        answers = await asyncio.gather(
            *(store.keep_ack(kept.message_id, f"MSA|{n}".encode(), "AA") for n in range(8))
        )
        assert answers == [b"MSA|0"] * 8
        assert await store.keep_ack(kept.message_id, b"late", "AE") == b"MSA|0"
        assert (await store.journal(message(1))).ack == b"MSA|0"


async def test_acknowledgments_of_several_messages_are_not_mixed_up(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await asyncio.gather(*(store.journal(message(n)) for n in range(20)))
        answers = await asyncio.gather(
            *(store.keep_ack(one.message_id, f"MSA|{one.message_id}".encode(), "AA") for one in kept)
        )
        assert answers == [f"MSA|{one.message_id}".encode() for one in kept]


async def test_an_acknowledgment_of_no_message_is_refused_alone(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1))
        good, bad = await asyncio.gather(
            store.keep_ack(kept.message_id, b"MSA|AA", "AA"),
            store.keep_ack(999, b"MSA|AA", "AA"),
            return_exceptions=True,
        )
    assert good == b"MSA|AA"
    assert isinstance(bad, StoreError)
    assert "no message 999" in str(bad)


async def test_both_acknowledgments_of_enhanced_mode_are_given_again(where: str | Path) -> None:
    async with opened(where) as store:
        enhanced = message(1, request(), accept_ack=b"MSA|CA", application_due=True)
        first = await store.journal(enhanced)
        assert (first.accept_ack, first.ack) == (b"MSA|CA", None)
        again = await store.journal(message(1, accept_ack=b"MSA|CA|second"))
        assert (again.new, again.accept_ack, again.ack) == (False, b"MSA|CA", None)
        await store.keep_ack(first.message_id, b"MSA|AA", "AA")
        again = await store.journal(enhanced)
        assert (again.new, again.accept_ack, again.ack) == (False, b"MSA|CA", b"MSA|AA")


async def test_application_acknowledgments_are_owed_until_they_are_kept_and_over_a_restart(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        await store.journal(message("original"))
        await store.journal(message("not wanted", accept_ack=b"MSA|CA"))
        owed = [
            await store.journal(message(n, raw=b"MSH|%d" % n, application_due=True, accept_ack=b"MSA|CA"))
            for n in range(3)
        ]
        await store.keep_ack(owed[1].message_id, b"MSA|AA", "AA")
    async with opened(where) as store:
        assert await store.unanswered() == [
            Unanswered(owed[0].message_id, b"MSH|0", RECEIVED, '{"routes": []}'),
            Unanswered(owed[2].message_id, b"MSH|2", RECEIVED, '{"routes": []}'),
        ]
        await store.keep_ack(owed[0].message_id, b"MSA|AE", "AE")
        await store.keep_ack(owed[2].message_id, b"MSA|AA", "AA")
        assert await store.unanswered() == []


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 128, 130])
def test_messages_and_tasks_of_any_batch_are_kept(size: int, connection: Connection) -> None:
    calls = [(message(n, request(f"1.{n}"), request(f"2.{n}")),) for n in range(size)]
    with connection.begin():
        kept = journal(connection, calls)
        again = journal(connection, calls)
    assert [one.message_id for one in kept] == list(range(1, size + 1))
    assert [one.task_ids for one in kept] == [(2 * n + 1, 2 * n + 2) for n in range(size)]
    assert [(one.message_id, one.task_ids, one.new) for one in again] == [
        (one.message_id, one.task_ids, False) for one in kept
    ]


@settings(max_examples=25)
@given(st.lists(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9)), max_size=130), max_size=3))
def test_batches_with_messages_that_are_known_and_tasks_that_are_alike(
    batches: list[list[tuple[int, int]]],
) -> None:
    """Against a model: the first of each message counts, and of each study there is one task."""
    known: dict[int, tuple[int, ...]] = {}
    studies: dict[int, int] = {}
    with create_engine("sqlite://").connect() as connection, connection.begin():
        prepare(connection)
        for batch in batches:
            calls = [(message(number, request(f"1.{study}")),) for number, study in batch]
            kept = journal(connection, calls)
            for (number, study), one in zip(batch, kept, strict=True):
                assert one.new == (number not in known)
                if one.new:
                    known[number] = (studies.setdefault(study, len(studies) + 1),)
                assert one.task_ids == known[number]
            by_number = {number: one.message_id for (number, _), one in zip(batch, kept, strict=True)}
            assert len(set(by_number.values())) == len(by_number)


def test_of_messages_together_no_statement_reads_more_than_it_needs(connection: Connection) -> None:
    """Whatever the number of keys: of 64 digests SQLite once took every waiting task."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    for size in (1, 64):
        said: list[str] = []
        driver.set_trace_callback(said.append)
        with connection.begin():
            of_new = journal(connection, [(message((size, n), request(f"1.{n}")),) for n in range(size)])
            alike = journal(connection, [(message((-size, n), request(f"1.{n}")),) for n in range(size)])
            assert [one.task_ids for one in alike] == [one.task_ids for one in of_new]
            keep_ack(connection, [(one.message_id, b"MSA|AA", "AA", None) for one in of_new])
        driver.set_trace_callback(None)
        asked = [it for it in said if it.startswith(("SELECT", "UPDATE")) and "max(" not in it]
        assert any("alike IN" in it for it in asked)
        assert any("FROM (VALUES" in it for it in asked)
        plans = [row[3] for it in asked for row in driver.execute(f"EXPLAIN QUERY PLAN {it}")]
        too_much = tuple(f"SCAN {table}" for table in metadata.tables)
        assert [plan for plan in plans if plan.startswith(too_much) or "tasks_waiting" in plan] == []


def test_what_is_owed_an_acknowledgment_is_found_by_its_index(connection: Connection) -> None:
    plan = connection.exec_driver_sql(
        "EXPLAIN QUERY PLAN SELECT * FROM messages WHERE application_due AND ack IS NULL ORDER BY id"
    )
    assert [row[3] for row in plan] == ["SCAN messages USING INDEX messages_owed"]


@pytest.mark.parametrize(
    ("time", "sent"),
    [
        ("20240506070809", 20240506070809),
        ("20240506070809.1234+0200", 20240506070809),
        ("202405060708", 20240506070800),
        ("20240506+0200", 20240506000000),
        ("", 0),
        ("yesterday", 0),
        ("٢٠٢٤", 0),
        ("\udc80", 0),
        ("9" * 400, 99999999999999),
    ],
)
def test_messages_of_one_time_have_neighbouring_fingerprints(time: str, sent: int) -> None:
    header = Header(time=time, control_id="FF47111")
    of_one, of_other = fingerprint(b"one", header), fingerprint(b"other", header)
    assert int.from_bytes(of_one[:8], "big") == int.from_bytes(of_other[:8], "big") == sent
    assert of_one[8:15] == of_other[8:15] == b"FF47111"
    assert of_one != of_other
    assert of_one == fingerprint(b"one", header)
    assert len(of_one) == 47


def test_a_control_id_of_any_length_and_script_makes_a_short_fingerprint() -> None:
    for control_id in ("9" * 10_000, "\udc80" * 20, "日" * 40, ""):
        assert len(fingerprint(b"one", Header(control_id=control_id))) <= 100


async def test_numbers_and_patients_of_any_length_are_kept_and_found_again(where: str | Path) -> None:
    digits = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(100))
    order = Occasion("order", Number(digits), NO_NUMBER, (digits,))
    asking = replace(request(), patient=f"{digits}^HOSPITAL")
    async with opened(where) as store:
        merging = Meaning(merges=(Merge(PatientIdentifier(digits, "A"), PatientIdentifier("1", "A")),))
        await store.journal(message(1, asking, meaning=Meaning(occasions=(order,))))
        await store.journal(message(2, meaning=merging))
        assert digits in await store.identifiers("1", "A")
        (task,) = await store.waiting("pacs", 9)
        assert (await store.used(task, RECEIVED)).patient == (0, 0)
        taken_back = await store.journal(message(3, meaning=Meaning(withdrawn=(order,))))
    assert taken_back.withdrawn.canceled == (task.id,)
