"""What the senders send: messages, each with what must become of it."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from engine.retrieve.task import Verb
from tests.crash.hospital import TROUBLES, accession, patient, studies, troubled


class Fate(Enum):
    """What must have become of the retrieves of a message in the end."""

    ARRIVES = auto()
    PRESENT = auto()  # it had arrived before
    FAILS = auto()
    CANCELED = auto()
    EITHER = auto()  # canceled while it was moved: the cancel or the objects come first
    ENDS = auto()  # canceled by a person, or failed before that
    NOTHING = auto()  # it asks for none


@dataclass(frozen=True, slots=True)
class Order:
    """One message. ``answers`` are those that its connection has to bring; with ``letter`` the application
    acknowledgment goes to the receiver of letters. ``tasks`` is how many it must have at least. ``verb`` is
    what a person is going to do to its retrieve, with ``under_way`` while it is moved."""

    control_id: str
    payload: bytes
    fate: Fate
    studies: tuple[str, ...] = ()
    tasks: int = 1
    answers: tuple[str, ...] = ("application",)
    letter: bool = False
    verb: Verb | None = None
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages over one connection: all at once, or each after the answer to the one before."""

    orders: tuple[Order, ...]
    pipelined: bool = True


Group = tuple[Conversation, ...]
_ORIGINAL, _ENHANCED = "", "AL|AL"
_A_DAY = 86_400
_GROUPS = 2  # in a life, besides


