"""Medplum's HL7 sender and receiver (npm package ``@medplum/hl7``), each as a process of Node.js."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.peers.orders import Acknowledgment
from tests.peers.processes import NODE_MODULES, npm_package

_SCRIPTS = Path(__file__).parent / "medplum"
_PATIENCE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Event:
    """What medplum told: ``sent``, ``received``, ``settled`` (its own judgment that the application
    acknowledgment is there), ``closed``. ``at`` is in milliseconds of its own clock."""

    kind: str
    at: float
    text: str

    @property
    def acknowledgment(self) -> Acknowledgment:
        """As python-hl7 reads it."""
        return Acknowledgment.read(self.text.encode())


class Medplum:
    """A running script. Its events come in the order in which they happened."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(process.stdout,))
        self._reader.start()

    def send(self, *messages: bytes) -> None:
        """Without waiting for an answer between them."""
        lines = [json.dumps(message.decode()) + "\n" for message in messages]
        self._input.write("".join(lines))
        self._input.flush()

    def next(self, *kinds: str) -> Event:
        """The next event of these kinds; those before it are passed over."""
        while True:
            event = self._events.get(timeout=_PATIENCE)
            assert event is not None, "medplum has ended; its complaint is on standard error"
            if event.kind in kinds:
                return event

    def end(self) -> list[Event]:
        """End it; what nobody has asked for."""
        self._input.close()
        self._reader.join(_PATIENCE)
        left = [self._events.get() for _ in range(self._events.qsize())]
        return [event for event in left if event is not None]

    def _read(self, output: IO[str]) -> None:
        for line in output:
            told = json.loads(line)
            for text in _blocks(told["text"]):
                self._events.put(Event(told["event"], told["at"], text))
        self._events.put(None)


def _blocks(text: str) -> list[str]:
    """Medplum 4.5 takes MLLP blocks that arrive together for one message."""
    return text.split("\x1c\r\x0b")


@contextmanager
def sender(port: int) -> Iterator[Medplum]:
    """An Hl7Client with a connection to this port."""
    with _running("sender.cjs", str(port)) as medplum:
        medplum.next("ready")
        yield medplum


@contextmanager
def receiver() -> Iterator[tuple[int, Medplum]]:
    """An Hl7Server in enhanced mode, and its port."""
    with _running("receiver.cjs") as medplum:
        yield int(medplum.next("ready").text), medplum


@contextmanager
def _running(script: str, *arguments: str) -> Iterator[Medplum]:
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is not installed; install it with: apt-get install nodejs npm", pytrace=False)
    npm_package("@medplum/hl7")
    process = subprocess.Popen(
        [node, _SCRIPTS / script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )
    medplum = Medplum(process)
    with process:
        try:
            yield medplum
        finally:
            medplum.end()
            try:
                assert process.wait(_PATIENCE) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                raise
