"""Mistakes in a scenario file: each complains with its line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.scenario.load import load
from tests.cli.scenario_files import BASE, ORDER, message, run_file, write
from tests.cli.test_cli import run

STEPS = "steps:\n" + message(ack="AA")
EXPECTED = STEPS + "expected:\n"


def complaints(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text))
    return [str(complaint).removeprefix(f"{folder}/") for complaint in caught.value.complaints]


@pytest.mark.parametrize(
    ("text", "word", "place", "said"),
    [
        (BASE, "name", "file", "the key 'steps'"),
        (BASE + "steps: []\n", "[]", "steps", "at least one"),
        (BASE + STEPS + "gates: open\n", "gates", "gates", "expected 'gate'; found the key 'gates'"),
        (BASE + STEPS + "gate: ajar\n", "ajar", "gate", "'open' or 'closed'"),
        (BASE + STEPS + "time_limit: 20\n", "20\n", "time_limit", "a duration such as 20s"),
        (BASE + "steps:\n  - {ack: AA}\n", "{ack", "steps[0]", "either file or message"),
        (BASE + "steps:\n  - {file: none.hl7}\n", "none.hl7", "steps[0].file", "a file of HL7 messages"),
        (BASE + "steps:\n" + message(ack="AB"), "AB", "steps[0].ack", "'AA', 'AE'"),
        (BASE + "steps:\n" + message(ack="{MSA1: AA}"), "AA}", "steps[0].ack.MSA1", "a field path such as"),
        (
            BASE + "steps:\n" + message(ack="{MSA-1: /(/}"),
            "/(/",
            "steps[0].ack.MSA-1",
            "a regular expression",
        ),
        (BASE + "steps:\n" + message(ack="[AA, AA]"), "[AA", "steps[0].ack", "as many as messages (1)"),
        (BASE + "steps:\n" + message(ack="AA", accept="CA"), "- message", "steps[0]", "ack (original mode)"),
        (
            BASE + "steps:\n" + message(wait="soon"),
            "soon",
            "steps[0].wait",
            "a duration such as 2s, or settled",
        ),
        (BASE + "steps:\n" + message(resend="-1"), "-1", "steps[0].resend", "greater than or equal to 0"),
        (
            BASE + "steps:\n" + message(concurrently="true"),
            "concurrently",
            "steps[0].concurrently",
            "a step before it",
        ),
        (BASE + "steps:\n" + message("${then}"), "|", "steps[0].message", "${now}, ${now+12h} or ${now-2d}"),
        (
            BASE + STEPS + "destinations: {er: {down: true}}",
            "er:",
            "destinations.er",
            "reading-room, emergency",
        ),
        (BASE + STEPS + "faults: [{at: main, fault: crash}]", "crash", "faults[0].fault", "one of reject"),
        (
            BASE + STEPS + "faults: [{at: maine, fault: abort}]",
            "maine",
            "faults[0].at",
            "a name of the routes",
        ),
        (BASE + STEPS + "faults: [{at: main, fault: status}]", "{at", "faults[0]", "status needs it"),
        (
            BASE + STEPS + "faults: [{at: main, fault: duplicate}]",
            "{at",
            "faults[0]",
            "a fault that can be (",
        ),
        (
            BASE + EXPECTED + "  retrieves: [{status: FAILED}]",
            "{status",
            "expected.retrieves[0]",
            "one of study",
        ),
        (
            BASE + EXPECTED + "  retrieves: [{study: 1, status: DONE}]",
            "DONE",
            "expected.retrieves[0].status",
            "one of SCHEDULED",
        ),
        (
            BASE + EXPECTED + "  retrieves: [{study: 1, cause: done}]",
            "done",
            "expected.retrieves[0].cause",
            "one of arrived",
        ),
        (
            BASE + EXPECTED + "  retrieves: [{study: 1, archive: mane}]",
            "mane",
            "expected.retrieves[0].archive",
            "a name of the routes file: main",
        ),
        (
            BASE + EXPECTED + "  arrived: {er: {1: 2}}",
            "er:",
            "expected.arrived.er",
            "a name of the routes file",
        ),
        (
            BASE + EXPECTED + "  arrived: {emergency: {1: x}}",
            "x}",
            "expected.arrived.emergency.1",
            "whole number",
        ),
        (BASE + STEPS + "override: {routs: []}", "routs", "routs", "expected 'routes'"),
        (
            BASE + STEPS + "override: {archives: {main: {port: x}}}",
            "x}",
            "archives.main.port",
            "a whole number",
        ),
    ],
)
def test_a_mistake_names_its_line_and_column(
    tmp_path: Path, text: str, word: str, place: str, said: str
) -> None:
    at = text.rindex(word)
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    if word == "- message":
        column += 2  # the mapping begins behind the dash
    found = complaints(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(f"scenario.yaml:{line}:{column}: {place}: expected "), found[0]
    assert said in found[0]


def test_a_mistake_in_the_routes_file_is_told_as_one_of_that_file(tmp_path: Path) -> None:
    path = write(tmp_path, BASE + STEPS)
    routes = (tmp_path / "routes.yaml").read_text()
    (tmp_path / "routes.yaml").write_text(routes.replace("from: main", "from: mane", 1))
    with pytest.raises(ConfigError) as caught:
        load(path)
    (complaint,) = caught.value.complaints
    assert complaint.file == str(tmp_path / "routes.yaml")
    assert routes.splitlines()[complaint.line - 1].strip() == "from: main"


def test_a_routes_file_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    (found,) = complaints(tmp_path, BASE.replace("routes.yaml", "rules.yaml") + STEPS)
    assert found.startswith("scenario.yaml:3:9: config: expected a routes file; found no file ")


def test_every_complaint_of_every_scenario_and_file_comes_at_once(tmp_path: Path) -> None:
    one = "- {name: same, config: routes.yaml, gate: ajar, steps: [{file: none.hl7}]}\n"
    (found,) = complaints(tmp_path, f"scenarios:\n{one}")
    assert "gate" in found
    one = one.replace(", gate: ajar", "")
    both = f"scenarios:\n{one}{one}"
    column = one.index("none") + 1
    assert [re.sub(r": expected.*", "", it) for it in complaints(tmp_path, both)] == [
        f"scenario.yaml:2:{column}: scenarios[0].steps[0].file",
        f"scenario.yaml:3:{column}: scenarios[1].steps[0].file",
        "scenario.yaml:3:10: scenarios[1].name",
    ]


def test_what_lacks_in_an_override_without_a_base_is_told_where_it_stands(tmp_path: Path) -> None:
    (found,) = complaints(tmp_path, f"name: x\noverride: {{archives: {{}}}}\n{STEPS}")[:1]
    assert found.startswith("scenario.yaml:2:11: file: expected the key 'destinations'")


@pytest.mark.parametrize("text", ["", "- name: x\n", "scenarios: []\n", "scenarios: {name: x}\n"])
def test_a_file_without_a_scenario_is_a_mistake(tmp_path: Path, text: str) -> None:
    (found,) = complaints(tmp_path, text)
    assert re.match(
        r"scenario\.yaml:1:\d+: (file|scenarios): expected (a mapping|a list|at least one)", found
    )


def test_a_config_may_stand_whole_in_the_scenario(tmp_path: Path) -> None:
    whole = """
