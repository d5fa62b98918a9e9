"""Messages and tasks as CSV (RFC 4180), page by page as they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence

from starlette.responses import StreamingResponse

from engine.store.browse import browse_tasks, search_messages
from engine.telling.task_contents import CountersContent
from engine.web.api.messages import MessageTold, message_told
from engine.web.api.operation import Call
from engine.web.api.parameters import MOST_LISTED, MessageQuery, TaskQuery
from engine.web.api.task_rows import TaskRow, task_rows
from engine.web.masks import messages_behind
from engine.web.reading import read

_MESSAGE_COLUMNS = tuple(MessageTold.model_fields)
_COUNTED = tuple(CountersContent.model_fields)
_ENDED = ("cause", "text", "cure", "arrived", "dicom_status")
_TASK_COLUMNS = tuple(it for it in TaskRow.model_fields if it not in ("outcome", "counters"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet begins to calculate


async def export_messages(call: Call) -> StreamingResponse:
    """GET /messages.csv"""
    query = call.query(MessageQuery)
    first = await _message_rows(call, query, None)  # what cannot be read is refused before the answer begins
    return _attached("messages.csv", _messages(call, query, first))


async def export_tasks(call: Call) -> StreamingResponse:
    """GET /tasks.csv"""
    query = call.query(TaskQuery)
    first = await _task_rows(call, query, None)
    return _attached("tasks.csv", _tasks(call, query, first))


def _attached(name: str, lines: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")


_Page = tuple[list[MessageTold], int | None]


async def _message_rows(call: Call, query: MessageQuery, before: int | None) -> _Page:
    """A page, and before which number the next one begins. Older ones that it tells of already come again."""
    found = await read(search_messages, call.journal, query.filter(), before=before, limit=MOST_LISTED)
    seen = await read(messages_behind, call.masking, call.office, found.rows)
    if found.looked_to is not None:
        rows = [row for row in seen if row.id >= found.looked_to]
        return [message_told(row) for row in rows], found.looked_to
    full = len(seen) == MOST_LISTED
    return [message_told(row) for row in seen], seen[-1].id if full else None


async def _messages(call: Call, query: MessageQuery, page: _Page) -> AsyncIterator[str]:
    yield _lines([_MESSAGE_COLUMNS])
    rows, older = page
    while True:
        yield _lines([getattr(row, name) for name in _MESSAGE_COLUMNS] for row in rows)
        if older is None:
            return
        rows, older = await _message_rows(call, query, older)


async def _task_rows(call: Call, query: TaskQuery, before: int | None) -> list[TaskRow]:
    found = await read(browse_tasks, call.journal, query.filter(), before=before, limit=MOST_LISTED)
    return await read(task_rows, call.office, found, call.masking)


async def _tasks(call: Call, query: TaskQuery, rows: list[TaskRow]) -> AsyncIterator[str]:
    yield _lines([(*_TASK_COLUMNS, *_ENDED, *_COUNTED)])
    while rows:
        yield _lines(_task_cells(row) for row in rows)
        rows = await _task_rows(call, query, rows[-1].task_id)


def _task_cells(row: TaskRow) -> Sequence[object]:
    known = [getattr(row, name) for name in _TASK_COLUMNS]
    ended = [getattr(row.outcome, name, None) for name in _ENDED]
    return [*known, *ended, *(getattr(row.counters, name, None) for name in _COUNTED)]


def _lines(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula; what several texts are joined to is one."""
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
