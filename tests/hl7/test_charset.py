"""Character sets: every set of table 0211 is read, and a wrong label loses no message."""

from __future__ import annotations

import datetime as dt
import string
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.errors import MessageError
from engine.hl7.ack import AckCode, Envelope, Reply, acknowledge
from engine.hl7.charset import TABLE_0211, codec_of, declared_sets, decode
from engine.hl7.encoding import STANDARD_DELIMITERS, escape
from engine.hl7.message import Message, best_header
from engine.hl7.path import FieldPath

TEXTS = {
    "ASCII": "Virtanen",
    "8859/1": "Mäkelä",
    "8859/2": "Dvořák",
    "8859/3": "Ĝoĥo",
    "8859/4": "Bērziņš",
    "8859/5": "Петров",
    "8859/6": "محمد",
    "8859/7": "Παπαδόπουλος",
    "8859/8": "כהן",
    "8859/9": "Yıldız",
    "8859/15": "Œuvre €",
    "ISO IR6": "Virtanen",
    "ISO IR14": "ﾔﾏﾀﾞ",
    "ISO IR87": "山田太郎",
    "ISO IR159": "丂山",
    "JAS2020": "山田太郎",
    "JIS X 0202": "丂山ﾔﾏﾀﾞ",
    "GB 18030-2000": "王小明",
    "KS X 1001": "홍길동",
    "BIG-5": "王小明",
    "UNICODE": "Mäkelä 山田",
    "UNICODE UTF-8": "Mäkelä 山田",
}
TIME = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
NAME = FieldPath.parse("PID-5.1")
GIVEN = FieldPath.parse("PID-5.2")


def message(name: bytes, charset: str, mark: str = "|^~\\&", sender: bytes = b"A") -> bytes:
    bar = mark[0]
    rest = f"{bar}B{bar}C{bar}D{bar}{bar}{bar}ORM{mark[1]}O01{bar}1{bar}P{bar}2.5{bar * 6}{charset}"
    return f"MSH{mark}{bar}".encode() + sender + rest.encode() + f"\rPID{bar * 5}".encode() + name


def test_every_set_of_the_table_has_a_text_here() -> None:
    assert TEXTS.keys() == TABLE_0211.keys()


@pytest.mark.parametrize("charset", TABLE_0211)
def test_a_text_of_each_set_comes_through(charset: str) -> None:
    raw = TEXTS[charset].encode(TABLE_0211[charset])
    read = Message(message(raw, charset))
    assert read.first(NAME) == TEXTS[charset]
    assert read.warnings == ()
    assert read.header.codec == TABLE_0211[charset]


