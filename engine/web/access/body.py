"""What a request brings: read whole, up to a limit, so that it can be looked at and then passed on."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

_PATIENCE = 30.0  # seconds: who never comes to the end of it holds one of the connections that there are


class TooLarge(Exception):
    """It brings more than it may."""


async def read_body(request: Request, limit: int) -> bytes:
    """All of it. TooLarge beyond ``limit`` bytes; starlette's ClientDisconnect where it does not come."""
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise TooLarge
    except TimeoutError as error:
        raise ClientDisconnect from error
    return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """What an application reads: the body, and then what comes after it."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay
