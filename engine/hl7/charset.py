"""Character sets of HL7 table 0211 (MSH-18), and decoding that never loses the message.

The raw bytes stay the truth; the decoded text is for routing and for people.
"""

from __future__ import annotations

from dataclasses import dataclass

# Table 0211 to Python codecs. CNS 11643-1992 has none; UTF-16 and UTF-32 cannot travel in MLLP, whose
# delimiters are single bytes.
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
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf_8",
    "UNICODE UTF-8": "utf_8",
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a message, the Python codec that made it, and what was odd about it."""

    text: str
    codec: str
    warning: str = ""


def decode(raw: bytes, declared: str, default: str = "UNICODE UTF-8") -> Decoded:
    """Decode by the set that MSH-18 declares, or by ``default`` (a name of table 0211) where it is empty.

    Bytes that do not fit the declared set are read as UTF-8 or else as ISO 8859-1, with a warning: a
    mislabelled name is no reason to lose an order.
    """
    name = declared or default
    codec = TABLE_0211.get(name.upper())
    if codec is None:
        guess = _guess(raw)
        return Decoded(
            raw.decode(guess), guess, f"character set {name!r} of MSH-18 is not known; read as {guess}"
        )
    try:
        return Decoded(raw.decode(codec), codec)
    except UnicodeDecodeError as error:
        guess = _guess(raw)
        return Decoded(
            raw.decode(guess), guess, f"byte {error.start} is not {name}, as MSH-18 says; read as {guess}"
        )


def _guess(raw: bytes) -> str:
    try:
        raw.decode("utf_8")
    except UnicodeDecodeError:
        return "iso8859_1"  # decodes every byte
    return "utf_8"
