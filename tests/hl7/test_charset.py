"""Character sets: every set of table 0211 is read, and a wrong label loses no message."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hl7.charset import TABLE_0211, decode
from engine.hl7.message import Message
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
    "ISO IR14": "ヤマダ",
    "ISO IR87": "山田太郎",
    "ISO IR159": "丂山",
    "GB 18030-2000": "王小明",
    "KS X 1001": "홍길동",
    "BIG-5": "王小明",
    "UNICODE": "Mäkelä 山田",
    "UNICODE UTF-8": "Mäkelä 山田",
}
NAME = FieldPath.parse("PID-5.1")


def message(name: bytes, charset: str, mark: str = "|^~\\&") -> bytes:
    bar = mark[0]
    header = f"MSH{mark}{bar}A{bar}B{bar}C{bar}D{bar}{bar}{bar}ORM{mark[1]}O01{bar}1{bar}P{bar}2.5"
    return f"{header}{bar * 6}{charset}\rPID{bar * 5}".encode() + name


def test_every_set_of_the_table_has_a_text_here() -> None:
    assert TEXTS.keys() == TABLE_0211.keys()


@pytest.mark.parametrize("charset", TABLE_0211)
def test_a_text_of_each_set_comes_through(charset: str) -> None:
    raw = TEXTS[charset].encode(TABLE_0211[charset])
    read = Message(message(raw, charset))
    assert read.first(NAME) == TEXTS[charset]
    assert read.warnings == ()
    assert read.header.codec == TABLE_0211[charset]


def test_the_name_of_a_set_is_read_in_any_case() -> None:
    assert decode("ä".encode(), "unicode utf-8").codec == "utf_8"


def test_bytes_that_contradict_the_label_are_read_as_utf_8_with_a_warning() -> None:
    read = Message(message("Mäkelä".encode(), "ASCII"))
    assert read.first(NAME) == "Mäkelä"
    assert len(read.warnings) == 1
    assert "is not ASCII" in read.warnings[0]


def test_bytes_that_are_not_utf_8_either_are_read_as_latin_1() -> None:
    read = Message(message("Mäkelä".encode("latin-1"), "UNICODE UTF-8"))
    assert read.first(NAME) == "Mäkelä"
    assert "read as iso8859_1" in read.warnings[0]


@pytest.mark.parametrize("charset", ["CNS 11643-1992", "UNICODE UTF-16", "Klingon"])
def test_a_set_that_is_not_known_is_guessed_with_a_warning(charset: str) -> None:
    read = Message(message("Mäkelä".encode(), charset))
    assert read.first(NAME) == "Mäkelä"
    assert repr(charset) in read.warnings[0]


def test_the_first_repetition_of_msh_18_counts() -> None:
    read = Message(message("Mäkelä".encode("latin-1"), "8859/1~UNICODE UTF-8"))
    assert read.first(NAME) == "Mäkelä"
    assert read.warnings == ()


@pytest.mark.parametrize("charset", ["~ISO IR87", "ASCII~ISO IR87", "~ISO IR87~ISO IR159"])
def test_an_iso_2022_set_counts_in_any_repetition(charset: str) -> None:
    kanji = "山崎^一郎"
    raw = kanji.encode("iso2022_jp")
    read = Message(message(raw, charset))
    assert read.first(NAME) == "山崎"
    assert read.first(FieldPath.parse("PID-5.2")) == "一郎"
    assert read.warnings == ()


def test_msh_18_is_found_with_other_delimiters() -> None:
    read = Message(message("Mäkelä".encode("latin-1"), "8859/1*ASCII", "#:*%$"))
    assert read.first(NAME) == "Mäkelä"
    assert read.header.codec == "iso8859_1"


def test_an_empty_msh_18_means_the_default_of_the_config() -> None:
    raw = message("Mäkelä".encode("latin-1"), "")
    assert Message(raw, "8859/1").warnings == ()
    assert Message(raw).warnings != ()


@pytest.mark.parametrize("charset", ["", "8859/1", "UNICODE UTF-8"])
def test_a_byte_order_mark_is_no_part_of_the_message(charset: str) -> None:
    read = Message(b"\xef\xbb\xbf" + message(b"A", charset))
    assert read.first(NAME) == "A"
    assert read.warnings == ()


@settings(deadline=None)
@given(st.binary(), st.sampled_from([*TABLE_0211, "", "Klingon"]))
def test_decoding_never_raises(raw: bytes, declared: str) -> None:
    decoded = decode(raw, declared)
    assert decoded.warning or decoded.text == raw.decode(decoded.codec)
