"""The image part of a generated object: SOP class, the attributes its IOD demands (PS3.3 annex A), pixels."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

SIDE = 64  # rows and columns
_BITS_STORED = 12


def describe_image(dataset: Dataset, modality: str, number: int) -> None:
    """Make the dataset an image of this modality. ``number`` (from 1) shifts position and pattern."""
    sop_class, describe = _MODALITIES.get(modality, (SecondaryCaptureImageStorage, _secondary_capture))
    dataset.SOPClassUID = sop_class
    describe(dataset, number)
    _pixels(dataset, number, bits=8 if sop_class == SecondaryCaptureImageStorage else 16)


def _pixels(dataset: Dataset, number: int, *, bits: int) -> None:
    """Image Pixel module (PS3.3 C.7.6.3): a diagonal ramp that starts brighter in every next instance."""
    stored = _BITS_STORED if bits == 16 else 8
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    dataset.BitsAllocated = bits
    dataset.BitsStored = stored
    dataset.HighBit = stored - 1
    dataset.PixelRepresentation = 0
    step = (1 << stored) // (2 * SIDE)
    ramp = [(row + column + number - 1) % (2 * SIDE) * step for row in range(SIDE) for column in range(SIDE)]
    dataset.add_new("PixelData", "OW", struct.pack(f"<{len(ramp)}{'H' if bits == 16 else 'B'}", *ramp))


def _fill(dataset: Dataset, attributes: Mapping[str, object]) -> None:
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)


def _slice(dataset: Dataset, number: int) -> None:
    """Frame of Reference and Image Plane modules (PS3.3 C.7.4.1, C.7.6.2), in mm."""
    _fill(
        dataset,
        {
            "FrameOfReferenceUID": f"{dataset.StudyInstanceUID}.0",
            "PositionReferenceIndicator": "",
            "PatientPosition": "HFS",
            "PixelSpacing": [5, 5],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [-160, -160, 5 * number],
            "SliceThickness": 5,
            "AcquisitionNumber": 1,
        },
    )


def _ct(dataset: Dataset, number: int) -> None:
    """CT Image module (PS3.3 C.8.2.1)."""
    _slice(dataset, number)
    _fill(
        dataset,
        {
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "RescaleIntercept": -1024,
            "RescaleSlope": 1,
            "RescaleType": "HU",
            "KVP": 120,
            "WindowCenter": 1024,
            "WindowWidth": 4096,
        },
    )


def _mr(dataset: Dataset, number: int) -> None:
    """MR Image module (PS3.3 C.8.3.1)."""
    _slice(dataset, number)
    _fill(
        dataset,
        {
            "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
            "ScanningSequence": "SE",
            "SequenceVariant": "NONE",
            "ScanOptions": "",
            "MRAcquisitionType": "2D",
            "RepetitionTime": 2000,
            "EchoTime": 30,
            "EchoTrainLength": 1,
            "WindowCenter": 2048,
            "WindowWidth": 4096,
        },
    )


def _cr(dataset: Dataset, number: int) -> None:
    """CR Series and CR Image modules (PS3.3 C.8.1.1, C.8.1.2)."""
    _fill(
        dataset,
        {
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "BodyPartExamined": "",
            "ViewPosition": "PA" if number == 1 else "LL",
            "PatientOrientation": ["L", "F"] if number == 1 else ["P", "F"],
            "WindowCenter": 2048,
            "WindowWidth": 4096,
        },
    )


def _mg(dataset: Dataset, number: int) -> None:
    """DX Series, DX Image, DX Detector and Mammography Image modules (PS3.3 C.8.11)."""
    left = number % 2 == 1
    view = _code("399162004", "SCT", "cranio-caudal")
    view.ViewModifierCodeSequence = []
    _fill(
        dataset,
        {
            "ImageType": ["ORIGINAL", "PRIMARY", ""],
            "PresentationIntentType": "FOR PRESENTATION",
            "ImageLaterality": "L" if left else "R",
            "PatientOrientation": ["A", "R"] if left else ["P", "L"],
            "BodyPartExamined": "BREAST",
            "AnatomicRegionSequence": [_code("76752008", "SCT", "Breast")],
            "ViewCodeSequence": [view],
            "AcquisitionContextSequence": [],
            "PositionerType": "MAMMOGRAPHIC",
            "OrganExposed": "BREAST",
            "DetectorType": "DIRECT",
            "ImagerPixelSpacing": [1, 1],
            "PixelIntensityRelationship": "LOG",
            "PixelIntensityRelationshipSign": -1,
            "RescaleIntercept": 0,
            "RescaleSlope": 1,
            "RescaleType": "US",
            "PresentationLUTShape": "IDENTITY",
            "LossyImageCompression": "00",
            "BurnedInAnnotation": "NO",
            "WindowCenter": 2048,
            "WindowWidth": 4096,
        },
    )


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _secondary_capture(dataset: Dataset, number: int) -> None:
    """SC Equipment module (PS3.3 C.8.6.1)."""
    _fill(dataset, {"ConversionType": "WSD", "PatientOrientation": ""})


_MODALITIES: Mapping[str, tuple[UID, Callable[[Dataset, int], None]]] = {
    "CT": (CTImageStorage, _ct),
    "MR": (MRImageStorage, _mr),
    "CR": (ComputedRadiographyImageStorage, _cr),
    "MG": (DigitalMammographyXRayImageStorageForPresentation, _mg),
}
