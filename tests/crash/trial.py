"""One hospital, one journal, many lives of the engine."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.store import Event, count_tasks
from tests.crash.hospital import Hospital, hospital
from tests.crash.journal import KeptTask, Snapshot, snapshot
from tests.crash.ledger import Ledger, moved_after_seen_finish
from tests.crash.lives import KILLED, Life, Nursery, nursery, plain
from tests.crash.orders import Conversation, Senders
from tests.crash.points import POINTS, Point
from tests.crash.senders import converse_all

RANDOM, RANDOM_DRAIN = "at random", "at random after SIGTERM"
VERB = "after a verb from outside"
"""Right after a person has done something, most often before the engine has noticed."""

_LATEST_KILL = 0.7  # s; a random kill comes until then, from the fork on
_LATEST_TERM = 0.4  # s; SIGTERM comes until then, from listening on
_LONGEST_DRAIN = 0.2  # s; a random kill after SIGTERM comes until then
_PATIENCE = 6.0  # s; a life that has not come to its point by then is killed, and its point tried again
_TRIES = 4  # lives for each passage of a point, at most
_MOST_MISSED = 10  # lives, and one in five; more of them, and the engine does not work
_SHARES = {"held": 1.0, "slow": 1.0, "closed": 0.0}  # how busy a person is, where a point depends on it
_OPEN = 0.25  # of the lives have the window of the route `closed` open
_BETWEEN = 0.3  # of the lives are followed by a look of a person
_VERB_PAUSE = 0.1  # s, between two looks of a person
_BUSY = 10  # messages without an answer; then nothing new is sent
_AGAIN = 3  # messages that were answered, sent again in each life
_ALL_AGAIN = 100  # messages a connection, when all are sent again
_QUIET = 120.0  # s; for the last life to come to an end with everything
_POLL = 0.05  # s


@dataclass(slots=True)
class Report:
    """The figures of a trial. ``kills`` are counted by point; ``missed`` are lives that did not come to their
    point and were killed at random, ``drained`` those that SIGTERM ended first."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    drained: int = 0
    messages: int = 0
    acknowledged: int = 0
    sent_again: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    letters: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    interrupted: int = 0
    failed: int = 0
    verbs: Counter[str] = field(default_factory=Counter)
    after_finish: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


