"""Three engines under load on one PostgreSQL, while engines and PostgreSQL are killed and frozen."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.cluster import journal
from tests.cluster.balancer import Balancer, balancer
from tests.cluster.checks import Seen, broken_promises, takeovers
from tests.cluster.engines import Engine, Loss
from tests.cluster.orders import Fate, Orders
from tests.cluster.pair import Pair
from tests.cluster.senders import Book, Senders
from tests.cluster.site import RATE, Content, Site, site
from tests.postgres import Server

ENGINES = 3
KILL, FREEZE, BLINK = (
    "an engine killed",
    "an engine frozen for longer than a lease",
    "an engine frozen for 2 s",
)
RESTART, CRASH = "PostgreSQL restarted", "PostgreSQL stopped at once"
KILL_DATABASE, FREEZE_DATABASE = "PostgreSQL killed", "PostgreSQL frozen"
FAIL_OVER = "PostgreSQL replaced by its standby"
CALM = "a calm of 15 s"
_OF_ENGINES = (KILL, FREEZE, BLINK)
_OF_DATABASE = (RESTART, CRASH, KILL_DATABASE, FREEZE_DATABASE, FAIL_OVER)
EVENTS = (*_OF_ENGINES, *_OF_DATABASE)

_DEADLINE = "4s"
_PATIENCE = 6.0  # s, of a sender
_LONG = (17.0, 20.0)  # s; a lease is 15
_SHORT = 2.0
_CALM = 15.0  # s
_BETWEEN = (0.5, 3.0)  # s, between two events
_EVERY = 0.2  # s, between conversations
_DELAY = 0.12  # s, of each object of a move
_OPEN = 40  # conversations at a time
_BEHIND = 40  # studies that were asked for and have not begun to move; then nothing new is sent
_QUIET = 120.0  # s, for everything to come to its end
_POLL = 0.2


@dataclass(slots=True)
class Report:
    """The figures of a storm. ``takeovers`` in seconds, those of them ``undisturbed`` during which PostgreSQL
    was there all the time."""

    seed: int
    events: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    book: Book = field(default_factory=Book)
    statuses: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    takeovers: list[float] = field(default_factory=list)
    undisturbed: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def plan(events: int, rng: random.Random) -> list[str]:
    """Each kind at least once; a calm before PostgreSQL's, so that it is seen how long it takes until others
    take over while it is there."""
    first = [*rng.sample(_OF_ENGINES, len(_OF_ENGINES)), CALM, *rng.sample(_OF_DATABASE, len(_OF_DATABASE))]
    return first + rng.choices(EVENTS, k=max(0, events - len(EVENTS)))


async def storm(folder: Path, pair: Pair, events: int, seed: int) -> Report:
    """What was found is in the report's ``faults``."""
    report = Report(seed)
    began = time.monotonic()
    content = _enough(events)
    database = await asyncio.to_thread(pair.primary.new_database)
    async with (
        site(folder, content, report.book.hear_letter, delay=_DELAY, down=8) as around,
        balancer() as way,
    ):
        engines = Engines(around, pair, database, way)
        try:
            await engines.begin()
            orders = Orders(random.Random(seed), content)
            weather = Weather(engines, report, random.Random(seed))
            await _live_through(report, around, way, orders, weather, plan(events, random.Random(seed)))
            await _until_all_has_ended(report, pair, database, around)
            report.faults += await engines.stop()
        finally:
            engines.end()
        kept = await asyncio.to_thread(journal.read, pair.primary, database)
        seen = Seen(around, report.book, kept, engines.losses, content.wide)
        report.faults += broken_promises(seen)
        _sum_up(report, seen, engines)
    report.seconds = time.monotonic() - began
    return report


