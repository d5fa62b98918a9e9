"""The verbs as a user types them, between simulated nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine.app import Engine
from engine.cli import app
from engine.errors import ConfigError, GateClosed
from engine.retrieve.gate import SWITCH
from engine.sender import send
from tests.hospital import ALLOWED, CHEST_CT, Hospital, hospital, order

ROOT = Path(__file__).parents[2]


def run(*words: object, env: dict[str, str] | None = None) -> Result:
    environment = {SWITCH: "", "COLUMNS": "300", **(env or {})}
    return CliRunner().invoke(app, [str(word) for word in words], env=environment)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        (tmp_path / "routes.yaml").write_text(running.text)
        yield running


@pytest.fixture
def config(site: Hospital, tmp_path: Path) -> Path:
    return tmp_path / "routes.yaml"


def test_check_tells_each_route_in_words_and_that_the_gate_is_closed() -> None:
    result = run("check", "--config", ROOT / "routes.yaml")
    assert result.exit_code == 0
    assert "mammography-priors: ORM^O01 or OMI^O23 from main to mammography, ACK on accepted" in result.output
    assert "no mistakes" in result.output
    assert f"set the environment variable {SWITCH}" in result.output


def test_check_names_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text((ROOT / "routes.yaml").read_text().replace("from: main", "form: main", 1))
    result = run("check", "--config", path)
    assert result.exit_code != 0
    assert isinstance(result.exception, ConfigError)
    assert [complaint.where for complaint in result.exception.complaints] == ["routes[0]", "routes[0].form"]


def test_schema_is_json() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert "routes" in json.loads(result.output)["properties"]


def test_explain_tells_why_and_why_not() -> None:
    sample = ROOT / "samples" / "01-order-ct-chest.hl7"
    result = run("explain", sample, "--config", ROOT / "routes.yaml")
    assert result.exit_code == 0
    assert "✓ route priors-for-cross-sectional matches" in result.output
    assert "✗ route emergency-admission does not match" in result.output
    assert "OBR-24 is 'CT' or 'MR': OBR-24 'CT'" in result.output
    assert "gate closed (switch): retrieval is switched off" in result.output


def test_explain_with_expect_is_a_check(tmp_path: Path) -> None:
    sample = ROOT / "samples" / "01-order-ct-chest.hl7"
    expected = sample.with_suffix(".expected.yaml")
    assert run("explain", sample, "--config", ROOT / "routes.yaml", "--expect", expected).exit_code == 0
    other = ROOT / "samples" / "05-patient-update.expected.yaml"
    result = run("explain", sample, "--config", ROOT / "routes.yaml", "--expect", other)
    assert result.exit_code == 1
    assert "unexpected: routes: expected []" in result.output


@pytest.mark.parametrize("sample", sorted((ROOT / "samples").glob("*.hl7")), ids=lambda path: path.stem)
def test_explain_finds_every_sample_as_expected(sample: Path) -> None:
    expected = sample.with_suffix(".expected.yaml")
    result = run("explain", sample, "--config", ROOT / "routes.yaml", "--expect", expected)
    assert result.exit_code == 0, result.output


def test_explain_find_asks_the_archive_and_moves_nothing(
    site: Hospital, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "order.hl7").write_bytes(order(study="2.25.1001001"))
    result = run("explain", tmp_path / "order.hl7", "--config", config, "--find")
    assert result.exit_code == 0
    assert f"✓ {CHEST_CT}" in result.output
    assert "it is the ordered study" in result.output
    assert site.archive.moves == ()


def test_explain_json_is_plain(config: Path, tmp_path: Path) -> None:
    (tmp_path / "order.hl7").write_bytes(order("RE", study=CHEST_CT))
    told = json.loads(run("explain", tmp_path / "order.hl7", "--config", config, "--find", "--json").output)
    assert told[0]["found"][0]["moves"] == [{"study": CHEST_CT, "series": ""}]


def test_retrieve_reports_what_arrived(site: Hospital, config: Path) -> None:
    result = run("retrieve", CHEST_CT, "READING", "--config", config, "--archive", "main", env=ALLOWED)
    assert result.exit_code == 0, result.output
    lines = [line.rstrip() for line in result.output.splitlines()]
    start = lines.index("PACS Retrieve (C-MOVE)")
    assert lines[start + 1 : start + 9] == [
        "=" * 50,
        "Status: SUCCESS",
        f"Study UID: {CHEST_CT}",
        "Destination: READING",
        "Message: 5 objects arrived",
        "Completed: 5",
        "Failed: 0",
        "Warnings: 0",
    ]
    assert site.reading.arrived(CHEST_CT) == 5


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("2.25.404", "READING"), "the archive has no such study"),
        ((CHEST_CT, "UNKNOWN"), "move destination unknown"),
        ((CHEST_CT, "reading", "--series", "2.25.9"), "no such series in this study"),
        (("1.2\\1.3", "READING"), "list of"),
    ],
)
def test_retrieve_of_what_does_not_arrive_fails(
    site: Hospital, config: Path, words: tuple[str, ...], text: str
) -> None:
    result = run("retrieve", *words, "--config", config, "--archive", "main", env=ALLOWED)
    assert result.exit_code == 1
    assert "Status: FAILED" in result.output
    assert text in result.output
    assert site.reading.arrived() == 0


@pytest.mark.parametrize(
    ("destination", "env", "text"),
    [("READING", {SWITCH: "True"}, "to exactly 'true'"), ("ELSEWHERE", ALLOWED, "ELSEWHERE is not listed")],
)
def test_retrieve_is_gated(
    site: Hospital, config: Path, destination: str, env: dict[str, str], text: str
) -> None:
    result = run("retrieve", CHEST_CT, destination, "--config", config, "--archive", "main", env=env)
    assert isinstance(result.exception, GateClosed)
    assert text in str(result.exception)
    assert site.archive.associations == 0


def test_echo_tells_who_answers(site: Hospital, config: Path) -> None:
    result = run("echo", "--config", config)
    assert result.exit_code == 1  # the archive `dark` is off
    assert f"✓ main (ARCHIVE at 127.0.0.1:{site.archive.address[1]})" in result.output
    assert "✓ reading" in result.output
    assert "✗ dark" in result.output


async def test_tasks_lists_outcomes_with_their_cure(site: Hospital, config: Path) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        await send(
            *engine.address, [order("RE", study=CHEST_CT), order("RE", study="2.25.404", control_id="M2")]
        )
        everything = run("tasks", "--config", config)
        failed = run("tasks", "--config", config, "--status", "failed")
    assert everything.exit_code == 0
    assert "5 objects arrived" in everything.output
    assert "1 COMPLETED" in everything.output
    assert CHEST_CT not in failed.output
    assert "the archive has no such study (check that the archive holds it, and its routing)" in failed.output


async def test_send_shows_acknowledgments_and_fails_on_a_nak(
    site: Hospital, config: Path, tmp_path: Path
) -> None:
    import asyncio

    (tmp_path / "good.hl7").write_bytes(order("RE", study=CHEST_CT))
    (tmp_path / "both.hl7").write_bytes(
        order("HD", control_id="A") + order("RE", study="2.25.404", control_id="B")
    )
    async with Engine(site.config, ALLOWED) as engine:
        to = ":".join(map(str, engine.address))
        good = await asyncio.to_thread(run, "send", tmp_path / "good.hl7", "--to", to)
        both = await asyncio.to_thread(run, "send", tmp_path / "both.hl7", "--to", to, "--pipelined")
    assert good.exit_code == 0, good.output
    assert "AA 1 of 1 study arrived" in good.output
    assert both.exit_code == 1
    assert "AA no route asks for anything" in both.output
    assert "AE 0 of 1 study arrived" in both.output


def test_send_to_nobody_says_what_to_do(site: Hospital, tmp_path: Path) -> None:
    (tmp_path / "good.hl7").write_bytes(order())
    port = site.config.archives["dark"].port
    result = run("send", tmp_path / "good.hl7", "--to", f"127.0.0.1:{port}")
    assert result.exit_code == 2


def test_demo_sends_every_sample_and_gets_the_expected_acknowledgments() -> None:
    result = run("demo", "--samples", ROOT / "samples", "--config", ROOT / "routes.yaml")
    assert result.exit_code == 0, result.output
    messages = len(list((ROOT / "samples").glob("*.hl7"))) + 1  # one file is a pair
    assert f"{messages} messages, {messages} acknowledged as expected" in result.output


def test_retrieve_moves_nothing_where_it_could_not_verify_as_it_is_told_to(
    site: Hospital, config: Path
) -> None:
    words = ("retrieve", CHEST_CT, "READING", "--config", config, "--archive", "main", "--verify", "study")
    result = run(*words, env=ALLOWED)
    assert result.exit_code == 2
    assert "query" in result.output
    assert site.archive.moves == ()
