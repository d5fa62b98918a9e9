"""Forefetch: an HL7-triggered DICOM retrieve engine."""

__version__ = "0.1.0"
