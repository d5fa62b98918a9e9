"""The outbox in the journal: posted once, due in order, ended once."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store import LetterStatus, NewLetter, Store, list_letters

from . import execute, message, opened

NEVER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def new(payload: bytes = b"MSH|AA", port: int = 2576, host: str = "his") -> NewLetter:
    return NewLetter(host, port, payload, control_id="FF1", first=1, longest=8, give_up=60)


def later() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + HOUR


async def posted(store: Store, number: int, letter: NewLetter) -> int:
    """The number of a new message whose letter this is."""
    kept = await store.journal(message(number))
    await store.post(kept.message_id, letter)
    return kept.message_id


async def test_a_letter_is_kept_as_it_was_posted(where: str | Path) -> None:
    before = dt.datetime.now(dt.UTC)
    async with opened(where) as store:
        message_id = await posted(store, 1, new(b"MSH|\x00\xff"))
    async with opened(where) as store:
        (letter,) = await store.due_letters(later(), 10)
    assert (letter.message_id, letter.address, letter.payload) == (message_id, ("his", 2576), b"MSH|\x00\xff")
    assert (letter.control_id, letter.wait_for_accept, letter.first, letter.longest) == ("FF1", True, 1, 8)
    assert (letter.status, letter.attempts, letter.reason) == (LetterStatus.WAITING, 0, "")
    assert before <= letter.due_at == letter.created_at
    assert letter.give_up_at == letter.created_at + dt.timedelta(seconds=60)


async def test_of_a_message_the_first_letter_stays(where: str | Path) -> None:
    async with opened(where) as store:
        message_id = await posted(store, 1, new(b"first"))
        await asyncio.gather(*(store.post(message_id, new(b"late", port)) for port in (2576, 2577)))
        assert [letter.payload for letter in await store.due_letters(later(), 10)] == [b"first"]


async def test_a_letter_of_no_message_is_refused(where: str | Path) -> None:
    async with opened(where) as store:
        with pytest.raises(StoreError):
            await store.post(999, new())
        assert await store.due_letters(later(), 10) == []


async def test_a_letter_is_posted_with_the_acknowledgment_that_is_kept(where: str | Path) -> None:
    async with opened(where) as store:
        one, two, three = [(await store.journal(message(n))).message_id for n in range(3)]
        await asyncio.gather(
            store.keep_ack(one, b"AA", "AA", new(b"AA", 1)),
            store.keep_ack(one, b"AE", "AE", new(b"AE", 2)),
            store.keep_ack(two, b"AA", "AA"),
            store.keep_ack(three, b"AA", "AA", new(b"AA", 3)),
        )
        assert await store.keep_ack(two, b"AE", "AE", new(b"AE", 4)) == b"AA"
        letters = await store.due_letters(later(), 10)
    assert [(letter.message_id, letter.port) for letter in letters] == [(one, 1), (three, 3)]


async def test_an_acknowledgment_whose_letter_cannot_be_posted_is_not_kept(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1))
        broken = NewLetter("his", 2576, b"AA", control_id=None)  # type: ignore[arg-type]
        with pytest.raises(StoreError):
            await store.keep_ack(kept.message_id, b"AA", "AA", broken)
        assert (await store.journal(message(1))).ack is None
        assert await store.keep_ack(kept.message_id, b"AE", "AE", new(b"AE")) == b"AE"


async def test_only_the_oldest_waiting_letter_of_an_address_is_due(where: str | Path) -> None:
    async with opened(where) as store:
        for number, (host, port) in enumerate([("a", 1), ("a", 1), ("a", 2), ("b", 1), ("a", 1)]):
            await posted(store, number, new(b"%d" % number, port, host))
        due = await store.due_letters(later(), 10)
        assert [letter.payload for letter in due] == [b"0", b"2", b"3"]
        assert [letter.payload for letter in await store.due_letters(later(), 2)] == [b"0", b"2"]
        await store.defer(due[0].id, later() + HOUR, "no connection")
        assert [letter.payload for letter in await store.due_letters(later(), 10)] == [b"2", b"3"]
        assert await store.due_letters(later() + HOUR, 10) != []  # it is in hand again
        await store.delivered(due[0].id)
        assert [letter.payload for letter in await store.due_letters(later(), 10)] == [b"1", b"2", b"3"]
        assert await store.due_letters(NEVER, 10) == []


async def test_the_next_due_time_is_that_of_the_first_letter_that_is_not_due(where: str | Path) -> None:
    async with opened(where) as store:
        assert await store.next_letter_due(NEVER) is None
        await posted(store, 1, new(port=1))
        await posted(store, 2, new(port=2))
        one, two = await store.due_letters(later(), 10)
        assert await store.next_letter_due(NEVER) == one.due_at
        at = later()
        await store.defer(two.id, at, "no connection")
        await store.defer(one.id, at + HOUR, "no connection")
        assert await store.next_letter_due(NEVER) == at
        assert await store.next_letter_due(at) == at + HOUR
        assert await store.next_letter_due(at + HOUR) is None


async def test_a_letter_that_has_ended_stays_as_it_is(where: str | Path) -> None:
    async with opened(where) as store:
        for number in range(3):
            await posted(store, number, new(port=number))
        one, two, three = await store.due_letters(later(), 10)
        await store.defer(one.id, one.due_at, "no connection")
        await store.due_letters(later(), 10)
        await store.delivered(one.id)
        await store.refused(two.id, "CR")
        await store.give_up(three.id, "three days")
        for letter in (one, two, three):
            await store.delivered(letter.id)
            await store.refused(letter.id, "late")
            await store.give_up(letter.id, "late")
            await store.defer(letter.id, NEVER, "late")
        assert await store.due_letters(later(), 10) == []
    ended = [(letter.status, letter.attempts, letter.reason) for letter in list_letters(where)]
    assert ended == [
        (LetterStatus.GIVEN_UP, 1, "three days"),
        (LetterStatus.REFUSED, 1, "CR"),
        (LetterStatus.DELIVERED, 2, ""),
    ]


async def test_letters_are_listed_newest_first_while_the_journal_is_written(where: str | Path) -> None:
    async with opened(where) as store:
        ids = [await posted(store, number, new(port=number)) for number in range(3)]
        await store.delivered((await store.due_letters(later(), 1))[0].id)
        assert [letter.message_id for letter in list_letters(where)] == ids[::-1]
        assert [letter.message_id for letter in list_letters(where, limit=1)] == ids[2:]
        delivered = list_letters(where, statuses=[LetterStatus.DELIVERED])
    assert [letter.message_id for letter in delivered] == ids[:1]


def test_the_payload_is_not_in_what_a_log_would_show() -> None:
    assert "PATIENT" not in repr(new(b"PATIENT"))


async def test_a_letter_of_an_unknown_status_is_an_error(where: str | Path) -> None:
    async with opened(where) as store:
        await posted(store, 1, new())
    execute(where, "UPDATE outbox SET status = 'LOST'")
    with pytest.raises(StoreError, match="letter 1 in the journal has an unknown status"):
        list_letters(where)
