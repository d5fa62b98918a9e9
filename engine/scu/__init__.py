"""The Query/Retrieve SCU: what Forefetch asks of DICOM nodes, over pynetdicom.

``client`` has the operations, ``pool`` the associations that are kept between them, ``association`` one of
them, ``negotiation`` how it came about, ``dimse`` the wait for a response, ``identifiers`` the data sets.
"""

from __future__ import annotations

import logging

import pydicom.config
import pynetdicom._config as pynetdicom_config

from engine.scu.client import ArchiveClient, echo

__all__ = ["ArchiveClient", "echo"]

# Both libraries put identifiers, which are patient data, into their log records and warnings. What
# matters of an answer is checked in engine.scu.identifiers.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
pynetdicom_config.LOG_HANDLER_LEVEL = "none"
pynetdicom_config.LOG_REQUEST_IDENTIFIERS = False
pynetdicom_config.LOG_RESPONSE_IDENTIFIERS = False
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
