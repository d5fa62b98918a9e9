"""A scenario that is not as expected says what differs: place, value, expected and got."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.scenario_files import BASE, ORDER, STUDY, message, run_file

ENHANCED = ORDER.replace("|2.5.1", "|2.5.1|||AL|AL")


def rows(output: str) -> list[list[str]]:
    """The lines of the output, their columns apart."""
    return [[part.strip() for part in line.split("  ") if part.strip()] for line in output.splitlines()]


def expecting(text: str) -> str:
    return f"expected:\n  {text}\n"


@pytest.mark.parametrize(
    ("ack", "row"),
    [
        ("AE", ["ack MSA-1", "AE", "AA"]),
        ("{MSA-1: AR}", ["ack MSA-1", "AR", "AA"]),
        ("{ERR-5.1: A702}", ["ack ERR-5.1", "A702", "0000"]),
        (
            "{ERR-8: /3 objects/}",
            ["ack ERR-8", "/3 objects/", "study 2.25.1 to reading-room: 2 objects arrived"],
        ),
        ("{ERR-2: PID-3}", ["ack ERR-2", "PID-3", "nothing"]),
        ("{MSA-2: null}", ["ack MSA-2", "nothing", "T-1"]),
        ("none", ["ack", "none", "AA"]),
    ],
)
def test_an_acknowledgment_is_compared_field_by_field(tmp_path: Path, ack: str, row: list[str]) -> None:
    result = run_file(tmp_path, BASE + "steps:\n" + message(ack=ack))
    assert result.exit_code == 1
    assert row in rows(result.output)
    assert "MSA|AA|T-1|1 of 1 study arrived" in result.output
    assert "step 1, message 1" in result.output


def test_what_is_not_mentioned_is_not_compared(tmp_path: Path) -> None:
    result = run_file(tmp_path, BASE + "steps:\n" + message())
    assert result.exit_code == 0
    assert "--- what was seen" not in result.output


@pytest.mark.parametrize(
    ("accept", "application", "row"),
    [
        ("CE", "AA", ["accept MSA-1", "CE", "CA"]),
        ("CA", "{MSA-1: AE}", ["application MSA-1", "AE", "AA"]),
        ("CA", "none", ["application", "none", "AA"]),
    ],
)
def test_both_answers_of_enhanced_mode_are_compared(
    tmp_path: Path, accept: str, application: str, row: list[str]
) -> None:
    step = message(ENHANCED, accept=accept, application=application)
    result = run_file(tmp_path, BASE + "steps:\n" + step)
    assert result.exit_code == 1
    assert row in rows(result.output)


def test_answers_that_are_never_sent_may_be_expected_not_to_come(tmp_path: Path) -> None:
    text = ORDER.replace("|2.5.1", "|2.5.1|||NE|ER")
    result = run_file(tmp_path, BASE + "steps:\n" + message(text, accept="none", application="none"))
    assert result.exit_code == 0, result.output


def test_what_a_message_without_answers_leads_to_is_waited_for(tmp_path: Path) -> None:
    text = ORDER.replace("|2.5.1", "|2.5.1|||NE|NE")
    wanted = expecting("arrived: {reading-room: {2.25.1: 2}}")
    assert run_file(tmp_path, BASE + "steps:\n" + message(text) + wanted).exit_code == 0


@pytest.mark.parametrize(("wait", "retrieves"), [("settled", 2), ("0s", 1)])
def test_a_step_may_wait_until_all_before_has_ended(tmp_path: Path, wait: str, retrieves: int) -> None:
    first = message(ORDER.replace("|2.5.1", "|2.5.1|||NE|NE"))
    second = message(ORDER.replace("T-1", "T-2"), ack="AA", wait=wait)
    faults = "faults: [{at: main, fault: delay, delay: 500ms}]\n"  # one need at a time is one retrieve
    wanted = expecting(f"retrieves: [{', '.join(['{study: 2.25.1, status: COMPLETED}'] * retrieves)}]")
    result = run_file(tmp_path, BASE + faults + "steps:\n" + first + second + wanted)
    assert result.exit_code == 0, result.output


def test_an_answer_that_does_not_come_is_a_difference(tmp_path: Path) -> None:
    text = ORDER.replace("|2.5.1", "|2.5.1|||NE|NE")
    result = run_file(tmp_path, BASE + "steps:\n" + message(text, application="AA"))
    assert result.exit_code == 1
    assert ["application", "MSA-1 AA", "no answer"] in rows(result.output)


def test_the_application_acknowledgment_may_come_to_a_reply_address(tmp_path: Path) -> None:
    override = "override: {replies: [{application: '*', to: '192.0.2.1:2575'}]}\n"
    step = message(ENHANCED, accept="CA", application="{MSA-1: AA, MSA-2: T-1}")
    result = run_file(tmp_path, BASE + override + "steps:\n" + step)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("retrieves", "row"),
    [
        ("{study: 2.25.1, status: FAILED}", ["status", "FAILED", "COMPLETED"]),
        ("{study: 2.25.1, cause: timed-out}", ["cause", "timed-out", "arrived"]),
        ("{study: 2.25.1, reason: /disk/}", ["reason", "/disk/", "2 objects arrived"]),
        ("{study: 2.25.1, attempts: 2}", ["attempts", "2", "1"]),
        ("{study: 2.25.1, moves: 0}", ["moves", "0", "1"]),
        ("{study: 2.25.1, priority: low}", ["priority", "low", "medium"]),
        ("{study: 2.25.1, dicom_status: A702}", ["dicom_status", "A702", "0000"]),
        ("{study: 2.25.1, destination: emergency}", ["destination", "emergency", "reading-room"]),
        ("{study: 2.25.1, series: 2.25.1.1}", ["series", "2.25.1.1", "nothing"]),
        ("{study: /^9/}", ["study /^9/", "to be asked for", "no such retrieve"]),
        (
            "[]",
            ["study 2.25.1 from main to reading-room", "no such retrieve", "COMPLETED: 2 objects arrived"],
        ),
    ],
)
def test_retrieves_are_compared_value_by_value(tmp_path: Path, retrieves: str, row: list[str]) -> None:
    result = run_file(tmp_path, BASE + "steps:\n" + message() + expecting(f"retrieves: {retrieves}"))
    assert result.exit_code == 1
    assert row in rows(result.output)
    assert "study 2.25.1 from main to reading-room: COMPLETED arrived 0000" in result.output
    assert "main: study 2.25.1 to READING, priority medium" in result.output


def test_a_pattern_leaves_to_others_what_only_they_fit(tmp_path: Path) -> None:
    both = ORDER.replace("RE|", "NW|").partition("ZDS")[0]
    second = BASE.replace(STUDY, f"[{STUDY}, {STUDY.replace('2.25.1', '2.25.2')}]")
    wanted = "retrieves: [{study: /2.25/}, {study: 2.25.2}, {study: 2.25.1, moves: 2}]"
    result = run_file(tmp_path, second + "steps:\n" + message(both, ack="AA") + expecting(wanted))
    differing = [row for row in rows(result.output) if row[1:] == ["to be asked for", "no such retrieve"]]
    assert differing == [["study 2.25.1", "to be asked for", "no such retrieve"]]
    less = wanted.replace(", {study: 2.25.1, moves: 2}", "")
    result = run_file(tmp_path, second + "steps:\n" + message(both, ack="AA") + expecting(less))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("expected", "row"),
    [
        ("arrived: {reading-room: {2.25.1: 3}}", ["2.25.1 at reading-room", "3 objects", "2 objects"]),
        ("arrived: {emergency: {2.25.1: 1}}", ["2.25.1 at emergency", "1 objects", "0 objects"]),
        ("not_arrived: {reading-room: 2.25.1}", ["2.25.1 at reading-room", "nothing", "2 objects"]),
        ('not_arrived: {reading-room: "*"}', ["2.25.1 at reading-room", "nothing", "2 objects"]),
    ],
)
def test_arrivals_are_counted(tmp_path: Path, expected: str, row: list[str]) -> None:
    result = run_file(tmp_path, BASE + "steps:\n" + message() + expecting(expected))
    assert result.exit_code == 1
    assert row in rows(result.output)
    assert "2 objects of 2.25.1 at reading-room" in result.output


def test_a_fault_that_never_strikes_is_a_difference(tmp_path: Path) -> None:
    faults = "faults:\n  - {at: main, fault: abort, after: 1}\n  - {at: main, fault: delay, delay: 1ms}\n"
    result = run_file(tmp_path, BASE + faults + "steps:\n" + message(ack="AA"))
    assert result.exit_code == 1
    assert ["main: abort, after=1", "to strike", "it never did"] in rows(result.output)
    assert "main: abort, after=1: never struck" in result.output
    assert "main: delay=0.001s: struck once" in result.output


def test_at_the_time_limit_it_is_told_what_had_not_ended(tmp_path: Path) -> None:
    silent = "time_limit: 4s\nfaults: [{at: main, fault: silence}]\n"
    result = run_file(tmp_path, BASE + silent + "steps:\n" + message(ack="AA") + message(ack="AA"))
    assert result.exit_code == 1
    assert ["end", "all ended within 4 s", "study 2.25.1 IN_PROGRESS"] in rows(result.output)
    assert ["ack", "MSA-1 AA", "no answer"] in rows(result.output)
    assert ["messages sent", "1", "0, the answer before did not come"] in rows(result.output)


def test_a_task_that_waits_may_be_expected_to(tmp_path: Path) -> None:
    text = ORDER.replace("ORC|RE", "ORC|SC") + "PV2||||||||${now+2d}\n"
    route = """
override:
  routes:
    - name: planned
      messages: ORM^O01
      studies: {study: ZDS-1.1}
      from: main
      to: emergency
      acknowledge: accepted
      schedule: {field: PV2-8, before: 1h}
"""
    wanted = expecting("retrieves: {study: 2.25.1, destination: emergency, status: SCHEDULED, attempts: 0}")
    result = run_file(tmp_path, BASE + route + "steps:\n" + message(text, ack="AA") + wanted)
    assert result.exit_code == 0, result.output


def test_each_of_several_messages_has_its_place_in_the_report(tmp_path: Path) -> None:
    both = ORDER + ORDER.replace("T-1", "T-2").replace("2.25.1^", "2.25.404^")
    result = run_file(tmp_path, BASE + "steps:\n" + message(both, ack="[AA, AA]"))
    assert result.exit_code == 1
    assert "step 1, message 1, message 2" in result.output
    assert "MSA|AE|T-2|0 of 1 study arrived" in result.output
    assert run_file(tmp_path, BASE + "steps:\n" + message(both, ack="[AA, AE]")).exit_code == 0
