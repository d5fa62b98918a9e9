"""Patient data that not everybody is to see: pseudonyms instead, the same for the same value."""

from __future__ import annotations

import ast
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.hl7.patient import LONG, PatientValues

_UID = r"(?<![\w.])[0-2](?:\.\d+){2,}(?!\w|\.\d)"  # three numbers or more, as PS3.5 9.1 writes them
_QUOTED = re.compile(r"""(?<!\w)(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")(?!\w)""")
_APART = r"(?<![^\W_])"  # no letter or digit before it
_BEGIN = _APART + r"(?<!\d\.)"  # nor in the middle of a UID
_CUT = "..."  # how a text ends that was too long
_STROKES = str.maketrans("øłđð", "oldd")  # letters that are no others with an accent
_IN_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa"})
_COMMENT = re.compile(r"(status 0x[0-9A-F]{4} )\((?:.*\)|.*)", re.DOTALL)
_PSEUDONYM = re.compile(r"masked-[0-9a-f]{6}")
WITHHELD = "(its comment is withheld: it may name a patient)"


class Masking:
    """Pseudonyms of one run: a value has the same wherever it occurs, and another in the next run."""

    def __init__(self, *, shown: bool) -> None:
        """``shown``: nothing is masked."""
        self.shown = shown
        self._key = secrets.token_bytes(16)

    def value(self, text: str) -> str:
        """A pseudonym such as ``masked-1f3a9c``; nothing stays nothing."""
        if self.shown or not text:
            return text
        digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256)
        return f"masked-{digest.hexdigest()[:6]}"

    def text(self, text: str, values: Iterable[str]) -> str:
        """A sentence in which these values, wherever they stand as whole words in whatever case, are masked.
        One of one or two characters is not: a sex or a digit is everywhere. UIDs stay whole."""
        return self.words(text, (it for it in values if len(it) >= LONG))

    def of(self, values: PatientValues) -> Veil:
        """For what is told of one patient."""
        return Veil(self, values)

    def without_comments(self, text: str) -> str:
        """A sentence of ours without what an archive has added to a status, where it is not known whose
        patient it may name."""
        return text if self.shown else _COMMENT.sub(rf"\1{WITHHELD}", text)

    @staticmethod
    def is_pseudonym(text: str) -> bool:
        """Whether this looks like one, which nobody else knows."""
        return _PSEUDONYM.fullmatch(text.strip()) is not None

    def words(self, text: str, values: Iterable[str]) -> str:
        """As `text`, with values of any length."""
        if self.shown:
            return text
        folded = text.casefold()
        written = {form: it for it in values for form in _forms(it)}
        known = {form: it for form, it in written.items() if form in folded}
        text = self._whole(text, known) if known else text
        return self._cut(text, written) if text.endswith(_CUT) else text

    def _whole(self, text: str, known: Mapping[str, str]) -> str:
        forms = {form for it in known for form in (it, it.upper())} | {*known.values()}
        any_of_them = "|".join(map(_as_word, sorted(forms, key=len, reverse=True)))
        found = re.compile(rf"(?P<uid>{_UID})|(?:{any_of_them})", re.IGNORECASE)

        def masked(match: re.Match[str]) -> str:
            value = known.get(match[0].casefold())
            if value is None and match["uid"]:
                return match[0]
            return self.value(value or match[0])

        return found.sub(masked, text)

    def _cut(self, text: str, written: Mapping[str, str]) -> str:
        """A text that was cut in the middle of a value ends with the beginning of it."""
        longest = max(map(len, written), default=0)
        tail = text[: -len(_CUT)][-longest:] if longest else ""
        for start in (it.start() for it in re.finditer(_BEGIN, tail)):
            begun = tail[start:].casefold()
            value = next((it for form, it in written.items() if begun and form.startswith(begun)), None)
            if value is not None:
                return text[: -len(_CUT) - len(tail) + start] + self.value(value) + _CUT
        return text


@dataclass(frozen=True, slots=True)
class Veil:
    """Hides one patient. Sentences of ours put values into quotes; those of others, such as an archive's
    Error Comment, name a patient however they like."""

    masking: Masking
    values: PatientValues

    @property
    def discerning(self) -> bool:
        """Whether what others have said can be shown: all of it may be, or it is known what to hide, the
        name at least."""
        return self.masking.shown or self.values.named

    def value(self, text: str) -> str:
        """What stands in a field of the patient's."""
        return self.masking.value(text)

    def unless_his(self, text: str) -> str:
        """What stands in a field that is none of the patient's, and may name him all the same."""
        return self.value(text) if text in self.values.words else self.sentence(text)

    def literals(self, text: str) -> str:
        """A text all of whose quoted values are the patient's."""
        return self._literals(text, lambda _: True)

    def quotes(self, text: str) -> str:
        """A text some of whose quoted values may be the patient's."""
        return self._literals(text, self._is_his)

    def sentence(self, text: str) -> str:
        """A sentence of ours."""
        return self.masking.text(self.quotes(text), self.values.words)

    def echo(self, text: str) -> str:
        """A sentence that repeats what others have said. Where the patient's name is not known, what an
        archive has added to its status is left out."""
        if not self.discerning:
            text = self.masking.without_comments(text)
        return self.masking.words(self.quotes(text), self.values.words)

    def comment(self, text: str) -> str:
        """What others have said, and nothing else."""
        return self.echo(text) if self.discerning or not text else WITHHELD

    def _is_his(self, value: str) -> bool:
        """One of his values, or the beginning of one that is too long to be quoted."""
        quoted = self.values.quoted
        return value in quoted or (len(value) >= LONG and any(it.startswith(value) for it in quoted))

    def _literals(self, text: str, is_his: Callable[[str], bool]) -> str:
        if self.masking.shown:
            return text

        def masked(found: re.Match[str]) -> str:
            value = _read(found[0])
            return repr(self.value(value)) if is_his(value) else found[0]

        return _QUOTED.sub(masked, text)


def _as_word(form: str) -> str:
    """A pattern. Scripts without case, such as Han and Hangul, may write one word right after another."""
    pattern = re.escape(form)
    run_on = any(unicodedata.category(letter) == "Lo" for letter in form)
    return pattern if run_on else rf"{_APART}{pattern}(?![^\W_])"


def _forms(value: str) -> set[str]:
    """How a value may be written, in lower case: systems that have no more than ASCII leave accents off, or
    write two letters for one."""
    folded = value.casefold()
    if folded.isascii():
        return {folded} - {""}
    letters = unicodedata.normalize("NFKD", folded)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_STROKES)
    composed = unicodedata.normalize("NFC", folded)
    return {folded, composed, letters, plain, composed.translate(_IN_ASCII)} - {""}


def _read(literal: str) -> str:
    """The value that ``repr`` has written so; the text between the quotes where it is no such literal."""
    try:
        value = ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return literal[1:-1]
    return value if isinstance(value, str) else literal[1:-1]
