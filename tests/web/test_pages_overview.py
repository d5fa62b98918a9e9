"""The first page says whether images are moving, and why not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from engine.events import MessageAnswered
from engine.metrics import Minute
from engine.retrieve.gate import SWITCH
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.store import Closure, Standing
from engine.telling.masking import Masking
from engine.waiting import Hold, Line
from engine.web.pages import charts
from engine.web.pages.overview import view_of
from engine.web.pages.situation import Situation, look
from engine.web.pages.verdict import judge
from tests.web.reception import Reception

NOW = dt.datetime.now(dt.UTC)
QUIET = Situation(NOW, True, False, {}, [], Standing({}, {}, ()), [], [])
BROKEN = Closure("archive", "main", "breaker", "archive main failed 5 times in a row", NOW)
WINDOW = Hold("window", "archive main moves only daily 20:00-06:00", NOW + dt.timedelta(hours=2))
SHUT = Hold("breaker", "archive main failed 5 times in a row", NOW + dt.timedelta(hours=2))
HELD = Hold("approval", "a person must approve it", held=True)
TOMORROW = NOW + dt.timedelta(days=1)
RUNNING = {TaskStatus.IN_PROGRESS: 2}


def begun(ago: int) -> RetrieveTask:
    """A move that has been under way for so many minutes."""
    request = RetrieveRequest(Study("1.2.3"), "main", "reading", ("a",))
    since = NOW - dt.timedelta(minutes=ago)
    return RetrieveTask(ago, request, TaskStatus.IN_PROGRESS, since, since)


def hour(last: Minute | None = None, *, silent: int = 0) -> list[Minute]:
    """An hour with a message in each minute, but for the last ``silent`` ones."""
    minutes = [Minute(NOW, messages=int(ago >= silent)) for ago in range(59, -1, -1)]
    return [*minutes[:-1], last] if last is not None else minutes


def closed(*closures: Closure) -> Standing:
    return Standing({}, {}, closures)


@pytest.mark.parametrize(
    ("seen", "minutes", "word", "why"),
    [
        (QUIET._replace(switched_on=False, counts=RUNNING), hour(), "Not moving", SWITCH),
        (QUIET._replace(dry_run=True), hour(), "Dry run", "gate.mode"),
        (QUIET._replace(counts=RUNNING), hour(), "Moving", "2 under way"),
        (QUIET, hour(Minute(NOW, 1, arrived=3)), "Moving", "3 studies arrived in the last 5 minutes"),
        (
            QUIET._replace(counts=RUNNING, standing=closed(BROKEN)),
            hour(),
            "Moving in part",
            "2 under way",
        ),
        (QUIET, hour(Minute(NOW, 1, failed=4)), "Not moving", "4 moves failed in the last 5 minutes"),
        (
            QUIET._replace(waiting=[Line(7, WINDOW)]),
            hour(),
            "Not moving",
            "7 wait: window: archive main moves",
        ),
        (QUIET._replace(standing=closed(BROKEN)), hour(), "Not moving", "archive main is closed (breaker)"),
        (QUIET._replace(waiting=[Line(1, None)]), hour(), "Starting", "1 retrieve about to begin"),
        (QUIET, hour(silent=14), "Idle", "the last message came 14 minutes ago"),
        (QUIET, hour(silent=60), "Idle", "no message has come yet"),
        (
            QUIET._replace(last_message=NOW - dt.timedelta(hours=3, minutes=5)),
            hour(silent=60),
            "Idle",
            "the last message came 3 hours ago",
        ),
        (
            QUIET._replace(waiting=[Line(2, Hold("schedule", "", NOW + dt.timedelta(hours=1)))]),
            hour(),
            "Idle",
            "2 retrieves for later",
        ),
        (
            QUIET._replace(waiting=[Line(3, HELD), Line(2, Hold("schedule", "", TOMORROW))]),
            hour(),
            "Held",
            "3 retrieves wait for a person",
        ),
        (
            QUIET._replace(waiting=[Line(7, SHUT), Line(1, HELD)], standing=closed(BROKEN)),
            hour(Minute(NOW, 1, arrived=3)),
            "Not moving",
            "7 wait: breaker: archive main failed",
        ),
        (
            QUIET._replace(waiting=[Line(7, SHUT), Line(1, None)], standing=closed(BROKEN)),
            hour(Minute(NOW, 1, arrived=3)),
            "Moving in part",
            "3 studies arrived",
        ),
        (
            QUIET._replace(waiting=[Line(7, Hold("rate", "archive main is at its rate"))]),
            hour(Minute(NOW, 1, arrived=3)),
            "Moving",
            "3 studies arrived",
        ),
        (
            QUIET._replace(counts=RUNNING, under_way=[begun(11), begun(30)]),
            hour(),
            "Slow or stuck",
            "2 under way for 10 minutes or more, and nothing has arrived in the last 5",
        ),
        (QUIET._replace(counts=RUNNING, under_way=[begun(1), begun(30)]), hour(), "Moving", "2 under way"),
        (
            QUIET._replace(counts=RUNNING, under_way=[begun(11), begun(30)]),
            hour(Minute(NOW, 1, arrived=3)),
            "Moving",
            "2 under way, 3 studies arrived",
        ),
        (
            QUIET._replace(last_message=NOW + dt.timedelta(hours=3)),
            hour(silent=20),
            "Idle",
            "the last message came 20 minutes ago",
        ),
    ],
)
def test_the_verdict_names_what_keeps_images_from_moving(
    seen: Situation, minutes: list[Minute], word: str, why: str
) -> None:
    verdict = judge(seen, minutes)
    assert verdict.word == word
    assert why in verdict.why


def test_what_is_held_and_a_silent_feed_are_noted_whatever_else_moves() -> None:
    held = Line(12, HELD)
    verdict = judge(QUIET._replace(counts=RUNNING, waiting=[held], standing=closed(BROKEN)), hour(silent=11))
    assert len(verdict.notes) == 3
    assert "12 held: approval: a person must approve it" in verdict.notes
    assert "the last message came 11 minutes ago" in verdict.notes
    assert any(note.startswith("archive main is closed (breaker)") for note in verdict.notes)


def test_times_are_told_in_the_zone_of_the_hospital_whatever_the_clock_of_the_machine() -> None:
    until = dt.datetime(2099, 7, 1, 22, 0, tzinfo=dt.UTC)
    kolkata = NOW.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30)))
    seen = QUIET._replace(at=kolkata, waiting=[Line(7, replace(WINDOW, until=until))])
    verdict = judge(seen._replace(standing=closed(replace(BROKEN, until=until))), hour())
    assert verdict.why.endswith(", until 2099-07-02 03:30:00")
    assert any("(breaker)" in it and it.endswith(", until 2099-07-02 03:30:00") for it in verdict.notes)


def test_a_closed_window_is_less_of_an_alarm_than_an_open_breaker() -> None:
    assert judge(QUIET._replace(waiting=[Line(7, WINDOW)]), hour()).tone == "warn"
    assert judge(QUIET._replace(standing=closed(BROKEN)), hour()).tone == "bad"


def test_the_highest_bar_fills_the_picture_and_what_is_bad_stands_on_top() -> None:
    chart = charts.messages([Minute(NOW, 10, refused=5), Minute(NOW, 5), Minute(NOW)], dt.UTC)
    assert (chart.peak, chart.total, chart.bad, chart.width) == (10, 15, 5, 3 * charts.STEP)
    assert [(bar.good, bar.bad) for bar in chart.bars] == [(32, 32), (32, 0), (0, 0)]
    assert chart.bars[0].title.endswith(": 10, 5 refused")


def test_an_hour_without_anything_is_a_picture_too() -> None:
    assert charts.studies([], dt.UTC).peak == 0


async def test_the_page_shows_counts_rates_nodes_and_the_newest_failure_with_its_cure(
    desk: Reception,
) -> None:
    desk.office.events.tell(MessageAnswered("AE", "ORM^O01", 0.012, "127.0.0.1:1"))
    page = await desk.see("/")
    assert "<title>Held · Forefetch</title>" in page
    assert "1 held: approval" in page
    assert 'href="/tasks?status=HELD"' in page
    assert "Messages in each of the last 60 minutes: 1 in all, at most 1 in one minute, 1 refused." in page
    assert "12 ms" in page
    assert "enter the destination&#39;s AE title, host and port in the archive" in page


async def test_where_retrieval_is_switched_off_that_comes_first(
    desk: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH)
    page = await desk.see("/")
    assert "Not moving</h1>" in page
    assert SWITCH in page


async def test_what_an_archive_has_added_to_a_status_is_not_shown_to_everybody(desk: Reception) -> None:
    seen = look(desk.office)
    task = seen.failures[0]
    assert task.outcome is not None
    said = replace(
        task.outcome, text="status 0xA700 (no room for Aalto^Mira)", comment="no room for Aalto^Mira"
    )
    view = view_of(desk.office, seen._replace(failures=[replace(task, outcome=said)]), Masking(shown=False))
    shown = view.failures[0].outcome
    assert shown is not None
    assert "Aalto" not in f"{shown.text} {shown.comment}"
