"""The section ``web`` as it is used."""

from __future__ import annotations

from dataclasses import dataclass

from engine.address import is_loopback
from engine.tls import Tls


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the operator's page is served, and to whom. ``users``: the path of the file of users; empty:
    everybody on this machine is an operator. Times are in seconds."""

    host: str
    port: int
    tls: Tls | None = None
    users: str = ""
    idle_timeout: float = 3600.0
    session_timeout: float = 12 * 3600.0
    mask_patients: bool = True
    open_metrics: bool = False

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)
