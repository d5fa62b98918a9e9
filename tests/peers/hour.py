"""``forefetch`` as if it had run for an hour: its charts have counts from before it began. For pictures.

``python tests/peers/hour.py serve --config routes.yaml``
"""

from __future__ import annotations

import math
import sys
from unittest.mock import patch

from engine.cli import main
from engine.metrics.recent import Recent, Tally

AS_IF_FOR_AN_HOUR = (sys.executable, __file__)


def _minute(number: int, ago: int) -> Tally:
    """Of a morning on which more and more comes, and now and then something fails."""
    messages = max(1, round(12 + 5 * math.sin(ago / 7) + 3 * math.sin(ago * 1.9) - ago / 9))
    arrived = round(messages * 0.7)
    return Tally(number, messages, int(ago % 23 == 4), arrived, int(ago in (25, 26, 44)), 60 * arrived)


class _Hour(Recent):
    """With 58 minutes before the first."""

    def tally(self) -> Tally:
        if len(self._tallies) == 1:
            now = self._tallies.pop()
            self._tallies.extend(_minute(now.number - ago, ago) for ago in range(58, 0, -1))
            self._tallies.append(now)
        return super().tally()


if __name__ == "__main__":
    with patch("engine.metrics.metrics.Recent", _Hour):
        main()
