"""The union of what the routes ask."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retrieve.plan import uncovered, union
from engine.retrieve.selector import Selector, SeriesFilter, SeriesOfStudy, StudiesOfAccession, Study
from engine.retrieve.task import Priority, RetrieveRequest


def request(
    selector: Selector,
    *routes: str,
    archive: str = "main",
    destination: str = "room",
    priority: Priority = Priority.MEDIUM,
) -> RetrieveRequest:
    return RetrieveRequest(selector, archive, destination, routes or ("r",), priority)


WHOLE = Study("1.2")
SERIES = Study("1.2", "1.2.3")
SOME = SeriesOfStudy("1.2", SeriesFilter(("CT",)))


def test_the_same_thing_asked_twice_is_one_request_of_both_routes() -> None:
    assert union([request(WHOLE, "a"), request(WHOLE, "b"), request(WHOLE, "a")]) == (
        request(WHOLE, "a", "b"),
    )


def test_the_more_urgent_priority_wins() -> None:
    urgencies = [Priority.LOW, Priority.HIGH, Priority.MEDIUM]
    assert union([request(WHOLE, priority=each) for each in urgencies])[0].priority is Priority.HIGH
    assert union([request(WHOLE, priority=each) for each in (Priority.LOW, Priority.MEDIUM)])[0].priority is (
        Priority.MEDIUM
    )


def test_other_archives_and_destinations_are_other_requests() -> None:
    requests = (request(WHOLE), request(WHOLE, archive="old"), request(WHOLE, destination="er"))
    assert union(requests) == requests


def test_a_series_is_part_of_its_whole_study_in_either_order() -> None:
    for asked in ([request(WHOLE, "a"), request(SERIES, "b")], [request(SERIES, "b"), request(WHOLE, "a")]):
        assert union(asked) == (request(WHOLE, "a", "b"),)


def test_chosen_series_are_part_of_their_whole_study() -> None:
    assert union([request(SOME, "b"), request(WHOLE, "a")]) == (request(WHOLE, "a", "b"),)


def test_a_whole_study_is_as_urgent_as_its_series() -> None:
    asked = [request(WHOLE, priority=Priority.LOW), request(SERIES, priority=Priority.HIGH)]
    assert union(asked)[0].priority is Priority.HIGH


def test_series_without_their_whole_study_stay() -> None:
    requests = (
        request(SERIES),
        request(Study("1.2", "1.2.4")),
        request(SOME),
        request(WHOLE, destination="er"),
        request(WHOLE, archive="old"),
        request(Study("1.20")),
        request(StudiesOfAccession("1.2")),
    )
    assert union(requests) == requests


def test_what_is_brought_already_is_not_asked_again() -> None:
    existing = [request(WHOLE, "a"), request(Study("1.3", "1.3.1"))]
    new = [request(WHOLE, "b"), request(SERIES), request(SOME), request(Study("1.3")), request(Study("1.4"))]
    assert uncovered(existing, [*new, *new]) == (request(Study("1.3")), request(Study("1.4")))


def test_another_destination_is_not_covered() -> None:
    new = request(WHOLE, destination="er")
    assert uncovered([request(WHOLE)], [new]) == (new,)


_REQUESTS = st.lists(
    st.builds(
        request,
        st.sampled_from([WHOLE, SERIES, SOME, Study("1.3"), StudiesOfAccession("A")]),
        st.sampled_from("abc"),
        destination=st.sampled_from(["room", "er"]),
        priority=st.sampled_from(Priority),
    )
)


@settings(deadline=None)
@given(_REQUESTS)
def test_a_union_loses_no_route_and_covers_what_was_asked(requests: list[RetrieveRequest]) -> None:
    merged = union(requests)
    assert union(merged) == merged
    assert {route for one in merged for route in one.routes} == {one.routes[0] for one in requests}
    assert uncovered(merged, requests) == ()
