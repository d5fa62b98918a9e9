"""The scenarios that are shipped run as a user runs them, and their notation is what the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.test_cli import run
from tests.config.test_schema import accepts

FILES = sorted((Path(__file__).parents[2] / "samples" / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_shipped_scenario_is_as_expected(file: Path, tmp_path: Path) -> None:
    result = run("test", file, "--junit", tmp_path / "junit.xml")
    assert result.exit_code == 0, result.output
    suites = ElementTree.parse(tmp_path / "junit.xml").getroot()
    count = len(yaml.safe_load(file.read_text())["scenarios"])
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == (str(count), "0", "0")
    assert f"{count} scenarios, {count} as expected, 0 not" in result.output


def test_there_are_shipped_scenarios_for_the_good_case_and_for_each_kind_of_failure() -> None:
    assert {path.stem for path in FILES} == {"good", "failures", "faults"}


def schema() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(run("schema", "--scenario").output)
    return value


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_schema_accepts_the_shipped_scenarios_and_each_alone(file: Path) -> None:
    whole = schema()
    value = yaml.safe_load(file.read_text())
    assert accepts(whole, value, whole)
    for scenario in value["scenarios"]:
        assert accepts(whole, scenario, whole), scenario["name"]


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    whole = schema()
    step = {"message": "MSH"}
    assert accepts(whole, {"name": "x", "config": "routes.yaml", "steps": [step]}, whole)
    assert not accepts(whole, {"name": "x", "config": "routes.yaml", "steps": []}, whole)
    assert not accepts(whole, {"name": "x", "config": "routes.yaml", "stepps": [step]}, whole)
    assert not accepts(whole, {"name": "x", "steps": [step], "gate": "ajar"}, whole)
