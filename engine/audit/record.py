"""An audit message as a value: PS3.15 A.5.1 without the XML."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from engine.audit.codes import Coded, Indicator


@dataclass(frozen=True, slots=True)
class Participant:
    """Who took part (ActiveParticipant). ``ae_title`` where it is a DICOM application; ``host``: a machine's
    name or an IP address, empty where it is not known."""

    user_id: str
    requestor: bool = False
    role: Coded | None = None
    ae_title: str = ""
    name: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of the objects of a study: ParticipantObjectDescription. ``instances``: how many the
    message is about; ``uids``: those of them that are known one by one."""

    accession: str = ""
    instances: int | None = None
    uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What it was about (ParticipantObjectIdentification). ``details`` are pairs of type and value."""

    id: str
    id_type: Coded
    kind: str
    role: str
    name: str = ""
    query: bytes | None = None
    details: tuple[tuple[str, bytes], ...] = ()
    contents: Contents = Contents()


@dataclass(frozen=True, slots=True)
class Record:
    """One audit message. ``at`` has its zone; ``text`` says in words what came of it."""

    event: Coded
    action: str
    at: dt.datetime
    participants: tuple[Participant, ...]
    subjects: tuple[Subject, ...] = ()
    type: Coded | None = None
    indicator: Indicator = Indicator.SUCCESS
    text: str = ""
