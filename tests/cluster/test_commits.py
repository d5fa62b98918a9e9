"""The connection to PostgreSQL is lost in the middle of a commit."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import make_url

from engine.errors import StoreError
from engine.store import Store
from engine.store.messages import Unanswered
from tests.cluster import journal
from tests.cluster.archive import by_study
from tests.cluster.here import ask, engines, through, until
from tests.cluster.orders import Fate, Order, message
from tests.cluster.senders import Book, Senders
from tests.cluster.site import Content, patient, site, study
from tests.cluster.wire import Lost, Wire, wire
from tests.hospital import field
from tests.postgres import Server
from tests.store import message as new_message


@pytest.fixture
def way(postgres: Server) -> Iterator[Wire]:
    with wire(postgres.port) as made:
        yield made


def name_of(shared: str) -> str:
    return str(make_url(shared).database)


async def test_what_was_committed_is_acknowledged_though_the_answer_is_lost(
    tmp_path: Path, postgres: Server, shared: str, way: Wire
) -> None:
    async with site(tmp_path, Content()) as around, engines(around, through(way, shared)) as (engine,):
        way.lose(iter([Lost.ANSWER]), b"CUT1")
        order = message("CUT1", "SC", patient("quick", 0), study_uid=study("quick", 0))
        (ack,) = await ask(engine, order)
        await until(lambda: around.holds(study("quick", 0)))
        again = await ask(engine, order)
    kept = journal.read(postgres, name_of(shared))
    assert way.lost == 1
    assert field(ack, "MSA-1") == "AA"
    assert again == [ack]
    assert [it.raw for it in kept.messages] == [order]
    assert [it.status for it in kept.tasks.values()] == ["COMPLETED"]
    assert len(around.main.carried) == 1


async def test_what_was_not_committed_is_refused_and_taken_when_it_is_sent_again(
    tmp_path: Path, postgres: Server, shared: str, way: Wire
) -> None:
    async with site(tmp_path, Content()) as around, engines(around, through(way, shared)) as (engine,):
        way.lose(iter([Lost.COMMIT]), b"CUT1")
        order = message("CUT1", "RE", patient("quick", 0), study_uid=study("quick", 0))
        (refused,) = await ask(engine, order)
        before = journal.read(postgres, name_of(shared))
        (ack,) = await ask(engine, order)
    assert way.lost == 1
    assert before.messages == []
    assert [field(it, "MSA-1") for it in (refused, ack)] == ["AR", "AA"]
    assert len(around.main.carried) == 1


async def test_what_a_crash_has_lost_is_not_taken_for_what_came_after_it(durable: Server) -> None:
    """The server gives the numbers of transactions that had not come to its disk to others."""
    name = durable.take_journal()
    store = Store.open(durable.url(name))

    def crash(_: object) -> None:
        event.remove(store._opened.engine, "commit", crash)
        durable.kill9()
        durable.start()
        for _ in range(3):
            durable.execute("SELECT pg_current_xact_id()", database=name)

    # Its first beat would bring what is written at the same time to the disk
    await until(lambda: durable.execute("SELECT beat FROM members", database=name) == [(1,)])
    event.listen(store._opened.engine, "commit", crash)
    with pytest.raises(StoreError):
        await store.journal(new_message(1))
    assert journal.read(durable, name).messages == []
    assert (await store.journal(new_message(1))).new
    await store.close()
    assert len(journal.read(durable, name).messages) == 1


async def test_an_application_acknowledgment_that_could_not_be_kept_is_kept_later(
    tmp_path: Path, shared: str, way: Wire
) -> None:
    book = Book()
    async with (
        site(tmp_path, Content(), book.hear_letter) as around,
        engines(around, through(way, shared)) as (engine,),
    ):
        way.lose(iter([None, Lost.COMMIT]), b"CUT1")  # the message is kept; what it came to is not
        order = message("CUT1", "RE", patient("quick", 0), study_uid=study("quick", 0), letter=True)
        (accepted,) = await ask(engine, order)
        await until(lambda: "CUT1" in book.letters, "its letter")
    assert way.lost == 1
    assert field(accepted, "MSA-1") == "CA"
    assert field(book.letters["CUT1"][0], "MSA-1") == "AA"


async def test_what_was_taken_up_and_nobody_heard_of_it_is_answered(
    tmp_path: Path, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for so long that the fate of the commit could not be asked for."""
    honestly = Store.unanswered
    tries = iter(["at the start nobody owes anything", "lost"])

    async def unanswered(store: Store, *, mine: bool = False) -> list[Unanswered]:
        this = next(tries, None)
        found = await honestly(store, mine=mine) if this in {None, "lost"} else []
        if this == "lost":
            raise StoreError("no answer")
        return found

    book = Book()
    order = message("CUT1", "RE", patient("slow", 0), study_uid=study("slow", 0), letter=True)
    async with site(tmp_path, Content(), book.hear_letter) as around:
        gone = Store.open(shared)
        await gone.journal(new_message(1, raw=order, application_due=True))
        await gone.close()
        monkeypatch.setattr(Store, "unanswered", unanswered)
        async with engines(around, shared):
            await until(lambda: "CUT1" in book.letters, "its letter")
    assert len(book.letters["CUT1"]) == 1


async def test_whatever_commits_are_lost_each_message_is_carried_out_once(
    tmp_path: Path, postgres: Server, shared: str, way: Wire
) -> None:
    """Of ten commits one is lost on its way there and one on its way back: those that claim, end, keep
    acknowledgments and deliver letters are among them."""
    book = Book()
    content = Content(quick=24)
    orders = [
        Order(
            f"L{number}",
            message(
                f"L{number}",
                "RE",
                patient("quick", number),
                study_uid=study("quick", number),
                letter=number % 2 == 0,
            ),
            Fate.ARRIVES,
            letter=number % 2 == 0,
        )
        for number in range(content.quick)
    ]
    async with (
        site(tmp_path, content, book.hear_letter, delay=0.01) as around,
        engines(around, through(way, shared), shared) as (engine, _),
    ):
        senders = Senders(book, lambda: engine.address, 10)
        way.lose(itertools.cycle([*[None] * 4, Lost.ANSWER, *[None] * 4, Lost.COMMIT]))
        await asyncio.gather(*(senders.converse(tuple(orders[at::6])) for at in range(6)))
        await until(lambda: len(book.letters) == len(orders) / 2, "letters")
        way.lose(iter(()))
        await until(lambda: all(it.final for it in journal.read(postgres, name_of(shared)).tasks.values()))
        kept = journal.read(postgres, name_of(shared))
    assert way.lost > 5
    assert sorted(it.control_id for it in kept.messages) == sorted(book.answers)
    assert {len(set(answers)) for answers in book.answers.values()} == {1}
    assert {len(set(letters)) for letters in book.letters.values()} == {1}
    assert {it.status for it in kept.tasks.values()} == {"COMPLETED"}
    assert set(by_study(around.main.carried).values()) == {1}
