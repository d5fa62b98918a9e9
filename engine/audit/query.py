"""The C-FIND that a task means, as the data set that A.5.3.10 wants."""

from __future__ import annotations

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from engine.retrieve.selector import (
    PriorsOfPatient,
    Selector,
    SeriesOfStudy,
    StudiesOfAccession,
    Study,
)
from engine.scu import identifiers

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
TRANSFER_SYNTAX = "1.2.840.10008.1.2.1"  # Explicit VR Little Endian, that of `encoded`


def encoded(selector: Selector) -> bytes:
    """The identifier of its first C-FIND. IdentifierError where no character set can encode a key."""
    level, keys = _asked(selector)
    returned = identifiers.STUDY_RETURN_KEYS if level == "STUDY" else identifiers.SERIES_RETURN_KEYS
    identifier = identifiers.query(level, keys, returned)
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, identifier)
    return stream.getvalue()


def _asked(selector: Selector) -> tuple[str, dict[str, str]]:
    match selector:
        case Study(study_uid, ""):
            return "STUDY", {"StudyInstanceUID": study_uid}
        case Study(study_uid, series_uid):
            return "SERIES", {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        case SeriesOfStudy(study_uid, _):
            return "SERIES", {"StudyInstanceUID": study_uid}
        case StudiesOfAccession(accession):
            return "STUDY", {"AccessionNumber": accession}
        case PriorsOfPatient(patient_id):
            return "STUDY", {"PatientID": patient_id}
