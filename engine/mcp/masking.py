"""Patient data that an assistant is not to see: pseudonyms instead, the same for the same value."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

_COMMENT = re.compile(r"(status 0x[0-9A-F]{4} )\(.*\)", re.DOTALL)
_WITHHELD = "(its comment is withheld: it may name a patient)"
_PSEUDONYM = re.compile(r"masked-[0-9a-f]{6}")
_SHORTEST = 3  # characters of a value that is looked for in other texts: a sex or a digit is everywhere


class Masking:
    """Pseudonyms of one run: a value has the same wherever it occurs, and another in the next run."""

    def __init__(self, *, shown: bool) -> None:
        """``shown``: nothing is masked."""
        self._shown = shown
        self._key = secrets.token_bytes(16)

    def value(self, text: str) -> str:
        """A pseudonym such as ``masked-1f3a9c``; nothing stays nothing."""
        if self._shown or not text:
            return text
        return (
            f"masked-{hmac.new(self._key, text.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:6]}"
        )

    def without_comments(self, text: str) -> str:
        """A sentence of ours without what an archive has added to a status, where it is not known whose
        patient it may name."""
        return text if self._shown else _COMMENT.sub(rf"\1{_WITHHELD}", text)

    @staticmethod
    def is_pseudonym(text: str) -> bool:
        """Whether this looks like one, which nobody else knows."""
        return _PSEUDONYM.fullmatch(text.strip()) is not None

    def text(self, text: str, values: Iterable[str]) -> str:
        """A sentence in which these values, wherever they stand as whole words, are masked."""
        known = sorted({it for it in values if len(it) >= _SHORTEST}, key=len, reverse=True)
        if self._shown or not known:
            return text
        any_of_them = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)")
        return any_of_them.sub(lambda found: self.value(found.group()), text)
