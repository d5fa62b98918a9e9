"""The bearer token that every request over HTTP has to bring (RFC 6750)."""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path

from engine.errors import ForefetchError
from engine.secret import Secret, is_public

VARIABLE = "FOREFETCH_MCP_TOKEN"

_SHORTEST = 16  # characters
_LEGAL = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 2.1, b64token
_MAKE = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


class TokenRefused(ForefetchError):
    """There is no token, or none that is safe to use. The text never has the token."""


class Token:
    """Read for each request, so that it may be renewed under way."""

    def __init__(self, secret: Secret) -> None:
        """TokenRefused or SecretMissing unless it can be used."""
        self._secret = secret
        self._read()

    @classmethod
    def of(cls, file: Path | None) -> Token:
        """From a file, or else from the environment. Raises as above."""
        if file is not None:
            return cls(Secret(file=str(file)))
        if not os.environ.get(VARIABLE):
            raise TokenRefused(
                f"whoever connects by HTTP has to know a token: set the environment variable {VARIABLE}, "
                f"or name a file with --token-file; {_MAKE}"
            )
        return cls(Secret(environment=VARIABLE))

    def opens(self, authorization: bytes) -> bool:
        """Whether the value of an Authorization header has the token. Raises as the constructor, where it
        cannot be read any more."""
        scheme, _, given = authorization.partition(b" ")
        return hmac.compare_digest(given.strip(), self._read()) and scheme.lower() == b"bearer"

    def _read(self) -> bytes:
        if is_public(file := self._secret.file):
            raise TokenRefused(
                f"everybody on this machine may read or change {file}: chmod o-rw {file}, and put a new "
                "token into it"
            )
        token = self._secret.read().strip()
        place = self._secret.file or f"the environment variable {VARIABLE}"
        if len(token) < _SHORTEST:
            raise TokenRefused(f"the token in {place} is shorter than {_SHORTEST} characters; {_MAKE}")
        if not _LEGAL.fullmatch(token):
            raise TokenRefused(
                f"the token in {place} has other characters than letters, digits and -._~+/ "
                f"(= at its end), which a header cannot carry; {_MAKE}"
            )
        return token
