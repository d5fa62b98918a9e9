"""What the senders of a storm send: messages, each with what must become of it."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from tests.cluster.site import Content, patient, study


class Fate(Enum):
    """What must have become of the retrieves of a message in the end."""

    ARRIVES = auto()
    CANCELED = auto()
    EITHER = auto()  # canceled while it was moved: the cancel or the objects come first
    BOUNDED = auto()  # a budget or a rate lets some of it through
    NOTHING = auto()  # it asks for none


@dataclass(frozen=True, slots=True)
class Order:
    """One message. ``letter``: its connection brings the accept acknowledgment, the application
    acknowledgment goes to the receiver of letters. ``pause``: seconds before it is sent."""

    control_id: str
    payload: bytes
    fate: Fate
    studies: tuple[str, ...] = ()
    letter: bool = False
    pause: float = 0.0


Conversation = tuple[Order, ...]
"""Each is sent when the one before is acknowledged."""
_TOMORROW = dt.timedelta(days=1)


class Orders:
    """Makes conversations of every kind, until the studies are used up."""

    def __init__(self, rng: random.Random, content: Content) -> None:
        self._rng = rng
        self._left = {name: iter(range(getattr(content, name))) for name in Content.__slots__}
        self._control_ids: Iterator[int] = itertools.count(1)
        self._makers: list[tuple[Callable[[], list[Conversation]], int]] = [
            (self._waits, 8),
            (self._letter, 5),
            (self._accepted, 3),
            (self._alike, 1),
            (self._canceled, 2),
            (self._canceled_under_way, 1),
            (self._rated, 1),
            (self._broken, 1),
            (self._priors, 1),
            (self._wide, 2),
        ]

    def some(self) -> list[Conversation]:
        """What comes next, all at once. None: everything has been sent."""
        while self._makers:
            makers, weights = zip(*self._makers, strict=True)
            (make,) = self._rng.choices(makers, weights)
            try:
                return make()  # type: ignore[no-any-return]
            except StopIteration:
                self._makers = [it for it in self._makers if it[0] != make]
        return []

    def _waits(self) -> list[Conversation]:
        return [(self._one("quick", "RE"),)]

    def _letter(self) -> list[Conversation]:
        return [(self._one("quick", "RE", letter=True),)]

    def _accepted(self) -> list[Conversation]:
        return [(self._one("quick", "SC"),)]

    def _alike(self) -> list[Conversation]:
        """One study for three senders at once, in both modes."""
        number = next(self._left["quick"])
        return [
            (self._order("RE", "quick", number),),
            (self._order("RE", "quick", number),),
            (self._order("RE", "quick", number, letter=True),),
        ]

    def _canceled(self) -> list[Conversation]:
        """An order for another day, and its cancel."""
        due = f"{dt.datetime.now(dt.UTC) + _TOMORROW:%Y%m%d%H%M}+0000"
        planned = self._one("quick", "PA", fate=Fate.CANCELED, due=due)
        return [(planned, self._cancel(planned))]

    def _canceled_under_way(self) -> list[Conversation]:
        order = self._one("slow", "SC", fate=Fate.EITHER)
        return [(order, self._cancel(order, pause=self._rng.uniform(0, 1)))]

    def _rated(self) -> list[Conversation]:
        """Four at once: soon more than a minute may have."""
        return [(self._one("rated", "RATED", fate=Fate.BOUNDED),) for _ in range(4)]

    def _broken(self) -> list[Conversation]:
        return [(self._one("broken", "BROKEN"),)]

    def _priors(self) -> list[Conversation]:
        """More than a message may move."""
        number = next(self._left["priors"])
        return [(self._order("NW", "priors", number, parts=5, fate=Fate.BOUNDED),)]

    def _wide(self) -> list[Conversation]:
        """In all more than this patient may have in a day; three at once."""
        orders = [self._one("wide", "SC", fate=Fate.BOUNDED, patient_id=patient("wide", 0)) for _ in range(3)]
        return [(order,) for order in orders]

    def _cancel(self, order: Order, pause: float = 0.0) -> Order:
        return self._write("CA", Fate.NOTHING, "", placer=order.control_id, pause=pause)

    def _one(
        self,
        kind: str,
        control: str,
        *,
        fate: Fate = Fate.ARRIVES,
        letter: bool = False,
        patient_id: str = "",
        due: str = "",
    ) -> Order:
        number = next(self._left[kind])
        return self._order(control, kind, number, fate=fate, letter=letter, patient_id=patient_id, due=due)

    def _order(
        self,
        control: str,
        kind: str,
        number: int,
        *,
        parts: int = 1,
        fate: Fate = Fate.ARRIVES,
        letter: bool = False,
        patient_id: str = "",
        due: str = "",
    ) -> Order:
        studies = tuple(study(kind, number, part) for part in range(1, parts + 1))
        whose = patient_id or patient(kind, number)
        return self._write(control, fate, whose, studies=studies, letter=letter, due=due)

    def _write(
        self,
        control: str,
        fate: Fate,
        patient_id: str,
        *,
        studies: tuple[str, ...] = (),
        placer: str = "",
        letter: bool = False,
        due: str = "",
        pause: float = 0.0,
    ) -> Order:
        control_id = f"C{next(self._control_ids)}"
        payload = message(
            control_id,
            control,
            patient_id,
            study_uid=studies[0] if len(studies) == 1 else "",
            placer=placer,
            letter=letter,
            due=due,
        )
        return Order(control_id, payload, fate, studies, letter, pause)


def message(
    control_id: str,
    control: str,
    patient_id: str = "",
    *,
    study_uid: str = "",
    placer: str = "",
    letter: bool = False,
    due: str = "",
) -> bytes:
    """An ORM^O01 for the routes of the site; ``letter``: in enhanced mode, from who has a reply address."""
    application, mode = ("LETTERS", "AL|AL") if letter else ("HIS", "")
    segments = (
        f"MSH|^~\\&|{application}|HOSP|FOREFETCH|RAD|20261124080000||ORM^O01|{control_id}|P|2.5.1|||{mode}",
        f"PID|1||{patient_id}^^^CLUSTER^MR||Cluster^Test",
        f"ORC|{control}|{placer or control_id}",
        "OBR|1|||CT^CT^L",
        f"ZDS|{study_uid}|{due}",
    )
    return "".join(segment + "\r" for segment in segments).encode()
