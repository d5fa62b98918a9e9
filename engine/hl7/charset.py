"""Character sets of HL7 table 0211 (MSH-18), and decoding that never loses the message.

The raw bytes stay the truth; the decoded text is for routing and for people. Clauses: HL7 v2 ch. 2.14.9.18
(MSH-18), 2.14.9.20 (MSH-20), table 0356, 2.7.2 and 2A (XPN) for switching within a message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

# Table 0211 to Python codecs. CNS 11643-1992 has none; UTF-16 and UTF-32 cannot travel in MLLP, whose
# delimiters are single bytes. Shift JIS holds JIS X 0201 (ISO IR14) as its single bytes, and reads 5C and 7E
# as the delimiters that they are in MSH-2; ``encoding.unescape`` makes yen and overline of those in a value.
TABLE_0211 = {
    "ASCII": "ascii",
    "8859/1": "iso8859_1",
    "8859/2": "iso8859_2",
    "8859/3": "iso8859_3",
    "8859/4": "iso8859_4",
    "8859/5": "iso8859_5",
    "8859/6": "iso8859_6",
    "8859/7": "iso8859_7",
    "8859/8": "iso8859_8",
    "8859/9": "iso8859_9",
    "8859/15": "iso8859_15",
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "JAS2020": "iso2022_jp",
    "JIS X 0202": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf_8",
    "UNICODE UTF-8": "utf_8",
}

# Other names seen in MSH-18, as ``_plain`` leaves them: those of DICOM, IANA and Windows.
_ALSO_SEEN = {
    "ascii": "USASCII 646",
    "iso8859_1": "IR100 LATIN1",
    "iso8859_2": "IR101 LATIN2",
    "iso8859_3": "IR109",
    "iso8859_4": "IR110",
    "iso8859_5": "IR144",
    "iso8859_6": "IR127",
    "iso8859_7": "IR126",
    "iso8859_8": "IR138",
    "iso8859_9": "IR148",
    "iso8859_15": "IR203 LATIN9",
    "shift_jis": "IR13",
    "cp932": "SHIFTJIS SJIS MS932 CP932 WINDOWS31J",
    "iso2022_jp": "2022JP",
    "gb18030": "GB18030 GBK GB2312 IR58",
    "euc_kr": "EUCKR KSC5601 IR149",
    "cp949": "CP949 MS949",
    "utf_8": "UTF8 IR192 10646",
    "cp1252": "CP1252 WINDOWS1252",
}
# What a sender on Windows writes under the name of the standard's set.
_LARGER = {
    "shift_jis": "cp932",
    "iso2022_jp": "cp932",
    "iso2022_jp_1": "cp932",
    "iso2022_jp_ext": "cp932",
    "euc_kr": "cp949",
    "big5": "cp950",
}

# ISO 2022 designations, as they follow ESC or stand in \C..\ and \M..\; the codec of the bytes after each.
# The iso2022 codecs want the designation before the bytes. ESC ( B returns to the set of the message.
DESIGNATIONS = {
    b"(B": "ascii",
    b"(J": "shift_jis",
    b")I": "shift_jis",
    b"(I": "iso2022_jp_ext",
    b"$@": "iso2022_jp_ext",
    b"$B": "iso2022_jp_ext",
    b"$(D": "iso2022_jp_ext",
    b"$A": "iso2022_jp_2",
    b"$(C": "iso2022_jp_2",
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}
DESIGNATIONS |= {
    f"-{final}".encode(): f"iso8859_{part}"
    for final, part in zip("ABCDLGFHMb", (*range(1, 10), 15), strict=True)
}
TO_ASCII = b"(B"
_DESIGNATION = re.compile(b"\x1b(" + b"|".join(map(re.escape, DESIGNATIONS)) + b")")

_LINE = re.compile(rb"[^\r\n]*")
_MOST_OF_MSH_18 = 400  # characters that are looked at: what they mean is remembered
_WITH_DELIMITERS_INSIDE = ("cp932", "gb18030", "cp950")  # as second bytes


class Decoded(NamedTuple):
    """Text of a message, the Python codec to answer it in, and what was odd about it."""

    text: str
    codec: str
    warning: str = ""


@lru_cache(maxsize=64)
def codec_of(name: str) -> str | None:
    """The Python codec of a set of table 0211 in any usual spelling; None where there is none."""
    return _CODECS.get(_plain(name))


def _plain(name: str) -> str:
    letters = re.sub(r"[^A-Z0-9]", "", name.upper()).removeprefix("ISOIEC").removeprefix("ISO")
    return re.sub(r"^(UNICODE(?=.)|2022(?=IR))", "", letters)  # ISO 2022 IR 87 is ISO IR87


_CODECS = {_plain(name): codec for name, codec in TABLE_0211.items()}
_CODECS |= {name: codec for codec, names in _ALSO_SEEN.items() for name in names.split()}


def decode(raw: bytes, declared: Sequence[str] = (), default: str = "UNICODE UTF-8") -> Decoded:
    """Decode by the repetitions of MSH-18, or by ``default`` (a name of table 0211) where it is empty.

    The first repetition is the set of the message (empty: ASCII), the others are those that it may switch to.
    Bytes that fit no declared set are read as UTF-8, a larger set of the same family or ISO 8859-1, with a
    warning: a mislabelled name is no reason to lose an order. Raises nothing.
    """
    codecs, unreadable = _codecs(tuple(declared) if any(declared) else (default,))
    read = _by_escapes if b"\x1b" in raw and _switches(raw, codecs) else _by_label
    text, used, complaint = read(raw, codecs)
    if not unreadable and not complaint:
        return Decoded(text, used)
    complaints = [it for it in (unreadable, complaint) if it]
    return Decoded(text, used, f"{'; '.join(complaints)}; read as {used}")


def _switches(raw: bytes, codecs: dict[str, str]) -> bool:
    """Whether there are designations in it that change how its bytes are read."""
    return any(switch != TO_ASCII or _escaping(codecs) for switch in _DESIGNATION.findall(raw))


@lru_cache(maxsize=64)
def _codecs(names: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The codecs of these sets with the name of each, and what is wrong with the first that has none."""
    codecs: dict[str, str] = {}
    unreadable = ""
    for name in (name or "ASCII" for name in names):
        if codec := codec_of(name):
            codecs.setdefault(codec, name)
        else:
            unreadable = unreadable or _unreadable(name)
    return codecs, unreadable


