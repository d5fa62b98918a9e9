"""People with a browser: Debian's Chromium, driven by Playwright, and what it complains of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright

from tests.peers.processes import binary, npm_package

DESKTOP = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=375, height=812)
PASSWORD = "correct horse"

Scheme = Literal["light", "dark"]

_PATIENCE = 20_000.0  # ms
_SERIOUS = {"serious", "critical"}
_FAULTS = """async (rules) => (await axe.run({resultTypes: ["violations"], ...rules})).violations.map(it => [
    it.impact, `${it.id} (${it.help}): ${it.nodes.map((node) => node.target.join(" ")).join(", ")}`
])"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Without a window."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=_PATIENCE)
        browser = playwright.chromium.launch(executable_path=binary("chromium", "chromium"))
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Somebody at a page of ``site``. ``complaints``: errors of the console, which refused content is too
    (Content-Security-Policy), and requests to anywhere else."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._see)

    def go(self, path: str) -> Page:
        """To a page of the site."""
        self.page.goto(self.site + path)
        return self.page

    def log_in(self, name: str, password: str = PASSWORD) -> Page:
        """From wherever the way in leads to."""
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        return self.page

    def serious_faults(self, *rules: str) -> list[str]:
        """Against accessibility, as axe finds them on the page as it is: against these rules, or all."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate((npm_package("axe-core") / "axe.min.js").read_text(encoding="utf-8"))
        found: list[tuple[str, str]] = self.page.evaluate(_FAULTS, {"runOnly": rules} if rules else {})
        return [text for impact, text in found if impact in _SERIOUS]

    def width(self) -> int:
        """Of what is on the page, in pixels: more than that of the window makes it scroll sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.site, "data:")):
            self.complaints.append(f"asks for {request.url}")


@contextmanager
def visitor(browser: Browser, site: str, name: str = "", **how: Any) -> Iterator[Visitor]:
    """Somebody with a session of his own, logged in at the overview if he has a ``name``. In the end nothing
    may have been complained of. ``how``: of `Browser.new_context`."""
    context = browser.new_context(**{"viewport": DESKTOP, **how})
    try:
        it = Visitor(context.new_page(), site)
        it.go("/")
        if name:
            it.log_in(name).wait_for_url(site + "/")
        yield it
    finally:
        context.close()
    assert not it.complaints