def _enough(events: int) -> Content:
    """Studies for all that is sent meanwhile, roughly."""
    share = max(1, events // len(EVENTS))
    return Content(
        quick=220 * share, slow=8 * share, rated=16 * share, broken=6 * share, priors=4 * share, wide=12
    )


async def _live_through(
    report: Report, around: Site, way: Balancer, orders: Orders, weather: Weather, events: list[str]
) -> None:
    """Load until the last event is over, and then until every message is acknowledged."""
    senders = Senders(report.book, lambda: way.address, _PATIENCE)
    talks: set[asyncio.Task[None]] = set()
    raging = asyncio.create_task(weather.rage(events))
    try:
        while not raging.done():
            if len(talks) < _OPEN and _behind(report.book, around) < _BEHIND:
                talks |= {asyncio.create_task(senders.converse(talk)) for talk in orders.some()}
            await asyncio.wait([raging], timeout=_EVERY)
            talks = {talk for talk in talks if not _over(talk)}
        await raging
        if talks:
            await asyncio.wait(talks, timeout=_QUIET)
    finally:
        for task in (raging, *talks):
            task.cancel()
        await asyncio.gather(raging, *talks, return_exceptions=True)


def _behind(book: Book, around: Site) -> int:
    asked = {uid for it in book.orders.values() if it.fate is Fate.ARRIVES for uid in it.studies}
    return len(asked - {it.study_uid for it in around.main.carried + around.broken.carried})


def _over(talk: asyncio.Task[None]) -> bool:
    if talk.done():
        talk.result()
    return talk.done()


async def _until_all_has_ended(report: Report, pair: Pair, database: str, around: Site) -> None:
    """Only what waits for a budget is left, or for another minute of a rate."""
    left = (
        "SELECT id, status, gate, reason, member_id FROM tasks "
        "WHERE status NOT IN ('COMPLETED', 'WARNING', 'FAILED', 'CANCELED') AND gate <> 'budget' "
        f"AND (archive <> 'rated' OR {RATE} > (SELECT count(*) FROM tasks WHERE archive = 'rated' "
        "AND status = 'COMPLETED'))"
    )
    owed = "SELECT id FROM outbox WHERE status = 'WAITING'"
    unanswered = "SELECT id, control_id FROM messages WHERE application_due AND ack IS NULL"
    found: list[object] = []
    limit = time.monotonic() + _QUIET
    while time.monotonic() < limit:
        found = [
            row
            for query in (left, owed, unanswered)
            for row in await asyncio.to_thread(pair.primary.execute, query, database=database)
        ]
        if not found:
            return
        await asyncio.sleep(_POLL)
    report.faults.append(f"not at an end after {_QUIET:g} s: {found[:10]}")


class Engines:
    """Those that run, each in its place behind the balancer; and what was done to them."""

    def __init__(self, around: Site, pair: Pair, database: str, way: Balancer) -> None:
        self.pair = pair
        self.database = database
        self.losses: list[Loss] = []
        self.outages: list[tuple[float, float]] = []
        self._around = around
        self._way = way
        self._running: list[Engine] = []
        self._all: list[Engine] = []

    async def begin(self) -> None:
        """All of them at once, on an empty database."""
        self._running = [self._new() for _ in range(ENGINES)]
        await self._listen()

    def awake(self) -> list[Engine]:
        """Those that are busy alone, if any is: what they leave has to be taken over."""
        awake = [it for it in self._running if not it.frozen]
        busy = {it.calling for it in self._around.main.carried if it.ended is None}
        return [it for it in awake if it.calling in busy] or awake

    async def replace(self, engine: Engine) -> None:
        """Another one begins in the place of one that is dead."""
        self._running[self._running.index(engine)] = self._new()
        await self._listen()

    async def note_loss(self, kind: str, engine: Engine, at: float) -> None:
        """What it had under way, as far as PostgreSQL is there."""
        tasks: tuple[tuple[int, int], ...] = ()
        address = "{}:{}".format(*engine.address)
        with suppress(psycopg.Error):
            tasks = await asyncio.to_thread(journal.under_way, self.pair.primary, self.database, address)
        self.losses.append(Loss(kind, engine.calling, at, address, tasks))

    async def stop(self) -> list[str]:
        """As an operator does; what went wrong with that."""
        for engine in self._running:
            if engine.frozen:
                engine.thaw()
        stopped = await asyncio.gather(*(asyncio.to_thread(it.stop) for it in self._running))
        pairs = zip(self._running, stopped, strict=True)
        return [f"{it.calling} ended with {status}:\n{it.log}" for it, status in pairs if status]

    def end(self) -> None:
        for engine in self._all:
            engine.end()

    def logs(self) -> Iterator[str]:
        """Of every life."""
        for engine in self._all:
            yield from (f"{engine.calling} {line}" for line in engine.running.lines)

    def _new(self) -> Engine:
        calling = f"LIFE{len(self._all)}"
        routes = self._around.routes(self.pair.url(self.database), calling, deadline=_DEADLINE)
        self._all.append(Engine(routes, calling))
        return self._all[-1]

    async def _listen(self) -> None:
        for engine in self._running:
            await asyncio.to_thread(getattr, engine, "address")
        self._way.addresses = [it.address for it in self._running]


class Weather:
    """What happens to engines and PostgreSQL."""

    def __init__(self, engines: Engines, report: Report, rng: random.Random) -> None:
        self._engines = engines
        self._report = report
        self._rng = rng
        self._frozen: asyncio.Task[None] | None = None
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            KILL: self._kill,
            FREEZE: self._freeze,
            BLINK: self._blink,
            CALM: lambda: asyncio.sleep(_CALM),
            RESTART: lambda: self._without_database(lambda: self._primary.restart("fast")),
            CRASH: lambda: self._without_database(lambda: self._primary.restart("immediate")),
            KILL_DATABASE: lambda: self._without_database(self._kill_database),
            FREEZE_DATABASE: lambda: self._without_database(self._freeze_database),
            FAIL_OVER: lambda: self._without_database(engines.pair.fail_over),
        }

    async def rage(self, events: list[str]) -> None:
        """One after the other; only long freezes go on beside the next ones."""
        try:
            for event in events:
                await asyncio.sleep(self._rng.uniform(*_BETWEEN))
                await self._kinds[event]()
                if event in EVENTS:
                    self._report.events[event] += 1
            if self._frozen is not None:
                await self._frozen
        finally:
            if self._frozen is not None:
                self._frozen.cancel()

    @property
    def _primary(self) -> Server:
        return self._engines.pair.primary

    def _one(self) -> Engine:
        return self._rng.choice(self._engines.awake())

    async def _kill(self) -> None:
        engine = self._one()
        await asyncio.to_thread(lambda: engine.address)
        at = await asyncio.to_thread(engine.kill)
        await self._engines.note_loss(KILL, engine, at)
        await self._engines.replace(engine)

    async def _freeze(self) -> None:
        if self._frozen is not None:
            await self._frozen
        self._frozen = asyncio.create_task(self._freeze_for(self._rng.uniform(*_LONG)))

    async def _freeze_for(self, seconds: float) -> None:
        engine = self._one()
        at = engine.freeze()
        await self._engines.note_loss(FREEZE, engine, at)
        await asyncio.sleep(seconds)
        engine.thaw()

    async def _blink(self) -> None:
        engine = self._one()
        engine.freeze()
        await asyncio.sleep(_SHORT)
        engine.thaw()

    async def _without_database(self, act: Callable[[], None]) -> None:
        began = time.time()
        await asyncio.to_thread(act)
        self._engines.outages.append((began, time.time()))

    def _kill_database(self) -> None:
        self._primary.kill9()
        self._primary.start()

    def _freeze_database(self) -> None:
        self._primary.freeze()
        time.sleep(3)
        self._primary.thaw()


def _sum_up(report: Report, seen: Seen, engines: Engines) -> None:
    report.statuses = Counter(it.status for it in seen.journal.tasks.values())
    report.moves = sum(len(it.carried) for it in (seen.site.main, seen.site.rated, seen.site.broken))
    for at, seconds in takeovers(seen.journal, seen.losses):
        report.takeovers.append(seconds)
        if not any(at < end and begin < at + seconds for begin, end in engines.outages):
            report.undisturbed.append(seconds)
    if report.faults:
        log = seen.site.folder / "engines.log"
        log.write_text("".join(engines.logs()))
        report.faults.append(f"the logs of the engines are in {log}")
