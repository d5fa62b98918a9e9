"""The lives of an engine as a test sees them: begun, listening, killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.crash.nursery import ENDED
from tests.crash.points import STRUCK
from tests.hospital import ALLOWED

_LISTENING = re.compile(r"listening on ([\d.]+):(\d+)")
_ENVIRONMENT = {**os.environ, **ALLOWED}
_PLAIN = [sys.executable, "-c", "from engine.cli import main; main()"]
_SHOWN = 60  # lines of a log
_PATIENCE = 60.0  # seconds for whatever must happen

_T = TypeVar("_T")

KILLED = -signal.SIGKILL


class Life:
    """One ``forefetch serve``. ``struck`` is the point that it has ended at, where it was one."""

    def __init__(self, send_signal: Callable[[signal.Signals], None]) -> None:
        self.send_signal = send_signal
        self.struck = ""
        self._address: asyncio.Future[tuple[str, int] | None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._lines: list[str] = []

    @property
    def log(self) -> str:
        """The end of what it has written."""
        return "".join(self._lines[-_SHOWN:])

    async def address(self) -> tuple[str, int] | None:
        """Where it listens; None where it ended before."""
        return await self._in_time(self._address)

    async def ended(self) -> int:
        """Its exit status, negative where a signal ended it."""
        return await self._in_time(self._ended)

    def hear(self, line: str) -> None:
        """A line of its standard error."""
        if line.startswith(STRUCK):
            self.struck = line.split(maxsplit=1)[1].rsplit(maxsplit=1)[0]
        elif line.startswith(ENDED):
            self.end(int(line.split()[1]))
        elif (match := _LISTENING.search(line)) and not self._address.done():
            self._address.set_result((match[1], int(match[2])))
        self._lines.append(line)

    def end(self, status: int) -> None:
        """It has ended."""
        self._ended.set_result(status)
        if not self._address.done():
            self._address.set_result(None)

    async def ends_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        await asyncio.wait([self._ended], timeout=seconds)
        return self._ended.done()

    async def _in_time(self, future: asyncio.Future[_T]) -> _T:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.shield(future)
        except TimeoutError:
            raise AssertionError(f"the engine neither goes on nor ends:\n{self.log}") from None


class Nursery:
    """Begins lives, one at a time. `nursery` makes one."""

    def __init__(self, commands: asyncio.StreamWriter) -> None:
        self._commands = commands
        self._life: Life | None = None

    def bear(self, routes: Path, crash: str = "") -> Life:
        """Begin a life, which ends at the point ``crash`` if it gets there."""
        self._tell(json.dumps({"arguments": ["serve", "-c", str(routes)], "crash": crash}))
        self._life = Life(lambda number: self._tell(number.name.removeprefix("SIG")))
        return self._life

    def hear(self, line: str) -> None:
        """A line of the standard error of all lives."""
        if self._life is not None:
            self._life.hear(line)

    def _tell(self, line: str) -> None:
        self._commands.write(f"{line}\n".encode())


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """A process that forks the lives; with it ends the last one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.nursery"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stderr is not None
    forking = Nursery(process.stdin)
    listening = asyncio.create_task(_hear(process.stderr, forking.hear))
    try:
        yield forking
    finally:
        process.stdin.close()
        await process.wait()
        await listening


@asynccontextmanager
async def plain(routes: Path) -> AsyncIterator[Life]:
    """``forefetch serve`` as anybody starts it, without a fork."""
    process = await asyncio.create_subprocess_exec(
        *(*_PLAIN, "serve", "-c", str(routes)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    life = Life(process.send_signal)

    async def watch(errors: asyncio.StreamReader) -> None:
        await _hear(errors, life.hear)
        life.end(await process.wait())

    watching = asyncio.create_task(watch(process.stderr))
    try:
        yield life
    finally:
        if process.returncode is None:
            process.kill()
        await watching


async def _hear(errors: asyncio.StreamReader, told: Callable[[str], object]) -> None:
    async for line in errors:
        told(line.decode("utf-8", "replace"))
