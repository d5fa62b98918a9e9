"""Tasks on pages: found, told with their cures, and acted on by those who may."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest

from engine.errors import StoreError
from engine.events import OperatorActed
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import Verb
from engine.store import forecast, list_tasks, operate, story_of
from engine.web.office import Role
from engine.web.pages import tasks as pages
from tests.hospital import CHEST_CT
from tests.web.reception import Reception, pages_of


def rows(page: str) -> list[int]:
    return [int(it) for it in re.findall(r'<th scope="row" data-label="Task"><a href="/tasks/(\d+)">', page)]


def status_of(desk: Reception, number: int) -> TaskStatus:
    story = story_of(desk.office.journal, number)
    assert story is not None
    return story.task.status


async def test_tasks_are_listed_with_what_they_wait_for_and_the_cure(desk: Reception) -> None:
    page = await desk.see("/tasks")
    assert rows(page) == [task.id for task in list_tasks(desk.office.journal)]
    assert "approval: a person must approve it" in page
    assert "enter the destination&#39;s AE title, host and port in the archive" in page


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ("status=HELD", {"HELD"}),
        ("status=HELD&status=FAILED", {"HELD", "FAILED"}),
        ("route=asks", {"HELD"}),
        ("destination=unknown", {"FAILED"}),
        ("archive=dark", set()),
        (f"study={CHEST_CT}&route=asks&patient=FF-1001", {"HELD"}),
        ("until=2000-01-01T00:00", set()),
    ],
)
async def test_a_filter_leaves_what_is_meant(desk: Reception, query: str, statuses: set[str]) -> None:
    found = rows(await desk.see(f"/tasks?{query}"))
    assert {str(status_of(desk, number)) for number in found} == statuses


async def test_older_ones_are_on_the_next_page(desk: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    page, seen = await desk.see("/tasks"), []
    while True:
        seen += rows(page)
        older = re.search(r'href="([^"]*)" rel="next"', page)
        if older is None:
            break
        page = await desk.see(older[1])
    assert seen == [task.id for task in list_tasks(desk.office.journal)]


async def test_a_status_that_is_none_is_answered_with_those_there_are(desk: Reception) -> None:
    assert "status: one of SCHEDULED, HELD" in await desk.see("/tasks?status=LOST", status=400)


async def test_until_when_a_task_waits_is_told_in_the_zone_of_all_times(desk: Reception) -> None:
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    desk.app = pages_of(
        replace(
            desk.office, config=replace(desk.office.config, gate=replace(desk.office.config.gate, zone=zone))
        )
    )
    number = desk.number_of("HELD")
    story = story_of(desk.office.journal, number)
    assert story is not None
    assert story.task.expires is not None
    expires = f"expires {story.task.expires.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    assert expires in await desk.see(f"/tasks/{number}")
    assert expires in await desk.see("/tasks")
    assert expires in await desk.see("/")


async def test_a_viewer_is_shown_nothing_to_press(desk: Reception) -> None:
    number = desk.number_of("HELD")
    for address in ("/tasks", f"/tasks/{number}", "/nodes"):
        theirs, ours = await desk.see(address, Role.VIEWER), await desk.see(address)
        assert not re.search(r'name="verb"|/tasks/confirm|name="task"|/nodes/echo', theirs)
        assert re.search(r'name="verb"|/nodes/echo', ours)


async def test_a_viewer_sees_no_patient(desk: Reception) -> None:
    number = desk.number_of("HELD")
    assert "FF-1001" in await desk.see(f"/tasks/{number}")
    theirs = await desk.see(f"/tasks/{number}", Role.VIEWER)
    assert "FF-1001" not in theirs
    assert "masked-" in theirs


async def test_the_story_of_a_task_is_told(desk: Reception) -> None:
    operate(desk.office.journal, Verb.RETRY, [desk.number_of("FAILED")], "ward 3")
    number = desk.number_of("SCHEDULED")
    page = await desk.see(f"/tasks/{number}")
    assert "<b>retried</b> by ward 3" in page
    assert "DICOM status <code>0xA801</code>" in page
    assert ">FAILS</span>" in page  # the control ID of the message that asked


async def test_a_search_shows_what_it_found_and_led_to(desk: Reception) -> None:
    search = next(it for it in list_tasks(desk.office.journal) if it.choices)
    page = await desk.see(f"/tasks/{search.id}")
    assert all(choice.study_uid in page for choice in search.choices)
    assert "What it led to" in page


async def test_only_what_can_be_done_to_a_task_has_a_button(desk: Reception) -> None:
    def verbs(page: str) -> list[str]:
        return re.findall(r'name="verb" value="(\w+)"', page)

    assert verbs(await desk.see(f"/tasks/{desk.number_of('HELD')}")) == [
        "approve",
        "hold",
        "expedite",
        "cancel",
    ]
    assert verbs(await desk.see(f"/tasks/{desk.number_of('FAILED')}")) == ["retry"]
    assert verbs(await desk.see(f"/tasks/{desk.number_of('COMPLETED')}")) == []


async def test_before_it_is_done_the_page_says_what_will_happen_and_to_how_many(desk: Reception) -> None:
    held, failed = desk.number_of("HELD"), desk.number_of("FAILED")
    page = await desk.see(f"/tasks/confirm?verb=cancel&task={held}&task={failed}&task=999")
    assert "Cancel 1 task of 3?" in page
    assert "stopped at the archive (C-CANCEL)" in page
    assert "nothing: has ended FAILED" in page
    assert "there is no such task" in page
    assert re.findall(r'name="task" value="(\d+)"', page) == [str(held)]  # no more than it says
    assert status_of(desk, held) is TaskStatus.HELD
    assert desk.told == []


async def test_it_is_done_and_told_task_by_task(desk: Reception) -> None:
    held, failed = desk.number_of("HELD"), desk.number_of("FAILED")
    page = await desk.post("/tasks/act", {"verb": "cancel", "task": [str(held), str(failed)]})
    assert "Cancel: done to 1 of 2 tasks" in page
    assert "has ended FAILED" in page
    assert status_of(desk, held) is TaskStatus.CANCELED
    assert desk.told == [OperatorActed("otto", "127.0.0.1", "cancel", (held, failed), True)]
    story = story_of(desk.office.journal, held)
    assert story is not None
    assert story.lines[-1].text == "by otto"


async def test_what_breaks_off_in_the_middle_is_audited_too(
    desk: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("engine.web.pages.acting.operate", breaks_off)
    held = desk.number_of("HELD")
    await desk.post("/tasks/act", {"verb": "approve", "task": held}, status=503)
    assert [(it.verb, it.tasks, it.permitted) for it in desk.told] == [("approve", (held,), True)]


async def test_a_viewer_is_refused_and_that_is_audited(desk: Reception) -> None:
    held = desk.number_of("HELD")
    page = await desk.post("/tasks/act", {"verb": "approve", "task": str(held)}, Role.VIEWER, 403)
    assert "vera may look but not approve" in page
    await desk.see(f"/tasks/confirm?verb=approve&task={held}", Role.VIEWER, 403)
    assert status_of(desk, held) is TaskStatus.HELD
    assert {(it.who, it.tasks, it.permitted) for it in desk.told} == {("vera", (held,), False)}


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"verb": "explode", "task": "1"}, "verb: one of retry, cancel"),
        ({"verb": "cancel"}, "no task is chosen"),
        ({"verb": "cancel", "task": [str(number) for number in range(1, 300)]}, "choose at most 200"),
    ],
)
async def test_what_cannot_be_meant_is_answered_with_the_cure(
    desk: Reception, form: dict[str, object], sentence: str
) -> None:
    assert sentence in await desk.post("/tasks/act", form, status=400)


async def test_a_task_that_is_not_there_is_told(desk: Reception) -> None:
    assert "there is no task 99" in await desk.see("/tasks/99", status=404)


NO_NUMBER = "0" * 19 + "1" + "9" * 30


@pytest.mark.parametrize("address", [f"/tasks/{NO_NUMBER}", f"/tasks?before={NO_NUMBER}", "/messages/-1"])
async def test_a_number_that_no_journal_can_have_is_told_as_none(desk: Reception, address: str) -> None:
    assert "is no number of a message or a task" in await desk.see(address, status=404)


async def test_a_number_of_any_length_may_stand_in_a_form_and_an_address(desk: Reception) -> None:
    await desk.post("/tasks/act", {"verb": "cancel", "task": NO_NUMBER}, status=404)
    assert "study</h2>" in await desk.see(f"/routes?start={'9' * 5000}&q=study")


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00%2B14:00", "9999-12-31T23:59-14:00", "0001-01-01", "9999-12-31T23:59"]
)
async def test_a_time_at_the_end_of_time_is_a_wrong_filter_or_finds_what_it_says(
    desk: Reception, time: str
) -> None:
    async with desk.visitor() as browser:
        codes = {(await browser.get(f"/{page}?since={time}")).status_code for page in ("tasks", "messages")}
    assert codes <= {200, 400}


async def test_a_forecast_says_what_is_done_then(desk: Reception) -> None:
    numbers = [task.id for task in list_tasks(desk.office.journal)]
    for verb in (Verb.RETRY, Verb.HOLD, Verb.CANCEL):
        foreseen = forecast(desk.office.journal, verb, numbers)
        assert operate(desk.office.journal, verb, numbers, "somebody") == foreseen
