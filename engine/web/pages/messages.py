"""Messages that came, and one of them with what became of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.hl7.charset import declared_sets, decode
from engine.hl7.patient import patient_values
from engine.retrieve.task import RetrieveTask
from engine.store.browse import Kept, kept_message, search_messages
from engine.telling.masking import Masking
from engine.telling.veiling import veiled_hold, veiled_task
from engine.waiting import Hold, holds
from engine.web.masks import decision_behind, message_behind, messages_behind
from engine.web.office import Office
from engine.web.pages.filters import address_of, as_typed, message_filter, row_number
from engine.web.pages.front import Front
from engine.web.reading import read
from engine.web.segments import Segment, segments_of

PAGE = 50
"""Rows of a list."""


async def show(front: Front, request: Request) -> Response:
    """GET /messages"""
    zone = front.office.config.gate.zone
    chosen = message_filter(request.query_params, zone)
    before = row_number(request.query_params.get("before"))
    found = await read(search_messages, front.office.journal, chosen, before=before, limit=PAGE + 1)
    rows = await read(messages_behind, front.masking(request), front.office, found.rows[:PAGE])
    more = found.looked_to
    if more is None and len(found.rows) > PAGE:
        more = rows[-1].id
    return front.press.page(
        request,
        "messages.html",
        rows=rows,
        chosen=chosen,
        before=before,
        since=as_typed(chosen.since, zone),
        until=as_typed(chosen.until, zone),
        newest=address_of(chosen),
        older=None if more is None else address_of(chosen, before=more),
        looked_to=found.looked_to,
    )


class View(NamedTuple):
    """A message as whoever asks may see it. ``decision`` is that of engine.explanation."""

    kept: Kept
    segments: list[Segment]
    whole: bool
    decision: dict[str, Any]
    acknowledgments: list[tuple[str, str]]
    tasks: list[RetrieveTask]
    holds: dict[int, Hold]


async def show_one(front: Front, request: Request) -> Response:
    """GET /messages/{id}"""
    number = row_number(request.path_params["id"])
    assert number is not None  # the route has it
    view = await read(_view, front.office, number, front.masking(request))
    if view is None:
        raise HTTPException(404, f"there is no message {number}: it never was, or its time is over")
    return front.press.page(request, "message.html", view=view)


def _view(office: Office, number: int, masking: Masking) -> View | None:
    kept = kept_message(office.journal, number)
    if kept is None:
        return None
    charset = office.config.engine.default_charset
    veil = masking.of(patient_values(kept.raw, charset))
    waits = holds(office.journal, office.config, kept.tasks).items()
    segments, whole = segments_of(kept.raw, charset, veil)
    answers = (("Accept acknowledgment", kept.accept_ack), ("Acknowledgment", kept.ack))
    return View(
        kept._replace(row=message_behind(veil, kept.row)),
        segments,
        whole,
        decision_behind(veil, kept.decision),
        [(name, veil.echo(_text(ack, charset))) for name, ack in answers if ack],
        [veiled_task(task, veil) for task in kept.tasks],
        {number: it for number, hold in waits if (it := veiled_hold(hold, veil)) is not None},
    )


def _text(block: bytes, charset: str) -> str:
    """A message to read, a segment a line."""
    return decode(block, declared_sets(block, charset), charset).text.replace("\r", "\n").strip("\n")
