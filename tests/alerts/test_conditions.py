"""What is wrong, and in which words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from engine.alerts.alert import Notice, Severity, State
from engine.alerts.conditions import (
    Disk,
    breaker_closed,
    breaker_opened,
    disk_seen,
    journal_failed,
    journal_written,
)
from engine.alerts.deadletters import DeadLetters
from engine.alerts.ledger import Ledger
from engine.alerts.silence import Silence
from engine.config.alerts import DeadLetterRule, DiskRule, SilenceRule
from engine.events import GateClosed, GateOpened
from engine.retrieve.outcome import Cause
from engine.retrieve.windows import Window, Windows
from tests.alerts.given import HOUR, MINUTE, NOW

DISK = Disk(Path("/var/lib/forefetch"))
GATHER = dt.timedelta(seconds=30)
QUARTER = 15 * MINUTE


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(4 * HOUR, 5 * MINUTE)


@pytest.fixture
def letters(ledger: Ledger) -> DeadLetters:
    return DeadLetters(DeadLetterRule(GATHER, HOUR), ledger)


def only(ledger: Ledger, now: dt.datetime) -> Notice:
    (notice,) = ledger.notices(now)
    return notice


def test_retrieves_that_fail_within_a_short_while_are_one_alert(ledger: Ledger, letters: DeadLetters) -> None:
    for task in range(41, 50):
        letters.failed(task, Cause.UNREACHABLE if task % 2 else Cause.NOT_FOUND, NOW)
        letters.look(NOW)
    assert ledger.notices(NOW) == []
    assert letters.due() == NOW + GATHER
    letters.look(NOW + GATHER)
    alert = only(ledger, NOW + GATHER).alert
    assert alert.sentence == (
        "9 retrieves have failed: 5 unreachable, 4 not-found (tasks 41, 42, 43, 44, 45, …)"
    )
    assert alert.tasks == (41, 42, 43, 44, 45)
    assert alert.cure.startswith("check host, port and firewall")
    assert alert.cure.endswith("forefetch tasks --status FAILED shows them, then forefetch retry")


def test_more_that_fail_are_told_with_their_number_after_the_pause(
    ledger: Ledger, letters: DeadLetters
) -> None:
    letters.failed(1, Cause.NOT_FOUND, NOW)
    letters.look(NOW + GATHER)
    assert only(ledger, NOW + GATHER).alert.sentence == "1 retrieve has failed: 1 not-found (task 1)"
    letters.failed(2, Cause.NOT_FOUND, NOW + MINUTE)
    letters.look(NOW + MINUTE)
    assert ledger.notices(NOW + MINUTE) == []
    assert "2 retrieves have failed" in only(ledger, NOW + 6 * MINUTE).alert.sentence


def test_dead_letters_are_over_when_all_have_been_retried_well(ledger: Ledger, letters: DeadLetters) -> None:
    for task in (1, 2):
        letters.failed(task, Cause.NOT_FOUND, NOW)
    letters.look(NOW + GATHER)
    ledger.notices(NOW + GATHER)
    assert not letters.mended(1)
    assert not letters.mended(9)
    letters.look(NOW + 10 * MINUTE)
    assert ledger.notices(NOW + 10 * MINUTE) == []
    assert letters.mended(2)
    assert only(ledger, NOW + 10 * MINUTE).state is State.RESOLVED


def test_dead_letters_are_over_when_none_has_come_for_long_and_those_left_are_told(
    ledger: Ledger, letters: DeadLetters
) -> None:
    for task in (1, 2, 3):
        letters.failed(task, Cause.NOT_FOUND, NOW)
    letters.look(NOW + GATHER)
    ledger.notices(NOW + GATHER)
    letters.mended(1)
    assert letters.due() == NOW + HOUR
    letters.look(NOW + HOUR)
    end = only(ledger, NOW + HOUR)
    assert end.state is State.RESOLVED
    assert end.alert.sentence == (
        "no retrieve has failed for a while; 2 that had failed have not ended otherwise yet"
    )
    assert letters.due() is None
    letters.failed(4, Cause.NOT_FOUND, NOW + 2 * HOUR)
    letters.look(NOW + 3 * HOUR - MINUTE)
    assert "1 retrieve has failed" in only(ledger, NOW + 3 * HOUR - MINUTE).alert.sentence


def test_of_very_many_that_are_mended_those_that_are_not_remembered_keep_it_from_being_over(
    ledger: Ledger, letters: DeadLetters
) -> None:
    for task in range(10_002):
        letters.failed(task, Cause.NOT_FOUND, NOW)
    letters.look(NOW + GATHER)
    assert "10002 retrieves have failed" in only(ledger, NOW + GATHER).alert.sentence
    assert not any(letters.mended(task) for task in range(10_002))
    letters.look(NOW + HOUR)
    assert "; 2 that had failed have not" in only(ledger, NOW + HOUR).alert.sentence


def test_one_that_is_mended_before_it_was_told_is_never_told(ledger: Ledger, letters: DeadLetters) -> None:
    letters.failed(1, Cause.NOT_FOUND, NOW)
    letters.mended(1)
    letters.look(NOW + HOUR)
    assert ledger.notices(NOW + HOUR) == []


def test_what_has_failed_is_told_at_once_where_nobody_will_look_again(
    ledger: Ledger, letters: DeadLetters
) -> None:
    letters.hurry(NOW)
    assert ledger.notices(NOW) == []
    letters.failed(1, Cause.NOT_FOUND, NOW)
    letters.hurry(NOW)
    assert only(ledger, NOW).alert.tasks == (1,)


def test_a_feed_is_silent_when_no_message_has_come_for_long(ledger: Ledger) -> None:
    silence = Silence(SilenceRule(QUARTER), ledger, NOW)
    assert not silence.heard(NOW + MINUTE)
    assert silence.due(NOW + MINUTE) == NOW + MINUTE + QUARTER
    silence.look(NOW + QUARTER)
    assert ledger.notices(NOW + QUARTER) == []
    silence.look(NOW + MINUTE + QUARTER)
    last = f"{(NOW + MINUTE).astimezone():%Y-%m-%d %H:%M:%S}"
    expected = f"the HL7 feed is silent: no message for 15m, none since {last}"
    assert only(ledger, NOW + HOUR).alert.sentence == expected
    assert silence.due(NOW + HOUR) is None
    assert silence.heard(NOW + HOUR)
    silence.look(NOW + HOUR)
    end = only(ledger, NOW + 2 * HOUR)
    assert (end.state, end.alert.sentence) == (State.RESOLVED, "messages come again from the HL7 feed")


def test_outside_of_its_windows_a_feed_may_be_silent(ledger: Ledger) -> None:
    windows = Windows((Window.parse("mon-fri 07:00-19:00"),), dt.UTC)
    silence = Silence(SilenceRule(QUARTER, "10.0.0.7", windows), ledger, NOW)
    evening, monday = NOW.replace(hour=19), NOW.replace(hour=7) + dt.timedelta(days=3)
    silence.heard(evening - MINUTE)
    for now in (evening, evening + 9 * HOUR, monday, monday + QUARTER - MINUTE):
        silence.look(now)
        assert ledger.notices(now) == []
    assert silence.due(monday) == monday + QUARTER
    silence.look(monday + QUARTER)
    notice = only(ledger, monday + QUARTER)
    assert notice.alert.key == "silence:10.0.0.7"
    assert notice.alert.sentence.startswith("the feed from 10.0.0.7 is silent")
    silence.look(monday + 12 * HOUR)
    assert "is not watched at this time" in only(ledger, monday + 12 * HOUR).alert.sentence


def test_a_clock_that_was_set_back_does_not_keep_dead_letters_from_being_told(
    ledger: Ledger, letters: DeadLetters
) -> None:
    letters.failed(1, Cause.NOT_FOUND, NOW)
    letters.look(NOW - HOUR)
    letters.look(NOW - HOUR + MINUTE)
    assert only(ledger, NOW - HOUR + MINUTE).alert.tasks == (1,)


def test_a_clock_that_was_set_back_does_not_make_a_feed_silent_for_longer(ledger: Ledger) -> None:
    silence = Silence(SilenceRule(QUARTER), ledger, NOW + 9 * HOUR)
    silence.look(NOW)
    silence.look(NOW + QUARTER)
    assert only(ledger, NOW + QUARTER).state is State.RAISED


def test_a_breaker_that_opens_again_and_again_is_one_alert(ledger: Ledger) -> None:
    event = GateClosed("archive", "main", "breaker", "Aalto^Mira was not found", NOW)
    assert breaker_opened(event, ledger, NOW)
    notice = only(ledger, NOW)
    assert (notice.alert.key, notice.alert.severity) == ("breaker:archive:main", Severity.CRITICAL)
    assert "Aalto" not in notice.alert.sentence + notice.alert.cure
    breaker_opened(event, ledger, NOW + MINUTE)
    assert ledger.notices(NOW + HOUR) == []
    assert breaker_closed(GateOpened("archive", "main", "breaker"), ledger)
    assert only(ledger, NOW + HOUR).alert.sentence == "archive main works again; what waited is moving"


def test_other_gates_are_no_alert(ledger: Ledger) -> None:
    assert not breaker_opened(GateClosed("archive", "main", "window", "", NOW), ledger, NOW)
    assert not breaker_closed(GateOpened("archive", "main", "window"), ledger)
    assert ledger.notices(NOW) == []


def test_a_journal_that_cannot_be_written_is_told_until_it_can(ledger: Ledger) -> None:
    journal_failed(ledger, NOW)
    assert "messages are refused" in only(ledger, NOW).alert.sentence
    journal_written(ledger)
    assert only(ledger, NOW + HOUR).state is State.RESOLVED


def test_a_disk_has_room_again_only_when_it_is_more_than_a_little(ledger: Ledger) -> None:
    rule = DiskRule(size=5_000_000_000)
    total = 100_000_000_000
    disk_seen(rule, total, 5_000_000_000, ledger, NOW, DISK)
    assert ledger.notices(NOW) == []
    disk_seen(rule, total, 4_900_000_000, ledger, NOW, DISK)
    assert only(ledger, NOW).alert.sentence == (
        "the disk of the journal is nearly full: 4.9 GB of 100.0 GB are free, the least is 5.0 GB"
    )
    disk_seen(rule, total, 5_400_000_000, ledger, NOW, DISK)
    assert ledger.notices(NOW + HOUR) == []
    disk_seen(rule, total, 5_500_000_000, ledger, NOW, DISK)
    assert only(ledger, NOW + HOUR).state is State.RESOLVED


def test_a_share_of_the_disk_may_be_the_least(ledger: Ledger) -> None:
    rule = DiskRule(share=0.05)
    disk_seen(rule, 1_000_000_000, 50_000_000, ledger, NOW, DISK)
    assert ledger.notices(NOW) == []
    disk_seen(rule, 1_000_000_000, 49_000_000, ledger, NOW, DISK)
    assert "49 MB of 1.0 GB" in only(ledger, NOW).alert.sentence
