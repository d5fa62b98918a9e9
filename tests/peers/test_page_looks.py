"""How the pages look while much goes on: to axe, on a phone, in the dark, and in the pictures of docs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.retrieve.outcome import TaskStatus
from tests.peers.browser import DESKTOP, PHONE, Scheme, Visitor, chromium, visitor
from tests.peers.clinic import (
    KNEE,
    MAMMOGRAPHY,
    OLD_CT,
    OPERATOR,
    Clinic,
    clinic,
    order,
    sample,
)
from tests.peers.hour import AS_IF_FOR_AN_HOUR

pytestmark = pytest.mark.peers

_TO_THE_TOP = "it => it.scrollIntoView()"
LARGEST = 150_000  # octets of a picture
_RULES: dict[Scheme, tuple[str, ...]] = {"light": (), "dark": ("color-contrast",)}
"""Of axe. In the dark nothing but the colors is different."""
_PICTURES = Path(__file__).parents[2] / "docs" / "images"
S = TaskStatus


@dataclass(frozen=True, slots=True)
class Busy:
    """A clinic at a moment at which something is under way, has arrived, is held, was canceled and has
    failed. What is under way takes a minute or two."""

    clinic: Clinic

    def task(self, status: TaskStatus) -> int:
        """The newest one like that."""
        return next(task.id for task in reversed(self.clinic.tasks()) if task.status is status)

    def pages(self) -> dict[str, str]:
        """Every page by what it is."""
        held, failed = self.task(S.HELD), self.task(S.FAILED)
        return {
            "overview": "/",
            "messages": "/messages",
            "message": "/messages/1",
            "tasks": "/tasks",
            "task under way": f"/tasks/{self.task(S.IN_PROGRESS)}",
            "task that failed": f"/tasks/{failed}",
            "question": f"/tasks/confirm?verb=cancel&task={held}&task={failed}",
            "routes": "/routes",
            "nodes": "/nodes",
            "page that is not there": "/tasks/99999",
        }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as it:
        yield it


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    with clinic(tmp_path_factory.mktemp("busy"), AS_IF_FOR_AN_HOUR) as it:
        _make_busy(it)
        yield Busy(it)


def _make_busy(it: Clinic) -> None:
    it.send(sample(1), sample(2), sample(20), sample(11), sample(10), sample(13), sample(5))
    it.until(lambda: _is_at_rest(it), "at rest after the first orders")
    it.way.pause = 0.005
    it.send(order(MAMMOGRAPHY), order(KNEE), order(OLD_CT, "SC", "BOARD"), sample(8))
    it.until(lambda: sum(done > 60 for done in _done(it)) == 2, "well under way")
    it.way.pause = 0.5


def _is_at_rest(it: Clinic) -> bool:
    """What is not final waits for another attempt."""
    tasks = it.tasks()
    going = {S.SCHEDULED, S.IN_PROGRESS}
    return any(task.failures for task in tasks) and not any(
        task.status in going and not task.failures for task in tasks
    )


def _done(it: Clinic) -> list[int]:
    """Objects of each move under way."""
    return [task.progress.completed or 0 for task in it.tasks() if task.progress is not None]


@pytest.fixture
def looking(browser: Browser, busy: Busy) -> Iterator[Visitor]:
    """An operator. That axe can be put into a page, its Content-Security-Policy does not hold here."""
    with visitor(browser, busy.clinic.site, OPERATOR, bypass_csp=True) as it:
        yield it


def faults(who: Visitor, name: str) -> list[str]:
    """What axe and a phone find wrong with this page."""
    found = []
    for size in (DESKTOP, PHONE):
        who.page.set_viewport_size(size)
        for scheme, rules in _RULES.items():
            who.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{name}, {size['width']}, {scheme}: {fault}" for fault in who.serious_faults(*rules)]
        if (width := who.width()) > size["width"]:
            found.append(f"{name}: {width} wide where the window has {size['width']}")
    return found


def test_no_page_has_a_serious_fault_of_accessibility_or_is_wider_than_a_phone(
    busy: Busy, looking: Visitor
) -> None:
    found = []
    for name, path in busy.pages().items():
        looking.go(path)
        found += faults(looking, name)
        looking.complaints.clear()  # of a page that is not there, with status 404
    assert not found


def test_neither_has_what_comes_of_pressing_a_button(browser: Browser, busy: Busy, looking: Visitor) -> None:
    page = looking.go("/nodes")
    page.get_by_role("button", name="C-ECHO to all now").click()
    expect(page.get_by_text("answers", exact=True)).to_have_count(4)
    found = faults(looking, "nodes that were asked")
    tried(looking)
    found += faults(looking, "message that was tried")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found += faults(looking, "help")
    with visitor(browser, busy.clinic.site, bypass_csp=True) as somebody:
        somebody.log_in("anna", "wrong")
        expect(somebody.page.get_by_role("alert")).to_be_visible()
        found += faults(somebody, "login")
        somebody.complaints.clear()
    assert not found


def tried(who: Visitor) -> Page:
    """A message is explained."""
    page = who.go("/routes/try")
    page.get_by_label("Message").fill(sample(1).decode().replace("\r", "\n"))
    page.get_by_role("button", name="Explain it").click()
    expect(page.get_by_role("heading", name="It asks for")).to_be_visible()
    return page


def test_pictures_of_the_pages_are_taken(
    browser: Browser, busy: Busy, looking: Visitor, tmp_path: Path
) -> None:
    """Into docs where FOREFETCH_SCREENSHOTS is 1."""
    folder = _PICTURES if os.environ.get("FOREFETCH_SCREENSHOTS") == "1" else tmp_path
    folder.mkdir(exist_ok=True)
    shots = busy.pages()
    for name in ("overview", "tasks", "nodes"):
        page = looking.go(shots[name])
        _take(page, folder / f"{name}.png")
    page = looking.go(shots["message"])
    page.locator("#decided").evaluate(_TO_THE_TOP)
    _take(page, folder / "message.png")
    page = looking.go(shots["task that failed"])
    _take(page, folder / "task.png")
    page = tried(looking)
    page.get_by_role("button", name="Explain it").evaluate(_TO_THE_TOP)
    _take(page, folder / "try.png")
    page = looking.go("/")
    page.emulate_media(color_scheme="dark")
    _take(page, folder / "dark.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    _take(page, folder / "phone.png")
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.png")}
    assert len(sizes) == 8
    assert not {name: size for name, size in sizes.items() if size > LARGEST}


def _take(page: Page, path: Path) -> None:
    """What the window shows."""
    if page.locator("[data-live]").count():
        expect(page.locator("#pulse")).to_have_text("Live")
    page.screenshot(path=path, animations="disabled", caret="hide")
