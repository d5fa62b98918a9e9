"""What is known of a procedure, ordered or earlier, in the words of a vocabulary. What nothing tells is not
known: it is neither taken for the same nor for another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from engine.dicom.study import StudyRecord
from engine.retrieve.relevance import OrderedExam, ProcedureGroup, Vocabulary

Side = Literal["left", "right", "both"]

_NO_IMAGES = frozenset({"SR", "PR", "KO", "DOC", "REG", "SEG", "RTSTRUCT", "AU", "FID"})
_LETTERS: dict[str, Side] = {"l": "left", "r": "right", "b": "both"}


@dataclass(frozen=True, slots=True)
class Facts:
    """``groups`` it is of for sure, ``maybe`` those that it may be of. Empty ``body_parts``, ``modalities``
    and a ``side`` of None are not known. ``body_parts`` are with what each region contains; ``named`` are
    they as they were named."""

    groups: frozenset[str]
    maybe: frozenset[str]
    body_parts: frozenset[str]
    named: tuple[str, ...]
    modalities: frozenset[str]
    side: Side | None


def of_order(exam: OrderedExam, vocabulary: Vocabulary) -> Facts:
    """What is ordered. Several orders of one message are taken together."""
    return _facts(vocabulary, exam.codes, exam.texts, exam.modalities, exam.texts)


def of_study(study: StudyRecord, vocabulary: Vocabulary) -> Facts:
    """What the archive tells. The description is asked first for the body part, then Body Part Examined, then
    the descriptions of the series, which also name what is only in the field of view; for the side as well,
    and then Laterality: nobody asks for the series of a study whose description names another side."""
    series = study.series or ()
    told = (
        [study.description],
        [one.body_part for one in series],
        [one.description for one in series],
    )
    where = next((texts for texts in told if _body_parts(vocabulary, texts)), [])
    named = _side(vocabulary, [study.description]) is not None
    sides = [study.description] if named else [one.laterality for one in series]
    return _facts(vocabulary, (), [study.description, *where], study.modalities or (), sides)


def _facts(
    vocabulary: Vocabulary,
    codes: Iterable[tuple[str, str]],
    texts: Sequence[str],
    modalities: Iterable[str],
    sides: Sequence[str],
) -> Facts:
    named = _body_parts(vocabulary, texts)
    parts = with_parts(named, vocabulary)
    kinds = frozenset(modalities)
    images = kinds - _NO_IMAGES or kinds
    held = {group.name: _takes(group, codes, texts, images, parts, vocabulary) for group in vocabulary.groups}
    return Facts(
        groups=frozenset(name for name, takes in held.items() if takes),
        maybe=frozenset(name for name, takes in held.items() if takes is None),
        body_parts=parts,
        named=named,
        modalities=images,
        side=_side(vocabulary, sides),
    )


def with_parts(names: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    """The body parts with those that each of them contains."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += (part for region in vocabulary.regions if region.name == name for part in region.words)
    return frozenset(found)


def _takes(
    group: ProcedureGroup,
    codes: Iterable[tuple[str, str]],
    texts: Sequence[str],
    modalities: frozenset[str],
    parts: frozenset[str],
    vocabulary: Vocabulary,
) -> bool | None:
    """Whether a procedure is of the group; None where that is not known."""
    if any(code == own and system in ("", its) for code, its in codes for own, system in group.codes):
        return True
    if not group.patterns and not group.body_parts:
        return False
    if group.modalities and modalities and not modalities & set(group.modalities):
        return False
    what: bool | None = any(re.search(pattern, text) for pattern in group.patterns for text in texts)
    if not what and group.body_parts:
        what = bool(parts & with_parts(group.body_parts, vocabulary)) if parts else None
    return None if what and group.modalities and not modalities else what


def _body_parts(vocabulary: Vocabulary, texts: Iterable[str]) -> tuple[str, ...]:
    """The body parts and regions that the texts name. Of words that overlap the longest counts: a lumbar
    spine is not the whole spine."""
    pattern, names = _index(vocabulary)
    matches = (match for text in texts for match in pattern.finditer(_plain(text)))
    return tuple(dict.fromkeys(name for match in matches for name in names[(match.lastindex or 1) - 1]))


@lru_cache(maxsize=16)
def _index(vocabulary: Vocabulary) -> tuple[re.Pattern[str], tuple[tuple[str, ...], ...]]:
    """One pattern with a group for each word, and what each of them is a word of."""
    words: dict[str, dict[str, None]] = {}
    for term in vocabulary.body_parts:
        for word in (term.name, *term.words):
            words.setdefault(_source(word), {})[term.name] = None
    for region in vocabulary.regions:
        words.setdefault(_source(region.name), {})[region.name] = None
    longest_first = sorted(words, key=lambda source: (-len(source), source))
    return _whole("|".join(f"({source})" for source in longest_first) or "()(?!)"), tuple(
        tuple(words[source]) for source in longest_first
    )


def _side(vocabulary: Vocabulary, texts: Iterable[str]) -> Side | None:
    sides = {side for text in texts for side in _sides(vocabulary, _plain(text))}
    if len(sides) > 1:
        return "both"
    return sides.pop() if sides else None


def _sides(vocabulary: Vocabulary, text: str) -> Iterator[Side]:
    words: tuple[tuple[Side, tuple[str, ...]], ...] = (
        ("left", vocabulary.left),
        ("right", vocabulary.right),
        ("both", vocabulary.both),
    )
    for side, listed in words:
        if any(_word(word).search(text) for word in listed):
            yield side
    last = text.rpartition(" ")[2]  # "MR KNEE R"; elsewhere L is a vertebra
    if last in _LETTERS:
        yield _LETTERS[last]


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Lower case without accents; words with one space between them."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", kept))


@lru_cache(maxsize=4096)
def _word(word: str) -> re.Pattern[str]:
    return _whole(_source(word))


def _whole(source: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{source})(?!\w)")


def _source(word: str) -> str:
    """The pattern of a word or several; ``*`` at either end stands for the rest of a word."""
    start = r"\w*" if word.startswith("*") else ""
    end = r"\w*" if word.endswith("*") else ""
    return f"{start}{re.escape(_plain(word))}{end}"