def plan(kills: int, rng: random.Random) -> list[str]:
    """How the lives are to end: each point equally often, at random otherwise."""
    each = max(1, kills // (2 * len(POINTS)))
    named = [name for name in POINTS for _ in range(each)]
    others = rng.choices([RANDOM, RANDOM_DRAIN, VERB], [7, 2, 1], k=kills - len(named))
    return rng.sample(named + others, len(named) + len(others))


async def trial(folder: Path, kills: int, seed: int) -> Report:
    """At least so many kills, then a quiet end. What was found is in the report's ``faults``."""
    began = time.monotonic()
    report = Report(seed)
    patients, troubles = 3 * kills, 20 + kills // 2  # more than are asked for

    def receive(letter: bytes) -> None:
        ledger.hear(letter, site, letter=True)

    async with hospital(folder, patients, troubles, receive) as site:
        ledger = Ledger(site)
        async with nursery() as forking:
            lives = Lives(site, forking, ledger, Senders(random.Random(seed), patients, troubles), report)
            await lives.carry_out(plan(kills, random.Random(seed)), kills)
        if not lives.broken:
            await lives.quiet()
            ledger.close(lives.snapshots[-1], site)
        _sum_up(report, ledger, lives.snapshots, site)
    report.seconds = time.monotonic() - began
    return report


class Lives:
    """The lives of the engine on one journal, one after the other."""

    def __init__(
        self,
        site: Hospital,
        forking: Nursery,
        ledger: Ledger,
        senders: Senders,
        report: Report,
    ) -> None:
        self._site = site
        self._forking = forking
        self._ledger = ledger
        self._senders = senders
        self._rng = random.Random()
        self._report = report
        self._acted = asyncio.Event()
        self.snapshots: list[Snapshot] = []

    async def carry_out(self, endings: list[str], kills: int) -> None:
        """Lives that end so; further ones where a point was not reached, or a drain was quicker. The first
        broken promise is the last life."""
        for ending in endings:
            for _ in range(_TRIES):
                if self.broken or await self._live(ending) or ending not in POINTS:
                    break
        while self._report.kills.total() < kills and not self.broken:
            await self._live(RANDOM)

    @property
    def broken(self) -> bool:
        """Whether a promise was broken so far."""
        return bool(self._ledger.faults or self._report.faults)

    async def _live(self, ending: str) -> bool:
        """One life; whether it ended as it was to."""
        point = POINTS.get(ending)
        # For each life anew: how much was drawn before depends on how quick the engine was
        self._rng = random.Random(f"{self._report.seed} {len(self.snapshots)}")
        crash = f"{ending}:{self._rng.randint(1, point.most)}" if point else ""
        load = point.load if point else "held" if ending == VERB else ""
        opened = load != "closed" and self._rng.random() < _OPEN
        life = self._forking.bear(self._site.routes(len(self.snapshots), opened=opened), crash)
        self._acted.clear()
        beside = [
            asyncio.create_task(self._talk(life, load)),
            asyncio.create_task(self._act(_SHARES.get(load, self._rng.random()))),
        ]
        await self._see_to_its_end(life, ending, point)
        status = await life.ended()
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._audit(f"life {len(self.snapshots)} ({ending})", opened=opened)
        if self._rng.random() < _BETWEEN:
            self._ledger.person.act(len(self.snapshots) - 1, self._rng)
        return self._count(life, ending, status)

    async def _see_to_its_end(self, life: Life, ending: str, point: Point | None) -> None:
        if ending == RANDOM:
            await asyncio.sleep(self._rng.uniform(0, _LATEST_KILL))
        elif ending == RANDOM_DRAIN or (point is not None and point.drains):
            await life.address()
            await asyncio.sleep(self._rng.uniform(0, _LATEST_TERM))
            life.send_signal(signal.SIGTERM)
            if point is None:
                await asyncio.sleep(self._rng.uniform(0, _LONGEST_DRAIN))
        elif ending == VERB:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._acted.wait()
        if point is not None and await life.ends_within(_PATIENCE):
            return
        life.send_signal(signal.SIGKILL)

    async def _act(self, share: float) -> None:
        """A person, who is more or less busy in one life."""
        while True:
            await asyncio.sleep(_VERB_PAUSE)
            if self._ledger.person.act(len(self.snapshots), self._rng, share):
                self._acted.set()

    async def _talk(self, life: Life, load: str) -> None:
        address = await life.address()
        if address is None:
            return
        talks = self._ledger.open()
        if load or sum(len(talk.orders) for talk in talks) < _BUSY:
            groups = self._senders.groups(load)
            self._ledger.add(groups)
            talks += [talk for group in groups for talk in group]
        known = [order for order in self._ledger.orders.values() if self._ledger.answered(order)]
        talks += [Conversation((order,)) for order in self._rng.sample(known, min(_AGAIN, len(known)))]
        await converse_all(address, talks, self._ledger, self._site)

    def _audit(self, life: str, *, opened: bool) -> None:
        before = self.snapshots[-1] if self.snapshots else Snapshot()
        self.snapshots.append(snapshot(self._site.journal))
        self._ledger.audit(before, self.snapshots[-1], len(self.snapshots) - 1, life, opened=opened)

    def _count(self, life: Life, ending: str, status: int) -> bool:
        report, point = self._report, ending in POINTS
        if status == KILLED and (life.struck == ending or not point):
            report.kills[ending] += 1
            return True
        if status == KILLED:
            report.kills[RANDOM] += 1
            report.missed[ending] += 1
            if report.missed.total() > _MOST_MISSED + report.kills.total() // 5:
                report.faults.append(f"too many lives miss their point, the last one {ending!r}:\n{life.log}")
        elif status == 0 and (ending == RANDOM_DRAIN or (point and POINTS[ending].drains)):
            report.drained += 1
        else:
            report.faults.append(f"a life that was to end {ending!r} ended with {status}:\n{life.log}")
        return False

    async def quiet(self) -> None:
        """The last life, undisturbed, and with a person who does all that is left: what was not answered is
        sent until it is; in the end all of it."""
        async with plain(self._site.routes(len(self.snapshots), opened=True)) as life:
            address = await life.address()
            assert address is not None, life.log
            acting = asyncio.create_task(self._act(1.0))
            try:
                async with asyncio.timeout(_QUIET):
                    await self._until_all_has_ended(address)
                    acting.cancel()
                    await self._until_all_has_ended(address)  # the last deed was to try something again
                    await self._send_all_again(address)
            except TimeoutError:
                self._report.faults.append(f"not at an end after {_QUIET:g} s:\n{life.log}")
            acting.cancel()
            life.send_signal(signal.SIGTERM)
            if status := await life.ended():
                self._report.faults.append(f"the last life ended with {status}:\n{life.log}")
        self._audit("the last life", opened=True)

    async def _until_all_has_ended(self, address: tuple[str, int]) -> None:
        while talks := self._ledger.open():
            await converse_all(address, talks, self._ledger, self._site)
        while self._ledger.owed_letters() or self._unfinished():  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(_POLL)

    async def _send_all_again(self, address: tuple[str, int]) -> None:
        moves, answers = len(self._site.archive.moves), self._ledger.codes.total()
        orders = tuple(self._ledger.orders.values())
        parts = [orders[at : at + _ALL_AGAIN] for at in range(0, len(orders), _ALL_AGAIN)]
        await converse_all(address, [Conversation(part) for part in parts], self._ledger, self._site)
        if self._ledger.codes.total() - answers != sum(len(order.answers) for order in orders):
            self._report.faults.append("not every message that was sent again has got its acknowledgments")
        if len(self._site.archive.moves) != moves:
            self._report.faults.append("messages that were sent again have moved something")

    def _unfinished(self) -> bool:
        return any(number for status, number in count_tasks(self._site.journal).items() if not status.final)


def _sum_up(report: Report, ledger: Ledger, snapshots: list[Snapshot], site: Hospital) -> None:
    end = snapshots[-1]
    again = [*moved_after_seen_finish(snapshots, site), *ledger.moved_again_after_told(site)]
    report.faults += ledger.faults + again
    report.messages = len(ledger.orders)
    report.acknowledged = sum(map(ledger.answered, ledger.orders.values()))
    report.sent_again = sum(number - 1 for number in ledger.sent.values())
    report.codes = ledger.codes
    report.letters = len(end.letters)
    report.tasks = Counter(task.status.value for task in end.tasks.values())
    report.moves = len(site.archive.moves)
    report.interrupted = sum(_interrupted(task) for task in end.tasks.values())
    report.failed = sum(task.told(Event.ATTEMPT_FAILED) for task in end.tasks.values())
    report.verbs = Counter(deed.verb.value for deed in ledger.person.deeds)
    report.after_finish = len(again)


def _interrupted(task: KeptTask) -> int:
    """How many attempts came to no end that was kept."""
    ended = task.told(Event.ATTEMPT_FAILED) + task.told(Event.RETRIED) + task.status.final
    return max(0, task.attempts - ended)