def _unreadable(name: str) -> str:
    wide = re.match(r"UTF(16|32)|UCS[24]", _plain(name))
    reason = "cannot travel in MLLP, whose delimiters are single bytes" if wide else "is not known"
    return f"character set {name[:40]!r} of MSH-18 {reason}"


def _by_label(raw: bytes, codecs: dict[str, str]) -> tuple[str, str, str]:
    complaint = ""
    for codec, name in codecs.items():
        plain = "ascii" if codec.startswith("iso2022") else codec  # no designation: all of it is ASCII
        try:
            text = raw.decode(plain)
        except UnicodeDecodeError as error:
            complaint = complaint or f"byte {error.start} is not {name}, as declared"
            continue
        if codec.startswith("iso8859") and not raw.isascii() and _is_utf_8(raw, codec):
            return raw.decode(), "utf_8", f"the bytes are UTF-8, not {name}, as declared"
        if codec == "shift_jis" and len(text) < len(raw):
            return text, codec, f"{name} is declared, which has no double bytes"
        return text, (_escaping(codecs) if plain == "ascii" else "") or codec, ""
    larger = [_LARGER[codec] for codec in codecs if codec in _LARGER]
    return *_first_fit(raw, ["utf_8", *larger]), complaint


def _first_fit(raw: bytes, codecs: Sequence[str]) -> tuple[str, str]:
    for codec in codecs:
        with suppress(UnicodeDecodeError):
            return raw.decode(codec), codec
    return raw.decode("iso8859_1"), "iso8859_1"  # decodes every byte


