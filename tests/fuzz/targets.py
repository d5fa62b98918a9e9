"""What must hold for any bytes at all. Each target takes bytes and raises where it does not hold."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from contextlib import suppress
from pathlib import Path

from engine.config import load
from engine.config.clock import clock_of
from engine.dispatcher import Dispatcher
from engine.dispatcher.work import Place
from engine.errors import MessageError
from engine.explanation import as_dict
from engine.hl7.ack import AckCode, AckError, Envelope, Reply, Severity, acknowledge
from engine.hl7.files import messages_of
from engine.hl7.message import Message, best_header
from engine.hl7.mllp import NEED_DATA, BlockReceived, Decoder, Event, JunkSkipped, frame
from engine.hl7.path import FieldPath
from engine.intake import Intake
from engine.outbox import Outbox
from engine.routing.router import decide, plan_of
from engine.scu import ArchiveClient
from engine.store import Store

ROOT = Path(__file__).parents[2]
CONFIG = load(ROOT / "routes.yaml")
NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
_LIMITS = (1, 7, 40, 4096)
_CONTROL = re.compile(rb"[\x00-\x0c\x0e-\x1a\x1c-\x1f]")  # but CR, and ESC of ISO 2022
_MSA_1 = FieldPath.parse("MSA-1")
_CODES = [[code.value] for code in AckCode]


def samples() -> list[bytes]:
    """Each message of the repository's sample files."""
    files = sorted((ROOT / "samples").glob("*.hl7"))
    return [message for file in files for message in messages_of(file.read_bytes())]


def check_decoder(data: bytes) -> None:
    """However a stream is cut, its blocks are the same. The first two bytes choose the limit and the cuts."""
    limit, size, stream = _LIMITS[data[0] % 4 if data else 0], data[1] % 16 + 1 if data[1:] else 1, data[2:]
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    whole, cut = _events([stream], limit), _events(pieces, limit)
    assert _without_junk(whole) == _without_junk(cut), "the cuts of a stream change its blocks"
    assert sum(event.size for event in whole if isinstance(event, JunkSkipped)) == sum(
        event.size for event in cut if isinstance(event, JunkSkipped)
    ), "the cuts of a stream change how much of it is junk"
    for event in whole:
        if isinstance(event, BlockReceived):
            assert len(event.payload) <= limit, "a block is larger than the limit"
            assert event.payload in stream, "a block is not what was sent"


def _events(chunks: list[bytes], limit: int) -> list[Event]:
    decoder = Decoder(limit)
    events: list[Event] = []
    for chunk in [*chunks, None]:
        if chunk is None:
            decoder.receive_eof()
        else:
            decoder.receive_data(chunk)
        while (event := decoder.next_event()) is not NEED_DATA:
            events.append(event)
    return events


def _without_junk(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, JunkSkipped)]


def check_message(data: bytes) -> None:
    """Any bytes are read, decided and explained, or refused by MessageError; and can be acknowledged."""
    header, text = best_header(data), data.decode("utf-8", "replace")
    try:
        message = Message(data)
    except MessageError as error:
        text = error.text
    else:
        header = message.header
        assert message.raw == data, "a message is not kept as it came"
        decision = decide(message, CONFIG.table, NOW)
        text += json.dumps(as_dict(message, decision))
        text += "".join(problem.text for problem in plan_of(decision).problems)
    text = text[:200] + text[-200:]
    errors = (AckError(Severity.ERROR, 102, text, "PID-3(2).1", (text, text, "L"), text),) * 2
    ack = acknowledge(header, Reply(AckCode.AE, text, errors), Envelope("FF1", NOW))
    check_acknowledgment(ack)
    if header.version != "":
        assert Message(ack).header.version, "the version is lost"


def check_acknowledgment(ack: bytes) -> None:
    """It goes through MLLP in one piece and can be read."""
    decoder = Decoder(len(ack))
    decoder.receive_data(frame(ack))
    assert decoder.next_event() == BlockReceived(ack), "the acknowledgment is more than one block"
    assert not _CONTROL.search(ack), "a control character in the acknowledgment"
    answer = Message(ack)
    assert answer.header.type_code == "ACK", "the acknowledgment is of another type"
    assert [value.text for value in answer.values(_MSA_1)] in _CODES, "not one MSA-1"
    assert set(answer.segment_ids) <= {"MSH", "MSA", "ERR"}, "a text has become a segment"


class CheckIntake:
    """Any bytes are answered by an acknowledgment, and never by way of a fault of ours.

    A real intake with a journal in ``folder``; the gate is closed, so that nothing goes anywhere.
    """

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._store = Store.open(folder / "journal.db")
        self._dispatcher = Dispatcher(
            store=self._store,
            policy=CONFIG.policy(switch_on=False),
            archives=CONFIG.archives,
            clients={name: ArchiveClient(archive) for name, archive in CONFIG.archives.items()},
            places={name: Place(destination) for name, destination in CONFIG.destinations.items()},
        )
        self._intake = Intake(
            config=CONFIG,
            store=self._store,
            dispatcher=self._dispatcher,
            clock=clock_of(CONFIG),
            outbox=Outbox(self._store),
        )
        self._loop.run_until_complete(self._dispatcher.start())

    def __call__(self, data: bytes) -> None:
        """Both ways in: a whole block, and the head of a broken one."""
        refusal = self._intake.refuse(data[:4096], "end block missing")
        answers = self._loop.run_until_complete(self._answers(data))
        for ack in answers if refusal is None else (*answers, refusal):
            check_acknowledgment(ack)
            assert b"fault in forefetch" not in ack, "a fault of ours"

    async def _answers(self, data: bytes) -> list[bytes]:
        """What is sent at once and later: nothing in original mode but one for each message, and none for an
        acknowledgment."""
        answer = await self._intake.receive(data, "a test")
        later = [await awaited for awaited in answer.later]
        return [*answer.now, *(ack for ack in later if ack is not None)]

    def close(self) -> None:
        """Stop the dispatcher and close the journal."""
        with suppress(RuntimeError):
            self._loop.run_until_complete(self._dispatcher.stop(0))
            self._loop.run_until_complete(self._store.close())
        self._loop.close()
