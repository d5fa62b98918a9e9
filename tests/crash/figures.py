"""What a crash trial prints."""

from __future__ import annotations

from tests.crash.points import POINTS
from tests.crash.trial import Report


def lines(report: Report) -> list[str]:
    """One below the other."""
    named = [name for name in report.kills if name in POINTS]
    random = {name: number for name, number in report.kills.items() if name not in POINTS}
    return [
        f"{report.kills.total()} kills in {report.seconds:.0f} s (FOREFETCH_CRASH_SEED={report.seed}): "
        f"{sum(report.kills[name] for name in named)} at {len(named)} points, {_counts(random)}; "
        f"{report.missed.total()} lives missed their point, {report.drained} were drained before the kill",
        *(f"  {report.kills[name]:5} {name}{_missed(report.missed[name])}" for name in POINTS),
        f"messages: {report.messages} sent, {report.acknowledged} acknowledged, sent again "
        f"{report.sent_again} times, {report.letters} letters; acknowledgments: {_counts(report.codes)}",
        f"tasks: {_counts(report.tasks)}",
        f"C-MOVEs: {report.moves}, of these after a seen finish {report.after_finish}; "
        f"attempts interrupted: {report.interrupted}, failed and tried again: {report.failed}; "
        f"done from outside: {_counts(report.verbs)}",
        f"broken promises: {len(report.faults)}",
    ]


def _missed(lives: int) -> str:
    return f" ({lives} missed)" if lives else ""


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(numbers.items()))
