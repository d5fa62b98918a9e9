"""Whose tasks are, as far as the journal knows: for those who may not see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, func, select

from engine.hl7.patient import PatientValues, patient_values
from engine.retrieve.selector import PriorsOfPatient, StudiesOfAccession
from engine.retrieve.task import RetrieveTask
from engine.store.occasions import all_ids
from engine.store.reader import reading
from engine.store.schema import links, messages

_NOTHING = PatientValues()
_BEGINNING = 65_536  # octets, in which a PID stands


def patients_of(
    where: str | Path, tasks: Sequence[RetrieveTask], default_charset: str
) -> dict[int, PatientValues]:
    """By the number of each task: what its messages say of the patient, the IDs that it asks for, and those
    that were merged with them. StoreError as for `list_tasks`."""
    with reading(where) as connection:
        told = _told(connection, [task.id for task in tasks], default_charset)
        merged: dict[str, PatientValues] = {}
        found = {}
        for task in tasks:
            values = told.get(task.id, _NOTHING)
            for patient_id in _ids(task):
                if patient_id not in merged:
                    merged[patient_id] = PatientValues.of_ids(all_ids(connection, [patient_id]))
                values |= merged[patient_id]
            found[task.id] = values
    return found


def patients_named(
    where: str | Path, message_ids: Sequence[int], default_charset: str
) -> dict[int, PatientValues]:
    """By the number of each message: what its beginning says of the patient. StoreError as for
    `list_tasks`."""
    beginning = func.substr(messages.c.raw, 1, _BEGINNING).label("raw")
    asking = select(messages.c.id, beginning).where(messages.c.id.in_(message_ids))
    with reading(where) as connection:
        return {row.id: patient_values(row.raw, default_charset) for row in connection.execute(asking)}


def _told(connection: Connection, task_ids: Sequence[int], default_charset: str) -> dict[int, PatientValues]:
    """Of each task, by its messages; one after the other, since messages may be large."""
    pairs = connection.execute(
        select(links.c.task_id, links.c.message_id).where(links.c.task_id.in_(task_ids))
    ).all()
    asking = select(messages.c.id, messages.c.raw).where(
        messages.c.id.in_({pair.message_id for pair in pairs})
    )
    values = {row.id: patient_values(row.raw, default_charset) for row in connection.execute(asking)}
    told: dict[int, PatientValues] = {}
    for pair in pairs:
        told[pair.task_id] = told.get(pair.task_id, _NOTHING) | values[pair.message_id]
    return told


def _ids(task: RetrieveTask) -> Iterator[str]:
    request = task.request
    yield request.patient.partition("^")[0]
    if isinstance(request.selector, PriorsOfPatient):
        yield request.selector.patient_id
    if isinstance(request.selector, StudiesOfAccession):
        yield from (patient_id for patient_id, _ in request.selector.patient_ids)
