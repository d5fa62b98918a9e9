"""What a storm prints."""

from __future__ import annotations

from collections import Counter
from statistics import median

from tests.cluster.storm import Report


def lines(report: Report) -> list[str]:
    """One below the other."""
    book = report.book
    return [
        f"{report.events.total()} events in {report.seconds:.0f} s (FOREFETCH_CLUSTER_SEED={report.seed}): "
        f"{_counts(report.events)}",
        f"messages: {len(book.orders)}, sent {book.sent.total()} times, acknowledged {len(book.answers)}; "
        f"sent again since: {_counts(book.again)}; acknowledgments: {_counts(book.codes)}; "
        f"letters: {sum(map(len, book.letters.values()))} for {len(book.letters)} messages",
        f"tasks: {_counts(report.statuses)}; C-MOVEs: {report.moves}",
        f"taken over after: {_seconds(report.takeovers)}; with PostgreSQL there all the time: "
        f"{_seconds(report.undisturbed)}",
        f"broken promises: {len(report.faults)}",
    ]


def _seconds(values: list[float]) -> str:
    if not values:
        return "nothing was"
    least, most = min(values), max(values)
    return f"{least:.1f} s at least, {median(values):.1f} s median, {most:.1f} s at most ({len(values)})"


def _counts(numbers: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(numbers.items())) or "none"