@settings(deadline=None)
@given(st.binary(min_size=1), st.sampled_from(sorted(TABLE_0211)))
def test_any_text_that_a_set_has_comes_through_in_it(content: bytes, charset: str) -> None:
    codec = TABLE_0211[charset]
    found = content.decode("euc_jp" if codec.startswith("iso2022") else codec, "ignore")
    text = "".join(filter(str.isprintable, found)).encode(codec, "ignore").decode(codec).strip(" ")
    assume(text not in ("", '""'))
    raw = message(escape(text, STANDARD_DELIMITERS).encode(codec), charset)
    assume(not codec.startswith("iso8859") or raw.isascii() or not _is_utf_8(raw))
    read = Message(raw)
    roman = codec == "shift_jis"  # has yen and overline for backslash and tilde
    assert read.first(NAME) == (text.replace("\\", "¥").replace("~", "‾") if roman else text)
    assert read.raw == raw


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(deadline=None)
@given(
    st.binary(),
    st.lists(st.one_of(st.sampled_from([*TABLE_0211, "", "Klingon", "UNICODE UTF-16"]), st.text())),
)
def test_decoding_never_raises(raw: bytes, declared: list[str]) -> None:
    decoded = decode(raw, declared)
    assert decoded.text == raw.decode(decoded.codec, "replace") or decoded.warning or b"\x1b" in raw
    assert "".encode(decoded.codec) == b""


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b(I", b"\x1b-A", b";3", b"\xe4", b"|"]))
)
def test_decoding_of_escape_sequences_in_any_order_never_raises(pieces: list[bytes]) -> None:
    decoded = decode(b"".join(pieces), ["", "ISO IR87"])
    assert "\x1b" not in decoded.text


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *((name, "iso8859_1") for name in ("8859/1", "8859-1", "ISO8859/1", "ISO-8859-1", "iso_8859-1")),
        *((name, "iso8859_1") for name in ("ISO_IR 100", "ISO 2022 IR 100", "Latin1", "ISO/IEC 8859-1")),
        *((name, "iso8859_15") for name in ("8859/15", "ISO-8859-15", "ISO8859/15")),
        *((name, "utf_8") for name in ("UTF-8", "UTF8", "utf-8", "Unicode UTF8", "ISO_IR 192", "unicode")),
        *((name, "ascii") for name in ("us-ascii", "ISO_IR 6", "ISO IR6", "ISO-IR 6", "ascii")),
        *((name, "shift_jis") for name in ("ISO_IR 13", "ISO IR14", "ISO IR 14")),
        *((name, "iso2022_jp") for name in ("ISO 2022 IR 87", "ISO-2022-JP", "iso ir87")),
        *((name, "cp932") for name in ("Shift_JIS", "SJIS", "Windows-31J")),
        *((name, "gb18030") for name in ("GB18030", "GB 18030", "GBK", "gb2312")),
        *((name, "euc_kr") for name in ("EUC-KR", "KS C 5601", "KSX1001", "ISO 2022 IR 149")),
        ("Big5", "big5"),
        ("WINDOWS-1252", "cp1252"),
        *((name, None) for name in ("", "ISO", "8859/10", "8859/16", "CNS 11643-1992", "UTF-16", "rot13")),
    ],
)
def test_a_set_is_known_by_its_usual_spellings(name: str, codec: str | None) -> None:
    assert codec_of(name) == codec


def test_bytes_that_contradict_the_label_are_read_as_utf_8_with_a_warning() -> None:
    read = Message(message("Mäkelä".encode(), "ASCII"))
    assert read.first(NAME) == "Mäkelä"
    assert len(read.warnings) == 1
    assert "is not ASCII" in read.warnings[0]


def test_bytes_that_are_not_utf_8_either_are_read_as_latin_1() -> None:
    read = Message(message("Mäkelä".encode("latin-1"), "UNICODE UTF-8"))
    assert read.first(NAME) == "Mäkelä"
    assert "read as iso8859_1" in read.warnings[0]


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [("KS X 1001", "cp949", "똠방"), ("BIG-5", "cp950", "王€"), ("ISO IR14", "cp932", "髙﨑")],
)
def test_windows_text_under_the_name_of_the_standard_is_read_with_a_warning(
    charset: str, codec: str, text: str
) -> None:
    read = Message(message(text.encode(codec), charset))
    assert read.first(NAME) == text
    assert f"read as {codec}" in read.warnings[0]


def test_kanji_of_shift_jis_under_the_name_of_jis_x_0201_are_read_with_a_warning() -> None:
    read = Message(message("山田".encode("shift_jis"), "ISO IR14"))
    assert read.first(NAME) == "山田"
    assert "no double bytes" in read.warnings[0]


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        *(("8859/1", text) for text in ("Mäkelä", "иван", "山田", "Müller€")),
        *((f"8859/{number}", TEXTS[f"8859/{number}"]) for number in (*range(1, 10), 15)),
        ("8859/5", "иван"),
    ],
)
def test_utf_8_under_the_name_of_an_8859_set_is_read_as_utf_8(charset: str, text: str) -> None:
    read = Message(message(text.encode(), charset))
    assert read.first(NAME) == text
    assert f"{charset}, as declared; read as utf_8" in read.warnings[0]
    assert read.header.codec == "utf_8"


@pytest.mark.parametrize(("charset", "text"), [("8859/5", "ЮН"), ("8859/5", "ЯН"), ("8859/2", "Úž")])
def test_letters_that_are_utf_8_by_chance_stay_in_their_set(charset: str, text: str) -> None:
    raw = text.encode(TABLE_0211[charset])
    assert _is_utf_8(raw)
    read = Message(message(raw, charset))
    assert read.first(NAME) == text
    assert read.warnings == ()