class Senders:
    """Makes orders. Each patient and study is asked for by one group alone."""

    def __init__(self, rng: random.Random, patients: int, troubles: int) -> None:
        self._rng = rng
        self._patients = iter(range(patients))
        self._spare: list[str] = []
        self._troubles = {kind: iter(range(troubles)) for kind in TROUBLES}
        self._control_ids: Iterator[int] = itertools.count(1)

    def groups(self, load: str = "") -> list[Group]:
        """What comes in one life: some of everything, in any order, and certainly ``load``. None once the
        patients are used up."""
        makers = {make.__name__.removeprefix("_"): make for make in self._makers()}
        certain = [makers[load]] if load else []
        try:
            made = [make() for make in (*certain, *self._rng.sample(list(makers.values()), _GROUPS))]
        except StopIteration:
            return []
        self._rng.shuffle(made)
        return made

    def _makers(self) -> Sequence[Callable[[], Group]]:
        return (
            *(self._study, self._accession, self._accepted, self._enhanced, self._letter, self._priors),
            *(self._alike, self._scheduled, self._cancel_planned, self._cancel_underway),
            *(self._missing, self._unrouted),
            *(self._flaky, self._dead, self._partial, self._dropped, self._dropped_unless_there),
            *(self._there_already, self._unless_there, self._held, self._held_in_vain, self._expiring),
            *(self._closed, self._slow, self._sinking),
        )

    def _study(self) -> Group:
        """Two studies, one after the other."""
        return (Conversation(tuple(self._retrieve(uid) for uid in self._two()), pipelined=False),)

    def _priors(self) -> Group:
        number = next(self._patients)
        return (Conversation((self._order("NW", Fate.ARRIVES, studies(number), number=number),)),)

    def _accession(self) -> Group:
        number = next(self._patients)
        uid, _ = studies(number)
        return (Conversation((self._order("RE", Fate.ARRIVES, (uid,), number=number, accession_of=uid),)),)

    def _accepted(self) -> Group:
        uid = self._one()
        return (Conversation((self._order("SC", Fate.ARRIVES, (uid,), named=uid),)),)

    def _enhanced(self) -> Group:
        return (Conversation(tuple(self._retrieve(uid, mode=_ENHANCED) for uid in self._two())),)

    def _letter(self) -> Group:
        return (Conversation((self._retrieve(self._one(), mode=_ENHANCED, application="LETTERS"),)),)

    def _alike(self) -> Group:
        """The same study for three senders, pipelined with another one, in both modes."""
        same, other = self._two()
        return (
            Conversation((self._retrieve(same), self._retrieve(other))),
            Conversation((self._retrieve(same),)),
            Conversation((self._retrieve(same, mode=_ENHANCED),)),
        )

    def _scheduled(self) -> Group:
        uid = self._one()
        return (Conversation((self._order("PA", Fate.ARRIVES, (uid,), named=uid, due=_in(2)),)),)

    def _cancel_planned(self) -> Group:
        """An order for another day, and its cancel behind it."""
        uid = self._one()
        planned = self._order("PA", Fate.CANCELED, (uid,), named=uid, due=_in(_A_DAY))
        return (Conversation((planned, self._cancel(planned)), pipelined=self._rng.random() < 0.5),)

    def _cancel_underway(self) -> Group:
        uid = self._one()
        order = self._order("RE", Fate.EITHER, (uid,), named=uid)
        return (Conversation((order, self._cancel(order))),)

    def _missing(self) -> Group:
        return (Conversation((self._order("RE", Fate.FAILS, named=f"2.25.8{self._rng.randrange(10**9)}"),)),)

    def _unrouted(self) -> Group:
        return (Conversation((self._order("ZZ", Fate.NOTHING, tasks=0),)),)

    def _flaky(self) -> Group:
        return self._gate("RETRIED", Fate.ARRIVES, self._troubled("flaky"))

    def _dead(self) -> Group:
        """Tried again by a person in the end, or canceled, or neither."""
        verb = self._rng.choice([Verb.RETRY, Verb.RETRY, Verb.CANCEL, None])
        fate = Fate.ENDS if verb is Verb.CANCEL else Fate.FAILS
        return self._gate("FAILING", fate, self._troubled("dead"), verb)

    def _partial(self) -> Group:
        return self._gate("VERIFIED", Fate.ARRIVES, self._troubled("partial"))

    def _dropped(self) -> Group:
        return self._gate("VERIFIED", Fate.ARRIVES, self._troubled("dropped"))

    def _dropped_unless_there(self) -> Group:
        return self._gate("SKIPPED", Fate.ARRIVES, self._troubled("dropped"))

    def _unless_there(self) -> Group:
        return self._gate("SKIPPED", Fate.ARRIVES, self._one())

    def _there_already(self) -> Group:
        uid = self._one()
        again = self._order("SKIPPED", Fate.PRESENT, (uid,), named=uid)
        return (Conversation((self._retrieve(uid), again), pipelined=False),)

    def _held(self) -> Group:
        return self._gate("HELD", Fate.ARRIVES, self._one(), Verb.APPROVE)

    def _held_in_vain(self) -> Group:
        return self._gate("HELD", Fate.CANCELED, self._one(), Verb.CANCEL)

    def _expiring(self) -> Group:
        return self._gate("EXPIRING", Fate.FAILS, self._one())

    def _closed(self) -> Group:
        """For most of them a person does not wait until the window opens."""
        verb = self._rng.choice([Verb.EXPEDITE, Verb.EXPEDITE, None])
        return self._gate("CLOSED", Fate.ARRIVES, self._one(), verb)

    def _slow(self) -> Group:
        return self._gate("RE", Fate.EITHER, self._troubled("slow"), Verb.CANCEL, under_way=True)

    def _sinking(self) -> Group:
        """Most often it fails before the engine has noticed the cancel."""
        control = self._rng.choice(["RE", "RETRIED"])
        return self._gate(control, Fate.ENDS, self._troubled("sinking"), Verb.CANCEL, under_way=True)

    def _gate(
        self, control: str, fate: Fate, uid: str, verb: Verb | None = None, *, under_way: bool = False
    ) -> Group:
        mode = self._rng.choice([_ORIGINAL, _ENHANCED])
        order = self._order(control, fate, (uid,), named=uid, mode=mode)
        return (Conversation((replace(order, verb=verb, under_way=under_way),)),)

    def _troubled(self, kind: str) -> str:
        return troubled(kind, next(self._troubles[kind]))

    def _one(self) -> str:
        if not self._spare:
            self._spare = list(self._two())
        return self._spare.pop()

    def _two(self) -> tuple[str, str]:
        return studies(next(self._patients))

    def _retrieve(self, uid: str, *, mode: str = _ORIGINAL, application: str = "HIS") -> Order:
        return self._order("RE", Fate.ARRIVES, (uid,), named=uid, mode=mode, application=application)

    def _cancel(self, order: Order) -> Order:
        return self._order("CA", Fate.NOTHING, tasks=0, placer=order.control_id)

    def _order(
        self,
        control: str,
        fate: Fate,
        expected: tuple[str, ...] = (),
        *,
        tasks: int = 1,
        number: int = 0,
        named: str = "",
        accession_of: str = "",
        due: str = "",
        placer: str = "",
        mode: str = _ORIGINAL,
        application: str = "HIS",
    ) -> Order:
        control_id = f"M{next(self._control_ids)}"
        segments = (
            f"MSH|^~\\&|{application}|HOSP|FOREFETCH|RAD|20261124080000||ORM^O01|{control_id}|P|2.5.1|||{mode}",
            f"PID|1||{patient(number)}^^^CRASH^MR||Crash^Test",
            f"ORC|{control}|{placer or control_id}",
            f"OBR|1|||CT^CT^L||||||||||||||{accession(accession_of) if accession_of else ''}",
            f"ZDS|{named}|{due}",
        )
        answers = ("application",) if not mode else ("accept", "application")
        letter = application == "LETTERS"
        payload = "".join(segment + "\r" for segment in segments).encode()
        return Order(
            control_id,
            payload,
            fate,
            expected,
            tasks,
            answers=answers[:1] if letter else answers,
            letter=letter,
        )


def _in(seconds: float) -> str:
    """So many seconds from now, as HL7 writes it."""
    return f"{dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds):%Y%m%d%H%M%S}+0000"
