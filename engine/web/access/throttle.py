"""Whoever tries passwords has to wait, longer each time."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

_MOST = 10_000


def source_of(address: str) -> str:
    """What an address is counted as: one of IPv6 is one of the 2**64 that whoever has it has too."""
    try:
        it = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(it, ipaddress.IPv4Address):
        return address
    if it.ipv4_mapped is not None:
        return str(it.ipv4_mapped)
    return str(ipaddress.ip_network((it, 64), strict=False))


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until: float = 0.0
    last: float = 0.0


class Throttle:
    """Counts by anything that stands for a source: an address, or the name that is tried. After ``free``
    failures it has to pause for a second, then two, four and so on up to ``longest``; so long after the last
    one all is forgotten."""

    def __init__(self, free: int, longest: float, clock: Callable[[], float]) -> None:
        self._free = free
        self._longest = longest
        self._clock = clock
        self._sources: dict[str, _Failures] = {}

    def pause(self, source: str) -> float:
        """Seconds for which it must not try."""
        failures = self._known(source)
        return max(0.0, failures.until - self._clock()) if failures is not None else 0.0

    def begin(self, source: str) -> None:
        """It tries, and is taken to fail: others may try at the same time."""
        failures = self._known(source)
        if failures is None:
            failures = self._sources[source] = _Failures()
            if len(self._sources) > _MOST:
                del self._sources[next(iter(self._sources))]
        failures.count += 1
        failures.last = now = self._clock()
        excess = failures.count - self._free
        if excess >= 0:
            failures.until = now + min(2.0 ** min(excess, 60), self._longest)

    def take_back(self, source: str) -> None:
        """It has not failed after all."""
        if (failures := self._sources.get(source)) is not None:
            failures.count -= 1
            if failures.count < self._free:
                failures.until = 0.0

    def forget(self, source: str) -> None:
        """It has shown that it is who it says."""
        self._sources.pop(source, None)

    def _known(self, source: str) -> _Failures | None:
        failures = self._sources.get(source)
        if failures is not None and self._clock() - failures.last > 2 * self._longest:
            del self._sources[source]
            return None
        return failures
