from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dicom.identifiers import valid_ae_title, valid_key, valid_uid
from engine.errors import IdentifierError


@pytest.mark.parametrize(
    "uid",
    [
        "0",
        "1",
        "1.2.840.10008.1.2",
        "2.25.0",
        "1.0.3",
        "1." + "9" * 62,
    ],
)
def test_a_uid_is_returned_as_it_is(uid: str) -> None:
    assert valid_uid(uid) == uid


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("1.2\\1.3", "list of UIDs"),
        ("\\", "list of UIDs"),
        ("1.2.3\\", "list of UIDs"),
        ("1." + "9" * 63, "has 65 characters; 64 are allowed"),
        ("1.02", "not a UID"),
        ("01.2", "not a UID"),
        ("00", "not a UID"),
        (".1", "not a UID"),
        ("1.", "not a UID"),
        ("1..2", "not a UID"),
        ("1.2.*", "not a UID"),
        ("1.2.?", "not a UID"),
        ("*", "not a UID"),
        ("1.2.a", "not a UID"),
        ("1.2 ", "not a UID"),
        (" 1.2", "not a UID"),
        ("1.2\n", "not a UID"),
        ("1.2\0", "not a UID"),
        ("-1.2", "not a UID"),
        ("1,2", "not a UID"),
        ("١.٢", "not a UID"),  # digits, but not those of ASCII
    ],
)
def test_what_is_not_exactly_one_uid_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(IdentifierError, match=reason):
        valid_uid(text)


def test_a_refusal_names_what_it_is_about() -> None:
    with pytest.raises(IdentifierError, match="study instance UID is empty"):
        valid_uid("", "study instance UID")
    with pytest.raises(IdentifierError, match="destination AE title is empty"):
        valid_ae_title("", "destination AE title")
    with pytest.raises(IdentifierError, match="accession number is empty"):
        valid_key("", "accession number")


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=6))
def test_numbers_joined_by_dots_are_a_uid(numbers: list[int]) -> None:
    uid = ".".join(map(str, numbers))
    assert valid_uid(uid) == uid


@given(st.text(alphabet="0123456789.\\*? ", max_size=70))
def test_whatever_passes_as_a_uid_has_one_meaning(text: str) -> None:
    try:
        uid = valid_uid(text)
    except IdentifierError:
        return
    assert len(uid) <= 64
    assert all(part == str(int(part)) for part in uid.split("."))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("A", "A"),
        ("VIEW_1", "VIEW_1"),
        ("  VIEW  ", "VIEW"),
        ("MY VIEW", "MY VIEW"),
        ("A" * 16, "A" * 16),
        (" " + "A" * 16 + " ", "A" * 16),
        ("~!#$", "~!#$"),
    ],
)
def test_an_ae_title_is_returned_without_its_padding(text: str, title: str) -> None:
    assert valid_ae_title(text) == title


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("A" * 17, "has 17 characters; 16 are allowed"),
        ("A\\B", "backslash"),
        ("A\tB", "not printable ASCII"),
        ("A\n", "not printable ASCII"),
        ("A\0", "not printable ASCII"),
        ("A\x7f", "not printable ASCII"),
        ("RÖNTGEN", "not printable ASCII"),
    ],
)
def test_what_is_not_an_ae_title_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(IdentifierError, match=reason):
        valid_ae_title(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("P1", "P1"),
        ("  P1 ", "P1"),
        ("0012 34", "0012 34"),
        ("ÄÖ-1", "ÄÖ-1"),
        ("x" * 64, "x" * 64),
    ],
)
def test_a_key_is_returned_without_its_padding(text: str, key: str) -> None:
    assert valid_key(text, "patient ID") == key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "match every study"),
        ("   ", "match every study"),
        ("*", "would match other studies"),
        ("P*", "would match other studies"),
        ("P?1", "would match other studies"),
        ("P1\\P2", "would match other studies"),
        ("x" * 65, "has 65 characters; 64 are allowed"),
        ("P\r1", "control character"),
        ("P1\n", "control character"),
        ("P1\0", "control character"),
        ("P\x1b$B1", "control character"),
    ],
)
def test_a_key_that_may_match_something_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(IdentifierError, match=reason):
        valid_key(text, "patient ID")


@pytest.mark.parametrize("text", ["SECRET*", "SECRET" * 20, "SECRET\n"])
def test_a_refused_key_is_not_repeated_for_it_may_be_a_patients(text: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        valid_key(text, "patient ID")
    assert "SECRET" not in str(caught.value)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_whatever_passes_as_a_key_has_one_meaning(text: str) -> None:
    try:
        key = valid_key(text, "patient ID")
    except IdentifierError:
        return
    assert key == text.strip(" ")
    assert 0 < len(key) <= 64
    assert not set(key) & set("*?\\\r\n\t\0\x1b")