@pytest.mark.parametrize("charset", ["CNS 11643-1992", "UNICODE UTF-16", "Klingon"])
def test_a_set_that_is_not_known_is_guessed_with_a_warning(charset: str) -> None:
    read = Message(message("Mäkelä".encode(), charset))
    assert read.first(NAME) == "Mäkelä"
    assert repr(charset) in read.warnings[0]
    assert "read as utf_8" in read.warnings[0]


@pytest.mark.parametrize("charset", ["UNICODE UTF-16", "UTF-32", "utf16", "UTF-16LE", "UCS-2"])
def test_a_set_that_mllp_cannot_carry_is_named_as_such(charset: str) -> None:
    read = Message(message("Mäkelä".encode(), charset))
    assert "cannot travel in MLLP" in read.warnings[0]
    reply = acknowledge(read.header, Reply(AckCode.AA, "hyvä"), Envelope("1", TIME))
    assert "MSA|AA|1|hyvä".encode() in reply


@pytest.mark.parametrize("codec", ["utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_be"])
def test_a_message_in_utf_16_or_32_is_refused_by_its_name(codec: str) -> None:
    raw = message(b"A", "UNICODE UTF-16").decode().encode(codec)
    with pytest.raises(MessageError, match="UTF-16 or UTF-32"):
        Message(raw)


def test_the_first_repetition_of_msh_18_counts() -> None:
    read = Message(message("Mäkelä".encode("latin-1"), "8859/1~UNICODE UTF-8"))
    assert read.first(NAME) == "Mäkelä"
    assert read.warnings == ()


def test_a_later_repetition_counts_where_the_first_does_not_fit() -> None:
    read = Message(message("Dvořák".encode("iso8859_2"), "ASCII~8859/2"))
    assert read.first(NAME) == "Dvořák"
    assert read.warnings == ()


@pytest.mark.parametrize(
    "charset", ["~ISO IR87", "ASCII~ISO IR87", "~ISO IR87~ISO IR159", "ISO IR6~ISO IR87", "ISO IR14~ISO IR87"]
)
def test_an_iso_2022_set_counts_in_any_repetition(charset: str) -> None:
    kanji = "山崎^一郎"
    raw = kanji.encode("iso2022_jp")
    read = Message(message(raw, charset))
    assert read.first(NAME) == "山崎"
    assert read.first(GIVEN) == "一郎"
    assert read.warnings == ()


def test_katakana_of_eight_bits_stand_beside_escaped_kanji() -> None:
    raw = "ﾔﾏｻﾞｷ^".encode("shift_jis") + b"\x1b$B;3:j\x1b(J^~\x1b(I1\x1b(B"
    read = Message(message(raw, "ISO IR14~ISO IR87"))
    assert (read.first(NAME), read.first(GIVEN)) == ("ﾔﾏｻﾞｷ", "山崎")
    assert read.first(FieldPath.parse("PID-5(2).1")) == "ｱ"
    assert read.warnings == ()


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("ASCII~KS X 1001", b"\x1b$)C\xb1\xe8\x1b(B", "김"),
        ("8859/1~8859/5", b"\x1b-L\xbf\xd5\x1b-A\xe4", "Пеä"),
        ("~GB 18030-2000", b"\x1b$)A\xcd\xf5", "王"),
    ],
)
def test_other_sets_are_switched_to_by_iso_2022(charset: str, raw: bytes, text: str) -> None:
    read = Message(message(raw, charset))
    assert read.first(NAME) == text
    assert read.warnings == ()


@pytest.mark.parametrize("charset", ["", "ASCII", "UNICODE UTF-8"])
def test_escape_sequences_that_nobody_announced_are_followed_with_a_warning(charset: str) -> None:
    read = Message(message("山崎^一郎".encode("iso2022_jp"), charset))
    assert (read.first(NAME), read.first(GIVEN)) == ("山崎", "一郎")
    assert "does not announce" in read.warnings[0]


def test_a_forgotten_return_to_ascii_ends_with_the_segment() -> None:
    read = Message(message(b"\x1b$B;3\rOBR|1", "~ISO IR87"))
    assert read.first(NAME) == "山"
    assert read.segment_ids == ("MSH", "PID", "OBR")


def test_bytes_that_break_an_iso_2022_text_are_replaced_with_a_warning() -> None:
    read = Message(message(b"\x1b$B;3\xff\xff\x1b(BX", "~ISO IR87"))
    assert read.first(NAME).startswith("山")
    assert "replaced" in read.warnings[0]


