"""The demo: every sample through a real engine, between simulated nodes, over real connections."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from engine.app import Engine
from engine.cli.expectation import read_expected
from engine.cli.rendering import print_ack
from engine.config import Config
from engine.config.clock import clock_of
from engine.errors import MessageError
from engine.hl7.files import messages_of
from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.retrieve.gate import SWITCH
from engine.retrieve.task import RetrieveTask
from engine.routing.router import decide, routes_of
from engine.scenario.nodes import on_simulated_nodes, simulated_nodes
from engine.sender import send
from engine.simulator import SimulatedDestination
from engine.store import list_tasks
from engine.telling.line import STYLES

_PATIENCE = 30.0  # seconds for tasks whose outcome the ACK did not wait for


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    payload: bytes
    expected_ack: str


async def run(config: Config, files: Sequence[Path], out: Console) -> bool:
    """Send every sample; whether every ACK was the one that its ``.expected.yaml`` names."""
    began = time.monotonic()
    samples = [sample for file in files for sample in _samples(file)]
    with TemporaryDirectory(prefix="forefetch-demo-") as folder, simulated_nodes(config) as nodes:
        settings = on_simulated_nodes(config, nodes, str(Path(folder) / "demo.db"))
        async with Engine(settings, {SWITCH: "true"}) as engine:
            out.print(f"engine on {engine.address[0]}:{engine.address[1]}, {len(samples)} messages to send\n")
            show = _Show(settings, nodes.destinations, out)
            good = [await show.one(sample, engine.address) for sample in samples]
    objects = sum(destination.arrived() for destination in nodes.destinations.values())
    out.print(
        f"{len(samples)} messages, {sum(good)} acknowledged as expected, {show.moved} retrieves, "
        f"{objects} different objects arrived, {time.monotonic() - began:.1f} s",
        style="bold green" if all(good) else "bold red",
    )
    return all(good)


def _samples(file: Path) -> list[_Sample]:
    data = file.read_bytes()
    beside = file.with_suffix(".expected.yaml")
    expected = read_expected(beside) if beside.exists() else []
    payloads = messages_of(data)
    if (len(payloads) != len(expected) == 1) or not payloads:
        payloads = [data]  # meant as one block, whatever is in it
    acks = [str(part.get("ack", "")) for part in expected] or [""] * len(payloads)
    return [_Sample(file.name, payload, ack) for payload, ack in zip(payloads, acks, strict=True)]


class _Show:
    """Sends samples one by one and tells what each led to."""

    def __init__(
        self, config: Config, destinations: Mapping[str, SimulatedDestination], out: Console
    ) -> None:
        self._config = config
        self._destinations = destinations
        self._out = out
        self._seen = 0  # the last task that was told of
        self.moved = 0

    async def one(self, sample: _Sample, address: tuple[str, int]) -> bool:
        self._out.print(sample.name, style="bold")
        self._decision(sample.payload)
        before = self._arrivals()
        ack = (await send(*address, [sample.payload]))[0]
        code = Message(ack).first(FieldPath.parse("MSA-1"))
        for task in await self._ended():
            self._task(task)
        for (name, study), count in (self._arrivals() - before).items():
            self._out.print(f"  arrived  {count} objects of {study} at {name}", style="green")
        print_ack(self._out, "  ACK     ", ack)
        good = code == sample.expected_ack or not sample.expected_ack
        if not good:
            self._out.print(f"  expected {sample.expected_ack}", style="bold red")
        self._out.print()
        return good

    def _decision(self, payload: bytes) -> None:
        try:
            message = Message(payload, self._config.engine.default_charset)
        except MessageError as error:
            self._out.print(f"  message  cannot be read: {error.text}")
            return
        decision = decide(message, self._config.table, clock_of(self._config)())
        self._out.print(f"  message  {message.header.message_type} {message.header.version}")
        self._out.print(f"  routes   {', '.join(routes_of(decision)) or 'none'}")

    async def _ended(self) -> list[RetrieveTask]:
        """The tasks of the last message, once all are final."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            tasks = [
                task for task in list_tasks(self._config.engine.store, limit=100) if task.id > self._seen
            ]
            if all(task.status.final or task.request.due for task in tasks) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.02)
        self._seen = max((task.id for task in tasks), default=self._seen)
        return sorted(tasks, key=lambda task: task.id)

    def _task(self, task: RetrieveTask) -> None:
        outcome = task.outcome.text if task.outcome is not None else ""
        what = "retrieve" if task.is_move else "find    "
        self.moved += task.is_move
        line = f"  {what} {task.request.selector} to {task.request.destination}: {task.status}, {outcome}"
        self._out.print(line, style=STYLES[task.status])
        for choice in task.choices:
            self._out.print(f"           {'+' if choice.taken else '-'} {choice.reason}", style="dim")

    def _arrivals(self) -> Counter[tuple[str, str]]:
        return Counter(
            (name, it.study_uid) for name, node in self._destinations.items() for it in node.objects
        )
