"""The local trail: only appended to, private, and not broken by rotation or a crash."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.audit.fault import AuditUnwritable
from engine.audit.trail import Trail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def trail(path: Path) -> Iterator[Trail]:
    trail = Trail(str(path))
    trail.open()
    yield trail
    trail.close()


def test_lines_are_added_to_what_is_there(path: Path) -> None:
    for number in range(2):
        trail = Trail(str(path))
        trail.open()
        trail.write([b"%d\n" % number, b"x\n"])
        trail.close()
    assert path.read_bytes() == b"0\nx\n1\nx\n"


def test_nobody_else_can_read_it(trail: Trail, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make_anew", [False, True])
def test_rotation_by_rename_begins_a_new_file(trail: Trail, path: Path, make_anew: bool) -> None:
    trail.write([b"old\n"])
    rotated = path.rename(path.with_suffix(".1"))
    if make_anew:
        path.touch(0o600)
    trail.write([b"new\n"])
    trail.write([b"newer\n"])
    assert rotated.read_bytes() == b"old\n"
    assert path.read_bytes() == b"new\nnewer\n"


def test_a_line_that_a_crash_has_cut_off_does_not_spoil_the_next_one(path: Path) -> None:
    path.write_bytes(b'{"whole": 1}\n{"cut o')
    trail = Trail(str(path))
    trail.open()
    trail.write([b"{}\n"])
    trail.close()
    assert path.read_bytes() == b'{"whole": 1}\n{"cut o\n{}\n'


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")
def test_a_full_disk_is_an_error_and_the_trail_goes_on_after_it(trail: Trail, path: Path) -> None:
    trail.write([b"one\n"])
    path.rename(path.with_suffix(".1"))
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        trail.write([b"lost\n"])
    path.unlink()
    trail.write([b"two\n"])
    assert path.read_bytes() == b"two\n"


def test_a_pipe_is_as_good_as_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    trail = Trail(f"/dev/fd/{writing}")
    trail.open()
    trail.write([b"{}\n"])
    trail.close()
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b"{}\n"


def test_a_file_that_cannot_be_names_place_and_cure(tmp_path: Path) -> None:
    with pytest.raises(AuditUnwritable, match=r"no/audit.jsonl cannot be written .* audit\.file of routes"):
        Trail(str(tmp_path / "no" / "audit.jsonl")).open()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_that_nobody_reads_does_not_keep_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AuditUnwritable, match=r"pipe cannot be written"):
        Trail(str(tmp_path / "pipe")).open()
