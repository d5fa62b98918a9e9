"""Messages on their way to the engine, and the answers that come to them, wherever they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from engine.errors import MessageError
from engine.hl7.ack import AckCode
from engine.hl7.message import Message, best_header
from engine.hl7.mode import Condition, Mode, mode_of
from engine.hl7.path import FieldPath
from engine.sender import connect

_CODE, _CONTROL_ID = FieldPath.parse("MSA-1"), FieldPath.parse("MSA-2")
_ACCEPT = frozenset({AckCode.CA, AckCode.CE, AckCode.CR})
_CONNECT = 5.0  # seconds


@dataclass(slots=True)
class Sending:
    """One message as it was sent once. ``step`` and ``number`` count from 0; ``again``: 0 is the first time.

    ``accept`` is the accept acknowledgment of enhanced mode, ``answer`` the application acknowledgment or
    that of original mode. ``awaited`` are those that have to come before the next message is sent. ``fault``
    says why none came.
    """

    step: int
    number: int
    again: int
    payload: bytes
    mode: Mode
    control_id: str
    awaited: frozenset[str]
    accept: bytes | None = None
    answer: bytes | None = None
    fault: str = ""

    @property
    def complete(self) -> bool:
        missing = {kind for kind in self.awaited if getattr(self, kind) is None}
        if self.accept is not None and not code_of(self.accept).positive_accept:
            missing.discard("answer")  # refused at the first step: there is no second (HL7 v2 ch. 2.9.3.1)
        return not missing or bool(self.fault)


@dataclass(frozen=True, slots=True)
class _Told:
    """MSA-1 and MSA-2 of an answer."""

    code: str
    control_id: str

    @property
    def positive_accept(self) -> bool:
        return self.code == AckCode.CA


def code_of(answer: bytes) -> _Told:
    """What an answer says of itself; empty where it cannot be read."""
    try:
        message = Message(answer)
        return _Told(message.first(_CODE), message.first(_CONTROL_ID))
    except MessageError:
        return _Told("", "")


def sending(step: int, number: int, again: int, payload: bytes, wanted: dict[str, bool]) -> Sending:
    """``wanted``: whether an answer of this kind is expected, or none, where the scenario says so."""
    header = best_header(payload)
    mode = mode_of(header)
    due = (
        {"accept": mode.accept, "answer": mode.application} if mode.enhanced else {"answer": Condition.ALWAYS}
    )
    awaited = {kind for kind, condition in due.items() if condition is Condition.ALWAYS}
    awaited |= {kind for kind, some in wanted.items() if some and due.get(kind, Condition.NEVER) != "NE"}
    awaited -= {kind for kind, some in wanted.items() if not some}
    return Sending(step, number, again, payload, mode, header.control_id, frozenset(awaited))


@dataclass(slots=True)
class Conversation:
    """Everything that was sent and answered. ``strays`` are answers to nothing that was sent."""

    sendings: list[Sending] = field(default_factory=list)
    strays: list[bytes] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, answer: bytes, among: Sequence[Sending] | None = None) -> None:
        """Give an answer to the message that it is for: by MSA-2; if none is so called, to the oldest on its
        connection that lacks it."""
        told = code_of(answer)
        kind = "accept" if told.code in _ACCEPT else "answer"
        open_ones = [it for it in (self.sendings if among is None else among) if getattr(it, kind) is None]
        named = [it for it in open_ones if it.control_id == told.control_id]
        unnamed = open_ones if among is not None else []
        async with self.changed:
            if named or unnamed:
                setattr((named or unnamed)[0], kind, answer)
            else:
                self.strays.append(answer)
            self.changed.notify_all()

    async def wait_for(self, sent: Sending) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: sent.complete)


class Line:
    """A connection to the engine that stays open to the end of the scenario."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._sent: list[Sending] = []

    @asynccontextmanager
    async def opened(self, address: tuple[str, int]) -> AsyncIterator[Line]:
        """SendError where there is no connection."""
        self._connection = await connect(*address, _CONNECT)
        reading = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await self._connection.close()

    async def send(self, sent: Sending) -> None:
        """Send it and wait for the answers that have to come."""
        self._sent.append(sent)
        self._conversation.sendings.append(sent)
        with suppress(OSError):  # the reader says so
            await self._connection.write([sent.payload])
        await self._conversation.wait_for(sent)

    async def _read(self) -> None:
        try:
            while True:
                await self._conversation.take(await self._connection.acknowledgment(), self._sent)
        except (OSError, EOFError):
            fault = "the connection was closed"
        except ValueError as error:
            fault = f"an answer that is not MLLP ({error})"
        async with self._conversation.changed:
            for sent in self._sent:
                if not sent.complete:
                    sent.fault = fault
            self._conversation.changed.notify_all()
