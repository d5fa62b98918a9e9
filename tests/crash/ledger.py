"""What was said to the senders, held against the workstation, the archive and the journal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from engine.retrieve.outcome import TaskStatus
from engine.store import Event
from tests.crash.hospital import Hospital, calling
from tests.crash.journal import Snapshot
from tests.crash.orders import Conversation, Fate, Group, Order
from tests.crash.person import Person
from tests.crash.tasks import changed, moved_too_soon, skippable, untrue
from tests.hospital import field

ACKNOWLEDGED = frozenset({"AA", "AE", "CA"})
_ARRIVED = re.compile(r"^(\d+) of (\d+) stud")
_ENDS = {
    Fate.ARRIVES: {TaskStatus.COMPLETED},
    Fate.PRESENT: {TaskStatus.COMPLETED},
    Fate.FAILS: {TaskStatus.FAILED},
    Fate.ENDS: {TaskStatus.CANCELED, TaskStatus.FAILED},
    Fate.CANCELED: {TaskStatus.CANCELED},
    Fate.EITHER: {TaskStatus.CANCELED, TaskStatus.COMPLETED},
}


class Ledger:
    """``faults`` are the broken promises, in words."""

    def __init__(self, site: Hospital) -> None:
        self.person = Person(site)
        self.faults: list[str] = []
        self.orders: dict[str, Order] = {}
        self.sent: Counter[str] = Counter()  # by control ID
        self.codes: Counter[str] = Counter()
        self._groups: list[Group] = []
        self._first: dict[tuple[str, str], bytes] = {}  # answers by control ID and kind
        self._site = site
        self._full: frozenset[str] = frozenset()  # after the last life, see `skippable`
        self._told: dict[str, int] = {}  # studies that an ACK said had arrived, and C-MOVEs until then

    def add(self, groups: Iterable[Group]) -> None:
        """Messages that are going to be sent."""
        for group in groups:
            self._groups.append(group)
            for order in (it for talk in group for it in talk.orders):
                self.orders[order.control_id] = order
                self.person.expect(order)

    def open(self) -> list[Conversation]:
        """What is to be sent again since an answer is missing."""
        left = (
            Conversation(tuple(it for it in talk.orders if not self.answered(it)), talk.pipelined)
            for group in self._groups
            for talk in group
        )
        return [talk for talk in left if talk.orders]

    def answered(self, order: Order) -> bool:
        """Whether its connections have brought every answer."""
        return all((order.control_id, kind) in self._first for kind in order.answers)

    def owed_letters(self) -> list[str]:
        """The messages whose letter has not come."""
        return [name for name, it in self.orders.items() if it.letter and (name, "letter") not in self._first]

    def hear(self, ack: bytes, site: Hospital, *, letter: bool = False) -> tuple[str, str]:
        """An answer has come: for which message, and its kind; empty where it acknowledges nothing."""
        control_id, code, text = (field(ack, path) for path in ("MSA-2", "MSA-1", "MSA-3"))
        self.codes[code] += 1
        order = self.orders.get(control_id)
        if order is None:
            self._fault(f"an answer to a message that nobody sent: {control_id!r}")
            return control_id, ""
        if code not in ACKNOWLEDGED:
            return control_id, ""
        kind = "letter" if letter else "accept" if code == "CA" else "application"
        first = self._first.setdefault((control_id, kind), ack)
        if first != ack:
            self._fault(f"{control_id}: another {kind} acknowledgment than at first:\n{first!r}\n{ack!r}")
        if code != "CA":
            self._judge(order, code, text, site)
        return control_id, kind

    def _judge(self, order: Order, code: str, text: str, site: Hospital) -> None:
        """What an application acknowledgment says has to be true now."""
        match = _ARRIVED.match(text)
        arrived, of = (int(match[1]), int(match[2])) if match else (0, 0)
        there = [uid for uid in order.studies if site.holds(uid)]
        if arrived > len(there):
            self._fault(f"{order.control_id}: {text!r}, but {len(there)} are there")
        if code == "AE" and order.fate in (Fate.ARRIVES, Fate.PRESENT, Fate.NOTHING):
            self._fault(f"{order.control_id}: AE, {text!r}")
        failed = order.fate in (Fate.FAILS, Fate.ENDS) and not text.startswith("accepted")
        if code == "AA" and (failed or arrived != of):
            self._fault(f"{order.control_id}: AA, {text!r}")
        if code == "AA" and match and of != len(order.studies):
            self._fault(f"{order.control_id}: {text!r}, but it asks for {len(order.studies)}")
        if arrived and arrived == of:
            moves = Counter(move.study_uid for move in site.archive.moves)
            for uid in order.studies:
                self._told.setdefault(uid, moves[uid])

    def audit(self, before: Snapshot, now: Snapshot, number: int, life: str, *, opened: bool) -> None:
        """A life has ended: what it said is on the disk, and what had ended before it is as it was."""
        if now.sound != "ok":
            self._fault(f"{life}: the journal is not sound: {now.sound}")
        for (control_id, kind), ack in self._first.items():
            order, kept = self.orders[control_id], now.messages.get(control_id)
            if kept is None or kept.raw != order.payload:
                self._fault(f"{life}: {control_id} was acknowledged and is not in the journal")
            elif len(kept.tasks) < order.tasks:
                self._fault(f"{life}: {control_id} has {len(kept.tasks)} tasks")
            elif kept.kept(kind) != ack:
                self._fault(f"{life}: {control_id} got another {kind} acknowledgment than the journal has")
        asked = self._site.moves().get(calling(number), Counter())
        found = (
            changed(before, now),
            untrue(now),
            moved_too_soon(now, asked, self._full, opened=opened),
            self.person.audit(now, number),
        )
        self.faults += [f"{life}: {fault}" for faults in found for fault in faults]
        self._full = skippable(now, self._site)
        for name, message in before.messages.items():
            later = now.messages.get(name)
            if later is None or (message.ack is not None and later.ack != message.ack):
                self._fault(f"{life}: {name} or its acknowledgment is not what was kept before")

    def close(self, end: Snapshot, site: Hospital) -> None:
        """After the last life everything has come to what it must."""
        self.faults += [
            f"{it.control_id} has no answer" for it in self.orders.values() if not self.answered(it)
        ]
        self.faults += [f"{control_id} has no letter" for control_id in self.owed_letters()]
        for number, task in end.tasks.items():
            if not task.status.final:
                self._fault(f"task {number} has not ended: {task.status}")
        for control_id, order in self.orders.items():
            kept = end.messages.get(control_id)
            statuses = {end.tasks[number].status for number in kept.tasks} if kept is not None else set()
            if not statuses <= _ENDS.get(order.fate, set()):
                self._fault(f"{control_id} should have come to {order.fate.name}: {sorted(statuses)}")
            causes = {end.tasks[number].row["cause"] for number in kept.tasks} if kept is not None else set()
            if order.fate is Fate.PRESENT and causes != {"already-there"}:
                self._fault(f"{control_id}: it was there already, and ended {causes}")
            if order.fate is Fate.ARRIVES and not all(site.holds(uid) for uid in order.studies):
                self._fault(f"{control_id}: COMPLETED, but not all is there")
        for message_id, (status, _) in end.letters.items():
            if status != "DELIVERED":
                self._fault(f"the letter of message {message_id} is {status}")

    def moved_again_after_told(self, site: Hospital) -> list[str]:
        """Studies moved again though an ACK had said that they had arrived; each is asked for by one message
        or by several that were sent together, of which a later one is an order of its own,
        save where it is to be skipped."""
        moves = Counter(move.study_uid for move in site.archive.moves)
        others = (order for order in self.orders.values() if order.fate is not Fate.PRESENT)
        asked = Counter(uid for order in others for uid in order.studies)
        return [uid for uid, until in self._told.items() if asked[uid] == 1 and moves[uid] > until]

    def _fault(self, text: str) -> None:
        self.faults.append(text)


def moved_after_seen_finish(snapshots: Sequence[Snapshot], site: Hospital) -> Iterator[str]:
    """The C-MOVEs of studies all of whose tasks had ended in the journal when a life began, without a new
    task in it, or a person who has had one tried again; and those that no claim explains. ``snapshots`` are
    those after each life."""
    moves = site.moves()
    for life, (before, after) in enumerate(pairwise([Snapshot(), *snapshots])):
        known, later = before.moves(), after.moves()
        for uid, number in moves.get(calling(life), Counter()).items():
            earlier, tasks = known.get(uid, []), later.get(uid, [])
            claims = sum(task.attempts for task in tasks) - sum(task.attempts for task in earlier)
            retried = sum(task.told(Event.RETRIED) for task in tasks) > sum(
                task.told(Event.RETRIED) for task in earlier
            )
            ended = len(tasks) == len(earlier) and not retried and all(task.status.final for task in earlier)
            if ended or number > claims:
                yield f"life {life}: {number} C-MOVEs of {uid}, {claims} claims" + ", ended before" * ended
