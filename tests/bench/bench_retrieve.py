"""What a retrieve costs beside ``movescu``: ``python -m tests.bench.bench_retrieve [rounds]``.

Orthanc is the archive, storescp the destination, both with TCP_NODELAY=1 as their users should start them.
Everything is measured in turns in one run, so that a busy machine is busy for all.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from engine.dicom.node import Archive, Destination
from engine.dispatcher import Dispatcher
from engine.dispatcher.work import Place
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import NodeRule, Policy, RouteRule
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest
from engine.scu import ArchiveClient
from engine.simulator import GeneratedSeries, GeneratedStudy
from engine.store import NewMessage, Store
from tests.bench.engine import serving_file
from tests.bench.load import load, order
from tests.bench.slow_archive import slow_archive
from tests.peers.dcmtk import store, storescp
from tests.peers.nodes import ArchiveNode
from tests.peers.orthanc import orthanc

STUDIES = 200
MESSAGES = 50
SMALL, LARGE = 1, 50  # objects of a study
CONFIG = """
engine: {{listen: "127.0.0.1:0", store: journal.db, ae_title: FOREFETCH}}
archives:
  main: {{ae_title: ORTHANC, host: 127.0.0.1, port: {archive}}}
destinations:
  reading: {{ae_title: READING}}
routes:
  - name: priors
    messages: [ORM^O01]
    studies: [{{priors: {{patient: "PID-3[FOREST].1", modality: [CT], within: 10y}}}}]
    from: main
    to: reading
    acknowledge: outcome
