"""Patients on the pages: hidden from those who need not know them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.hl7.patient import PatientValues, about_patient
from engine.retrieve.task import RetrieveTask
from engine.store import Story, patients_named, patients_of
from engine.store.browse import MessageRow
from engine.telling.masking import Masking, Veil
from engine.telling.veiling import veiled_hold, veiled_story, veiled_task
from engine.waiting import Hold
from engine.web.office import Office, Role, User

_NOTHING = PatientValues()


def is_masked_for(user: User, office: Office) -> bool:
    """Whether patients are hidden from this user."""
    web = office.config.web
    return user.role is Role.VIEWER and (web is None or web.mask_patients)


def tasks_behind(
    masking: Masking, office: Office, tasks: Sequence[RetrieveTask], holds: dict[int, Hold]
) -> tuple[list[RetrieveTask], dict[int, Hold]]:
    """Tasks, and what they wait for, behind a veil each. Blocks. StoreError."""
    if masking.shown:
        return list(tasks), holds
    patients = patients_of(office.journal, tasks, office.config.engine.default_charset)
    veils = {task.id: masking.of(patients.get(task.id, _NOTHING)) for task in tasks}
    hidden = {number: veiled_hold(hold, veils[number]) for number, hold in holds.items()}
    return (
        [veiled_task(task, veils[task.id]) for task in tasks],
        {number: hold for number, hold in hidden.items() if hold is not None},
    )


def messages_behind(masking: Masking, office: Office, rows: Sequence[MessageRow]) -> list[MessageRow]:
    """Messages in a list: some senders make control IDs of a patient's. Blocks. StoreError."""
    if masking.shown:
        return list(rows)
    charset = office.config.engine.default_charset
    patients = patients_named(office.journal, [row.id for row in rows], charset)
    return [message_behind(masking.of(patients.get(row.id, _NOTHING)), row) for row in rows]


def message_behind(veil: Veil, row: MessageRow) -> MessageRow:
    """What a list tells of a message."""
    return row._replace(control_id=veil.echo(row.control_id))


def story_behind(
    masking: Masking, office: Office, story: Story, hold: Hold | None
) -> tuple[Story, Hold | None]:
    """All of a task, behind a veil. Blocks. StoreError."""
    if masking.shown:
        return story, hold
    patients = patients_of(office.journal, [story.task], office.config.engine.default_charset)
    veil = masking.of(patients.get(story.task.id, _NOTHING))
    return veiled_story(story, veil), veiled_hold(hold, veil)


def decision_behind(veil: Veil, decision: str) -> dict[str, Any]:
    """A decision as the journal has it (JSON), with what is left out where it is empty. Of what the journal
    says in sentences the patient's values are masked, and of what stood in his fields all."""
    told: dict[str, Any] = {
        "message": "", "warnings": [], "routes": [], "requests": [], "problems": [], "meaning": [],
        "trace": [], "ruled_out": {},
    } | json.loads(decision or "{}")  # fmt: skip
    if veil.masking.shown:
        return told
    told["warnings"] = [veil.sentence(it) for it in told["warnings"]]
    told["meaning"] = [veil.sentence(it) for it in told["meaning"]]
    for problem in told["problems"]:
        hide = veil.literals if about_patient(problem["location"]) else veil.sentence
        problem["text"] = veil.sentence(hide(problem["text"]))
    for request in told["requests"]:
        request["studies"] = veil.sentence(request["studies"])
    for trace in told["trace"]:
        for check in trace["checks"]:
            _hide(veil, check)
    for field in told["ruled_out"].get("other_values", []):
        field["found"] = _found(veil, field["found"])
    return told


def _hide(veil: Veil, check: dict[str, Any]) -> None:
    hide = veil.literals if about_patient(check["asked"]) else veil.quotes
    check["asked"] = hide(check["asked"])
    if "found" in check:
        check["found"] = _found(veil, check["found"])
    for part in check.get("parts", []):
        _hide(veil, part)


def _found(veil: Veil, found: dict[str, str]) -> dict[str, str]:
    return {place: field_behind(veil, place, text) for place, text in found.items()}


def field_behind(veil: Veil, place: str, text: str) -> str:
    """What stands in a field such as PID-3(2).1."""
    return veil.value(text) if about_patient(place) else veil.unless_his(text)
