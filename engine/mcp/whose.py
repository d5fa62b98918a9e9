"""Whose study it is: for budgets, and where an archive's own words are about to be told."""

from __future__ import annotations

import re
from dataclasses import replace

from engine.dicom.keys import study_keys
from engine.dicom.node import Archive
from engine.dicom.study import StudyRecord
from engine.errors import ForefetchError
from engine.hl7.patient import PatientValues, of_all, parts_of_name
from engine.mcp.asking import ask
from engine.mcp.desk import Desk
from engine.retrieve.budget import Budget
from engine.retrieve.outcome import Outcome
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest
from engine.telling.veiling import veiled_outcome

_NO_BUDGET = Budget()
_QUOTES_A_STATUS = "status 0x"  # and maybe a comment with it


async def counted(desk: Desk, archive: Archive, request: RetrieveRequest, study: Study) -> RetrieveRequest:
    """With the patient and the number of objects, where there is a budget: the archive is asked. A message
    names its patient by ID and authority, an archive by ID and issuer.

    Raises NotAnswered where it cannot be asked: then no budget can be kept.
    """
    policy = desk.policy()
    if policy.order == _NO_BUDGET == policy.patient_day:
        return request
    keys = study_keys(study_uid=study.study_uid)
    found = await ask(archive, lambda client: client.list_studies(keys), desk.masking)
    record = next((match.record for match in found.matches), None)
    if record is None:
        return request
    patient = "^".join(part for part in (record.patient_id, record.issuer) if part)
    return replace(request, patient=patient, instances=None if study.series_uid else record.instances)


async def without_patient(desk: Desk, archive: Archive, study_uid: str, outcome: Outcome) -> Outcome:
    """An outcome whose words of the archive do not name the patient of the study, where that is masked: the
    archive is asked whose it is. Where it does not tell, its words are withheld."""
    silent = not outcome.comment and _QUOTES_A_STATUS not in outcome.text
    if desk.masking.shown or silent:
        return outcome
    try:
        keys = study_keys(study_uid=study_uid)
        found = await ask(archive, lambda client: client.list_studies(keys), desk.masking)
    except ForefetchError:
        return veiled_outcome(outcome, desk.masking.of(PatientValues()))
    values = of_all(_values(match.record) for match in found.matches)
    return veiled_outcome(outcome, desk.masking.of(values))


def _values(study: StudyRecord) -> PatientValues:
    patient = study.patient
    if patient is None:
        return PatientValues.of_ids([study.patient_id])
    born = patient.birth_date
    dates = [] if born is None else [born.isoformat(), f"{born:%Y%m%d}"]
    told = PatientValues.of_ids([study.patient_id, patient.name, *_components(patient.name), *dates])
    return replace(told, named=bool(patient.name))


def _components(name: str) -> set[str]:
    """Of a name (VR PN, PS3.5 6.2.1), and their parts."""
    found = {it for it in re.split(r"[\^=]", name) if it}
    return found.union(*map(parts_of_name, found))
