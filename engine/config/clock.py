"""The time, where the configuration is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from tzlocal import get_localzone

from engine.config.values import Config


def clock_of(config: Config) -> Callable[[], dt.datetime]:
    """The time now, in the zone that routes.yaml names or the machine's: a zone with its rules, since an
    appointment may lie on the other side of a change of the clocks."""
    zone = config.engine.time_zone or get_localzone()
    return lambda: dt.datetime.now(zone)
