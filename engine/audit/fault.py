"""What can go wrong with an audit trail before the engine starts."""

from __future__ import annotations

from engine.errors import ForefetchError


class AuditUnwritable(ForefetchError):
    """This machine: a file of the audit trail cannot be written. The text has the place and the cure."""

    def __init__(self, key: str, path: str, error: OSError) -> None:
        """``key`` of routes.yaml names the path."""
        super().__init__(
            f"{path} cannot be written ({error.strerror or error}); "
            f"make it writable for this user, or name another place in {key} of routes.yaml"
        )