name: whole
override:
  archives: {pacs: {ae_title: PACS, host: 192.0.2.1, port: 104}}
  destinations: {ward: {ae_title: WARD}}
  routes: [{name: all, messages: ORM^O01, studies: {study: ZDS-1.1}, from: pacs, to: ward}]
"""
    order = ORDER.replace("2.25.1^", "2.25.1001002^")
    wanted = "expected: {arrived: {ward: {2.25.1001002: 5}}, retrieves: {study: /1002$/, archive: pacs}}\n"
    result = run_file(tmp_path, whole + "steps:\n" + message(order, ack="AA") + wanted)
    assert result.exit_code == 0, result.output


def test_dicom_files_of_a_folder_may_be_what_the_archive_holds(tmp_path: Path) -> None:
    from engine.simulator import datasets, demo_studies

    (tmp_path / "images").mkdir()
    for number, dataset in enumerate(datasets(demo_studies()[2])):
        dataset.save_as(tmp_path / "images" / f"{number}.dcm", enforce_file_format=True)
    text = "name: x\nconfig: routes.yaml\narchives: {main: {folder: images}}\nsteps:\n"
    order = ORDER.replace("2.25.1^", "2.25.1001003^")
    wanted = "expected: {arrived: {reading-room: {2.25.1001003: 2}}}\n"
    assert run_file(tmp_path, text + message(order, ack="AA") + wanted).exit_code == 0
    (found,) = complaints(tmp_path, text.replace("images", "pictures") + message(order))
    assert found.startswith("scenario.yaml:3:27: archives.main.folder: expected a folder of DICOM files")


def test_an_inline_message_is_sent_in_its_character_set(tmp_path: Path) -> None:
    order = ORDER.replace("|2.5.1", "|2.5.1||||||8859/1").replace(
        "P-1^^^FOREST^MR", "P-1^^^FOREST^MR||Grün^J"
    )
    (scenario,) = load(write(tmp_path, BASE + "steps:\n" + message(order)))
    assert b"Gr\xfcn" in scenario.steps[0].payloads[0]
    (found,) = complaints(tmp_path, BASE + "steps:\n" + message(order.replace("Grün", "Łoś")))
    assert "a message in 8859/1, as its MSH-18 says" in found


def test_body_parts_of_made_up_studies_are_in_their_objects(tmp_path: Path) -> None:
    study = "{study: 2.25.1, patient: P, date: 2026-01-02, modality: CT, body_part: CHEST, "
    series = "series: [{instances: 1}, {instances: 1, modality: SR, body_part: ABDOMEN}]}"
    text = f"name: x\nconfig: routes.yaml\narchives: {{main: {{studies: {study}{series}}}}}\n{STEPS}"
    (scenario,) = load(write(tmp_path, text))
    objects = scenario.archives["main"].content
    told = [(it.BodyPartExamined, it.Modality, it.StudyDate) for it in objects]  # type: ignore[union-attr]
    assert told == [("CHEST", "CT", "20260102"), ("ABDOMEN", "SR", "20260102")]


def test_a_file_that_cannot_be_used_stops_all_before_anything_runs(tmp_path: Path) -> None:
    good = write(tmp_path, BASE + STEPS, "good.yaml")
    bad = write(tmp_path, BASE, "bad.yaml")
    result = run("test", good, bad)
    assert isinstance(result.exception, ConfigError)
    assert "✓" not in result.output
