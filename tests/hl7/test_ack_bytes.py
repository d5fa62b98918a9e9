"""The bytes of acknowledgments, version by version, and python-hl7 as a second reader of them."""

from __future__ import annotations

import datetime as dt
import gc

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hl7 import ack as ack_module
from engine.hl7.ack import AckCode, AckError, Envelope, Reply, Severity, acknowledge
from engine.hl7.message import Header, Message

NOW = dt.datetime(2026, 11, 24, 8, 30, 15, 999999, dt.timezone(dt.timedelta(hours=2)))
ERRORS = (
    AckError(
        Severity.ERROR, 204, "not there: A|B", "ZDS(2)-1(3).1", ("A801", "refused", "99DICOM"), "task 7"
    ),
    AckError(Severity.INFORMATION, 0, "arrived"),
)
ERR_BEFORE_2_5 = r"ERR|ZDS^2^1^204&Unknown key identifier&HL70357&A801&refused&99DICOM"
ERR_SINCE_2_5 = (
    r"ERR||ZDS^2^1^3^1|204^Unknown key identifier^HL70357|E|A801^refused^99DICOM||task 7|not there: A\F\B",
    r"ERR|||0^Message accepted^HL70357|I||||arrived",
)
TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=60)
MARKS = st.sampled_from(["|^~\\&", "#:*%$", "$*%!@"])  # python-hl7 does not know \\P\\, of a fifth in MSH-2
VERSIONS = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"]


def header(version: str) -> Header:
    raw = rf"MSH|^~\&|RIS^1.2^ISO|WARD|FF|PACS|20250101||ORM^O01|47^11|T|{version}||||||8859/1"
    return Message(raw.encode()).header


@pytest.mark.parametrize(
    ("version", "time", "kind", "err"),
    [
        ("2.1", "20261124083015", "ACK^O01", [r"ERR|not there: A\F\B"]),
        ("2.2", "20261124083015+0200", "ACK^O01", [ERR_BEFORE_2_5]),
        ("2.3", "20261124083015+0200", "ACK^O01", [ERR_BEFORE_2_5]),
        ("2.3.1", "20261124083015+0200", "ACK^O01^ACK", [ERR_BEFORE_2_5]),
        ("2.4", "20261124083015+0200", "ACK^O01^ACK", [ERR_BEFORE_2_5]),
        *(
            (version, "20261124083015+0200", "ACK^O01^ACK", [*ERR_SINCE_2_5])
            for version in ("2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8")
        ),
    ],
)
def test_the_bytes_of_each_version(version: str, time: str, kind: str, err: list[str]) -> None:
    msa = "MSA|AE|47^11" + ("" if version >= "2.7" else r"|no A\T\B")
    msh = rf"MSH|^~\&|FF|PACS|RIS^1.2^ISO|WARD|{time}||{kind}|FF1|T|{version}||||||8859/1"
    ack = acknowledge(header(version), Reply(AckCode.AE, "no A&B", ERRORS), Envelope("FF1", NOW))
    assert ack.decode() == "".join(f"{line}\r" for line in (msh, msa, *err))


def test_the_bytes_with_other_delimiters_and_as_an_exchange_of_its_own() -> None:
    head = Message(rb"MSH$*%!@#$RIS$WARD$FF$PACS$20250101$$ORM*O01$4711$T$2.7").header
    envelope = Envelope("FF1", NOW, "ORR^O02", "AL")
    ack = acknowledge(head, Reply(AckCode.AE, "", (AckError(Severity.ERROR, 207, "5$ # 2*2"),)), envelope)
    assert ack.decode().split("\r") == [
        "MSH$*%!@#$FF$PACS$RIS$WARD$20261124083015+0200$$ORR*O02*ORR_O02$FF1$T$2.7$$$AL$NE",
        "MSA$AE$4711",
        "ERR$$$207*Application internal error*HL70357$E$$$$5!F! !P! 2!S!2",
        "",
    ]


@settings(deadline=None)
@given(st.sampled_from(VERSIONS), MARKS, TEXT, TEXT, TEXT)
def test_python_hl7_finds_each_field_of_an_ack_again(
    version: str, marks: str, text: str, application: str, diagnostics: str
) -> None:
    field, component = marks[0], marks[1]
    sender = "".join(it for it in application if it not in marks).strip() or "RIS"
    msh = ["MSH", marks[1:], sender, "WARD", "FF", "PACS", "", "", f"ORM{component}O01", "4711", "T", version]
    error = AckError(Severity.ERROR, 207, text, "ZDS-1.1", ("A801", text, "99DICOM"), diagnostics)
    reply = Reply(AckCode.AE, "told", (error,))
    ack = acknowledge(Message(field.join(msh).encode()).header, reply, Envelope("FF1", NOW))
    read = hl7.parse(ack.decode())
    assert [str(segment[0]) for segment in read] == ["MSH", "MSA", "ERR"]
    assert [str(read["MSH"][0][number]) for number in (1, 2)] == [field, marks[1:]]
    assert [str(read["MSH"][0][number]) for number in (3, 4, 5, 6)] == ["FF", "PACS", sender, "WARD"]
    assert [str(read["MSH"][0][number]) for number in (10, 11, 12)] == ["FF1", "T", version]
    assert [str(read["MSA"][0][number]) for number in (1, 2)] == ["AE", "4711"]
    if version >= "2.5":
        assert read.extract_field("ERR", 1, 3, 1, 1, 1) == "207"
        told = [read.unescape(str(read["ERR"][0][number])) for number in (7, 8)]
        assert told == [diagnostics.replace("\x7f", " "), text.replace("\x7f", " ").rstrip()]  # by hl7.parse


@pytest.mark.parametrize("version", VERSIONS)
def test_no_long_text_is_remembered(version: str) -> None:
    text = f"MSH-1 and MSH-2 {'x' * 100_000!r} are not distinct punctuation"  # of a field of any size
    error = AckError(Severity.ERROR, 102, text, "MSH-2", diagnostics=text)
    acknowledge(header(version), Reply(AckCode.AE, text, (error,)), Envelope("FF1", NOW))
    remembered = gc.get_referents(*gc.get_referents(ack_module._known))
    assert not any(text in part for part in remembered if isinstance(part, str | tuple))
