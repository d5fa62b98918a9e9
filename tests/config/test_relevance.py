"""Vocabularies and how routes use them: the built-in one, what a site adds, and what is refused."""

from __future__ import annotations

import re

import pytest
import yaml

from engine.config import parse
from engine.config.vocabularies import builtin
from engine.config.yamlfile import Document
from engine.errors import ConfigError
from engine.retrieve.relevance import (
    Exclusion,
    ProcedureGroup,
    Relation,
    Relevance,
    Term,
    Vocabulary,
    Weights,
)
from engine.retrieve.selector import PriorCriteria
from engine.routing.rules import PriorsWant
from tests.config.test_load import LINES, with_line


def criteria(priors: str, vocabularies: str = "") -> PriorCriteria:
    text = with_line(12, f"      - priors: {priors}") + f"\n{vocabularies}"
    (want,) = parse(text).routes[0].wants
    assert isinstance(want, PriorsWant)
    return want.criteria


def vocabulary(text: str, name: str = "own") -> Vocabulary:
    found = criteria(f"{{relevance: {name}}}", f"relevance:\n{text}").relevance
    assert found is not None
    return found.vocabulary


def refused(priors: str, vocabularies: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        criteria(priors, vocabularies)
    return [str(complaint) for complaint in caught.value.complaints]


def words(terms: tuple[Term, ...], name: str) -> tuple[str, ...]:
    return next((term.words for term in terms if term.name == name), ())


def test_the_built_in_vocabulary_is_one_that_a_file_might_have_under_another_name() -> None:
    document: Document = builtin()
    assert list(document.value) == ["builtin"]
    own = parse_builtin_as("own")
    assert own == criteria("{relevance: builtin}").relevance


def parse_builtin_as(name: str) -> Relevance | None:
    """The built-in vocabulary, checked as a site's own is."""
    text = yaml.safe_dump(
        {"relevance": {name: builtin().value["builtin"]}}, allow_unicode=True, sort_keys=False
    )
    return criteria(f"{{relevance: {name}}}", text).relevance


def test_the_names_of_body_parts_can_be_values_of_body_part_examined() -> None:
    """Code strings: at most 16 upper case letters, digits, spaces or underscores (PS3.5 6.2)."""
    found = criteria("{relevance: builtin}").relevance
    assert found is not None
    names = [term.name for term in (*found.vocabulary.body_parts, *found.vocabulary.regions)]
    assert len(names) > 30
    assert [name for name in names if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", name)] == []


def test_a_name_alone_has_the_points_of_the_documentation() -> None:
    found = criteria("{relevance: builtin}")
    relevance = found.relevance
    assert relevance is not None
    assert relevance == Relevance(
        relevance.vocabulary, Weights(40, 30, 10, 10, 10), 25, ("laterality",), True
    )
    assert (found.oldest, found.at_least, found.exclude) == (0, 0, Exclusion())
    assert criteria("{}").relevance is None


def test_everything_about_relevance_is_read() -> None:
    found = criteria(
        "{newest: 3, oldest: 1, at_least: 2, exclude: {modality: SR, description: x, body_part: KNEE},"
        " relevance: {vocabulary: builtin, minimum: 40, same: [group, modality], unknown: leave,"
        " weights: {group: 1, body_part: 2, modality: 3, laterality: 4, age: 5}}}"
    )
    assert found.relevance is not None
    assert found == PriorCriteria(
        newest=3,
        oldest=1,
        at_least=2,
        exclude=Exclusion(("SR",), "x", ("KNEE",)),
        relevance=Relevance(
            found.relevance.vocabulary, Weights(1, 2, 3, 4, 5), 40, ("group", "modality"), False
        ),
    )


def test_a_vocabulary_from_nothing_is_what_it_says() -> None:
    text = """
  own:
    extends: ~
    groups: {a: {codes: [A1, A2^Alpha^L], text: x}, b: {body_part: CHEST, modality: CT}, c: {codes: C}}
    related: [{groups: [a, b, c], weight: 0.5}, {groups: [b, a], weight: 0.9}]
    body_parts: {CHEST: thorax, KNEE: [knee]}
    regions: {TRUNK: [CHEST]}
    modality_families: {CT: [CT, PT]}
    laterality: {left: [l, links], right: r, both: both}
    paired: KNEE
"""
    assert vocabulary(text) == Vocabulary(
        groups=(
            ProcedureGroup("a", (("A1", ""), ("A2", "L")), ("x",)),
            ProcedureGroup("b", (), (), ("CHEST",), ("CT",)),
            ProcedureGroup("c", (("C", ""),)),
        ),
        relations=(Relation("a", "b", 0.9), Relation("a", "c", 0.5), Relation("b", "c", 0.5)),
        body_parts=(Term("CHEST", ("thorax",)), Term("KNEE", ("knee",))),
        regions=(Term("TRUNK", ("CHEST",)),),
        families=(Term("CT", ("CT", "PT")),),
        left=("l", "links"),
        right=("r",),
        both=("both",),
        paired=("KNEE",),
    )


def test_a_vocabulary_adds_words_and_replaces_groups() -> None:
    text = """
  base: {body_parts: {CHEST: [borst]}, groups: {chest-ct: {codes: X}}}
  own:
    extends: base
    body_parts: {CHEST: [mellkas], HOOF: [hoof]}
    groups: {chest-ct: {codes: Y}}
    related: [{groups: [chest-xr, chest-ct], weight: 0.1}]
"""
    found = vocabulary(text)
    assert {"thorax", "borst", "mellkas"} <= set(words(found.body_parts, "CHEST"))
    assert words(found.body_parts, "HOOF") == ("hoof",)
    assert [group for group in found.groups if group.name == "chest-ct"] == [
        ProcedureGroup("chest-ct", (("Y", ""),))
    ]
    pair = {"chest-ct", "chest-xr"}
    assert [one.weight for one in found.relations if {one.one, one.other} == pair] == [0.1]


@pytest.mark.parametrize(
    ("priors", "vocabularies", "complaint"),
    [
        (
            "{relevance: builtn}",
            "",
            "routes.yaml:12:29: routes[0].studies[0].priors.relevance: expected a known vocabulary, such as"
            " 'builtin'; found 'builtn'",
        ),
        (
            "{relevance: {vocabulary: forrest}}",
            "relevance: {forest: {}}",
            "priors.relevance.vocabulary: expected a known vocabulary, such as 'forest'; found 'forrest'",
        ),
        (
            "{relevance: builtin, exclude: {body_part: [KNEE, CHESST]}}",
            "",
            "exclude.body_part[1]: expected a known body part, such as 'CHEST'; found 'CHESST'",
        ),
        (
            "{}",
            "relevance: {own: {related: [{groups: [chest-ct, chestxr], weight: 1}]}}",
            "own.related[0].groups[1]: expected a known group, such as 'chest-xr'; found 'chestxr'",
        ),
        (
            "{}",
            "relevance: {own: {groups: {g: {body_part: CHST}}}}",
            "relevance.own.groups.g.body_part: expected a known body part, such as 'CHEST'; found",
        ),
        ("{}", "relevance: {own: {regions: {TRUNK: [CHST]}}}", "own.regions.TRUNK[0]: expected a known body"),
        ("{}", "relevance: {own: {paired: [ZZZ]}}", "relevance.own.paired[0]: expected a body part of: ABD"),
        (
            "{}",
            "relevance: {own: {extends: ~, paired: [KNEE], body_parts: {KNEES: []}}}",
            "relevance.own.paired[0]: expected a known body part, such as 'KNEES'; found 'KNEE'",
        ),
        (
            "{}",
            "relevance: {own: {extends: buildin}}",
            "own.extends: expected a known vocabulary, such as 'b",
        ),
        ("{}", "relevance: {builtin: {}}", "relevance.builtin: expected a name of its own; found that of"),
        (
            "{}",
            "relevance: {a: {extends: b}, b: {extends: a}}",
            "relevance.a.extends: expected no vocabulary that extends this one; found 'a'",
        ),
        ("{}", "relevance: {own: {groups: {g: {modality: CT}}}}", "expected codes, text or body_part"),
        ("{}", "relevance: {own: {groups: {g: {text: '('}}}}", "expected a regular expression"),
        (
            "{}",
            "relevance: {own: {related: [{groups: [chest-ct], weight: 1}]}}",
            "related[0].groups: expected",
        ),
        (
            "{}",
            "relevance: {own: {related: [{groups: [chest-ct, chest-xr], weight: 2}]}}",
            "weight: expected",
        ),
        ("{oldest: 1}", "", "expected newest beside oldest"),
        ("{at_least: 1}", "", "expected relevance beside at_least"),
        ("{relevance: builtin, newest: 1, at_least: 2}", "", "expected at_least to be no more than newest"),
        ("{exclude: {body_part: KNEE}}", "", "expected relevance beside exclude.body_part"),
        ("{relevance: {same: [colour]}}", "", "relevance.same[0]: expected 'group'"),
        ("{relevance: {minimun: 1}}", "", "expected 'minimum'; found the key 'minimun'"),
        ("{relevance: [builtin]}", "", "priors.relevance: expected text"),
        ("{relevance: {weights: {age: -1}}}", "", "weights.age: expected"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    priors: str, vocabularies: str, complaint: str
) -> None:
    assert any(complaint in told for told in refused(priors, vocabularies)), refused(priors, vocabularies)


def test_a_file_without_relevance_is_as_before() -> None:
    assert parse(LINES).routes[0].name == "first"
