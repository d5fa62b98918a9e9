"""What engines tell each other."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieve.task import Expected
from engine.store.news import EVERYTHING, News, read

_TASKS = st.builds(
    Expected,
    st.text(max_size=20),
    st.text(max_size=20),
    st.tuples(st.text(max_size=20)),
    st.booleans(),
    st.none() | st.datetimes(timezones=st.just(dt.UTC)),
)


@given(st.booleans(), st.booleans(), st.sets(st.integers(1), max_size=20), st.sets(_TASKS, max_size=5))
def test_what_is_told_is_heard(cancel: bool, many: bool, messages: set[int], tasks: set[Expected]) -> None:
    news = News(cancel=cancel, many=many, messages=messages, expected=tasks)
    assert read(news.text(7)) == (7, news)


@pytest.mark.parametrize(
    "news",
    [
        News(messages=set(range(10_000, 12_000))),
        News(expected={Expected("main", "ws", (f"route {at}",), True) for at in range(300)}),
    ],
)
def test_more_than_one_notification_holds_is_told_as_anything(news: News) -> None:
    """PostgreSQL takes less than 8,000 bytes, and would refuse the transaction."""
    text = news.text(7)
    assert len(text.encode()) < 8_000
    assert read(text) == (7, News(work=True, many=True))


def test_of_new_tasks_nothing_is_told_where_everybody_looks_anyway() -> None:
    news = News(work=True, expected={Expected("main", "ws", ("r",), True)})
    assert json.loads(news.text(7))[-1] == []


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "[1,true,false,false,[]]", '[1,false,false,false,[],[["main"]]]', "null"]
)
def test_what_cannot_be_read_may_be_anything(text: str) -> None:
    """As of an engine of another version."""
    assert read(text) == (0, EVERYTHING)
