"""Engines that share a journal, in words."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from engine.store.members import Member
from engine.telling.engines import engine_list, engine_told, lately, state_line, troubles

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
WELL = Member(3, "ris:17", "10.0.0.7:2575", "1.0", False, NOW, NOW, None, None, 2, NOW)
SILENT = replace(WELL, id=4, seen_at=NOW - dt.timedelta(seconds=9))
LEFT = replace(WELL, id=5, left_at=NOW - dt.timedelta(hours=25))
LOST = replace(SILENT, id=6, lost_at=NOW - dt.timedelta(minutes=1))


def test_each_is_told_with_how_it_is() -> None:
    assert [state_line(it) for it in (WELL, SILENT, LEFT, LOST)] == [
        "alive",
        "silent for 9 s",
        "left",
        "lost",
    ]
    assert state_line(replace(WELL, stand_in=True)) == "alive (stand-in)"


def test_those_who_are_silent_or_were_just_lost_are_worth_a_sentence() -> None:
    long_ago = replace(LOST, lost_at=NOW - dt.timedelta(hours=1))
    assert list(troubles([WELL, SILENT, LEFT, LOST, long_ago])) == [
        "engine node 4 (ris:17) has been silent for 9 s",
        "engine node 6 (ris:17) was lost; what it had under way goes on elsewhere",
    ]


def test_what_ended_long_ago_is_left_out() -> None:
    assert lately([WELL, LEFT, LOST]) == [WELL, LOST]


def test_content_says_when_it_ended_and_how_long_it_has_been_silent() -> None:
    assert (engine_told(WELL).silent, engine_told(WELL).ended) == (0.0, None)
    assert (engine_told(LOST).silent, engine_told(LOST).ended) == (None, "2026-11-28T11:59:00+00:00")


def test_a_file_has_no_engines_to_list(tmp_path: Path) -> None:
    told = engine_list(str(tmp_path / "forefetch.db"))
    assert (told.shared, told.engine_running, told.engines) == (False, False, [])
