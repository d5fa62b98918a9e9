"""The examples of docs/priors.md: orders, what an archive holds, and what is chosen of it, by C-FIND."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml

from engine.config import load
from engine.explanation import request_dict
from engine.hl7.message import Message
from engine.resolve import resolve
from engine.retrieve.task import RetrieveRequest
from engine.routing.router import decide, plan_of
from tests.priors_archive import EXAMPLES, NAMES, CountingArchive, example_studies

NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
PAGE = EXAMPLES.parent.parent / "docs" / "priors.md"
TABLE = load(EXAMPLES / "routes.yaml").table

each_example = pytest.mark.parametrize("name", NAMES)


def expected(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        (EXAMPLES / f"{name}.expected.yaml").read_text(encoding="utf-8")
    )
    return document


def request(name: str) -> RetrieveRequest:
    message = Message((EXAMPLES / f"{name}.hl7").read_bytes())
    (only,) = plan_of(decide(message, TABLE, NOW)).requests
    return only


def chosen(name: str) -> dict[str, Any]:
    """What comes of an example, in the form of its expected file."""
    asked = request(name)
    with CountingArchive(example_studies(name)) as archive:
        client = archive.client()
        try:
            resolution = resolve(client, asked.selector)
        finally:
            client.close()
    choices = [
        {"study": one.study_uid, "taken": one.taken, "score": one.score, "why": one.reason}
        for one in resolution.choices
    ]
    return {
        "routes": list(asked.routes),
        "ordered": request_dict(asked)["ordered"],
        "opened": archive.opened,
        "choices": choices,
    }


@each_example
def test_what_is_chosen_is_as_the_expected_file_says(name: str) -> None:
    assert chosen(name) == expected(name)


@each_example
def test_the_page_shows_what_is_chosen(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    example = expected(name)
    assert example["ordered"] in page
    for choice in example["choices"]:
        mark = "+" if choice["taken"] else "-"
        assert f"{mark} {choice['why']}\n" in page


def test_the_page_shows_every_route_of_the_examples_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    text = (EXAMPLES / "routes.yaml").read_text(encoding="utf-8")
    routes = text.partition("routes:\n")[2].split("\n\n")
    assert len(routes) == len(NAMES)
    assert all(route.strip("\n") in page for route in routes)
