"""The audit trail: what was asked for and moved, whose it was and who did it (DICOM PS3.15 A.5).

``transfers`` and ``people`` turn events into records, ``xml`` a record into the standard's message and
``line`` an event into a line of the local trail. ``clerk`` writes them down, to a file (``trail``) and into
a spool on disk, from which ``courier`` takes them to the collector by syslog.
"""

from __future__ import annotations

from engine.audit.audit import Audit

__all__ = ["Audit"]
