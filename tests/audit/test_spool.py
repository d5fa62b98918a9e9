"""The spool: order, restarts, what a crash leaves, and its bound."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.audit.fault import AuditUnwritable
from engine.audit.spool import Spool

MEGABYTE = 10**6
Opened = Callable[..., Spool]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    """Opens the spool as after a restart: nothing of the one before is used again."""
    spools: list[Spool] = []

    def open_one(limit: int = 64 * MEGABYTE) -> Spool:
        spools.append(Spool(str(folder), limit))
        spools[-1].open()
        return spools[-1]

    yield open_one
    for spool in spools:
        spool.close()


def drained(spool: Spool, most: int = 16) -> list[bytes]:
    messages = []
    while batch := spool.next(most):
        messages += batch
        spool.delivered(batch)
    return messages


def test_what_goes_in_comes_out_in_order(opened: Opened) -> None:
    spool = opened()
    sent = [b"message %d\n<&>" % number for number in range(100)]
    assert spool.append(sent[:60]) == 60
    assert spool.append(sent[60:]) == 40
    assert spool.next(3) == sent[:3] == spool.next(3)
    assert drained(spool) == sent
    assert spool.next(1) == []


def test_what_was_not_delivered_is_there_after_a_restart_and_nothing_else(opened: Opened) -> None:
    first = opened()
    first.append([b"one", b"two", b"three"])
    first.delivered(first.next(1))
    second = opened()
    assert second.append([b"four"]) == 1
    assert drained(second) == [b"two", b"three", b"four"]
    assert drained(opened()) == []


def test_many_segments_keep_the_order_and_go_when_they_are_delivered(opened: Opened, folder: Path) -> None:
    sent = [b"%06d" % number + b"x" * 50_000 for number in range(70)]
    first = opened()
    for message in sent:
        assert first.append([message]) == 1
    assert len(list(folder.glob("*.spool"))) == 4
    batch = first.next(30)
    first.delivered(batch)
    assert 1 < len(batch) < 30  # what is left of a segment
    assert drained(opened()) == sent[len(batch) :]
    assert [path.stat().st_size for path in folder.glob("*.spool")] == [0]


def test_a_message_that_a_crash_has_cut_off_is_left_out(opened: Opened, folder: Path) -> None:
    first = opened()
    first.append([b"whole", b"cut off"])
    (segment,) = folder.glob("*.spool")
    os.truncate(segment, segment.stat().st_size - 3)
    second = opened()
    second.append([b"next"])
    assert drained(second) == [b"whole", b"next"]


def test_a_segment_that_a_crash_left_after_its_delivery_is_not_delivered_again(
    opened: Opened, folder: Path
) -> None:
    first = opened()
    first.append([b"x" * 100_000])
    (segment,) = folder.glob("*.spool")
    content = segment.read_bytes()
    drained(first)
    assert not segment.exists()
    segment.write_bytes(content)
    assert drained(opened()) == []
    assert not segment.exists()


@pytest.mark.parametrize("note", [b"", b"rubbish", b"000000000001 999999999999\n", b"000000000000 0\n"])
def test_without_a_note_of_what_was_sent_all_that_is_there_comes_again(
    opened: Opened, folder: Path, note: bytes
) -> None:
    first = opened()
    first.append([b"one", b"two"])
    (folder / "sent").write_bytes(note)
    expected = [] if b"999" in note else [b"one", b"two"]
    assert drained(opened()) == expected


def test_a_damaged_place_costs_its_segment_and_no_more(
    opened: Opened, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened()
    first.append([b"x" * 2**20])
    first.append([b"last"])
    damaged = min(folder.glob("*.spool"))
    damaged.write_bytes(b"?" + damaged.read_bytes()[1:])
    second = opened()
    assert drained(second) == [b"last"]
    assert "cannot be read from byte 0 on" in caplog.text
    assert second.append([b"more"]) == 1


def test_a_segment_that_cannot_be_begun_costs_nobody_else_a_file(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    spool.append([b"x" * 2**20])
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
        with pytest.raises(OSError, match="Too many"):
            spool.append([b"one"])
    with (folder.parent / "else").open("wb") as file:  # may get the number of a descriptor that was closed
        assert spool.append([b"two"]) == 1
        assert os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    assert drained(spool) == [b"x" * 2**20, b"two"]


def test_a_spool_that_was_closed_is_touched_no_more(opened: Opened) -> None:
    first = opened()
    first.append([b"one", b"two", b"three"])
    under_way = first.next(1)
    first.close()
    second = opened()
    second.delivered(second.next(2))
    with pytest.raises(OSError, match="descriptor"):
        first.delivered(under_way)
    with pytest.raises(OSError, match="descriptor"):
        first.append([b"four"])
    assert drained(opened()) == [b"three"]


def test_no_more_waits_than_may_and_there_is_room_again_after_a_delivery(opened: Opened) -> None:
    spool = opened(limit=1000)
    messages = [b"x" * 96] * 12  # 100 bytes each, with the length before it
    assert spool.append(messages) == 10
    assert spool.append(messages[:1]) == 0
    spool.delivered(spool.next(2))
    assert spool.append(messages[:3]) == 2
    assert spool.append([b"x"]) == 0
    assert opened(limit=1000).append(messages[:1]) == 0


def test_a_full_spool_takes_nothing_small_either_until_there_is_room(opened: Opened) -> None:
    spool = opened(limit=1000)
    spool.append([b"x" * 96] * 9)
    assert spool.append([b"x" * 96, b"x" * 96]) == 1
    spool.delivered(spool.next(1)[:1])
    assert spool.append([b"y" * 96]) == 1
    assert spool.append([b"y" * 200, b"z"]) == 0
    assert spool.append([b"z"]) == 0
    spool.delivered(spool.next(1))
    assert spool.append([b"z"]) == 1


def test_nobody_else_can_read_it(opened: Opened, folder: Path) -> None:
    opened().append([b"one"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_names_place_and_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditUnwritable, match=r"file/spool cannot be written .* audit\.spool of routes.yaml"):
        Spool(str(tmp_path / "file" / "spool"), 1000).open()
