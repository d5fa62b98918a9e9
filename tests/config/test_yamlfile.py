"""Reading YAML: values stay text, each keeps its place, and what cannot be meant is a complaint."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.config.yamlfile import read
from engine.errors import Complaint, ConfigError

ROOT = Path(__file__).parents[2]


def complaints(text: str) -> tuple[Complaint, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, "f.yaml")
    return caught.value.complaints


def test_scalars_stay_text() -> None:
    document = read("a: NO\nb: 0123\nc: yes\nd: 1.50\ne: 2026-11-24\nf: 0x1F\ng: 1:30", "f")
    assert document.value == {
        "a": "NO",
        "b": "0123",
        "c": "yes",
        "d": "1.50",
        "e": "2026-11-24",
        "f": "0x1F",
        "g": "1:30",
    }


def test_keys_stay_text_too() -> None:
    assert read("{NO: 1, 0123: 2, 7: 3}", "f").value == {"NO": "1", "0123": "2", "7": "3"}


def test_plain_nothing_is_none_and_quoted_nothing_is_text() -> None:
    document = read("a:\nb: ~\nc: null\nd: ''\ne: 'null'", "f")
    assert document.value == {"a": None, "b": None, "c": None, "d": "", "e": "null"}


def test_an_empty_file_is_nothing() -> None:
    assert read("# only a comment\n", "f").value is None


def test_every_value_and_key_has_its_place() -> None:
    document = read("a:\n  - b: x\n  - y\n", "f")
    assert document.places[("a", 0, "b")] == (2, 8)
    assert document.keys[("a", 0, "b")] == (2, 5)
    assert document.places[("a", 1)] == (3, 5)


def test_an_alias_stands_for_its_anchor() -> None:
    assert read("a: &one [x, y]\nb: *one", "f").value == {"a": ["x", "y"], "b": ["x", "y"]}


def test_a_complaint_passes_over_steps_that_are_not_in_the_file() -> None:
    complaint = read("a:\n  b: x\n", "f").complaint(("a", "Tag", "b", "c"), "this", "that")
    assert str(complaint) == "f:2:6: a.b: expected this; found that"


@pytest.mark.parametrize(
    ("text", "place", "where", "found"),
    [
        ("a: 1\nb: 2\na: 3", (3, 1), "a", "a second 'a', after line 1"),
        ("r:\n  - {x: 1, x: 2}", (2, 12), "r[0].x", "a second 'x', after line 2"),
        ("a:\n\tb: 1", (2, 1), "", "cannot start any token"),
        ("a: [1, 2", (1, 9), "", "expected ',' or ']'"),
        ("a: 1\n---\nb: 2", (2, 1), "", "another document"),
        ("a: *b", (1, 4), "", "undefined alias"),
        ("a: &x [*x]", (1, 1), "", "without end"),
        ("[" * 5000, (1, 1), "", "without end"),
        ("b: &b {x: 1}\na:\n  <<: *b\n  y: 2", (3, 3), "a", "merge key"),
        ("? [a, b]\n: c", (1, 3), "", "a list or mapping as a key"),
        ("a:\n  b: !env HOME", (2, 6), "a.b", "!env"),
        ("a: 1\nb: x\x00y", (2, 5), "", "0x0000"),
    ],
)
def test_what_cannot_be_meant_is_a_complaint_with_its_place(
    text: str, place: tuple[int, int], where: str, found: str
) -> None:
    (complaint,) = complaints(text)
    assert (complaint.line, complaint.column, complaint.where) == (*place, where)
    assert found in complaint.found
    assert complaint.expected
    assert complaint.file == "f.yaml"


def test_every_double_key_is_told_at_once() -> None:
    assert [one.where for one in complaints("a: 1\na: 2\nb: {c: 1, c: 2}\n")] == ["a", "b.c"]


@pytest.mark.parametrize("name", ["routes.yaml", "engine/config/vocabularies.yaml"])
def test_values_and_places_are_the_same_where_pyyaml_has_no_libyaml(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / name).read_text() + "nothing:\nflow: {a: , b:, c: ~}\nlist:\n  -\n  - x\n"
    fast = read(text, name)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert fast == read(text, name)
