"""One attempt at a task with nodes that answer as they are told: what may be said of it, and what is next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from engine.carry import Carried, Errand, carry
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import NodeTimeout, NodeUnreachable
from engine.move import Progress
from engine.resolve import Finder
from engine.retrieve.outcome import Cause, MoveResponse, Outcome, SubOperations, TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority, Verify

COMPLETED, WARNING, FAILED = TaskStatus.COMPLETED, TaskStatus.WARNING, TaskStatus.FAILED
STUDY = "1.2"
SERIES = {"1.2.1": 3, "1.2.2": 4, "1.2.3": 5}  # 12 objects
ALL = ("1.2.1", "1.2.2", "1.2.3")


@dataclass
class Node:
    """A node that has so many objects of each series of STUDY. ``counts``: it fills in the optional keys.
    ``down``: no question is answered."""

    series: dict[str, int] = field(default_factory=dict)
    counts: bool = True
    down: bool = False
    asked: int = 0

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        self._ask()
        total = sum(self.series.values())
        known = [StudyRecord(STUDY, instances=total if self.counts else None)]
        return known if total and study_uid == STUDY else []

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        self._ask()
        return [
            SeriesRecord(study_uid, uid, instances=number if self.counts else None)
            for uid, number in self.series.items()
            if study_uid == STUDY and series_uid in ("", uid)
        ]

    def _ask(self) -> None:
        self.asked += 1
        if self.down:
            raise NodeUnreachable("node", "no TCP connection")


Answer = Callable[[Study], MoveResponse]


@dataclass
class Archive(Node):
    """A node that moves: ``answer`` says how each C-MOVE ends, ``brings`` is what arrives by it."""

    answer: Answer = lambda study: counted(sum(SERIES.values()))
    brings: Callable[[Study], None] = lambda study: None
    moves: list[str] = field(default_factory=list)
    priorities: list[Priority] = field(default_factory=list)

    def find_instances(self, study_uid: str, series_uid: str) -> list[str]:
        self._ask()
        return instances(series_uid, self.series[series_uid])

    def move(
        self,
        study_uid: str,
        destination_ae_title: str,
        series_uid: str = "",
        *,
        priority: Priority = Priority.MEDIUM,
        progress: Progress | None = None,
        canceled: threading.Event | None = None,
    ) -> MoveResponse:
        assert destination_ae_title == "READING"
        self.moves.append(series_uid or study_uid)
        self.priorities.append(priority)
        response = self.answer(Study(study_uid, series_uid))
        self.brings(Study(study_uid, series_uid))
        return response

    def stop(self) -> None:
        raise NotImplementedError

    close_idle = close = stop


def instances(series_uid: str, number: int) -> list[str]:
    return [f"{series_uid}.{one}" for one in range(number)]


def counted(completed: int, failed: int = 0, *uids: str) -> MoveResponse:
    return MoveResponse(0xB000 if failed else 0x0000, SubOperations(0, completed, failed, 0), "", uids)


def answered(status: int) -> Answer:
    return lambda study: MoveResponse(status, comment="because")


def silent(study: Study) -> MoveResponse:
    raise NodeTimeout("archive", "no response to C-MOVE for 300 s")


def site(
    answer: Answer | None = None, arrives: Iterable[str] = ALL, there: Mapping[str, int] | None = None
) -> tuple[Archive, Node]:
    """An archive with STUDY, and a destination at which these of the series arrive that a C-MOVE is for."""
    destination = Node(dict(there or {}))

    def bring(study: Study) -> None:
        for uid in arrives:
            if study.series_uid in ("", uid):
                destination.series[uid] = SERIES[uid]

    archive = Archive(dict(SERIES), brings=bring)
    if answer is not None:
        archive.answer = answer
    return archive, destination


ERRAND = Errand(Study(STUDY), "READING", verify_within=0.0)
VERIFY = replace(ERRAND, verify=Verify.STUDY)


def told(carried: Carried) -> tuple[TaskStatus, Cause, bool, tuple[str, ...]]:
    outcome = carried.outcome
    return outcome.status, outcome.cause, outcome.arrived, carried.missing


# without anything asked for, a move is what it was


def test_a_move_alone_asks_nobody_anything() -> None:
    archive, destination = site()
    carried = carry(archive, destination, replace(ERRAND, priority=Priority.STAT))
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())
    assert (carried.outcome.text, carried.instances) == ("12 objects arrived", None)
    assert (archive.asked, destination.asked, archive.moves) == (0, 0, [STUDY])
    assert archive.priorities == [Priority.STAT]


# already there


@pytest.mark.parametrize("verify", Verify)
def test_what_is_there_is_not_moved(verify: Verify) -> None:
    archive, destination = site(there=SERIES)
    carried = carry(archive, destination, replace(ERRAND, skip_present=True, verify=verify))
    assert told(carried) == (COMPLETED, Cause.ALREADY_THERE, True, ())
    assert carried.outcome.text == "12 of 12 objects are there already; nothing was moved"
    assert (carried.instances, archive.moves) == (12, [])


def test_a_series_that_is_there_is_not_moved() -> None:
    archive, destination = site(there={"1.2.2": 4})
    errand = Errand(Study(STUDY, "1.2.2"), "READING", skip_present=True)
    assert carry(archive, destination, errand).outcome.cause is Cause.ALREADY_THERE
    assert archive.moves == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda archive, destination: destination.series.pop("1.2.3"),
        lambda archive, destination: destination.series.update({"1.2.3": 4}),
        lambda archive, destination: setattr(destination, "counts", False),
        lambda archive, destination: setattr(destination, "down", True),
        lambda archive, destination: setattr(archive, "counts", False),
    ],
)
def test_nothing_is_skipped_by_guess(spoil: Callable[[Archive, Node], None]) -> None:
    archive, destination = site(there=SERIES)
    spoil(archive, destination)
    assert carry(archive, destination, replace(ERRAND, skip_present=True)).outcome.cause is Cause.ARRIVED
    assert archive.moves == [STUDY]


def test_nothing_is_skipped_where_the_destination_cannot_be_asked() -> None:
    archive, _ = site()
    assert carry(archive, None, replace(ERRAND, skip_present=True)).outcome.cause is Cause.ARRIVED


def test_nothing_is_skipped_of_what_the_archive_does_not_have() -> None:
    archive, destination = site(lambda study: counted(0))
    archive.series = {}
    carried = carry(archive, destination, replace(ERRAND, skip_present=True))
    assert told(carried) == (FAILED, Cause.NOT_FOUND, False, ())
    assert archive.moves == [STUDY]


def test_series_by_series_objects_of_another_origin_do_not_make_up_for_missing_ones() -> None:
    there = {"1.2.1": 3, "1.2.2": 4, "1.2.99": 5}
    archive, destination = site(lambda study: counted(5), there=there)
    skipping = replace(ERRAND, skip_present=True, verify=Verify.SERIES)
    carried = carry(archive, destination, skipping)
    assert archive.moves == ["1.2.3"]
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())
    assert carried.outcome.text == (
        "1 of 1 missing series arrived, 5 objects; 12 of 12 objects are at READING"
    )


# verified


def test_an_arrival_is_one_where_the_destination_agrees() -> None:
    archive, destination = site()
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())
    assert carried.outcome.text == "12 objects arrived; 12 of 12 objects are at READING"
    assert carried.instances == 12


def test_coerced_objects_stay_a_warning() -> None:
    archive, destination = site(lambda study: MoveResponse(0xB000, SubOperations(0, 10, 0, 2)))
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (WARNING, Cause.STORED_WITH_WARNINGS, True, ())
    assert carried.outcome.text.endswith("2 of them with a warning; 12 of 12 objects are at READING")


def test_a_success_that_nobody_counted_is_one_where_the_destination_counts() -> None:
    archive, destination = site(lambda study: MoveResponse(0x0000))
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())
    assert (carried.outcome.text, carried.outcome.cure) == ("12 of 12 objects are at READING", "")


@pytest.mark.parametrize("verify", [Verify.STUDY, Verify.SERIES])
@pytest.mark.parametrize("response", [counted(12), MoveResponse(0x0000)])
def test_a_success_is_none_where_something_is_missing(verify: Verify, response: MoveResponse) -> None:
    archive, destination = site(lambda study: response, arrives=["1.2.1", "1.2.3"])
    carried = carry(archive, destination, replace(ERRAND, verify=verify))
    assert told(carried) == (WARNING, Cause.MISSING, False, ("1.2.2",))
    assert carried.outcome.text == "8 of 12 objects are at READING, 4 missing"
    assert carried.outcome.dicom_status == 0x0000
    assert carried.outcome.cure


def test_where_all_is_missing_the_next_attempt_is_for_the_whole_study() -> None:
    archive, destination = site(arrives=[])
    assert told(carry(archive, destination, VERIFY)) == (WARNING, Cause.MISSING, False, ())


def test_an_archive_without_retrieval_of_series_is_asked_for_the_whole_study() -> None:
    archive, destination = site(arrives=["1.2.1"])
    carried = carry(archive, destination, replace(VERIFY, series_level=False))
    assert told(carried) == (WARNING, Cause.MISSING, False, ())


def test_only_series_by_series_it_is_seen_that_others_do_not_make_up() -> None:
    archive, destination = site(arrives=["1.2.1", "1.2.2"], there={"1.2.99": 5})
    carried = carry(archive, destination, replace(ERRAND, verify=Verify.SERIES))
    assert told(carried) == (WARNING, Cause.MISSING, False, ("1.2.3",))


def test_what_the_archive_got_meanwhile_is_missing_too() -> None:
    archive, destination = site()
    bring = archive.brings

    def bring_and_grow(study: Study) -> None:
        bring(study)
        archive.series["1.2.4"] = 2

    archive.brings = bring_and_grow
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (WARNING, Cause.MISSING, False, ("1.2.4",))
    assert (carried.outcome.text, carried.instances) == ("12 of 14 objects are at READING, 2 missing", 14)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda archive, destination: setattr(destination, "down", True), "node: no TCP connection"),
        (lambda archive, destination: setattr(destination, "counts", False), "READING does not count"),
        (lambda archive, destination: setattr(archive, "down", True), "node: no TCP connection"),
        (lambda archive, destination: setattr(archive, "series", {}), "the archive no longer has it"),
    ],
)
def test_what_cannot_be_verified_has_not_arrived(spoil: Callable[[Archive, Node], None], why: str) -> None:
    archive, destination = site()
    spoil(archive, destination)
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (WARNING, Cause.UNVERIFIED, False, ())
    assert carried.outcome.text.startswith(f"not verified: {why}")
    assert carried.outcome.text.endswith("; the archive says: 12 objects arrived")


def test_a_destination_that_cannot_be_queried_verifies_nothing() -> None:
    archive, _ = site()
    carried = carry(archive, None, VERIFY)
    assert told(carried) == (WARNING, Cause.UNVERIFIED, False, ())
    assert carried.outcome.text == (
        "not verified: READING cannot be queried; the archive says: 12 objects arrived"
    )


def test_an_archive_that_counts_only_what_it_sends_is_believed_as_to_how_many_there_are() -> None:
    archive, destination = site()
    archive.counts = False
    assert told(carry(archive, destination, VERIFY)) == (COMPLETED, Cause.ARRIVED, True, ())
    destination.series = {}
    archive.brings = lambda study: None
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (WARNING, Cause.MISSING, False, ())
    archive.answer = lambda study: MoveResponse(0x0000)
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (WARNING, Cause.UNVERIFIED, False, ())
    assert carried.outcome.text.startswith("not verified: the archive does not count objects")


def test_a_failure_is_none_where_everything_is_there_after_all() -> None:
    archive, destination = site(answered(0xA702))
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())
    assert carried.outcome.text == (
        "12 of 12 objects are at READING, though the archive says: "
        "out of resources: unable to perform sub-operations"
    )
    assert (carried.outcome.dicom_status, carried.outcome.cure) == (0xA702, "")


def test_a_failure_is_only_overruled_series_by_series() -> None:
    archive, destination = site(lambda study: counted(7, 5), ["1.2.1", "1.2.2"], there={"1.2.99": 5})
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (WARNING, Cause.SOME_FAILED, False, ("1.2.3",))
    assert carried.outcome.text == "5 of 12 objects did not arrive; 7 of 12 objects are at READING"


@pytest.mark.parametrize(
    ("answer", "status", "cause"),
    [
        (answered(0xA801), FAILED, Cause.DESTINATION_UNKNOWN),
        (lambda study: counted(0, 12), FAILED, Cause.ALL_FAILED),
        (silent, FAILED, Cause.TIMED_OUT),
    ],
)
def test_a_failure_keeps_its_cause_and_tells_what_is_missing(
    answer: Answer, status: TaskStatus, cause: Cause
) -> None:
    archive, destination = site(answer, arrives=["1.2.1"])
    if answer is silent:
        destination.series = {"1.2.1": 3}
    carried = carry(archive, destination, VERIFY)
    assert told(carried) == (status, cause, False, ("1.2.2", "1.2.3"))
    assert carried.outcome.text.endswith("; 3 of 12 objects are at READING")
    assert carried.outcome.cure


def test_a_failure_at_a_destination_that_cannot_be_asked_stays_what_it_is() -> None:
    archive, destination = site(answered(0xA801))
    destination.down = True
    plain = carry(archive, None, ERRAND).outcome
    assert carry(archive, destination, VERIFY).outcome == plain
    assert carry(archive, None, VERIFY).outcome == plain


def test_after_a_cancel_nobody_is_asked() -> None:
    archive, destination = site(answered(0xFE00))
    carried = carry(archive, destination, VERIFY)
    assert carried.outcome.cause is Cause.CANCELED
    assert (archive.asked, destination.asked) == (0, 0)


def test_after_a_cancel_that_the_archive_answers_with_a_failure_nobody_is_asked_either() -> None:
    """Orthanc ends so a move whose destination was silent for longer than its own time-out."""
    archive, destination = site(answered(0xC000))
    canceled = threading.Event()
    archive.brings = lambda study: canceled.set()
    carried = carry(archive, destination, VERIFY, canceled=canceled)
    assert carried.outcome.cause is Cause.UNABLE_TO_PROCESS
    assert (archive.asked, destination.asked) == (0, 0)


def lost_after(counters: SubOperations) -> tuple[Archive, Node]:
    """An archive that does not count what it has and is silent after this pending response; a destination
    with as many objects as had arrived by then."""

    class Lost(Archive):
        def move(
            self, study_uid: str, *_: object, progress: Progress | None = None, **__: object
        ) -> MoveResponse:
            assert progress is not None
            progress(counters)
            return silent(Study(study_uid))

    return Lost(dict(SERIES), counts=False), Node({"1.2.1": 3})


def test_a_move_that_is_lost_keeps_the_counters_of_its_last_pending_response() -> None:
    counters = SubOperations(9, 3, 0, 0)
    archive, _ = lost_after(counters)
    outcome = carry(archive, None, ERRAND).outcome
    assert (outcome.cause, outcome.counters, outcome.arrived) == (Cause.TIMED_OUT, counters, False)


def test_what_was_sent_before_a_move_was_lost_is_not_taken_for_all_there_is() -> None:
    archive, destination = lost_after(SubOperations(9, 3, 0, 0))
    archive.series = {"1.2.1": 3}  # one series, so that nothing but the count of it is in question
    carried = carry(archive, destination, VERIFY)
    assert told(carried)[1:3] == (Cause.TIMED_OUT, False)


# what is missing, and the next attempt


def test_series_that_failed_are_those_that_the_destination_has_not() -> None:
    archive, destination = site(lambda study: counted(7, 5), arrives=["1.2.1", "1.2.2"])
    carried = carry(archive, destination, ERRAND)
    assert told(carried) == (WARNING, Cause.SOME_FAILED, False, ("1.2.3",))
    assert carried.outcome.text == "5 of 12 objects did not arrive"


@pytest.mark.parametrize("destination", [None, Node(down=True), Node(dict(SERIES), counts=False)])
def test_else_they_are_those_of_the_instances_that_the_archive_lists(destination: Finder | None) -> None:
    failed = ("1.2.2.0", "1.2.3.4", "1.2.3.1")
    archive, _ = site(lambda study: counted(9, 3, *failed))
    assert carry(archive, destination, ERRAND).missing == ("1.2.2", "1.2.3")


@pytest.mark.parametrize(
    "response",
    [
        counted(9, 3, "1.2.2.0"),  # not all that failed are listed
        counted(10, 2, "1.2.2.0", "1.9.9"),  # one is of no series
        counted(11, 1),
        MoveResponse(0xB000, SubOperations(3, 8, 1, 0), "", ("1.2.2.0",)),  # some were not even tried
        MoveResponse(0xB000, SubOperations(), "", ("1.2.2.0",)),
    ],
)
def test_a_list_that_does_not_tell_all_tells_nothing(response: MoveResponse) -> None:
    archive, _ = site(lambda study: response)
    carried = carry(archive, None, ERRAND)
    assert (carried.outcome.cause, carried.missing) == (Cause.SOME_FAILED, ())


def test_an_archive_that_cannot_be_asked_leaves_the_whole_study() -> None:
    archive, _ = site(lambda study: counted(11, 1, "1.2.2.0"))
    archive.down = True
    assert told(carry(archive, None, ERRAND)) == (WARNING, Cause.SOME_FAILED, False, ())


RETRY = replace(ERRAND, missing=("1.2.2", "1.2.3"))


def of_series(study: Study) -> MoveResponse:
    return counted(SERIES[study.series_uid])


def test_missing_series_are_moved_one_by_one_and_then_the_study_has_arrived() -> None:
    archive, destination = site(of_series)
    carried = carry(archive, destination, RETRY)
    assert archive.moves == ["1.2.2", "1.2.3"]
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())
    assert carried.outcome.text == "2 of 2 missing series arrived, 9 objects"
    assert carried.outcome.counters == SubOperations(0, 9, 0, 0)


def test_the_whole_study_is_verified_after_its_missing_series() -> None:
    archive, destination = site(of_series, there={"1.2.1": 2})
    carried = carry(archive, destination, replace(RETRY, verify=Verify.STUDY))
    assert told(carried) == (WARNING, Cause.MISSING, False, ("1.2.1",))
    assert carried.outcome.text == "11 of 12 objects are at READING, 1 missing"


def test_a_series_that_failed_again_is_still_missing() -> None:
    def second_fails(study: Study) -> MoveResponse:
        return of_series(study) if study.series_uid == "1.2.2" else MoveResponse(0xA702)

    archive, _ = site(second_fails)
    carried = carry(archive, None, RETRY)
    assert told(carried) == (FAILED, Cause.CANNOT_PERFORM, False, ("1.2.3",))
    assert carried.outcome.text.startswith("1 of 2 missing series arrived; series 1.2.3: out of resources")


def test_a_list_of_failed_instances_does_not_hide_a_series_that_was_not_counted() -> None:
    def answer(study: Study) -> MoveResponse:
        if study.series_uid == "1.2.2":
            return counted(3, 1, "1.2.2.0")
        return MoveResponse(0x0000, SubOperations(0, None, 0, 0))

    archive, _ = site(answer)
    carried = carry(archive, None, RETRY)
    assert told(carried) == (WARNING, Cause.SOME_FAILED, False, ("1.2.2", "1.2.3"))


def test_a_series_that_is_no_longer_there_has_not_arrived() -> None:
    archive, _ = site(of_series)
    del archive.series["1.2.3"]
    carried = carry(archive, None, RETRY)
    assert (carried.outcome.cause, carried.outcome.arrived) == (Cause.NOT_FOUND, False)
    assert archive.moves == ["1.2.2"]


@pytest.mark.parametrize("answer", [answered(0xFE00), silent])
def test_after_a_cancel_or_where_the_archive_is_lost_no_further_series_is_moved(answer: Answer) -> None:
    archive, _ = site(answer)
    carried = carry(archive, None, RETRY)
    assert archive.moves == ["1.2.2"]
    assert (carried.outcome.arrived, carried.missing) == (False, ("1.2.2", "1.2.3"))


@pytest.mark.parametrize("status", [0xA900, 0x0122])
def test_where_the_archive_refuses_a_series_the_whole_study_is_moved(status: int) -> None:
    def refuses(study: Study) -> MoveResponse:
        return MoveResponse(status) if study.series_uid else counted(12)

    archive, _ = site(refuses)
    carried = carry(archive, None, RETRY)
    assert archive.moves == ["1.2.2", STUDY]
    assert told(carried) == (COMPLETED, Cause.ARRIVED, True, ())


def test_an_archive_that_is_not_to_be_asked_for_series_is_not() -> None:
    archive, _ = site()
    assert carry(archive, None, replace(RETRY, series_level=False)).outcome.arrived
    assert archive.moves == [STUDY]


# whose fault it was


def echo(answers: bool, asked: list[bool]) -> Callable[[], None]:
    def ask() -> None:
        asked.append(answers)
        if not answers:
            raise NodeUnreachable("reading", "no TCP connection to 127.0.0.1:104")

    return ask


AMBIGUOUS = [answered(0xC000), answered(0xA702), lambda study: counted(0)]


@pytest.mark.parametrize("answer", AMBIGUOUS)
def test_a_study_that_the_archive_does_not_have_is_not_found(answer: Answer) -> None:
    archive, _ = site(answer)
    archive.series = {}
    asked: list[bool] = []
    carried = carry(archive, None, ERRAND, echo=echo(True, asked))
    response = answer(Study(STUDY))
    outcome = carried.outcome
    assert told(carried) == (FAILED, Cause.NOT_FOUND, False, ())
    assert outcome.text == "the archive has no such study"
    assert (outcome.dicom_status, outcome.comment) == (response.status, response.comment)
    assert outcome.counters == response.counters
    assert asked == []


@pytest.mark.parametrize("answer", AMBIGUOUS)
def test_where_the_archive_has_it_the_destination_is_looked_at(answer: Answer) -> None:
    archive, _ = site(answer)
    plain = carry(archive, None, ERRAND).outcome
    assert plain.text.endswith("; the archive has it, so look at the destination")
    up = carry(archive, None, ERRAND, echo=echo(True, [])).outcome
    assert up.text.endswith("; the archive has it, and the destination answers")
    down = carry(archive, None, ERRAND, echo=echo(False, [])).outcome
    assert down.text.endswith(
        "; the archive has it, and the destination does not answer (no TCP connection to 127.0.0.1:104)"
    )
    assert (plain.cause, up.cause, down.cause) == (up.cause, plain.cause, Cause.CANNOT_PERFORM)
    assert {one.dicom_status for one in (plain, up, down)} == {answer(Study(STUDY)).status}
    assert all("AE title" in one.cure for one in (plain, up))
    assert "reachable" in down.cure


def test_a_diagnosis_that_fails_changes_nothing() -> None:
    archive, _ = site(answered(0xC000))
    archive.down = True
    carried = carry(archive, None, ERRAND, echo=echo(False, []))
    assert told(carried) == (FAILED, Cause.UNABLE_TO_PROCESS, False, ())
    assert carried.outcome.text == "unable to process"


@pytest.mark.parametrize("answer", [None, answered(0xA801), answered(0x0124), silent])
def test_what_is_clear_is_not_diagnosed(answer: Answer | None) -> None:
    archive, _ = site(answer)
    asked: list[bool] = []
    carry(archive, None, ERRAND, echo=echo(False, asked))
    assert (archive.asked, asked) == (0, [])


# dry runs

DRY = replace(ERRAND, dry_run=True)


@pytest.mark.parametrize(
    ("there", "text"),
    [
        ({}, "dry run: would have moved 12 objects to READING; nothing was moved"),
        (
            {"1.2.1": 3},
            "dry run: would have moved 12 objects to READING, where 3 are already; nothing was moved",
        ),
    ],
)
def test_a_dry_run_says_what_it_would_have_moved(there: dict[str, int], text: str) -> None:
    archive, destination = site(there=there)
    carried = carry(archive, destination, DRY)
    assert carried == Carried(Outcome(TaskStatus.CANCELED, Cause.DRY_RUN, text), instances=12)
    assert archive.moves == []


def test_a_dry_run_without_a_destination_to_ask_asks_the_archive() -> None:
    archive, destination = site()
    destination.down = True
    for asked in (None, destination):
        carried = carry(archive, asked, DRY)
        assert carried.outcome.text == "dry run: would have moved 12 objects to READING; nothing was moved"
        assert carried.instances == 12
    archive.counts = False
    assert carry(archive, None, DRY).outcome.text == (
        "dry run: would have moved study 1.2 to READING; nothing was moved"
    )
    assert archive.moves == []


def test_a_dry_run_of_one_series_counts_that() -> None:
    archive, _ = site()
    carried = carry(archive, None, replace(DRY, study=Study(STUDY, "1.2.2")))
    assert carried.outcome.text == "dry run: would have moved 4 objects to READING; nothing was moved"


def test_a_dry_run_says_what_would_have_been_skipped() -> None:
    archive, destination = site(there=SERIES)
    carried = carry(archive, destination, replace(DRY, skip_present=True))
    assert told(carried) == (COMPLETED, Cause.ALREADY_THERE, True, ())
    assert carry(archive, destination, DRY).outcome.cause is Cause.DRY_RUN
    assert archive.moves == []


def test_a_dry_run_of_what_cannot_be_moved_fails_as_the_move_would() -> None:
    archive, destination = site()
    archive.series = {}
    carried = carry(archive, destination, DRY)
    assert told(carried) == (FAILED, Cause.NOT_FOUND, False, ())
    archive.down = True
    assert told(carry(archive, destination, DRY)) == (FAILED, Cause.UNREACHABLE, False, ())
    assert archive.moves == []
