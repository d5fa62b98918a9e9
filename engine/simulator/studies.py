"""Made-up studies: patients who never lived, and small images that a viewer can show.

Every UID follows from the UID of the study, so that sample messages can name them: series
``<study>.1``, ``<study>.2``…, instances ``<series>.1``, ``<series>.2``….
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from engine.simulator.images import describe_image


@dataclass(frozen=True, slots=True)
class GeneratedSeries:
    """A series of ``instances`` images; their UIDs are ``series_uid`` with ``.1``, ``.2``… behind it."""

    modality: str
    description: str
    instances: int
    series_uid: str
    body_part: str = ""


@dataclass(frozen=True, slots=True)
class GeneratedStudy:
    """A study as it is to be made. ``patient_name`` is in the form of VR PN, ``sex`` F, M or O."""

    study_uid: str
    patient_id: str
    patient_name: str
    birth_date: dt.date
    sex: str
    accession: str
    date: dt.date
    time: dt.time
    description: str
    series: tuple[GeneratedSeries, ...]
    issuer: str = ""


def datasets(study: GeneratedStudy) -> Iterator[Dataset]:
    """The objects of a study, series by series: 64x64 images in Explicit VR Little Endian and UTF-8.

    The SOP class follows the modality: CT, MR, CR, MG (for presentation), otherwise Secondary Capture.
    """
    for series_number, series in enumerate(study.series, start=1):
        for number in range(1, series.instances + 1):
            dataset = Dataset()
            dataset.SpecificCharacterSet = "ISO_IR 192"
            _describe_study(dataset, study)
            _describe_series(dataset, series, series_number)
            dataset.SOPInstanceUID = f"{series.series_uid}.{number}"
            dataset.InstanceNumber = number
            describe_image(dataset, series.modality, number)
            dataset.file_meta = _file_meta(dataset)
            yield dataset


def _describe_study(dataset: Dataset, study: GeneratedStudy) -> None:
    """Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1)."""
    dataset.PatientName = study.patient_name
    dataset.PatientID = study.patient_id
    if study.issuer:
        dataset.IssuerOfPatientID = study.issuer
    dataset.PatientBirthDate = f"{study.birth_date:%Y%m%d}"
    dataset.PatientSex = study.sex
    dataset.StudyInstanceUID = study.study_uid
    dataset.StudyDate = dataset.ContentDate = f"{study.date:%Y%m%d}"
    dataset.StudyTime = dataset.ContentTime = f"{study.time:%H%M%S}"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.AccessionNumber = study.accession
    dataset.StudyDescription = study.description


def _describe_series(dataset: Dataset, series: GeneratedSeries, number: int) -> None:
    """General Series and General Equipment modules (PS3.3 C.7.3.1, C.7.5.1)."""
    dataset.Modality = series.modality
    dataset.SeriesInstanceUID = series.series_uid
    dataset.SeriesNumber = number
    dataset.SeriesDescription = series.description
    if series.body_part:
        dataset.BodyPartExamined = series.body_part
    dataset.Manufacturer = "Forefetch simulator"


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def demo_studies() -> tuple[GeneratedStudy, ...]:
    """The patients and studies that the sample messages refer to."""
    return _mira_aalto() + _juergen_gruen() + _ada_okafor()


@dataclass(frozen=True, slots=True)
class _Patient:
    patient_id: str
    name: str
    birth_date: dt.date
    sex: str

    def study(
        self,
        study_uid: str,
        accession: str,
        date: str,
        modality: str,
        description: str,
        *series: tuple[str, int],
    ) -> GeneratedStudy:
        """A study of one modality; each series is a description and a number of instances."""
        return GeneratedStudy(
            study_uid=study_uid,
            patient_id=self.patient_id,
            patient_name=self.name,
            birth_date=self.birth_date,
            sex=self.sex,
            accession=accession,
            date=dt.date.fromisoformat(date),
            time=dt.time(9, 30),
            description=description,
            series=tuple(
                GeneratedSeries(modality, text, instances, f"{study_uid}.{number}")
                for number, (text, instances) in enumerate(series, start=1)
            ),
            issuer="FOREST",
        )


def _mira_aalto() -> tuple[GeneratedStudy, ...]:
    """An ordered chest CT, two priors of the chest, one of the knee, and one that is too old."""
    study = _Patient("FF-1001", "Aalto^Mira", dt.date(1961, 3, 14), "F").study
    topogram = ("Topogram", 1)
    return (
        study(
            "2.25.1001001", "A1001-1", "2026-11-20", "CT", "CT Chest w/o contrast", topogram, ("Lung 1.0", 3)
        ),
        study(
            "2.25.1001002",
            "A1001-2",
            "2025-06-02",
            "CT",
            "CT Chest with contrast",
            ("Topogram", 2),
            ("Soft tissue 3.0", 3),
        ),
        study("2.25.1001003", "A1001-3", "2024-01-17", "CR", "XR Chest 2 views", ("PA and lateral", 2)),
        study("2.25.1001004", "A1001-4", "2023-09-09", "MR", "MR Knee left", ("PD sag", 2), ("T1 cor", 2)),
        study("2.25.1001005", "A1001-5", "2012-05-05", "CT", "CT Chest", ("Chest 5.0", 2)),
    )


def _juergen_gruen() -> tuple[GeneratedStudy, ...]:
    """An ordered knee MR and its prior; the name needs more than ASCII."""
    study = _Patient("FF-1002", "Grün^Jürgen", dt.date(1975, 8, 30), "M").study
    return (
        study("2.25.1002001", "A1002-1", "2026-11-21", "MR", "MR Knee right", ("PD sag", 2), ("T1 cor", 2)),
        study("2.25.1002002", "A1002-2", "2024-11-02", "MR", "MR Knee right", ("PD sag", 3)),
    )


def _ada_okafor() -> tuple[GeneratedStudy, ...]:
    """A screening mammography and the one of the year before."""
    study = _Patient("FF-1003", "Okafor^Ada", dt.date(1988, 12, 1), "F").study
    screening = "Mammography screening"
    return (
        study("2.25.1003001", "A1003-1", "2026-11-22", "MG", screening, ("CC", 2), ("MLO", 2)),
        study("2.25.1003002", "A1003-2", "2025-11-10", "MG", screening, ("CC and MLO", 4)),
    )
