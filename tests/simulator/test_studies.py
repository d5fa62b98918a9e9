from __future__ import annotations

import datetime as dt
from dataclasses import replace
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from engine.dicom.identifiers import valid_uid
from engine.simulator import GeneratedSeries, GeneratedStudy, datasets, demo_studies

SOP_CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "CR": ComputedRadiographyImageStorage,
    "MG": DigitalMammographyXRayImageStorageForPresentation,
}

# accession number: study UID, patient ID, study date, modality, description, instances of each series
DEMO = {
    "A1001-1": ("2.25.1001001", "FF-1001", "2026-11-20", "CT", "CT Chest w/o contrast", (1, 3)),
    "A1001-2": ("2.25.1001002", "FF-1001", "2025-06-02", "CT", "CT Chest with contrast", (2, 3)),
    "A1001-3": ("2.25.1001003", "FF-1001", "2024-01-17", "CR", "XR Chest 2 views", (2,)),
    "A1001-4": ("2.25.1001004", "FF-1001", "2023-09-09", "MR", "MR Knee left", (2, 2)),
    "A1001-5": ("2.25.1001005", "FF-1001", "2012-05-05", "CT", "CT Chest", (2,)),
    "A1002-1": ("2.25.1002001", "FF-1002", "2026-11-21", "MR", "MR Knee right", (2, 2)),
    "A1002-2": ("2.25.1002002", "FF-1002", "2024-11-02", "MR", "MR Knee right", (3,)),
    "A1003-1": ("2.25.1003001", "FF-1003", "2026-11-22", "MG", "Mammography screening", (2, 2)),
    "A1003-2": ("2.25.1003002", "FF-1003", "2025-11-10", "MG", "Mammography screening", (4,)),
}


def read_back(dataset: Dataset) -> FileDataset:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)


def test_the_demo_studies_are_those_that_the_samples_name() -> None:
    made = {
        study.accession: (
            study.study_uid,
            study.patient_id,
            study.date.isoformat(),
            study.series[0].modality,
            study.description,
            tuple(series.instances for series in study.series),
        )
        for study in demo_studies()
    }
    assert made == DEMO


def test_the_demo_patients_are_those_that_the_samples_name() -> None:
    patients = {
        (it.patient_id, it.patient_name, it.birth_date.isoformat(), it.sex, it.issuer)
        for it in demo_studies()
    }
    assert patients == {
        ("FF-1001", "Aalto^Mira", "1961-03-14", "F", "FOREST"),
        ("FF-1002", "Grün^Jürgen", "1975-08-30", "M", "FOREST"),
        ("FF-1003", "Okafor^Ada", "1988-12-01", "F", "FOREST"),
    }


def test_uids_follow_from_the_uid_of_the_study() -> None:
    ordered = demo_studies()[0]
    made = [(it.SeriesInstanceUID, it.SOPInstanceUID) for it in datasets(ordered)]
    assert made == [
        ("2.25.1001001.1", "2.25.1001001.1.1"),
        ("2.25.1001001.2", "2.25.1001001.2.1"),
        ("2.25.1001001.2", "2.25.1001001.2.2"),
        ("2.25.1001001.2", "2.25.1001001.2.3"),
    ]


@pytest.mark.parametrize("study", demo_studies(), ids=lambda study: study.accession)
def test_every_object_reads_back_from_a_file_as_it_was_made(study: GeneratedStudy) -> None:
    files = [read_back(dataset) for dataset in datasets(study)]
    assert len(files) == sum(series.instances for series in study.series)
    for file in files:
        assert file.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert file.file_meta.MediaStorageSOPClassUID == file.SOPClassUID == SOP_CLASSES[file.Modality]
        assert file.file_meta.MediaStorageSOPInstanceUID == valid_uid(file.SOPInstanceUID)
        assert len(file.PixelData) == file.Rows * file.Columns * file.BitsAllocated // 8
        assert (file.Rows, file.Columns, file.BitsAllocated) == (64, 64, 16)
        assert file.SpecificCharacterSet == "ISO_IR 192"
        assert file.PatientName == study.patient_name
        assert file.IssuerOfPatientID == "FOREST"
        assert file.AccessionNumber == study.accession


def test_pixels_are_a_pattern_that_differs_from_instance_to_instance_and_fits_the_bits_stored() -> None:
    pixels = [dataset.PixelData for dataset in datasets(demo_studies()[1])]
    first, second = pixels[:2]
    assert first != second
    values = memoryview(first).cast("H").tolist()
    assert len(set(values)) > 64
    assert max(values) < 1 << 12


def test_the_same_study_is_made_of_the_same_bytes_every_time() -> None:
    def encoded(dataset: Dataset) -> bytes:
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    study = demo_studies()[0]
    assert list(map(encoded, datasets(study))) == list(map(encoded, datasets(study)))


def test_a_modality_without_an_image_of_its_own_becomes_an_8_bit_secondary_capture() -> None:
    study = GeneratedStudy(
        study_uid="1.2.3",
        patient_id="X1",
        patient_name="Nobody",
        birth_date=dt.date(2000, 1, 1),
        sex="O",
        accession="A1",
        date=dt.date(2026, 1, 2),
        time=dt.time(13, 5, 9),
        description="",
        series=(GeneratedSeries("US", "", 1, "1.2.3.1"),),
    )
    (file,) = (read_back(dataset) for dataset in datasets(study))
    assert file.SOPClassUID == SecondaryCaptureImageStorage
    assert (file.BitsAllocated, len(file.PixelData)) == (8, 64 * 64)
    assert (file.StudyDate, file.StudyTime) == ("20260102", "130509")
    assert "IssuerOfPatientID" not in file


def test_a_series_may_have_a_body_part() -> None:
    study = demo_studies()[0]
    chest = replace(study, series=(replace(study.series[0], body_part="CHEST"), study.series[1]))
    with_part, *without = datasets(chest)
    assert with_part.BodyPartExamined == "CHEST"
    assert not [it for it in without if "BodyPartExamined" in it]
