"""Run one scenario: a real engine between simulated nodes, messages by MLLP, images by DICOM."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine.app import Engine
from engine.config.values import Config
from engine.retrieve.gate import SWITCH
from engine.retrieve.task import RetrieveTask
from engine.scenario.compare import expects
from engine.scenario.conversation import Conversation, Line, sending
from engine.scenario.nodes import SimulatedNodes, on_simulated_nodes, simulated_nodes
from engine.scenario.receiver import reply_receiver
from engine.scenario.retrieves import awaited
from engine.scenario.scenario import Scenario, Step
from engine.scenario.seen import Seen
from engine.simulator.faults import Fault
from engine.store import count_messages, list_tasks

_POLL = 0.05  # seconds between two looks into the journal
_GRACE = 0.5  # seconds for what may come or not, and of which nothing tells that it will not
_MOST_TASKS = 10_000


async def run(scenario: Scenario, journal: Path) -> Seen:
    """What was seen. ``journal`` must not exist. ForefetchError where the scenario cannot be run at all."""
    conversation = Conversation()
    with simulated_nodes(scenario.config, scenario.archives, scenario.destinations) as nodes:
        async with reply_receiver(conversation) as replies:
            config = _to(replies, on_simulated_nodes(scenario.config, nodes, str(journal)))
            async with Engine(config, {SWITCH: "true"} if scenario.gate_open else {}) as engine:
                play = _Play(scenario, config, conversation, engine.address)
                began = time.monotonic()
                in_time = await play.to_the_end()
                seen = _seen(play, nodes, in_time, time.monotonic() - began)
                if not in_time:
                    # A silent archive would be waited for after C-CANCEL; one that is gone is not
                    for archive in nodes.archives.values():
                        await asyncio.to_thread(archive.stop)
                return seen


def _to(replies: tuple[str, int], config: Config) -> Config:
    """Replies go to our receiver. Moves that are still under way in the end are cut, not waited for."""
    host, port = replies
    rules = tuple(replace(rule, host=host, port=port, tls=None) for rule in config.replies)
    return replace(config, replies=rules, engine=replace(config.engine, drain_timeout=0.0))


@dataclass(frozen=True, slots=True)
class _Play:
    """A scenario while it runs."""

    scenario: Scenario
    config: Config
    conversation: Conversation
    address: tuple[str, int]

    @property
    def tasks(self) -> list[RetrieveTask]:
        """Oldest first."""
        return list_tasks(self.config.engine.store, limit=_MOST_TASKS)[::-1]

    async def to_the_end(self) -> bool:
        """Send everything, then wait until nothing more happens. Whether that came within the time limit."""
        try:
            async with asyncio.timeout(self.scenario.time_limit), AsyncExitStack() as lines:
                for group in _groups(self.scenario.steps):
                    await asyncio.gather(*(self._step(number, step, lines) for number, step in group))
                await self._settled()
                if self._expects_silence:
                    await asyncio.sleep(_GRACE)
        except TimeoutError:
            return False
        return True

    @property
    def _expects_silence(self) -> bool:
        sections = [step.section for step in self.scenario.steps]
        return any("none" in (*it.ack, *it.accept, *it.application) for it in sections)

    async def _step(self, number: int, step: Step, lines: AsyncExitStack) -> None:
        if step.section.wait is None:
            await self._settled()
        else:
            await asyncio.sleep(step.section.wait)
        line = await lines.enter_async_context(Line(self.conversation).opened(self.address))
        for index, payload in enumerate(step.payloads):
            wanted = expects(step.section, index)
            for again in range(1 + step.section.resend):
                sent = sending(number, index, again, payload, wanted)
                await line.send(sent)
                if not sent.awaited:
                    await self._kept(sent.control_id)

    async def _kept(self, control_id: str) -> None:
        """A message to which no answer comes is at its goal when it is in the journal; one that is refused
        never is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await _until(lambda: count_messages(self.config.engine.store, control_id) > 0)

    async def _settled(self) -> None:
        """Every task has ended, or stays as it is, or is as the scenario wants to see it."""
        await _until(lambda: all(map(self._rests, self.tasks)))

    def _rests(self, task: RetrieveTask) -> bool:
        due = task.request.due
        horizon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.scenario.time_limit)
        if task.status.final or (due is not None and due > horizon):
            return True
        return awaited(task, self.scenario.expected.retrieves or ())


async def _until(condition: Callable[[], bool]) -> None:
    """Look into the journal until it is so."""
    while not condition():  # noqa: ASYNC110  a journal is read, it tells nobody
        await asyncio.sleep(_POLL)


def _groups(steps: Sequence[Step]) -> list[list[tuple[int, Step]]]:
    """Steps that are sent together."""
    groups: list[list[tuple[int, Step]]] = []
    for number, step in enumerate(steps):
        if not step.section.concurrently:
            groups.append([])
        groups[-1].append((number, step))
    return groups


def _seen(play: _Play, nodes: SimulatedNodes, in_time: bool, seconds: float) -> Seen:
    arrived = {
        name: Counter(study for study, _ in {(it.study_uid, it.sop_instance_uid) for it in node.objects})
        for name, node in nodes.destinations.items()
    }
    return Seen(
        sendings=tuple(play.conversation.sendings),
        strays=tuple(play.conversation.strays),
        tasks=tuple(play.tasks),
        faults=tuple(_struck(play.scenario, nodes)),
        moves={name: node.moves for name, node in nodes.archives.items()},
        arrived=arrived,
        in_time=in_time,
        seconds=seconds,
    )


def _struck(scenario: Scenario, nodes: SimulatedNodes) -> Iterator[tuple[Fault, int]]:
    """Every fault with how often it struck; those of a node that is down never do."""
    for setups, running in ((scenario.archives, nodes.archives), (scenario.destinations, nodes.destinations)):
        for name, setup in setups.items():
            fired = running[name].faults.fired if name in running else ()
            yield from ((fault, sum(it is fault for it in fired)) for fault in setup.faults)
