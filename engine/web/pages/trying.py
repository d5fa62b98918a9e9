"""Try a message: what it would come to. Nothing of it is kept, and nothing moves."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import MessageError
from engine.retrieve.gate import switch_on
from engine.routing.admission import examine
from engine.telling.payloads import payloads_of
from engine.telling.preview import preview, preview_dict, refusal_dict
from engine.web.office import Office
from engine.web.pages.front import Front


async def show(front: Front, request: Request) -> Response:
    """GET /routes/try"""
    return front.press.page(request, "try.html", text="", told=None, fault="")


async def explain(front: Front, request: Request) -> Response:
    """POST /routes/try: ``message`` is one message or several. Whoever has it may see what stands in it, and
    is told no more of his patient than he has given."""
    async with request.form() as form:
        text = str(form.get("message", ""))
    try:
        told = await asyncio.to_thread(_told, front.office, text)
    except MessageError as error:
        return front.press.page(request, "try.html", text=text, told=None, fault=error.text)
    return front.press.page(request, "try.html", text=text, told=told, fault="")


def _told(office: Office, text: str) -> list[dict[str, Any]]:
    charset = office.config.engine.default_charset
    return [_one(office, payload) for payload in payloads_of(text, charset)]


def _one(office: Office, payload: bytes) -> dict[str, Any]:
    config = office.config
    now = dt.datetime.now(config.gate.zone)
    try:
        seen = preview(config, payload, now, switched_on=switch_on(os.environ))
        examine(seen.message.header, config.intake, config.table)
    except MessageError as error:
        return refusal_dict(error)
    return {"ruled_out": {}} | preview_dict(seen)
