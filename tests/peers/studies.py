"""What the archives hold: the demo's studies, a large one, and some that must not be taken for others."""

from __future__ import annotations

from dataclasses import replace

from engine.simulator import GeneratedSeries, GeneratedStudy, demo_studies

PATIENT = "FF-1001"
ORDERED, PRIOR_CT, PRIOR_CR, PRIOR_MR, OLD_CT = (f"2.25.100100{number}" for number in range(1, 6))
OBJECTS = {study.study_uid: sum(series.instances for series in study.series) for study in demo_studies()}
UNKNOWN = "2.25.1009999"


def _like(
    study_uid: str, accession: str, name: str, patient_id: str = PATIENT, issuer: str = "FOREST"
) -> GeneratedStudy:
    """A study such as the newest CT prior, of somebody else."""
    prior = next(study for study in demo_studies() if study.study_uid == PRIOR_CT)
    series = (GeneratedSeries("CT", "Chest 5.0", 1, f"{study_uid}.1"),)
    return replace(
        prior,
        study_uid=study_uid,
        accession=accession,
        patient_name=name,
        patient_id=patient_id,
        issuer=issuer,
        series=series,
    )


LARGE = replace(
    _like("2.25.1009001", "A1009-1", "Moss^Ivo", "FF-1009"),
    series=(GeneratedSeries("CT", "Thin 0.6", 50, "2.25.1009001.1"),),
)
MIXED = replace(
    _like("2.25.1009002", "A1009-2", "Moss^Ivo", "FF-1009"),
    series=(
        GeneratedSeries("CT", "Low dose", 3, "2.25.1009002.1"),
        GeneratedSeries("MR", "Fused", 2, "2.25.1009002.2"),
    ),
)
OTHERS = (
    _like("2.25.1009003", "A1009-3", "Reed^Ana", "FF-10010"),
    _like("2.25.1009004", "A1009-4", "Reed^Bea", "ff-1001"),
    _like("2.25.1009005", "A1009-5", "Reed^Cleo", issuer="LAKE"),
)
"""Studies of patients whose IDs begin with, look like or are that of PATIENT, which another issuer gave."""

STUDIES = (*demo_studies(), LARGE, MIXED, *OTHERS)
