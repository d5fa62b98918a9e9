"""Looking through a journal page by page."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreError
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.selector import StudiesOfAccession
from engine.retrieve.task import RetrieveRequest
from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import NewMessage, browse, calls
from engine.store.browse import (
    MessageFilter,
    TaskFilter,
    browse_messages,
    browse_tasks,
    kept_message,
    search_messages,
    selected_by,
)
from tests.hospital import order

from . import FAILED, RECEIVED, message, opened, request

MINUTE = dt.timedelta(minutes=1)


def ordered(number: int, *requests: RetrieveRequest, **changes: Any) -> NewMessage:
    """An order of patient ``P<number>`` with accession number ``A<number>``."""
    raw = order(control_id=str(number), patient=f"P{number}", accession=f"A{number}")
    return message(number, *requests, **{"raw": raw, **changes})


def ids(where: str | Path, **wanted: Any) -> list[int]:
    return [row.id for row in browse_messages(where, MessageFilter(**wanted))]


def tasks(where: str | Path, **wanted: Any) -> list[int]:
    return [task.id for task in browse_tasks(where, TaskFilter(**wanted))]


async def test_messages_are_paged_newest_first(where: str | Path) -> None:
    async with opened(where) as store:
        for number in range(1, 8):
            await store.journal(message(number))
    first = browse_messages(where, MessageFilter(), limit=3)
    second = browse_messages(where, MessageFilter(), before=first[-1].id, limit=3)
    assert [row.control_id for row in first] == ["7", "6", "5"]
    assert [row.control_id for row in second] == ["4", "3", "2"]
    assert browse_messages(where, MessageFilter(), before=1) == []


async def test_a_row_tells_sender_answer_and_size(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1))
        await store.journal(message(2, ack=b"MSA|AE", ack_code="AE"))
    two, one = browse_messages(where, MessageFilter())
    assert (one.ack_code, one.acked_at) == ("", None)
    assert (two.ack_code, two.application, two.facility) == ("AE", "RIS", "HOSPITAL")
    assert two.received_at == RECEIVED
    assert two.acked_at is not None
    assert two.size == len(message(2).raw)


async def test_each_filter_of_a_column_takes_just_what_it_names(where: str | Path) -> None:
    other = {
        "message_type": "ADT^A08",
        "sending_application": "HIS^2.25.1^ISO",
        "sending_facility": "NORTH",
        "peer": "10.0.0.1:9",
        "ack": b"MSA|AR",
        "ack_code": "AR",
    }
    async with opened(where) as store:
        await store.journal(message(1))
        await store.journal(message(2, **other))
    for wanted in (
        {"message_type": "ADT"},
        {"message_type": "ADT^A08"},
        {"application": "HIS"},
        {"application": "HIS^2.25.1^ISO"},
        {"facility": "NORTH"},
        {"peer": "10.0.0.1"},
        {"peer": "10.0.0.1:9"},
        {"control_id": "2"},
        {"ack_code": "AR"},
    ):
        assert ids(where, **wanted) == [2], wanted
    for wanted in ({"message_type": "AD"}, {"application": "HI"}, {"peer": "10.0.0"}, {"facility": "north"}):
        assert ids(where, **wanted) == [], wanted


async def test_a_time_is_found_by_its_number_also_where_messages_are_not_quite_in_order(
    where: str | Path,
) -> None:
    minutes = [0, 1, 2, 4, 3, 30, 31, 60, 61]
    async with opened(where) as store:
        for number, minute in enumerate(minutes, 1):
            await store.journal(message(number, received_at=RECEIVED + minute * MINUTE))
    for since in range(0, 62, 3):
        for until in range(since, 62, 3):
            wanted = [n for n, at in enumerate(minutes, 1) if since <= at < until]
            found = ids(where, since=RECEIVED + since * MINUTE, until=RECEIVED + until * MINUTE)
            assert found == wanted[::-1]


async def test_messages_are_found_by_patient_and_accession_number_whatever_became_of_them(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        await store.journal(ordered(1))
        await store.journal(ordered(11, request()))
        await store.journal(message(3, raw=b"no message P1 at all"))
        await store.journal(message(4, raw=order(patient="P2").replace(b"PID|1||", b"PID|1||P1~")))
    assert ids(where, patient="P1") == [4, 1]
    assert ids(where, patient="P11") == [2]
    assert ids(where, accession="A11") == [2]
    assert ids(where, patient="P1", accession="A11") == []
    assert ids(where, patient="P11", accession="A11") == [2]
    assert ids(where, patient="P11", message_type="ADT") == []


async def test_an_id_that_is_escaped_in_the_message_is_found(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(ordered(1, raw=order(patient="R\\T\\D-1")))
        await store.journal(ordered(2, raw=order(patient="\\T\\")))
    assert ids(where, patient="R&D-1") == [1]
    assert ids(where, patient="&") == [2]


async def test_it_says_how_far_it_has_looked_and_finds_older_ones_by_their_tasks(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST_READ", 2)
    led = Meaning(occasions=(Occasion("order", Number("O1"), Number(), ("P1",)),))
    async with opened(where) as store:
        await store.journal(ordered(1, request(StudiesOfAccession("A1")), meaning=led))
        await store.journal(ordered(1, fingerprint=b"again"))
        await store.journal(ordered(3))
        await store.journal(ordered(4))
    for wanted in (MessageFilter(patient="P1"), MessageFilter(accession="A1")):
        found = search_messages(where, wanted)
        assert ([row.id for row in found.rows], found.looked_to) == ([1], 3)
        found = search_messages(where, wanted, before=found.looked_to)
        assert ([row.id for row in found.rows], found.looked_to) == ([2, 1], None)
    assert search_messages(where, MessageFilter(patient="P4"), limit=1).looked_to is None
    full = search_messages(where, MessageFilter(patient="P1"), limit=1)
    assert ([row.id for row in full.rows], full.looked_to) == ([1], 3)


async def test_of_columns_it_looks_at_so_many_rows(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST_ROWS", 2)
    async with opened(where) as store:
        for number in range(1, 4):
            await store.journal(message(number))
    assert search_messages(where, MessageFilter(control_id="1")) == ([], 2)
    assert search_messages(where, MessageFilter(control_id="1"), before=2).rows[0].id == 1


async def test_a_call_by_hand_is_found_by_its_task(where: str | Path) -> None:
    async with opened(where):
        call = calls.ask(where, request(StudiesOfAccession("A1")), "assistant")
    assert ids(where, accession="A1") == [call.message_id]
    assert tasks(where, accession="A1") == [1]


async def test_a_message_is_told_with_its_tasks(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(ordered(1, request("1.1"), request("1.2"), ack=b"A", accept_ack=b"C"))
        wanted = tuple(await store.tasks_of(kept.message_id))
    found = kept_message(where, kept.message_id)
    assert found is not None
    assert found.row == browse_messages(where, MessageFilter())[0]
    assert (found.raw, found.ack, found.accept_ack) == (ordered(1).raw, b"A", b"C")
    assert found.decision == ordered(1).decision
    assert found.tasks == wanted
    assert kept_message(where, 99) is None


async def test_tasks_are_found_by_whatever_is_known_of_them(where: str | Path) -> None:
    of_order = Meaning(occasions=(Occasion("order", Number("O1"), Number("F1"), ("P1",)),))
    asked = RetrieveRequest(request("1.1").selector, "pacs", "ws", ("one",), patient="P1^HOSP")
    async with opened(where) as store:
        await store.journal(ordered(1, asked, meaning=of_order))
        await store.journal(ordered(2, request("1.2", archive="old", destination="er")))
        await store.finish(2, FAILED)
    for wanted in (
        {"order": "O1"},
        {"order": "F1"},
        {"patient": "P1"},
        {"patient": "P1^HOSP"},
        {"study": "1.1"},
        {"route": "one"},
        {"archive": "pacs"},
        {"destination": "ws"},
        {"accession": "A1"},
        {"control_id": "1"},
        {"statuses": (TaskStatus.SCHEDULED, TaskStatus.HELD)},
    ):
        assert tasks(where, **wanted) == [1], wanted
    for nothing in ({"order": "O"}, {"patient": "P"}, {"accession": "A"}, {"control_id": "3"}):
        assert tasks(where, **nothing) == [], nothing
    assert tasks(where) == [2, 1]
    assert [task.id for task in browse_tasks(where, TaskFilter(), before=2)] == [1]


async def test_tasks_are_found_by_when_they_were_made(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1")))
        await store.journal(message(2, request("1.2")))
    two, one = browse_tasks(where, TaskFilter())
    assert tasks(where, since=two.created) == [2]
    assert tasks(where, until=two.created) == [1]
    assert tasks(where, since=one.created, until=two.created) == [1]
    assert selected_by(where, TaskFilter(since=two.created)).made_since == two.created


def test_a_journal_that_is_not_there_is_not_created_by_looking(tmp_path: Path) -> None:
    where = tmp_path / "journal"
    for call in (
        lambda: browse_messages(where, MessageFilter()),
        lambda: browse_tasks(where, TaskFilter(accession="A")),
        lambda: kept_message(where, 1),
    ):
        with pytest.raises(StoreError, match="there is no journal"):
            call()
    assert not where.exists()
