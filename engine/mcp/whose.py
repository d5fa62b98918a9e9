"""Whose study it is, where an archive's own words are about to be told: they may name the patient."""

from __future__ import annotations

import re

from engine.dicom.keys import study_keys
from engine.dicom.node import Archive
from engine.dicom.study import StudyRecord
from engine.errors import ForefetchError
from engine.hl7.patient import PatientValues
from engine.mcp.asking import ask
from engine.mcp.desk import Desk
from engine.mcp.veiling import veiled_outcome
from engine.retrieve.outcome import Outcome

_PARTS = re.compile(r"[\^=, ]+")  # of a name, VR PN (PS3.5 6.2.1)
_QUOTES_A_STATUS = "status 0x"  # and maybe a comment with it


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
    values = PatientValues()
    for match in found.matches:
        values |= _values(match.record)
    return veiled_outcome(outcome, desk.masking.of(values))


def _values(study: StudyRecord) -> PatientValues:
    patient = study.patient
    if patient is None:
        return PatientValues.of_ids([study.patient_id])
    born = patient.birth_date
    dates = [] if born is None else [born.isoformat(), f"{born:%Y%m%d}"]
    return PatientValues.of_ids([study.patient_id, patient.name, *_PARTS.split(patient.name), *dates])