def test_an_hl7_switch_holds_up_to_the_end_of_the_repetition() -> None:
    name = rb"\M2442\;3:j&;3^0lO:\C2842\^Taro~;3"
    read = Message(message(name, "ASCII~ISO IR87"))
    paths = ("PID-5.1", "PID-5.1.2", "PID-5.2", "PID-5.3", "PID-5(2).1")
    assert [read.first(FieldPath.parse(path)) for path in paths] == ["山崎", "山", "一郎", "Taro", ";3"]
    assert read.warnings == ()


@settings(deadline=None)
@given(st.binary(), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_sender_and_any_msh_18_are_read_or_refused(sender: bytes, charset: str) -> None:
    raw = message(b"A", charset, sender=sender)
    with suppress(MessageError):
        assert Message(raw).raw == raw
    assert best_header(raw).delimiters == STANDARD_DELIMITERS


def test_a_lone_return_to_ascii_makes_no_iso_2022_of_a_message() -> None:
    read = Message(message("ä".encode() + b"\x1b(B", ""))
    assert (read.header.codec, read.warnings) == ("utf_8", ())


def test_msh_18_is_found_with_other_delimiters() -> None:
    read = Message(message("Mäkelä".encode("latin-1"), "8859/1*ASCII", "#:*%$"))
    assert read.first(NAME) == "Mäkelä"
    assert read.header.codec == "iso8859_1"


_PIPES = {
    "ISO IR14": b"\x81\x7c",
    "Shift_JIS": b"\x83\x7c",
    "GB 18030-2000": b"\x81\x7c",
    "BIG-5": b"\xa4\x7c",
}


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(("charset", "sender"), [*_PIPES.items(), ("~ISO IR87", b"\x1b$B!|\x1b(B")])
def test_a_name_with_a_delimiter_inside_does_not_hide_msh_18(charset: str, sender: bytes, count: int) -> None:
    raw = message(b"A", charset, sender=sender * count)
    assert declared_sets(raw) == tuple(charset.split("~"))
    read = Message(raw)
    assert len(read.header.sending_application) == count
    assert (read.header.sending_facility, read.header.control_id) == ("B", "1")
    assert best_header(raw).control_id == "1"


@pytest.mark.parametrize("mark", [mark for mark in string.punctuation if mark not in "^~\\&."])
def test_any_field_separator_inside_a_name_is_passed_over(mark: str) -> None:
    sender = b"\x81" + mark.encode() if 0x40 <= ord(mark) <= 0x7E else b"\x1b$B!" + mark.encode() + b"\x1b(B"
    charset = "GB 18030-2000" if sender[0] == 0x81 else "~ISO IR87"
    assert declared_sets(message(b"", charset, f"{mark}^~\\&", sender)) == tuple(charset.split("~"))


def test_a_name_with_a_delimiter_inside_is_read_in_the_default_set_too() -> None:
    read = Message(message(b"A", "", sender=b"\xa4\x7c"), "BIG-5")
    assert (read.header.control_id, read.header.codec, read.warnings) == ("1", "big5", ())


def test_an_empty_msh_18_means_the_default_of_the_config() -> None:
    raw = message("Mäkelä".encode("latin-1"), "")
    assert Message(raw, "8859/1").warnings == ()
    assert Message(raw).warnings != ()


@pytest.mark.parametrize("charset", ["", "8859/1", "UNICODE UTF-8"])
def test_a_byte_order_mark_is_no_part_of_the_message(charset: str) -> None:
    read = Message(b"\xef\xbb\xbf" + message(b"A", charset))
    assert read.first(NAME) == "A"
    assert read.warnings == ()


@pytest.mark.parametrize("charset", TABLE_0211)
def test_an_ack_is_in_the_set_of_the_message(charset: str) -> None:
    codec = TABLE_0211[charset]
    sender = TEXTS[charset].encode(codec)
    head = Message(message(b"A", charset, sender=sender)).header
    reply = acknowledge(head, Reply(AckCode.AA, TEXTS[charset]), Envelope("1", TIME))
    assert reply.split(b"\r")[0].count(sender) == 1
    assert Message(reply).first(FieldPath.parse("MSA-3")) == TEXTS[charset]
