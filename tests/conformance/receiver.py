"""Forefetch itself as the receiver under test: a real engine on its own thread, simulated DICOM nodes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.app import Engine
from tests.hospital import ALLOWED, Hospital, hospital

ROUTES = """
routes:
  - name: study
    messages: ORM^O01
    when: {field: ORC-1, equals: RE}
    studies: {study: ZDS-1.1}
    from: main
    to: {field: PV1-3.1, map: {RAD: reading, NOWHERE: unknown}}
"""
NORMAL = ", max_message_bytes: 65536"
IMPATIENT = ", idle_timeout: 1s, frame_timeout: 0.3s"


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that listens on ``address``, and its hospital."""

    address: tuple[str, int]
    site: Hospital


@contextmanager
def running(folder: Path, settings: str = NORMAL) -> Iterator[Running]:
    """Run the engine beside the test, whose sockets block."""
    with hospital(folder, ROUTES, settings) as site:
        address: Future[tuple[str, int]] = Future()
        stop = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(_serve(site, address, stop)))
        thread.start()
        try:
            yield Running(address.result(30), site)
        finally:
            stop.set()
            thread.join()


async def _serve(site: Hospital, address: Future[tuple[str, int]], stop: threading.Event) -> None:
    try:
        async with Engine(site.config, ALLOWED) as engine:
            address.set_result(engine.address)
            await asyncio.to_thread(stop.wait)
    except BaseException as exc:
        if not address.done():
            address.set_exception(exc)
        raise