def _is_utf_8(raw: bytes, codec: str) -> bool:
    """Whether bytes of an ISO 8859 set, which are never wrong, are rather UTF-8.

    Two letters of the set may be one character of UTF-8 by chance (the Cyrillic name ``ЮН`` of 8859/5 is a
    Greek ``ν``). What speaks for UTF-8 is a character that reads as something else than letters in the set,
    or that the set has.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    foreign = {character for character in text if not character.isascii()}
    return any(
        not character.encode().decode(codec, "replace").isalpha() or character.encode(codec, "ignore") != b""
        for character in foreign
    )


def _by_escapes(raw: bytes, codecs: dict[str, str]) -> tuple[str, str, str]:
    """Bytes with ISO 2022 designations in them (MSH-20 ``ISO 2022-1994``)."""
    plain = next((codec for codec in codecs if not codec.startswith("iso2022")), "ascii")
    announced = _escaping(codecs) or (list(codecs)[-1] if len(codecs) > 1 else "")
    codec = announced or "iso2022_jp_ext"
    complaint = "" if announced else "ISO 2022 escape sequences that MSH-18 does not announce"
    try:
        return _iso_2022(raw, plain, "strict"), codec, complaint
    except UnicodeDecodeError:
        text = _iso_2022(raw, plain, "replace")
        return text, codec, complaint or "bytes that are in none of the declared sets were replaced"


def _escaping(codecs: dict[str, str]) -> str:
    """The ISO 2022 codec among those declared; with katakana where JIS X 0201 is declared beside it."""
    declared = [codec for codec in ("iso2022_jp_ext", "iso2022_jp_1", "iso2022_jp") if codec in codecs]
    return "iso2022_jp_ext" if declared and "shift_jis" in codecs else next(iter(declared), "")


def _iso_2022(raw: bytes, plain: str, errors: str) -> str:
    """A designation holds up to the next one or the end of the line."""
    parts = []
    for line in re.split(rb"([\r\n]+)", raw):
        first, *rest = _DESIGNATION.split(line)
        parts.append(first.decode(plain, errors))
        for designation, run in zip(rest[::2], rest[1::2], strict=True):
            parts.append(decode_run(run, designation, plain, errors))
    return "".join(parts)


def decode_run(run: bytes, designation: bytes, plain: str, errors: str = "replace") -> str:
    """Bytes after a designation (a key of ``DESIGNATIONS``); ``plain`` is the codec of the message."""
    codec = plain if designation == TO_ASCII else DESIGNATIONS[designation]
    if codec.startswith("iso2022"):
        run = b"\x1b" + designation + run
    return run.decode(codec, errors)


def declared_sets(raw: bytes, default: str = "UNICODE UTF-8") -> tuple[str, ...]:
    """The repetitions of MSH-18, read before the text can be decoded: MSH is ASCII but for names.

    A second byte of a name in MSH-3 to MSH-6 may be the field separator and shift what follows. So where no
    set is found, MSH is split in each reading that can do this; right is the one that declares itself.
    """
    first = _LINE.match(raw)
    line = first[0] if first is not None else b""
    if not line.startswith(b"MSH") or len(line) < 8:
        return ()
    plain = b"\x1b" not in line
    found = _msh_18(line.decode("iso8859_1") if plain else _iso_2022(line, "iso8859_1", "replace"))
    if line.isascii() or any(codec_of(name) for name in found):
        return found
    for codec in _WITH_DELIMITERS_INSIDE:
        names = _msh_18(line.decode(codec, "replace"))
        stated = [codec_of(name) or "" for name in names if name] or [codec_of(default) or ""]
        if codec in [_LARGER.get(name, name) for name in stated]:
            return names
    return found


def _msh_18(line: str) -> tuple[str, ...]:
    if line.count(line[3]) < 17:
        return ()
    fields = line.split(line[3])
    return tuple(name.strip() for name in fields[17][:_MOST_OF_MSH_18].split(fields[1][1:2] or "~"))
