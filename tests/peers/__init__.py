"""Forefetch against peers that others wrote: Orthanc, DCMTK and python-hl7's ``mllp_send``."""
