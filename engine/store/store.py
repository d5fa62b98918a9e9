"""The journal: every message and every task, on the disk before anything is said about it."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.events import Events, GateClosed, GateOpened
from engine.place import told
from engine.retrieve.breaker import Breaker
from engine.retrieve.outcome import Outcome, SubOperations
from engine.retrieve.task import Choice, RetrieveRequest, RetrieveTask
from engine.store import (
    admission,
    gates,
    members,
    messages,
    occasions,
    outbox,
    queue,
    retention,
    sqlite,
    tasks,
    traffic,
)
from engine.store.admission import Applicant, TurnedAway
from engine.store.dialect import BUSY_TIMEOUT, explain
from engine.store.gates import Used
from engine.store.messages import Journaled, NewMessage, Unanswered
from engine.store.opening import Heard, Opened, open_journal
from engine.store.outbox import Letter, NewLetter
from engine.store.queue import EVERYTHING, Sieve
from engine.store.retention import Pruned
from engine.store.traffic import Node, Situation
from engine.store.writer import Writer, each

_WAITING = each(queue.waiting)
_NEWER = each(queue.newer)
_WAITING_ARCHIVES = each(queue.waiting_archives)
_CLAIM = each(tasks.claim)
_FINISH = each(tasks.finish)
_RESOLVE = each(tasks.resolve)
_RELEASE = each(tasks.release)
_RESCHEDULE = each(tasks.reschedule)
_HOLD = each(gates.hold)
_DEFER_TASKS = each(gates.defer)
_DEFER_ALIKE = each(gates.defer_alike)
_EXPIRE = each(gates.expire)
_NEXT_EXPIRY = each(gates.next_expiry)
_USED = each(gates.used)
_CLOSE_GATE = each(gates.close_gate)
_OPEN_GATE = each(gates.open_gate)
_CHANGES = each(sqlite.changes)
_TO_CANCEL = each(tasks.to_cancel)
_RECOVER = each(tasks.recover)
_TAKE_OVER = each(tasks.take_over)
_STRAYS = each(tasks.strays)
_SITUATION = each(traffic.situation)
_CORRECT = each(traffic.correct)
_CHANGE_BREAKER = each(traffic.change_breaker)
_NAME_ADDRESS = each(members.name_address)
_TASKS_OF = each(tasks.tasks_of)
_OPEN_TASKS_OF = each(tasks.open_tasks_of)
_SETTLED_BY = each(tasks.settled_by)
_NEXT_DUE = each(queue.next_due)
_NOTE_PROGRESS = each(tasks.note_progress)
_NEWEST = each(tasks.newest)
_UNANSWERED = each(messages.unanswered)
_IDENTIFIERS = each(occasions.identifiers)
_DUE_LETTERS = each(outbox.due_letters)
_NEXT_LETTER_DUE = each(outbox.next_due)
_DELIVERED = each(outbox.delivered)
_REFUSED = each(outbox.refused)
_DEFER = each(outbox.defer)
_GIVE_UP = each(outbox.give_up)
_PRUNE = each(retention.prune)

_MOST = 256  # calls of one transaction
_MOST_SHARED = 64  # each message holds three keys or so, and a server has room for 6,400 of all engines
DEFAULT_AGING = dt.timedelta(minutes=30)


class Store:
    """The journal as the running engine uses it, from one event loop. One process at a time.

    Every call returns after its transaction is on the disk, or raises StoreError and has changed nothing.
    Reads have a connection of their own and wait for no commit; they see all that was returned before, and
    nothing that could still be lost. A call whose waiter is cancelled is carried out all the same.
    """

    def __init__(self, where: str | Path, opened: Opened, events: Events) -> None:
        self._where = where
        self._opened = opened
        self._events = events
        last = admission.admit_all if opened.ticket is not None else None
        most = _MOST_SHARED if opened.ticket is not None else _MOST
        self._writer = Writer(
            opened.writer,
            batch_limit=most,
            events=events,
            ticket=opened.ticket,
            last=last,
            trouble=lambda: opened.trouble,
        )
        self._reader = Writer(opened.reader, name="journal-reads")

    @classmethod
    def open(
        cls,
        where: str | Path,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        stand_in: bool = False,
        events: Events | None = None,
    ) -> Self:
        """Open the journal; create a file, not its directory, or the tables of a database, where there are
        none. ``stand_in``: only until an engine wants it (`wanted`). ``events`` are told of transactions and
        gates.

        Blocks for up to ``busy_timeout`` seconds while another process holds the file, and for as long as a
        stand-in needs to let go. StoreError says why it is not usable, and the cure.
        """
        try:
            opened = open_journal(where, busy_timeout=busy_timeout, stand_in=stand_in)
        except (OSError, SQLAlchemyError, sqlite3.Error) as exc:
            raise StoreError(f"journal {told(where)}: {explain(exc)}") from exc
        except StoreError as exc:
            raise StoreError(f"journal {told(where)}: {exc}") from exc
        return cls(where, opened, events or Events())

    @property
    def shared(self) -> bool:
        """Whether other engines may be at work on it."""
        return self._opened.pulse is not None

    @property
    def member_id(self) -> int | None:
        """The number of this engine among those that share the journal; another one after it was lost."""
        return None if self._opened.pulse is None else self._opened.pulse.member_id

    def in_touch(self, member_id: int | None) -> bool:
        """Whether no other engine can have taken over what this one has as this member."""
        pulse = self._opened.pulse
        return pulse is None or (member_id is not None and pulse.in_touch(member_id))

    def listen(self, heard: Callable[[Heard], None]) -> None:
        """Have it called in this event loop with what is heard of the engines that share the journal, which
        begins with everything; never, where none do."""
        self._opened.ear.listen(asyncio.get_running_loop(), heard)

    @property
    def wanted(self) -> bool:
        """Whether an engine waits for this stand-in to close the journal."""
        return self._opened.wanted

    async def journal(self, message: NewMessage) -> Journaled:
        """Keep a message and its tasks (SCHEDULED), or find the first one of the same fingerprint."""
        return await self._writer.run(messages.journal, message)

    async def keep_ack(
        self, message_id: int, ack: bytes, code: str, letter: NewLetter | None = None
    ) -> bytes:
        """Keep the acknowledgment of a message; the first one stays. Returns the one that is kept.

        With it, in the same transaction, ``letter`` is posted if ``ack`` is the one that is kept.
        """
        return await self._writer.run(messages.keep_ack, message_id, ack, code, letter)

    async def waiting(
        self,
        archive: str,
        limit: int,
        *,
        aging: dt.timedelta = DEFAULT_AGING,
        sieve: Sieve = EVERYTHING,
        due_by: dt.datetime | None = None,
    ) -> list[RetrieveTask]:
        """SCHEDULED tasks of an archive that are due (by now, or by that time) and that the sieve lets
        through, in their order: by priority, each level of which counts as much as ``aging`` of waiting."""
        return await self._reader.run(_WAITING, archive, limit, aging, sieve, due_by)

    async def newer(self, after: int, limit: int, also: Collection[int] = ()) -> list[RetrieveTask]:
        """The tasks that were added after the one of this number, and those of these numbers, oldest first.
        On a shared journal one may be added after one of a higher number."""
        return await self._reader.run(_NEWER, after, limit, also)

    async def waiting_archives(self) -> set[str]:
        """The archives that have SCHEDULED tasks, also those that are not configured any more."""
        return await self._reader.run(_WAITING_ARCHIVES)

    async def claim(self, task_id: int, seen: dt.datetime | None = None) -> RetrieveTask | None:
        """SCHEDULED to IN_PROGRESS, one attempt more. None: it is not SCHEDULED any more.

        Here and below, with ``seen`` nothing is changed where the task has been updated
        (`RetrieveTask.updated`) since then: what was decided on it may not hold any more.
        """
        return await self._writer.run(_CLAIM, task_id, seen)

    async def enter(self, applicant: Applicant) -> RetrieveTask | TurnedAway | None:
        """Claim a task of a shared journal, as far as what all engines have under way lets it through."""
        return await self._writer.run(admission.admit_all, applicant)

    async def situation(self) -> Situation:
        """What goes on at archives and destinations, of all engines."""
        return await self._reader.run(_SITUATION)

    async def correct(self, task_id: int, attempt: int, instances: int) -> None:
        """For the rates of a shared journal: so many were sent by an attempt that was let through."""
        await self._writer.run(_CORRECT, task_id, attempt, instances)

    async def change_breaker(
        self, node: Node, change: Callable[[Breaker, dt.datetime], Breaker]
    ) -> tuple[Breaker, Breaker]:
        """Change how a node has been doing by what all engines know (and the time of the database); what that
        was before, and is. ``change`` is called in the thread of the journal."""
        return await self._writer.run(_CHANGE_BREAKER, node, change)

    async def take_over(self, lost: Collection[int] = ()) -> list[int]:
        """These engines are taken for dead: what they, or others that are not alive, had under way goes on.
        The tasks that are SCHEDULED again."""
        return await self._writer.run(_TAKE_OVER, lost)

    async def strays(self) -> list[tuple[int, int]]:
        """The tasks of a shared journal that are under way in this engine's name, each with its attempt."""
        return await self._writer.run(_STRAYS)

    async def name_address(self, address: str) -> None:
        """Tell the others where this engine listens for HL7 messages."""
        if self._opened.pulse is not None:
            self._opened.pulse.address = address
            await self._writer.run(_NAME_ADDRESS, address)

    async def note_progress(self, counted: Mapping[int, SubOperations]) -> None:
        """How far the C-MOVEs of these tasks (by number) have come, for those who look at them."""
        await self._writer.run(_NOTE_PROGRESS, counted)

    async def next_due(self, archive: str, since: dt.datetime | None = None) -> dt.datetime | None:
        """When the next task of an archive falls due that is not due yet, or was not at that time."""
        return await self._reader.run(_NEXT_DUE, archive, since)

    async def newest_task(self) -> int:
        """The number of the newest task, 0 where there is none."""
        return await self._reader.run(_NEWEST)

    async def unanswered(self, *, mine: bool = False) -> list[Unanswered]:
        """Messages in enhanced mode that are still owed their application acknowledgment, by nobody who is
        alive: from now on by this one. ``mine``: those too that this one owes."""
        return await self._writer.run(_UNANSWERED, mine)

    async def identifiers(self, patient_id: str, authority: str) -> tuple[str, ...]:
        """Every ID that merges have made one with this patient's, the given one first."""
        return await self._reader.run(_IDENTIFIERS, patient_id, authority)

    async def finish(
        self,
        task_id: int,
        outcome: Outcome,
        seen: dt.datetime | None = None,
        *,
        attempt: int | None = None,
    ) -> tuple[int, ...] | None:
        """End a task. Returns the messages all of whose tasks have ended with it.

        None, and nothing is changed: `TRANSITIONS` does not allow it, for instance because it has ended.

        Here and below, with ``attempt`` (`RetrieveTask.attempts`) also where that is not what is under way:
        another engine has taken it over.
        """
        return await self._writer.run(_FINISH, task_id, outcome, seen, attempt)

    async def settled_by(self, task_id: int) -> tuple[int, ...]:
        """The messages of a task all of whose tasks have ended."""
        return await self._reader.run(_SETTLED_BY, task_id)

    async def resolve(
        self,
        task_id: int,
        outcome: Outcome,
        choices: Sequence[Choice],
        found: Sequence[RetrieveRequest],
        *,
        attempt: int | None = None,
    ) -> tuple[list[RetrieveTask], tuple[int, ...]] | None:
        """End a question and add its children, without those that another C-MOVE of the message covers.

        Returns the new children and the messages all of whose tasks have ended; None as for `finish`.
        """
        return await self._writer.run(_RESOLVE, task_id, attempt, outcome, choices, found)

    async def release(
        self, task_id: int, reason: str, due: dt.datetime | None = None, *, attempt: int | None = None
    ) -> bool:
        """IN_PROGRESS back to SCHEDULED, not before ``due``; the attempt does not count as a failure. False,
        and nothing is changed: it is to be canceled, or is not IN_PROGRESS."""
        return await self._writer.run(_RELEASE, task_id, attempt, reason, due)

    async def reschedule(
        self,
        task_id: int,
        outcome: Outcome,
        due: dt.datetime,
        reason: str,
        missing: Sequence[str] = (),
        *,
        attempt: int | None = None,
    ) -> list[int] | None:
        """IN_PROGRESS back to SCHEDULED, for another attempt at ``due``; ``missing``: only these series.

        Returns the messages that wait for it. None, and nothing is changed: it is to be canceled, or is not
        IN_PROGRESS.
        """
        return await self._writer.run(_RESCHEDULE, task_id, attempt, outcome, due, reason, missing)

    async def hold(
        self,
        task_id: int,
        gate: str,
        reason: str,
        expires: dt.datetime | None = None,
        seen: dt.datetime | None = None,
    ) -> list[int] | None:
        """SCHEDULED to HELD; the messages that wait for it, None where nothing is changed. What the switch or
        a list holds is let go by the next `recover`, anything else by a person, or ends at ``expires``."""
        return await self._writer.run(_HOLD, task_id, gate, reason, expires, seen)

    async def defer_tasks(
        self, seen: Sequence[tuple[int, dt.datetime | None]], due: dt.datetime, gate: str, reason: str
    ) -> list[int]:
        """SCHEDULED tasks, each with when it was `seen`, are not looked at before ``due``; the messages that
        wait for them."""
        return await self._writer.run(_DEFER_TASKS, seen, due, gate, reason)

    async def defer_alike(self, task: RetrieveTask, due: dt.datetime, gate: str, reason: str) -> list[int]:
        """The same for some more C-MOVEs of the same routes, archive and priority that are due."""
        return await self._writer.run(_DEFER_ALIKE, task, due, gate, reason)

    async def expire(self) -> list[tuple[RetrieveTask, tuple[int, ...]]]:
        """End HELD tasks whose time is over, some at a time, until it gives none; each with the messages all
        of whose tasks have ended by it."""
        return await self._writer.run(_EXPIRE)

    async def next_expiry(self) -> dt.datetime | None:
        """When the first HELD task expires."""
        return await self._reader.run(_NEXT_EXPIRY)

    async def used(self, task: RetrieveTask, since: dt.datetime) -> Used:
        """What was moved for the order of a task, and for its patient since a time."""
        return await self._reader.run(_USED, task, since)

    async def close_gate(
        self, scope: str, name: str, gate: str, reason: str, until: dt.datetime | None
    ) -> None:
        """Note for others why nothing moves from an archive, or to a destination."""
        await self._writer.run(_CLOSE_GATE, scope, name, gate, reason, until)
        self._events.tell(GateClosed(scope, name, gate, reason, until))

    async def open_gate(self, scope: str, name: str, gate: str) -> None:
        """Take that note away."""
        await self._writer.run(_OPEN_GATE, scope, name, gate)
        self._events.tell(GateOpened(scope, name, gate))

    async def changes(self) -> int:
        """A number that differs from the last one where another process has written to the journal."""
        if self.shared:
            return self._opened.ear.heard
        return await self._writer.run(_CHANGES)

    async def to_cancel(self) -> list[int]:
        """Tasks that are IN_PROGRESS and that nobody wants any more."""
        return await self._reader.run(_TO_CANCEL)

    async def recover(self) -> int:
        """For the start: whatever a crash left IN_PROGRESS is SCHEDULED again. Returns how many."""
        return await self._writer.run(_RECOVER)

    async def tasks_of(self, message_id: int) -> list[RetrieveTask]:
        """The tasks of a message, oldest first."""
        return await self._reader.run(_TASKS_OF, message_id)

    async def open_tasks_of(self, message_id: int) -> list[RetrieveTask]:
        """Those that have not ended."""
        return await self._reader.run(_OPEN_TASKS_OF, message_id)

    async def post(self, message_id: int, letter: NewLetter) -> None:
        """Put a letter into the outbox, due now; the first one of a message stays."""
        await self._writer.run(outbox.post, message_id, letter)

    async def due_letters(self, now: dt.datetime, limit: int) -> list[Letter]:
        """Of each address the oldest waiting letter, if it is due and no other engine delivers it; at most
        ``limit``, the first due first."""
        return await (self._writer if self.shared else self._reader).run(_DUE_LETTERS, now, limit)

    async def next_letter_due(self, after: dt.datetime) -> dt.datetime | None:
        """When, after an instant, the oldest waiting letter of some address will be due first."""
        return await self._reader.run(_NEXT_LETTER_DUE, after)

    async def delivered(self, letter_id: int) -> None:
        """WAITING to DELIVERED, one attempt more. As with the other three, a letter that has ended stays."""
        await self._writer.run(_DELIVERED, letter_id)

    async def refused(self, letter_id: int, reason: str) -> None:
        """WAITING to REFUSED, one attempt more: the receiver does not want it."""
        await self._writer.run(_REFUSED, letter_id, reason)

    async def defer(self, letter_id: int, due_at: dt.datetime, reason: str) -> None:
        """One attempt more that failed; the next one is due at ``due_at``."""
        await self._writer.run(_DEFER, letter_id, due_at, reason)

    async def give_up(self, letter_id: int, reason: str) -> None:
        """WAITING to GIVEN_UP, one attempt more."""
        await self._writer.run(_GIVE_UP, letter_id, reason)

    async def prune(self, after: int, before: dt.datetime, touched: dt.datetime, most: int) -> Pruned:
        """One step of pruning: the oldest messages behind one of this number that came ``before`` a time, and
        whose tasks have all ended and were not ``touched`` since another; at most ``most``, and no more than
        take some milliseconds."""
        return await self._writer.run(_PRUNE, after, before, touched, most)

    async def close(self) -> None:
        """Carry out what is queued and close it. Every later call raises StoreError."""
        await self._reader.close()
        await self._writer.close()  # the last: it tidies a file up
        await asyncio.to_thread(self._opened.close)