"""


def study(number: int, objects: int) -> GeneratedStudy:
    """A CT of a patient of its own, whom the orders of `load` name."""
    uid = f"2.25.500{objects}0{number}"
    return GeneratedStudy(
        uid,
        f"P{number:012d}",
        "Moss^Ivo",
        dt.date(1961, 3, 14),
        "M",
        f"A{objects}-{number}",
        dt.datetime.now(dt.UTC).date() - dt.timedelta(days=400),
        dt.time(9, 30),
        "CT Chest",
        (GeneratedSeries("CT", "Chest", objects, f"{uid}.1"),),
        "FOREST",
    )


@contextmanager
def archive(folder: Path) -> Iterator[ArchiveNode]:
    """Orthanc that holds `STUDIES` small studies and one large one."""
    (folder / "reading").mkdir()
    (folder / "orthanc").mkdir()
    with (
        storescp("READING", folder / "reading") as reading,
        orthanc("ORTHANC", {"READING": reading.port}, folder / "orthanc") as node,
    ):
        studies = [*(study(number, SMALL) for number in range(STUDIES)), study(STUDIES, LARGE)]
        store(studies, node.ae_title, node.port, folder / "studies")
        yield node


def movescu(port: int, uid: str) -> None:
    """As a script would do it."""
    program = shutil.which("movescu", path="/usr/bin:/usr/local/bin") or "movescu"
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}"]
    titles = ["-aet", "FOREFETCH", "-aec", "ORTHANC", "-aem", "READING"]
    command = [program, "-S", *titles, *keys, "127.0.0.1", str(port)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TCP_NODELAY": "1"})


def process_start() -> None:
    """Of movescu, which then does nothing."""
    program = shutil.which("movescu", path="/usr/bin:/usr/local/bin") or "movescu"
    subprocess.run([program, "--version"], check=True, capture_output=True)


@asynccontextmanager
async def dispatching(folder: Path, port: int, concurrency: int) -> AsyncIterator[tuple[Store, Dispatcher]]:
    """A dispatcher with one archive."""
    node = Archive("main", "ORTHANC", "127.0.0.1", port, concurrency=concurrency)
    journal = Store.open(folder / f"journal-{time.time_ns()}.db")
    dispatcher = Dispatcher(
        store=journal,
        policy=Policy(True, {"r": RouteRule()}, {"main": NodeRule(concurrency)}, {"ws": NodeRule()}),
        archives={"main": node},
        clients={"main": ArchiveClient(node)},
        places={"ws": Place(Destination("ws", "READING"))},
    )
    await dispatcher.start()
    try:
        yield journal, dispatcher
    finally:
        await dispatcher.stop(10)
        await journal.close()


async def kept(journal: Store, *uids: str) -> int:
    """The number of a new message that asks for these studies."""
    requests = tuple(RetrieveRequest(Study(uid), "main", "ws", ("r",)) for uid in uids)
    key = str(time.perf_counter_ns()).encode()
    now = dt.datetime.now(dt.UTC)
    new = NewMessage(now, "peer", key, "", "", "1", "ORM^O01", "2.5", b"", "{}", requests)
    return (await journal.journal(new)).message_id


async def carried_out(journal: Store, dispatcher: Dispatcher, *uids: str) -> float:
    """Seconds from when the tasks are in the journal to when a waiter knows that all have arrived."""
    message = await kept(journal, *uids)
    begin = time.perf_counter()
    dispatcher.wake(["main"])
    await dispatcher.settled(message, 120)
    spent = time.perf_counter() - begin
    ended = {task.status for task in await journal.tasks_of(message)}
    assert ended == {TaskStatus.COMPLETED}, ended
    return spent


def timed(work: Callable[..., object], *arguments: object) -> float:
    begin = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begin


async def one_by_one(folder: Path, port: int, rounds: int) -> None:
    """movescu, the client and the dispatcher in turns, of a small and a large study, each as often first."""
    client = ArchiveClient(Archive("main", "ORTHANC", "127.0.0.1", port))
    async with dispatching(folder, port, 2) as (journal, dispatcher):
        # The others in threads: the loop of the dispatcher is not to catch up after them
        ways: dict[str, Callable[[str], Awaitable[float]]] = {
            "movescu": lambda uid: asyncio.to_thread(timed, movescu, port, uid),
            "its start alone": lambda _: asyncio.to_thread(timed, process_start),
            "ArchiveClient.move": lambda uid: asyncio.to_thread(timed, client.move, uid, "READING"),
            "dispatcher": lambda uid: carried_out(journal, dispatcher, uid),
        }
        for objects, turns in ((SMALL, rounds), (LARGE, max(5, rounds // 4))):
            spent: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(turns + 1):  # the first opens the associations and is left out
                uid = study(STUDIES if objects == LARGE else turn % STUDIES, objects).study_uid
                for place in range(len(ways)):
                    name = list(ways)[(turn + place) % len(ways)]
                    seconds = await ways[name](uid)
                    spent[name] += [seconds] if turn else []
            tell(f"{objects} objects, {turns} times", spent)
    client.close()


def tell(what: str, spent: dict[str, list[float]]) -> None:
    print(what)
    peer = statistics.median(spent["movescu"])
    for name, seconds in spent.items():
        median = statistics.median(seconds)
        last = sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]
        print(f"  {name:20} median {median * 1000:8.2f} ms  p99 {last * 1000:8.2f} ms  {median / peer:5.2f}")


async def many(folder: Path, name: str, port: int, uids: Sequence[str]) -> None:
    """All at once, carried out one after another and 8 at a time."""
    spent = []
    for concurrency in (1, 8):
        async with dispatching(folder, port, concurrency) as (journal, dispatcher):
            await carried_out(journal, dispatcher, uids[0] + "9" if name != "Orthanc" else uids[0])
            spent.append(await carried_out(journal, dispatcher, *uids))
    one, eight = spent
    print(f"{len(uids)} studies, {name}: {one:6.2f} s by 1, {eight:6.2f} s by 8: {one / eight:4.1f} x")


def by_message(folder: Path, port: int) -> None:
    """MLLP in, C-FIND of a patient, C-MOVE of the one prior, ACK out."""
    config = folder / "routes.yaml"
    config.write_text(CONFIG.format(archive=port))
    with serving_file(config, allow=True) as engine:
        load(engine.address, order(1), connections=1, seconds=60, most=3, first=0)
        got = load(engine.address, order(2), connections=1, seconds=60, most=MESSAGES, first=10)
    print(
        f"MLLP in to ACK out, one prior: median {got.percentile(50):6.2f} ms, "
        f"p99 {got.percentile(99):6.2f} ms, {dict(got.codes)}"
    )


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    logging.getLogger().setLevel(logging.ERROR)
    if not all(shutil.which(name) for name in ("Orthanc", "movescu", "storescp")):
        print("Orthanc and DCMTK are needed: apt-get install orthanc dcmtk")
        return
    with tempfile.TemporaryDirectory() as name, archive(Path(name)) as node:
        folder = Path(name)
        await one_by_one(folder, node.port, rounds)
        uids = [study(number, SMALL).study_uid for number in range(STUDIES)]
        await many(folder, "Orthanc", node.port, uids)
        with slow_archive(20) as port:
            await many(folder, "an archive that takes 20 ms", port, uids)
        await asyncio.to_thread(by_message, folder, node.port)


if __name__ == "__main__":
    asyncio.run(main())
