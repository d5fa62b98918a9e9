"""Why a notice did not get through, with the cure."""

from __future__ import annotations

import ssl

from engine.errors import ForefetchError
from engine.tls import reason


class NotDelivered(ForefetchError):
    """A notice could not be handed over by one way. The text has no secret."""


def fault_of(error: OSError, timeout: float, where: str) -> str:
    """What is wrong with a connection. ``where`` of routes.yaml names the other side."""
    if isinstance(error, ssl.SSLError):
        return reason(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s; check {where}, the firewall between, and that it runs"
    why = error.strerror or type(error).__name__
    return f"no connection ({why}); check {where}, the firewall between, and that it runs"
