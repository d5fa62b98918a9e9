"""The operator's page in Debian's Chromium, as somebody on call uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.retrieve.outcome import TaskStatus
from tests.peers.browser import Visitor, chromium, visitor
from tests.peers.clinic import (
    CHEST_CT,
    KNEE,
    OLD_KNEE,
    OPERATOR,
    VIEWER,
    Clinic,
    clinic,
    order,
    sample,
)

pytestmark = pytest.mark.peers

PACE = 0.03  # seconds for a piece of an object


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as it:
        yield it


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Clinic]:
    with clinic(tmp_path) as it:
        yield it


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """Where nothing is ever asked for."""
    with clinic(tmp_path_factory.mktemp("quiet")) as it:
        yield it


@pytest.fixture
def anna(browser: Browser, there: Clinic) -> Iterator[Visitor]:
    """An operator who looks at the overview."""
    with visitor(browser, there.site, OPERATOR) as it:
        yield it


def act(page: Page, verb: str) -> None:
    """Choose it, and confirm it for one task."""
    page.get_by_role("button", name=f"{verb}…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{verb} 1 task?")
    page.get_by_role("button", name=f"{verb} 1 task").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{verb}: done to 1 of 1 task")


def test_a_retrieve_is_watched_from_its_beginning_to_its_end(there: Clinic, anna: Visitor) -> None:
    page = anna.page
    word = page.get_by_role("heading", level=1)
    expect(word).to_have_text("Idle")
    there.way.pause = PACE
    there.send(order(CHEST_CT))
    expect(word).to_have_text("Moving")
    expect(page).to_have_title("Moving · Forefetch")
    bar = page.get_by_role("progressbar", name="Task 1: objects")
    expect(bar).to_have_attribute("max", "100")
    for _ in range(2):
        before = bar.get_attribute("value")
        assert before is not None
        expect(bar).not_to_have_attribute("value", before)
        assert int(bar.get_attribute("value") or 0) > int(before)
    there.way.reset()
    expect(page.locator("#underway")).to_contain_text("Nothing is under way.")
    expect(page.get_by_role("link", name="1 Completed")).to_be_visible()
    expect(page.get_by_text("1 study arrived in the last 5 minutes")).to_be_visible()
    assert there.arrived() == 100


def test_a_held_task_is_approved_and_arrives(there: Clinic, anna: Visitor) -> None:
    there.send(order(OLD_KNEE, "SC", "BOARD"))
    page = anna.page
    page.get_by_role("link", name="1 Held").click()
    expect(page.get_by_role("cell", name="held: ")).to_contain_text("approval")
    page.get_by_role("checkbox", name="Task 1").check()
    expect(page.get_by_text("With the 1 marked:")).to_be_visible()
    act(page, "Approve")
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.locator("#state-1")).to_have_text("Completed")
    expect(page.locator(".events")).to_contain_text(f"approved by {OPERATOR}")
    assert there.arrived() == 80
    assert [(it["who"], it["verb"]) for it in there.audited("action", 1)] == [(OPERATOR, "approve")]


def test_a_move_under_way_is_canceled_and_the_page_follows(there: Clinic, anna: Visitor) -> None:
    there.way.pause = PACE
    there.send(order(CHEST_CT))
    page = anna.go("/tasks/1")
    expect(page.get_by_role("progressbar")).to_be_visible()
    act(page, "Cancel")
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.locator("#state-1")).to_have_text("Canceled")
    expect(page.get_by_role("button", name="Retry…")).to_be_visible()
    (task,) = there.tasks()
    assert task.status is TaskStatus.CANCELED
    assert 0 < there.arrived() < 100


def test_what_an_operator_leaves_as_it_is_stays_so(there: Clinic, anna: Visitor) -> None:
    there.send(order(KNEE, "SC", "BOARD"))
    page = anna.go("/tasks/1")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("button", name="Cancel 1 task")).to_be_visible()
    page.get_by_role("link", name="Leave as it is").click()
    expect(page).to_have_url(f"{there.site}/tasks")
    assert there.statuses() == [TaskStatus.HELD]
    assert not there.trail("action")


def test_a_message_is_tried_and_nothing_comes_of_it(browser: Browser, quiet: Clinic) -> None:
    with visitor(browser, quiet.site, OPERATOR) as it:
        _try_messages(it.go("/routes"))
    assert (quiet.tasks(), quiet.archive.queries, quiet.archive.moves) == ([], (), ())


def _try_messages(page: Page) -> None:
    """One that two routes match, and one that would be refused."""
    page.get_by_role("link", name="Try a message").click()
    page.get_by_label("Message").fill(sample(1).decode().replace("\r", "\n"))
    page.get_by_role("button", name="Explain it").click()
    matching = page.locator("details[open] > summary")
    expect(matching).to_have_text(
        [
            re.compile("matches.*priors-for-cross-sectional", re.S),
            re.compile("matches.*chest-radiographs", re.S),
        ]
    )
    expect(page.get_by_role("heading", name="It asks for")).to_be_visible()
    page.get_by_label("Message").fill(sample(13).decode().replace("\r", "\n"))
    page.get_by_role("button", name="Explain it").click()
    expect(page.get_by_role("heading", name="It would be refused with AE")).to_be_visible()
    expect(page.locator("#told")).to_contain_text("101")


def test_messages_are_filtered_and_come_as_csv(there: Clinic, anna: Visitor, tmp_path: Path) -> None:
    there.send(sample(1), sample(2), sample(10))
    page = anna.go("/messages")
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_label("Control ID").fill("RIS26112400101")
    page.get_by_label("Control ID").press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(f"{there.site}/messages?control_id=RIS26112400101")
    lines = downloaded(page, tmp_path)
    assert len(lines) == 2
    assert "RIS26112400101" in lines[1]
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.get_by_label("Answer").select_option("AE")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="What was decided, and why")).to_be_visible()
    expect(page.get_by_text("MSA|AE|").first).to_be_visible()


def test_tasks_are_filtered_and_come_as_csv(there: Clinic, anna: Visitor, tmp_path: Path) -> None:
    there.send(order(KNEE, "SC", "BOARD"), order(OLD_KNEE, "SC", "BOARD"), order(CHEST_CT))
    page = anna.go("/tasks")
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("checkbox", name="Held").check()
    expect(rows).to_have_count(2)
    page.get_by_label("Study UID").fill(KNEE)
    page.get_by_label("Study UID").press("Enter")
    expect(rows).to_have_count(1)
    lines = downloaded(page, tmp_path)
    assert len(lines) == 2
    assert KNEE in lines[1]


def downloaded(page: Page, folder: Path) -> list[str]:
    """The lines of the CSV that the page leads to."""
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(folder / "list.csv")
    return (folder / "list.csv").read_text(encoding="utf-8-sig").splitlines()


_FORGED = """async (fields) => {
    const csrf = document.querySelector('form[action="/logout"] [name=csrf]').value;
    const answer = await fetch("/tasks/act", {method: "POST", body: new URLSearchParams({csrf, ...fields})});
    return [answer.status, await answer.text()];
}"""


def test_a_viewer_has_no_buttons_and_is_refused_and_that_is_audited(browser: Browser, there: Clinic) -> None:
    there.send(order(KNEE, "SC", "BOARD"))
    with visitor(browser, there.site, VIEWER) as ben:
        for path in ("/tasks", "/tasks/1", "/nodes"):
            page = ben.go(path)
            deeds = page.get_by_role("main").get_by_role("button", name=re.compile("…|C-ECHO|Ask now"))
            expect(deeds).to_have_count(0)
        page = ben.go("/messages/1")
        expect(page.get_by_role("heading", name="Message 1")).to_be_visible()
        expect(page.get_by_text("Aalto")).to_have_count(0)
        status, text = page.evaluate(_FORGED, {"verb": "cancel", "task": "1"})
        assert status == 403
        assert "ben may look but not cancel" in text
        assert there.statuses() == [TaskStatus.HELD]
        (line,) = there.audited("action", 1)
        assert (line["who"], line["verb"], line["result"], line["tasks"]) == (
            VIEWER,
            "cancel",
            "refused",
            [1],
        )
        (complaint,) = ben.complaints
        assert "the server responded with a status of 403" in complaint
        ben.complaints.clear()


def test_one_logs_in_and_out(browser: Browser, quiet: Clinic) -> None:
    before = len(quiet.trail("login"))
    with visitor(browser, quiet.site) as somebody:
        page = somebody.log_in(OPERATOR, "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Name")).to_have_value(OPERATOR)
        somebody.complaints.clear()
        somebody.log_in(OPERATOR)
        expect(page.get_by_role("heading", level=1)).to_have_text("Idle")
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_url(re.compile("/login"))
        somebody.go("/tasks")
        expect(page.get_by_label("Password")).to_be_visible()
    assert [it["result"] for it in quiet.audited("login", before + 2)[before:]] == ["refused", "success"]


def test_the_keyboard_is_enough(browser: Browser, quiet: Clinic) -> None:
    with visitor(browser, quiet.site, OPERATOR) as it:
        _use_keys(it.page)


def _use_keys(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    page.keyboard.press("/")
    expect(page.get_by_label("Patient ID")).to_be_focused()
    page.keyboard.type("gm?")
    expect(page.get_by_label("Patient ID")).to_have_value("gm?")
