"""Forefetch against peers that others wrote: Orthanc, DCMTK, python-hl7's mllp_send, Medplum's HL7 client."""
