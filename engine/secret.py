"""A secret and where it is kept: the text itself, an environment variable, or a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import ForefetchError


class SecretMissing(ForefetchError):
    """A secret is not where it is said to be. The text names the place, never the secret."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One of three. Read whenever it is needed, so that a file may be renewed under way."""

    text: str = field(default="", repr=False)
    environment: str = ""
    file: str = ""

    def read(self) -> bytes:
        """In UTF-8; a file as it is. Raises SecretMissing."""
        if self.environment:
            value = os.environ.get(self.environment)
            if not value:
                raise SecretMissing(
                    f"the environment variable {self.environment} is not set; set it and start again"
                )
            return value.encode()
        if self.file:
            try:
                content = Path(self.file).read_bytes()
            except OSError as exc:
                text = f"{self.file} cannot be read ({exc.strerror}); check the path and its permissions"
                raise SecretMissing(text) from exc
            if not content.strip():
                raise SecretMissing(f"{self.file} is empty; write the secret into it")
            return content
        return self.text.encode()


def is_public(path: str) -> bool:
    """Whether everybody on this machine may read or change a file. False where there is none."""
    if not path or os.name != "posix":
        return False
    try:
        return bool(Path(path).stat().st_mode & 0o006)
    except OSError:  # reading it says why
        return False
