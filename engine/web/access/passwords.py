"""Passwords and tokens, as they are kept: so that whoever reads the file cannot log in.

A password is stretched by scrypt (RFC 7914), as OWASP's Password Storage Cheat Sheet asks for; a token of 256
random bits needs no stretching.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from typing import NamedTuple

_KEPT = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_OF_TOKENS = "ff_"


class Cost(NamedTuple):
    """The parameters of scrypt: 128 * n * r bytes of memory, and time in proportion to n * r * p."""

    n: int = 2**15
    r: int = 8
    p: int = 3


def hash_password(password: str, cost: Cost = Cost()) -> str:  # noqa: B008  a value
    """As ``scrypt$n$r$p$salt$key``. Takes a fifth of a second: for a thread."""
    salt = secrets.token_bytes(16)
    return f"scrypt${cost.n}${cost.r}${cost.p}${_text(salt)}${_text(_stretch(password, salt, cost))}"


def is_hash(kept: str) -> bool:
    """Whether it has that form."""
    return _KEPT.fullmatch(kept) is not None


def matches(password: str, kept: str) -> bool:
    """Whether it is this password. As long as hashing it."""
    found = _KEPT.fullmatch(kept)
    if found is None:
        return False
    *cost, salt, key = found.groups()
    stretched = _stretch(password, base64.b64decode(salt), Cost(*map(int, cost)))
    return hmac.compare_digest(stretched, base64.b64decode(key))


def new_token() -> str:
    """A token that nobody has yet."""
    return _OF_TOKENS + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def _stretch(password: str, salt: bytes, cost: Cost) -> bytes:
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    memory = 128 * cost.r * (cost.n + cost.p + 2)
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=2 * memory, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
