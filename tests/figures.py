"""Figures of a test that stand above pytest's closing line, also where it ran in a worker of pytest-xdist."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

_KEY = "figures"
Figures = Callable[[str, Sequence[str]], None]
"""Called with a title and lines."""


def figures_of(request: pytest.FixtureRequest) -> Figures:
    """Of the test that asks for them."""

    def keep(title: str, lines: Sequence[str]) -> None:
        request.node.user_properties.append((_KEY, (title, list(lines))))

    return keep


def print_all(reporter: pytest.TerminalReporter) -> None:
    """When all tests have ended, with whatever end."""
    for report in (*reporter.getreports("passed"), *reporter.getreports("failed")):
        for key, value in report.user_properties:
            if key == _KEY and report.when == "call":
                title, lines = value
                reporter.section(title)
                for line in lines:
                    reporter.write_line(line)
