"""Try a message: what it would come to. Nothing of it is kept, and nothing moves."""

from __future__ import annotations

import os
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import MessageError
from engine.retrieve.gate import switch_on
from engine.telling.explaining import explanation
from engine.telling.masking import Masking
from engine.telling.payloads import payloads_of
from engine.web.office import Office
from engine.web.pages.front import Front
from engine.web.reading import read


async def show(front: Front, request: Request) -> Response:
    """GET /routes/try"""
    return front.press.page(request, "try.html", text="", told=None, fault="")


async def explain(front: Front, request: Request) -> Response:
    """POST /routes/try: ``message`` is one message or several. Whoever has it may see what stands in it, and
    is told no more of his patient than he has given."""
    async with request.form() as form:
        text = str(form.get("message", ""))
    try:
        told = await read(_told, front.office, front.plain, text)
    except MessageError as error:
        return front.press.page(request, "try.html", text=text, told=None, fault=error.text)
    return front.press.page(request, "try.html", text=text, told=told, fault="")


def _told(office: Office, masking: Masking, text: str) -> list[dict[str, Any]]:
    config = office.config
    allowed = switch_on(os.environ)
    return [
        {"ruled_out": {}} | explanation(config, payload, masking, switched_on=allowed)
        for payload in payloads_of(text, config.engine.default_charset)
    ]
