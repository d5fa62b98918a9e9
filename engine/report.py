"""The report of ``pacs_retrieve``, whoever asks: its title, its lines and their order are its contract."""

from __future__ import annotations

from engine.retrieve.outcome import Cause, Outcome

TITLE = "PACS Retrieve (C-MOVE)"


def succeeded(outcome: Outcome, *, dry_run: bool = False) -> bool:
    """Whether what was asked has been done: every object is known to have arrived; of a dry run, that the
    archive has what would be moved."""
    return outcome.cause is Cause.DRY_RUN if dry_run else outcome.arrived


def report(
    outcome: Outcome, study_uid: str, series_uid: str, destination_ae_title: str, *, dry_run: bool = False
) -> str:
    """The lines that the tool has always had, and after them what it left unsaid. What the archive did not
    count is "not stated", which is not 0."""

    def count(number: int | None) -> str:
        return "not stated" if number is None else str(number)

    lines = [TITLE, "=" * 50]
    lines.append(f"Status: {'SUCCESS' if succeeded(outcome, dry_run=dry_run) else 'FAILED'}")
    lines.append(f"Study UID: {study_uid}")
    if series_uid:
        lines.append(f"Series UID: {series_uid}")
    lines.append(f"Destination: {destination_ae_title}")
    lines.append(f"Message: {outcome.sentence}")
    lines.append(f"Completed: {count(outcome.counters.completed)}")
    lines.append(f"Failed: {count(outcome.counters.failed)}")
    lines.append(f"Warnings: {count(outcome.counters.warning)}")
    if outcome.dicom_status is not None:
        lines.append(f"DICOM status: 0x{outcome.dicom_status:04X}")
    if outcome.comment:
        lines.append(f"Comment: {outcome.comment}")
    return "\n".join(lines)
