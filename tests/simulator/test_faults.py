from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import ConfigError, ForefetchError
from engine.simulator import Fault, Kind, Operation, SimulatedArchive, SimulatedDestination
from engine.simulator.faults import parse_faults, read_faults

WRITTEN = [
    (
        "archive: status=0xA702, on=move, after=1, times=2, study=1.2.3",
        {"fault": "status", "status": 0xA702, "on": "move", "after": 1, "times": 2, "study": "1.2.3"},
        Fault("archive", Kind.STATUS, Operation.MOVE, 1, 2, "1.2.3", status=0xA702),
    ),
    ("archive: drop, object=3", {"fault": "drop", "object": 3}, Fault("archive", Kind.DROP, object=3)),
    (
        "archive: reject=2/3/1, times=always",
        {"fault": "reject", "reject": "temporary-congestion", "times": "always"},
        Fault("archive", Kind.REJECT, times=None, reject=(2, 3, 1)),
    ),
    (
        'archive: status=0xC000, comment="no, not now", failed_instances=1.2 1.3',
        {"fault": "status", "status": "0xC000", "comment": "no, not now", "failed_instances": ["1.2", "1.3"]},
        Fault("archive", Kind.STATUS, status=0xC000, comment="no, not now", failed_instances=("1.2", "1.3")),
    ),
    (
        "archive: counters, leave_out=final, completed=0",
        {"fault": "counters", "leave_out": "final", "completed": "0"},
        Fault("archive", Kind.COUNTERS, leave_out="final", completed=0),
    ),
    (
        "archive: delay=0.25s, destination=READING",
        {"fault": "delay", "delay": "250ms", "destination": "READING"},
        Fault("archive", Kind.DELAY, destination="READING", delay=0.25),
    ),
    (
        "archive: silence, on=find, after_responses=2",
        {"fault": "silence", "on": "find", "after_responses": 2},
        Fault("archive", Kind.SILENCE, Operation.FIND, after_responses=2),
    ),
]


@pytest.mark.parametrize(
    ("text", "mapping", "fault"), WRITTEN, ids=lambda it: it if isinstance(it, str) else ""
)
def test_text_and_mapping_say_the_same(text: str, mapping: dict[str, Any], fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert parse_faults([{"at": "archive", **mapping}]) == (fault,)
    assert Fault.parse(str(fault)) == fault


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_can_be_written_and_read_again(kind: Kind) -> None:
    needed: dict[Kind, dict[str, Any]] = {
        Kind.STATUS: {"status": 0xB000},
        Kind.DELAY: {"delay": 1.5},
        Kind.COUNTERS: {"leave_out": "all"},
    }
    fault = Fault("archive", kind, **needed.get(kind, {}))
    assert Fault.parse(str(fault)) == fault


def test_yaml_is_read_whoever_reads_it(tmp_path: Path) -> None:
    """PyYAML makes true of the key ``on`` and a number of 0xA702; the reader of routes.yaml does neither."""
    text = "faults:\n  - {at: archive, fault: status, status: 0xA702, on: find}\n  - 'archive: abort'\n"
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    expected = (Fault("archive", Kind.STATUS, Operation.FIND, status=0xA702), Fault("archive", Kind.ABORT))
    assert parse_faults(yaml.safe_load(text)) == read_faults(path) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("archive", "expected NODE: FAULT, KEY=VALUE"),
        ("archive:", "expected NODE: FAULT, KEY=VALUE"),
        (": abort", "at is missing"),
        ("archive: explode", "fault: expected one of reject, abort, "),
        ("archive: status", "status: status needs it"),
        ("archive: status=0x10000", "status: expected a status code from 0x0000 to 0xFFFF, such as 0xA702"),
        ("archive: abort, on=move, on=find", "'on=find': expected KEY=VALUE, each key once"),
        ("archive: abort, always", "'always': expected KEY=VALUE"),
        ("archive: abort, on=get", "on: expected one of association, echo, find, move, store"),
        ("archive: reject, on=move", "on: reject befalls association; found move"),
        ("archive: reject=2/3/7", "result/source/reason of PS3.8 9.3.4 such as 2/3/2"),
        ("archive: abort, colour=red", "colour: no such key; there are after, "),
        ("archive: abort, comment=x", "comment: abort takes after_objects, after_responses"),
        ("archive: empty, object=1", "object: empty takes nothing but filters"),
        ("archive: abort, times=0", "times: expected a whole number, 1 or more; found '0'"),
        ("archive: drop, object=-1", "object: expected a whole number, 1 or more"),
        ("archive: delay=3", "delay: expected a duration such as 200ms, 1.5s or 2m"),
        ("archive: counters", "counters: say leave_out, or give a counter"),
        ("archive: counters, leave_out=some", "leave_out: expected all "),
        ("archive: abort, study=1.2.x", "study: expected"),
        ("archive: status=0xC000, comment=" + "x" * 65, "comment: expected 1 to 64 ASCII characters"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_cure(text: str, complaint: str) -> None:
    with pytest.raises(ForefetchError) as caught:
        Fault.parse(text)
    assert str(caught.value).startswith(f"fault {text!r}: ")
    assert complaint in str(caught.value)


def test_a_mistake_in_yaml_is_told_with_its_number() -> None:
    with pytest.raises(ForefetchError, match=r"faults\[1\]: object: abort takes"):
        parse_faults([{"at": "a", "fault": "abort"}, {"at": "a", "fault": "abort", "object": 1}])
    with pytest.raises(ForefetchError, match=r"faults\[0\]: expected a mapping"):
        parse_faults([3])
    with pytest.raises(ForefetchError, match="faults: expected a list"):
        parse_faults({"at": "a", "fault": "abort"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    with pytest.raises(ForefetchError, match=r"faults\.yaml: cannot be read"):
        read_faults(path)
    path.write_text("[{at: a, fault: abrot}]")
    with pytest.raises(ForefetchError, match=r"faults\.yaml: faults\[0\]: fault: expected one of"):
        read_faults(path)
    path.write_text("[")
    with pytest.raises(ConfigError, match=r"faults\.yaml:1:2"):
        read_faults(path)


@pytest.mark.parametrize("text", ["a: status=0, on=store", "a: duplicate"])
def test_an_archive_refuses_what_cannot_befall_it(text: str) -> None:
    with pytest.raises(ForefetchError, match="at ARCHIVE; `on` can be: "):
        SimulatedArchive("ARCHIVE", [], {}, faults=[Fault.parse(text)])


@pytest.mark.parametrize("text", ["a: abort, on=move", "a: answer-first", "a: empty"])
def test_a_destination_refuses_what_cannot_befall_it(text: str) -> None:
    with pytest.raises(ForefetchError, match="at VIEWER; `on` can be: "):
        SimulatedDestination("VIEWER", faults=[Fault.parse(text)])
