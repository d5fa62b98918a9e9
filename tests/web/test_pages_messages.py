"""Messages on pages: found, paged, with their fields named, and with their patients hidden."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from sqlalchemy import update

from engine.hl7.patient import PatientValues, patient_values
from engine.store.browse import MessageFilter, browse_messages
from engine.store.reader import opened
from engine.store.schema import messages as table
from engine.telling.masking import Masking
from engine.web.office import Role
from engine.web.pages import messages
from engine.web.segments import MOST_VALUES, field_name, segments_of
from tests.hospital import order
from tests.web.reception import HOSTILE, Reception

SHOWN = Masking(shown=True).of(PatientValues())


def rows(page: str) -> list[str]:
    return re.findall(r'<a href="/messages/(\d+)">', page)


def number_of(desk: Reception, control_id: str) -> int:
    return browse_messages(desk.office.journal, MessageFilter(control_id=control_id))[0].id


async def test_messages_are_listed_newest_first_with_their_answers(desk: Reception) -> None:
    page = await desk.see("/messages")
    assert rows(page) == ["5", "4", "3", "2", "1"]
    assert "<b>AE</b> error" in page
    assert "<b>AA</b> accepted" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("control_id=FAILS", ["2"]),
        ("patient=FF-2002", ["5"]),
        ("ack_code=ae", ["2"]),
        ("message_type=ORM&application=HIS&facility=HOSP&control_id=HELD", ["4"]),
        ("since=2000-01-01T00:00&until=2000-01-02T00:00", []),
        ("application=OTHER", []),
    ],
)
async def test_a_filter_leaves_what_is_meant(desk: Reception, query: str, found: list[str]) -> None:
    assert rows(await desk.see(f"/messages?{query}")) == found


async def test_older_ones_are_on_the_next_page_of_the_same_filter(
    desk: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "PAGE", 2)
    page = await desk.see("/messages?application=HIS")
    seen = rows(page)
    while (older := re.search(r'href="([^"]*)" rel="next"', page)) is not None:
        assert "application=HIS" in older[1]
        page = await desk.see(older[1].replace("&amp;", "&"))
        seen += rows(page)
    assert seen == ["5", "4", "3", "2", "1"]
    assert "That is the oldest." in page


async def test_the_csv_link_has_the_same_filter(desk: Reception) -> None:
    page = await desk.see("/messages?control_id=A%26B&before=3")
    assert 'href="/api/v1/messages.csv?control_id=A%26B"' in page


async def test_what_is_no_time_is_answered_with_the_form_of_one(desk: Reception) -> None:
    assert "since: a time such as 2026-11-24T08:00" in await desk.see("/messages?since=soon", status=400)


async def test_fields_are_named_beside_their_paths(desk: Reception) -> None:
    page = await desk.see(f"/messages/{number_of(desk, 'ARRIVES')}")
    for path, name, value in (
        ("PID-3.1", "Patient identifier list: ID number", "FF-1001"),
        ("PID-5.1", "Patient name: Family name", "Aalto"),
        ("ORC-1", "Order control", "RE"),
    ):
        row = (
            rf"<code>{re.escape(path)}</code></th><td class=\"muted\">{name}</td><td class=\"value\">{value}<"
        )
        assert re.search(row, page), path


async def test_the_decision_the_answer_and_the_tasks_are_told(desk: Reception) -> None:
    page = await desk.see(f"/messages/{number_of(desk, 'FAILS')}")
    assert "ORC-1 is &#39;RE&#39;" in page
    assert "MSA|AE|FAILS|" in page
    assert "enter the destination&#39;s AE title, host and port in the archive" in page


async def test_markup_in_a_name_stays_text(desk: Reception) -> None:
    page = await desk.see(f"/messages/{number_of(desk, 'NOTHING')}")
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


async def test_a_viewer_sees_no_patient(desk: Reception) -> None:
    page = await desk.see(f"/messages/{number_of(desk, 'PRIORS')}", Role.VIEWER)
    assert not re.search("FF-1001|Aalto|Mira|19610314", page)
    assert "masked-" in page
    assert "ORC-1" in page


async def test_a_control_id_that_is_a_patients_is_masked_too(desk: Reception) -> None:
    number = number_of(desk, "HELD")
    with opened(desk.office.journal, read_only=False) as connection:
        this = update(table).where(table.c.id == number)
        connection.execute(this.values(control_id="FF-1001-0001"))
        connection.commit()
    for address in ("/messages", f"/messages/{number}"):
        assert "FF-1001-0001" in await desk.see(address)
        assert "FF-1001" not in await desk.see(address, Role.VIEWER)


async def test_a_message_that_is_not_there_is_told_with_the_reason(desk: Reception) -> None:
    assert "there is no message 99" in await desk.see("/messages/99", status=404)
    assert "is no number" in await desk.see("/messages/x", status=404)


async def test_where_there_is_no_journal_the_page_says_so(desk: Reception) -> None:
    await asyncio.to_thread(Path(desk.office.journal).unlink)
    assert "there is no journal" in await desk.see("/messages", status=503)


def test_repetitions_components_and_subcomponents_have_paths() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5\rPID|||1^^^X&1.2&ISO~2\rOBX|1\rOBX|2||T\\F\\U\r"
    found, whole = segments_of(raw, "UNICODE UTF-8", SHOWN)
    values = {value.path: value.text for segment in found for value in segment.values}
    assert whole
    assert values["PID-3.4.2"] == "1.2"
    assert values["PID-3(2)"] == "2"
    assert values["OBX(2)-3"] == "T|U"
    assert values["MSH-2"] == "^~\\&"


def test_a_message_without_end_is_cut_and_that_is_said() -> None:
    raw = order() + b"NTE|1||" + b"~".join([b"x"] * (MOST_VALUES + 5)) + b"\r"
    found, whole = segments_of(raw, "UNICODE UTF-8", SHOWN)
    assert not whole
    assert sum(len(segment.values) for segment in found) == MOST_VALUES


@pytest.mark.parametrize(
    "raw", [b"", b"not HL7 at all", b"MSH", b"MSH|", b"\xff\xfe|\r\x00", b"MSH|^~\\&|\xff"]
)
def test_what_was_refused_is_looked_at_too(raw: bytes) -> None:
    assert segments_of(raw, "UNICODE UTF-8", SHOWN)[1]


def test_a_version_that_nobody_knows_is_read_as_one_that_somebody_knows() -> None:
    assert field_name("PID", 3, 1, "9.9") == "Patient identifier list: ID number"
    assert field_name("ZDS", 1, 1, "2.5.1") == ""


@pytest.mark.parametrize("begin", [b"", b"MSH|^~\\&|A|B\r"])
def test_what_is_left_of_a_segment_shows_no_patient_to_a_viewer(begin: bytes) -> None:
    raw = begin + b"garbage PID|1||FF-1001||Aalto^Mira\r"
    veil = Masking(shown=False).of(patient_values(raw, "UTF-8"))
    told = str(segments_of(raw, "UTF-8", veil))
    assert not [it for it in ("FF-1001", "Aalto", "Mira") if it in told]
