"""`forefetch test`: its options, its exit status, and JUnit XML that is valid whatever a message contains."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from engine.hl7.mode import ORIGINAL
from engine.scenario.compare import compare
from engine.scenario.conversation import Sending
from engine.scenario.load import load
from engine.scenario.seen import Seen
from engine.store import list_tasks
from tests.cli.scenario_files import BASE, ORDER, message, run_file, write
from tests.cli.test_cli import run

GOOD = BASE + "steps:\n" + message(ack="AA")
BAD = BASE.replace("a test", "a bad test") + "steps:\n" + message(ack="AE")
ODD = "name \x01\x0b \x1b[31m ]]> <&> \x85 \u2603 \ufffe"


def test_only_runs_scenarios_of_that_name(tmp_path: Path) -> None:
    files = write(tmp_path, GOOD, "good.yaml"), write(tmp_path, BAD, "bad.yaml")
    everything = run("test", *files)
    assert everything.exit_code == 1
    assert "2 scenarios, 1 as expected, 1 not" in everything.output
    one = run("test", *files, "--only", "a test")
    assert (one.exit_code, "1 scenario, 1 as expected, 0 not" in one.output) == (0, True)
    assert run("test", *files, "--only", "* bad *").exit_code == 1
    none = run("test", *files, "--only", "another")
    assert none.exit_code == 2


def test_keep_leaves_the_journal_and_takes_no_old_one_for_new(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert run_file(tmp_path, GOOD, "--keep", kept).exit_code == 0
    (task,) = list_tasks(kept / "01-a-test.db")
    assert str(task.request.selector) == "study 2.25.1"
    again = run_file(tmp_path, GOOD, "--keep", kept, "--junit", tmp_path / "junit.xml")
    assert again.exit_code == 2
    assert "cannot be run:" in again.output
    error = ElementTree.parse(tmp_path / "junit.xml").find("testsuite/testcase/error")
    assert error is not None
    assert "is there already" in str(error.get("message"))


def test_a_report_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    result = run_file(tmp_path, GOOD, "--junit", tmp_path / "nowhere" / "junit.xml")
    assert result.exit_code == 2
    assert "junit.xml: No such file or directory" in result.output
    assert "✓" not in result.output


def test_verbose_shows_what_was_seen_also_where_all_is_well(tmp_path: Path) -> None:
    result = run_file(tmp_path, GOOD, "--verbose")
    assert result.exit_code == 0
    for text in ("MSA|AA|T-1", "main: study 2.25.1 to READING", "2 objects of 2.25.1 at reading-room"):
        assert text in result.output


def test_junit_tells_each_scenario_with_its_differences(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "good.yaml")
    write(tmp_path, BAD, "bad.yaml")
    junit = tmp_path / "junit.xml"
    result = run("test", tmp_path / "good.yaml", tmp_path / "bad.yaml", "--junit", junit)
    assert result.exit_code == 1
    suites = ElementTree.parse(junit).getroot()
    assert (suites.tag, suites.get("tests"), suites.get("failures")) == ("testsuites", "2", "1")
    assert [suite.get("name") for suite in suites] == [
        str(tmp_path / "good.yaml"),
        str(tmp_path / "bad.yaml"),
    ]
    good, bad = suites.iter("testcase")
    assert (good.get("name"), good.get("classname"), good.find("failure")) == ("a test", "good", None)
    assert float(str(good.get("time"))) > 0
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == "step 1, message 1: ack MSA-1: expected AE, got AA"
    assert "ack MSA-1  AE" in str(failure.text)
    assert "MSA|AA|T-1" in str(bad.findtext("system-out"))


def test_junit_is_valid_whatever_the_messages_contain(tmp_path: Path) -> None:
    name = "".join(f"\\u{ord(letter):04x}" for letter in ODD)
    write(tmp_path, f'name: "{name}"\nconfig: routes.yaml\nsteps: [{{file: odd.hl7, ack: AR}}]\n')
    segments = ORDER.replace("${now}", "20261124").replace("T-1", "T\x02\x1b]]>&<\x08\x85").encode("utf-8")
    (tmp_path / "odd.hl7").write_bytes(segments.replace(b"\n", b"\r").replace(b"P1|F1", b"P\xff\x001|F1"))
    junit = tmp_path / "junit.xml"
    result = run("test", tmp_path / "scenario.yaml", "--junit", junit)
    assert result.exit_code == 1
    case = ElementTree.parse(junit).getroot().find("testsuite/testcase")
    assert case is not None
    assert case.get("name") == "name \\x01\\x0b \\x1b[31m ]]> <&> \\x85 ☃ \\xfffe"
    assert "\\x02\\x1b]]>&<" in str(case.findtext("system-out"))
    assert "\x1b" not in result.output


def test_a_message_sent_again_has_to_get_its_first_answer_byte_for_byte(tmp_path: Path) -> None:
    (scenario,) = load(write(tmp_path, BASE + "steps:\n" + message(resend="1")))
    first = b"MSH|^~\\&|A|B|C|D|20261124||ACK|1|P|2.5.1\rMSA|AA|T-1\r"

    def sent(again: int, answer: bytes) -> Sending:
        return Sending(0, 0, again, b"", ORIGINAL, "T-1", frozenset({"answer"}), answer=answer)

    def differences(second: bytes) -> list[str]:
        seen = Seen((sent(0, first), sent(1, second)), (), (), (), {}, {}, True, 0.0)
        return [f"{it.place}: {it.what}: {it.got}" for it in compare(scenario, seen)]

    assert differences(first) == []
    assert differences(first.replace(b"AA", b"AE")) == [
        "step 1, message 1, sent again (1): ack: 'MSA|AE|T-1' where it said 'MSA|AA|T-1'"
    ]
