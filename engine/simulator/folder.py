"""DICOM files of a folder as the content of a simulated archive."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from engine.errors import ForefetchError, IdentifierError
from engine.simulator.catalogue import HEADER, HeldObject, hold

logger = logging.getLogger(__name__)


def load_folder(folder: Path) -> list[HeldObject]:
    """Every DICOM file (PS3.10) in the folder and below it, in the order of the paths.

    Only headers are kept; a file is read whole each time it is sent. Files that are not DICOM or lack a
    UID are skipped, with a count in the log. ForefetchError where there is no such folder.
    """
    if not folder.is_dir():
        raise ForefetchError(f"{folder} is not a folder")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    objects = [held for path in files if (held := _load(path)) is not None]
    logger.info("%d DICOM objects found, %d files skipped", len(objects), len(files) - len(objects))
    return objects


def _load(path: Path) -> HeldObject | None:
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER))
        return hold(header, partial(dcmread, path))
    except (InvalidDicomError, IdentifierError, OSError, ValueError):
        return None
