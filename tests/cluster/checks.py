"""What was said and done in a storm, held against the journal, the archives and the workstation. Each check
tells the broken promises, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.cluster.archive import Carried, most_at_once, most_within
from tests.cluster.engines import Loss
from tests.cluster.journal import Journal, KeptTask
from tests.cluster.orders import Fate
from tests.cluster.senders import Book
from tests.cluster.site import CONCURRENCY, ORDER, PATIENT, RATE, Site, study

_MINUTE = 55.0
"""An engine may stand still for seconds between the gate, where the minutes of a rate are counted, and the
archive, where this is: short freezes, and what a machine under load does to a process."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A storm that is over."""

    site: Site
    book: Book
    journal: Journal
    losses: Sequence[Loss]
    wide: int  # studies of the patient who has more than a day's budget

    def tasks_of(self, control_id: str) -> list[KeptTask]:
        number = next((it.id for it in self.journal.messages if it.control_id == control_id), 0)
        return [self.journal.tasks[it] for it in self.journal.links.get(number, ())]


def broken_promises(seen: Seen) -> list[str]:
    """All of them."""
    checks = (kept_once, one_answer, letters_came, ended_as_asked, not_moved_after_the_end)
    return [
        *(fault for check in checks for fault in check(seen)),
        *limits_held(seen.site),
        *budgets_held(seen),
        *nobody_lost_in_vain(seen),
    ]


def kept_once(seen: Seen) -> Iterator[str]:
    """Every message that was acknowledged is in the journal, once."""
    rows = Counter(it.control_id for it in seen.journal.messages)
    raw = {it.control_id: it.raw for it in seen.journal.messages}
    for control_id, order in seen.book.orders.items():
        if rows[control_id] > 1:
            yield f"{control_id} is in the journal {rows[control_id]} times"
        if control_id in seen.book.answers and raw.get(control_id) != order.payload:
            yield f"{control_id} was acknowledged and is not in the journal"
        if control_id not in seen.book.answers:
            yield f"{control_id} was never acknowledged"


def one_answer(seen: Seen) -> Iterator[str]:
    """Whoever was asked has said the same, which is what is kept."""
    kept = {it.control_id: it for it in seen.journal.messages}
    for control_id, answers in seen.book.answers.items():
        if len(set(answers)) > 1:
            yield f"{control_id} got different acknowledgments: {sorted(set(answers))}"
        letter, row = seen.book.orders[control_id].letter, kept.get(control_id)
        if row is not None and answers[0] != (row.accept_ack if letter else row.ack):
            yield f"{control_id} got another acknowledgment than the journal has"


def letters_came(seen: Seen) -> Iterator[str]:
    """Every application acknowledgment that was promised has come, in one wording."""
    kept = {it.control_id: it.ack for it in seen.journal.messages}
    for control_id, order in seen.book.orders.items():
        letters = set(seen.book.letters.get(control_id, ()))
        if order.letter and control_id in seen.book.answers and len(letters) != 1:
            yield f"{control_id}: {len(letters)} different letters came"
        if letters and kept.get(control_id) not in letters:
            yield f"{control_id}: another letter than the journal has"
    if waiting := {
        status: number for status, number in seen.journal.letters.items() if status != "DELIVERED"
    }:
        yield f"letters are left: {waiting}"


def ended_as_asked(seen: Seen) -> Iterator[str]:
    """What was asked for has arrived; what was taken back in time has not been moved."""
    moved = {it.study_uid for it in seen.site.main.carried}
    for control_id, order in seen.book.orders.items():
        tasks = seen.tasks_of(control_id)
        statuses = {it.status for it in tasks}
        told = f"{control_id} ({order.fate.name}): {_told(tasks)}"
        match order.fate:
            case Fate.ARRIVES if statuses != {"COMPLETED"} or not all(map(seen.site.holds, order.studies)):
                yield told
            case Fate.CANCELED if statuses != {"CANCELED"} or moved & set(order.studies):
                yield told
            case Fate.EITHER if not statuses or not statuses <= {"CANCELED", "COMPLETED"}:
                yield told
            case Fate.BOUNDED if not all(map(_as_far_as_may_be, tasks)):
                yield told


def not_moved_after_the_end(seen: Seen) -> Iterator[str]:
    """No C-MOVE of a study has begun but for a task that had not ended then."""
    lives: dict[str, list[tuple[float, float]]] = {}
    for task in seen.journal.tasks.values():
        end = task.changed if task.final else float("inf")
        lives.setdefault(task.study_uid, []).append((task.created, end))
    for move in _moves(seen.site):
        if not any(begin <= move.began <= end for begin, end in lives.get(move.study_uid, ())):
            ends = [round(move.began - end, 3) for _, end in lives.get(move.study_uid, ())]
            yield f"{move.study_uid} was moved by {move.calling} {ends} s after its task had ended"


def limits_held(site: Site) -> Iterator[str]:
    """Concurrency and rate, as the archives have counted them."""
    for archive, most in ((site.main, CONCURRENCY), (site.rated, CONCURRENCY), (site.broken, 1)):
        if (number := most_at_once(archive.carried)) > most:
            yield f"{number} C-MOVEs at a time at {archive.ae_title}, which may have {most}"
    if (number := most_within(site.rated.carried, _MINUTE)) > RATE:
        yield f"{number} C-MOVEs in a minute at {site.rated.ae_title}, which may have {RATE}"


def budgets_held(seen: Seen) -> Iterator[str]:
    """Of a patient in a day, and of a message. A move that was interrupted and done again is one study."""
    moved = {it.study_uid for it in seen.site.main.carried}
    number = len(moved & {study("wide", at) for at in range(seen.wide)})
    if number > PATIENT:
        yield f"{number} studies of a patient were moved, who may have {PATIENT} a day"
    for order in seen.book.orders.values():
        if len(order.studies) > ORDER and (number := len(moved & set(order.studies))) != ORDER:
            yield f"{number} studies of {order.control_id} were moved, which may move {ORDER}"


def nobody_lost_in_vain(seen: Seen) -> Iterator[str]:
    """Who was neither killed nor frozen for longer than a lease has never been taken for dead; of who has not
    told yet where it listens that is not known."""
    lost = {it.address for it in seen.journal.members if it.lost and it.address}
    if too_many := lost - {it.address for it in seen.losses}:
        yield f"engines were taken for dead that were not: {sorted(too_many)}"


def takeovers(journal: Journal, losses: Iterable[Loss]) -> Iterator[tuple[float, float]]:
    """When each loss was, and the seconds until the first of its tasks was carried out by another engine."""
    for loss in losses:
        later = [
            task.began - loss.at
            for number, attempt in loss.under_way
            if (task := journal.tasks[number]).attempts == attempt + 1 and task.began is not None
        ]
        if later:
            yield loss.at, min(later)


def _as_far_as_may_be(task: KeptTask) -> bool:
    waits = task.status in ("SCHEDULED", "HELD") and (task.gate == "budget" or task.archive == "rated")
    return waits or task.status == "COMPLETED"


def _moves(site: Site) -> Iterator[Carried]:
    for archive in (site.main, site.rated, site.broken):
        yield from archive.carried


def _told(tasks: Sequence[KeptTask]) -> str:
    return "; ".join(f"task {it.id} {it.status} {it.gate} {it.reason}" for it in tasks) or "no tasks"
