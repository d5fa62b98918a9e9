"""What a request brings: read whole, up to a limit, so that it can be looked at and then passed on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message, Receive


class TooLarge(Exception):
    """It brings more than it may."""


async def read_body(request: Request, limit: int) -> bytes:
    """All of it. TooLarge beyond ``limit`` bytes; starlette's ClientDisconnect where it does not come."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooLarge
    return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """What an application reads: the body, and then what comes after it."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay
