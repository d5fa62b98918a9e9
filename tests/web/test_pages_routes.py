"""Routes in words, and what a message would come to that is only tried."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlalchemy import update

from engine.config import parse
from engine.store.browse import MessageFilter, browse_messages
from engine.store.hits import route_hits
from engine.store.reader import opened
from engine.store.schema import messages
from engine.web.office import Role
from tests.hospital import CHEST_CT, order
from tests.web.reception import HOSTILE, Reception, pages_of


async def test_each_route_is_told_in_words_with_how_often_it_has_matched(desk: Reception) -> None:
    page = await desk.see("/routes")
    assert "the newest 5 messages" in page
    article = next(it for it in page.split("<article") if ">study</h2>" in it)
    assert "<b>2</b> matched" in article
    assert "ORC-1 is &#39;RE&#39;" in article
    assert "the study in ZDS-1.1, only the series in ZDS-2.1" in article
    assert "unknown where PV1-3.1 is &#39;NOWHERE&#39;" in article
    assert "reading otherwise" in article
    assert "acknowledged with the outcome, within 20 s" in article


async def test_priors_terms_and_what_is_disabled_are_told(desk: Reception) -> None:
    page = await desk.see("/routes")
    assert "of modality CT or MR, not older than 5 years" in page
    assert "a person must approve it, within 1d" in page
    assert "disabled</span>" in page


async def test_routes_are_found_by_their_names(desk: Reception) -> None:
    assert re.findall(r'<h2 id="route-\d+">(\w+)</h2>', await desk.see("/routes?q=DA")) == ["dark"]


def test_hits_are_counted_over_the_newest_messages_alone(desk: Reception) -> None:
    hits = route_hits(desk.office.journal, newest=2)
    assert (hits.looked, dict(hits.by_route)) == (2, {"asks": 1})


async def test_a_decision_that_cannot_be_read_spoils_no_other_page(desk: Reception) -> None:
    with opened(desk.office.journal, read_only=False) as connection:
        number = browse_messages(desk.office.journal, MessageFilter())[0].id
        connection.execute(update(messages).where(messages.c.id == number).values(decision="{broken"))
        connection.commit()
    assert "the newest 5 messages" in await desk.see("/routes")
    assert "a fault of Forefetch itself" in await desk.see(f"/messages/{number}", status=500)


async def test_a_message_that_is_tried_is_explained_and_not_kept(desk: Reception) -> None:
    before = browse_messages(desk.office.journal, MessageFilter())
    text = order("RE", control_id="TRIED", study=CHEST_CT).decode().replace("\r", "\r\n")
    page = await desk.post("/routes/try", {"message": text}, Role.VIEWER)
    assert f"<b>study {CHEST_CT}</b>, from main to reading" in page
    assert "does not match" in page
    assert browse_messages(desk.office.journal, MessageFilter()) == before


async def test_what_keeps_it_from_moving_is_told(desk: Reception) -> None:
    page = await desk.post("/routes/try", {"message": order("HO", study=CHEST_CT).decode()})
    assert "Gate closed (approval)" in page


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no message"),
        ("MSH|^~\\&|A|B|C|D|2026||ORM^O01||P|2.5\r", "MSH-10"),
        ("nonsense", "It would be refused with"),
    ],
)
async def test_what_would_be_refused_is_told_with_the_place(
    desk: Reception, text: str, sentence: str
) -> None:
    assert sentence in await desk.post("/routes/try", {"message": text})


STRICT = """
archives: {main: {ae_title: A, host: 127.0.0.1, port: 1}}
destinations: {room: {ae_title: R}}
routes:
  - {name: strict, messages: ORM^O01, studies: {study: ZDS-1.1}, from: main, to: room, validate: true}
"""


async def test_what_is_not_valid_where_a_route_validates_is_refused_as_the_engine_does(
    desk: Reception,
) -> None:
    desk.app = pages_of(replace(desk.office, config=parse(STRICT)))
    page = await desk.post("/routes/try", {"message": order("RE", study=CHEST_CT).decode()})
    assert "It would be refused with AE" in page


async def test_markup_in_what_is_tried_stays_text(desk: Reception) -> None:
    page = await desk.post(
        "/routes/try", {"message": order(control_id=HOSTILE).decode() + f"</textarea>{HOSTILE}"}
    )
    assert HOSTILE not in page
    assert page.count("</textarea>") == 1
