"""Messages: a page of them, and one with all that is kept of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from pydantic import Field

from engine.hl7.charset import declared_sets, decode
from engine.hl7.patient import patient_values
from engine.store.browse import Kept, MessageRow, kept_message, search_messages
from engine.telling.content import Content
from engine.telling.masking import Masking, Veil
from engine.web.api.decisions import Decision
from engine.web.api.operation import PREFIX, Call
from engine.web.api.parameters import MessagePageQuery, Paged
from engine.web.api.problem import Refused
from engine.web.api.task_rows import TaskRow, task_rows
from engine.web.masks import decision_behind, message_behind, messages_behind
from engine.web.office import Office
from engine.web.reading import read
from engine.web.segments import segments_of


class MessageTold(Content):
    """A message in a list."""

    message_id: int = Field(description="Its number in the journal")
    received: str = Field(description="When it came, ISO 8601 in UTC")
    peer: str = Field(description="From where, host:port; or who asked by hand")
    sending_application: str = Field(description="MSH-3")
    sending_facility: str = Field(description="MSH-4")
    control_id: str = Field(description="MSH-10")
    message_type: str = Field(description="MSH-9, such as ORM^O01")
    ack_code: str = Field(description="MSA-1 of its acknowledgment; empty while there is none")
    acknowledged: str | None = Field(description="When it was acknowledged")
    size: int = Field(description="In bytes")


class MessagePage(Content):
    """A page of messages, newest first."""

    messages: list[MessageTold]
    next: str | None = Field(description="Where the next page is; null where this is the last one")
    looked_to: int | None = Field(
        description="With a filter for which messages have to be read: none before this number was looked "
        "at, but those that led to tasks. The next page goes on from there, and may tell of those again"
    )


class ValueTold(Content):
    """What stands in one place of a message."""

    path: str = Field(description="Such as PID-3(2).1")
    name: str = Field(description="As the standard names it; empty where it does not")
    text: str = Field(description="Without escape sequences")


class SegmentTold(Content):
    """A segment of a message."""

    name: str = Field(description="Such as PID")
    title: str = Field(description="What it is about")
    values: list[ValueTold] = Field(description="What stands in it; what is empty is left out")


class MessageDetail(Content):
    """All that is kept of a message."""

    message: MessageTold
    text: str | None = Field(description="As it came; null for those who may not see whose it is")
    segments: list[SegmentTold] = Field(description="Its fields, named")
    complete: bool = Field(description="Whether these are all of its values")
    decision: Decision = Field(description="What was decided on it, and why")
    acknowledgment: str | None = Field(description="What was answered; null where nothing was (yet)")
    accept_acknowledgment: str | None = Field(description="Of enhanced mode's first step")
    tasks: list[TaskRow] = Field(description="The tasks that it waits for, oldest first")


async def list_messages(call: Call) -> MessagePage:
    """GET /messages"""
    query = call.query(MessagePageQuery)
    found = await read(search_messages, call.journal, query.filter(), before=query.before, limit=query.limit)
    rows = await read(messages_behind, call.masking, call.office, found.rows)
    older = found.looked_to
    if older is None and len(found.rows) == query.limit:
        older = found.rows[-1].id
    return MessagePage(
        messages=[message_told(row) for row in rows],
        next=next_page(call, older),
        looked_to=found.looked_to,
    )


def next_page(call: Call, before: int | None) -> str | None:
    """The same question about what is older."""
    if before is None:
        return None
    asked = [it for it in call.request.query_params.multi_items() if it[0] not in Paged.model_fields]
    limit = call.request.query_params.get("limit")
    more = [("limit", limit)] if limit is not None else []
    return f"{call.request.url.path}?{urlencode([*asked, *more, ('before', str(before))])}"


async def tell_message(call: Call) -> MessageDetail:
    """GET /messages/{id}"""
    kept = await read(kept_message, call.journal, call.number)
    if kept is None:
        raise Refused(
            404, f"there is no message {call.number} in the journal", f"{PREFIX}/messages has those there are"
        )
    return await read(_detail, call.office, kept, call.masking)


def _detail(office: Office, kept: Kept, masking: Masking) -> MessageDetail:
    charset = office.config.engine.default_charset
    veil = masking.of(patient_values(kept.raw, charset))
    segments, complete = segments_of(kept.raw, charset, veil)
    return MessageDetail(
        message=message_told(message_behind(veil, kept.row)),
        text=_text(kept.raw, charset) if masking.shown else None,
        segments=[SegmentTold(name=it.name, title=it.title, values=_values(it.values)) for it in segments],
        complete=complete,
        decision=Decision.model_validate(decision_behind(veil, kept.decision)),
        acknowledgment=_answer(kept.ack, charset, veil),
        accept_acknowledgment=_answer(kept.accept_ack, charset, veil),
        tasks=task_rows(office, kept.tasks, masking),
    )


def message_told(row: MessageRow) -> MessageTold:
    """A row of the journal."""
    return MessageTold(
        message_id=row.id,
        received=row.received_at.isoformat(),
        peer=row.peer,
        sending_application=row.application,
        sending_facility=row.facility,
        control_id=row.control_id,
        message_type=row.message_type,
        ack_code=row.ack_code,
        acknowledged=None if row.acked_at is None else row.acked_at.isoformat(),
        size=row.size,
    )


def _values(values: Any) -> list[ValueTold]:
    return [ValueTold(path=it.path, name=it.name, text=it.text) for it in values]


def _answer(block: bytes | None, charset: str, veil: Veil) -> str | None:
    return None if block is None else veil.echo(_text(block, charset))


def _text(block: bytes, charset: str) -> str:
    return decode(block, declared_sets(block, charset), charset).text
