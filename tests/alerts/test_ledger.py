"""What is told of alerts, and when."""

from __future__ import annotations

import datetime as dt
import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.alerts.alert import Notice, State
from engine.alerts.ledger import Ledger
from tests.alerts.given import HOUR, MINUTE, NOW, alert

KEY = alert().key
REPEAT, PAUSE = 4 * HOUR, 5 * MINUTE


def ledger() -> Ledger:
    return Ledger(REPEAT, PAUSE)


def told(notices: list[Notice]) -> list[tuple[State, int, int]]:
    return [(it.state, it.times, it.reminder) for it in notices]


def test_one_notice_when_it_is_raised_and_one_when_it_is_over() -> None:
    book = ledger()
    book.wrong(alert(), NOW)
    assert told(book.notices(NOW)) == [(State.RAISED, 1, 0)]
    book.wrong(alert(), NOW + MINUTE)
    assert book.notices(NOW + HOUR) == []
    book.over(KEY, "it is back")
    (end,) = book.notices(NOW + HOUR)
    assert (end.state, end.since, end.at) == (State.RESOLVED, NOW, NOW + HOUR)
    assert (end.alert.sentence, end.alert.cure) == ("it is back", "")
    assert book.notices(NOW + 9 * HOUR) == []
    assert book.due() is None


def test_what_was_never_wrong_is_not_over() -> None:
    book = ledger()
    book.over(KEY, "it is back")
    assert book.notices(NOW) == []


def test_reminders_come_while_it_lasts() -> None:
    book = ledger()
    book.wrong(alert(), NOW)
    book.notices(NOW)
    assert book.due() == NOW + REPEAT
    assert book.notices(NOW + REPEAT - MINUTE) == []
    assert told(book.notices(NOW + REPEAT)) == [(State.RAISED, 0, 1)]
    assert told(book.notices(NOW + 2 * REPEAT)) == [(State.RAISED, 0, 2)]


def test_one_that_comes_and_goes_is_told_after_the_pause_with_how_often_it_came() -> None:
    book = ledger()
    for second in range(0, 200, 2):
        now = NOW + dt.timedelta(seconds=second)
        book.wrong(alert(), now)
        assert len(book.notices(now)) == (second == 0)
        book.over(KEY, "back")
    assert book.due() == NOW + PAUSE
    assert told(book.notices(NOW + PAUSE)) == [(State.RESOLVED, 99, 0)]
    assert book.notices(NOW + HOUR) == []


def test_what_is_wrong_again_at_the_end_of_the_pause_is_told_as_raised() -> None:
    book = ledger()
    book.wrong(alert(), NOW)
    book.notices(NOW)
    book.over(KEY, "back")
    book.wrong(alert(), NOW + MINUTE)
    (again,) = book.notices(NOW + PAUSE)
    assert (again.state, again.times, again.since) == (State.RAISED, 1, NOW + MINUTE)


def test_what_counts_more_is_news_after_the_pause() -> None:
    book = ledger()
    book.wrong(alert(count=1), NOW)
    book.notices(NOW)
    book.wrong(alert(count=40), NOW + MINUTE)
    assert book.notices(NOW + MINUTE) == []
    (more,) = book.notices(NOW + PAUSE)
    assert (more.alert.count, more.times, more.reminder) == (40, 0, 0)


def test_no_alert_waits_for_another() -> None:
    book = ledger()
    book.wrong(alert("one"), NOW)
    book.notices(NOW)
    book.wrong(alert("two"), NOW + MINUTE)
    assert [it.alert.key for it in book.notices(NOW + MINUTE)] == ["two"]


def test_a_clock_that_was_set_back_makes_nothing_wait() -> None:
    book = ledger()
    book.wrong(alert(), NOW)
    book.notices(NOW)
    book.over(KEY, "back")
    assert told(book.notices(NOW - HOUR)) == [(State.RESOLVED, 0, 0)]


def test_a_clock_that_was_set_back_does_not_put_reminders_off() -> None:
    book, then = ledger(), NOW - 100 * HOUR
    book.wrong(alert(), NOW)
    book.notices(NOW)
    assert book.notices(then) == []
    assert told(book.notices(then + 4 * HOUR)) == [(State.RAISED, 0, 1)]


STEPS = st.lists(
    st.tuples(st.sampled_from(["wrong", "over", "more", "nothing"]), st.integers(0, 2 * 3600)), max_size=60
)


@given(STEPS)
def test_whatever_happens_it_is_told_rarely_and_truly(steps: list[tuple[str, int]]) -> None:
    book, now, count, raised, active = ledger(), NOW, 0, 0, False
    notices: list[Notice] = []
    for what, seconds in steps:
        now += dt.timedelta(seconds=seconds)
        if what in ("wrong", "more"):
            count += what == "more"
            raised += not active
            active = True
            book.wrong(alert(count=count), now)
        elif what == "over":
            active = False
            book.over(KEY, "back")
        due = book.due()
        news = book.notices(now)
        assert not news or (due is not None and due <= now)
        notices += news
    notices += book.notices(now + PAUSE)
    for one, two in itertools.pairwise(notices):
        assert two.at - one.at >= PAUSE
        if two.reminder:
            assert two.at - one.at >= REPEAT
        if one.state is two.state is State.RESOLVED:
            assert two.times
    assert sum(it.times for it in notices) == raised
    assert (notices[-1].state is State.RAISED if notices else False) is active
    assert not active or notices[-1].alert.count == count
