"""Forefetch against what others wrote: Orthanc, DCMTK, mllp_send of python-hl7, Medplum, Chromium."""
