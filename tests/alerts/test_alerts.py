"""From what happens to who is told of it, and the engine and the verb that do it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from engine.alerts import Alerts
from engine.app import Engine
from engine.errors import ConfigError
from engine.events import Committed, Events, GateClosed, GateOpened, MessageAnswered, TaskEnded
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from tests.alerts.given import HOUR, MINUTE, NOW, Clock, configured, routes
from tests.alerts.receivers import MailServer, WebServer
from tests.cli.test_cli import run


class Logged(logging.Handler):
    """What is logged, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put_nowait(record.getMessage())


class Watch:
    """Alerts that are started, what they listen to, their clock, and who is told."""

    def __init__(self, folder: Path, section: str, web: WebServer) -> None:
        text = f"webhook: {{url: 'http://127.0.0.1:{web.port}/'}}, retry: {{first: 0.01s}}, {section}"
        config = configured(folder, text)
        assert config.alerts is not None
        self.events, self.clock, self.web = Events(), Clock(), web
        self.alerts = Alerts(config.alerts, config, self.events, self.clock)

    async def told(self) -> dict[str, Any]:
        return await self.web.taken.get()

    def later(self, by: dt.timedelta) -> None:
        self.clock.now += by
        self.alerts.look()

    def ended(self, number: int, status: TaskStatus, cause: Cause = Cause.NOT_FOUND) -> None:
        request = RetrieveRequest(Study("1.2.3"), "main", "room", ("a",))
        outcome = Outcome(status, cause, "Aalto^Mira was not found", comment="Aalto^Mira")
        task = RetrieveTask(number, request, TaskStatus.IN_PROGRESS, NOW, NOW)
        self.events.tell(TaskEnded(task, outcome))


@asynccontextmanager
async def watching(folder: Path, section: str) -> AsyncIterator[Watch]:
    async with WebServer().serving() as web:
        watch = Watch(folder, section, web)
        await watch.alerts.start()
        try:
            yield watch
        finally:
            await watch.alerts.stop()


async def test_an_open_breaker_is_told_and_its_end(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: off") as watch:
        watch.events.tell(GateClosed("archive", "main", "breaker", "no TCP connection", NOW))
        watch.events.tell(GateClosed("archive", "main", "window", "", NOW))
        raised = await watch.told()
        watch.later(HOUR)
        watch.events.tell(GateOpened("archive", "main", "breaker"))
        resolved = await watch.told()
    assert (raised["key"], raised["state"]) == ("breaker:archive:main", "raised")
    assert (resolved["key"], resolved["state"]) == ("breaker:archive:main", "resolved")
    assert resolved["since"] == "2026-11-27T10:00:00+00:00"
    assert resolved["at"] == "2026-11-27T11:00:00+00:00"
    assert len(watch.web.requests) == 2


async def test_what_lasts_is_told_again_after_the_time_that_is_configured(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: off, repeat: 2h") as watch:
        watch.events.tell(Committed(1, 0.1, failed=True))
        first = await watch.told()
        watch.later(2 * HOUR)
        again = await watch.told()
        watch.events.tell(Committed(1, 0.1, failed=False))
        watch.later(HOUR)
        end = await watch.told()
    assert (first["key"], first["severity"], first["reminder"]) == ("journal", "critical", 0)
    assert again["reminder"] == 1
    assert end["state"] == "resolved"


async def test_dead_letters_are_told_with_their_tasks_and_nothing_of_a_patient(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: off, dead_letters: {gather: 10s}") as watch:
        for number in (41, 42, 43):
            watch.ended(number, TaskStatus.FAILED)
        watch.ended(44, TaskStatus.COMPLETED)
        watch.later(MINUTE)
        told = await watch.told()
        for number in (41, 42, 43):
            watch.ended(number, TaskStatus.COMPLETED)
        watch.later(HOUR)
        assert (await watch.told())["state"] == "resolved"
    assert told["tasks"] == [41, 42, 43]
    assert told["sentence"] == "3 retrieves have failed: 3 not-found (tasks 41, 42, 43)"
    assert "Aalto" not in str(watch.web.requests)


async def test_what_has_failed_just_before_the_end_is_told_still(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: off") as watch:
        watch.ended(41, TaskStatus.FAILED)
        await watch.alerts.stop()
        assert (await watch.told())["tasks"] == [41]


async def test_a_silent_sender_is_told_though_others_send(tmp_path: Path) -> None:
    section = "disk: off, silence: [{after: 15m}, {after: 5m, host: 10.0.0.7}, {after: 5m, host: '::1'}]"
    async with watching(tmp_path, section) as watch:
        for minute in range(10):
            watch.clock.now = NOW + minute * MINUTE
            for peer in ("10.0.0.8:51234", "[::1]:51234"):
                watch.events.tell(MessageAnswered("AA", "ORM^O01", 0.1, peer))
        watch.alerts.look()
        raised = await watch.told()
        watch.events.tell(MessageAnswered("AE", "", 0.1, "10.0.0.7:51234"))
        watch.later(4 * MINUTE)
        watch.events.tell(MessageAnswered("AE", "", 0.1, "10.0.0.7:51234"))
        watch.later(2 * MINUTE)
        resolved = [await watch.told() for _ in range(2)]
    assert (raised["key"], raised["state"]) == ("silence:10.0.0.7", "raised")
    assert {(it["key"], it["state"]) for it in resolved} == {
        ("silence:10.0.0.7", "resolved"),
        ("silence:::1", "raised"),
    }
    assert len(watch.web.requests) == 3


async def test_a_feed_from_which_nothing_comes_is_told_until_something_does(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: off, silence: {after: 15m}") as watch:
        watch.later(15 * MINUTE)
        assert (await watch.told())["key"] == "silence"
        watch.later(HOUR)
        watch.events.tell(MessageAnswered("AA", "ORM^O01", 0.1, "10.0.0.7:51234"))
        assert (await watch.told())["sentence"] == "messages come again from the HL7 feed"


async def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: {free: 999999TB}") as watch:
        told = await watch.told()
    assert (told["key"], told["severity"]) == ("disk", "critical")
    assert "the least is 999999000.0 GB" in told["sentence"]


async def test_a_disk_that_cannot_be_asked_is_logged_and_harms_nothing(tmp_path: Path) -> None:
    logged, logger = Logged(), logging.getLogger("engine.alerts.alerts")
    logger.addHandler(logged)
    try:
        async with watching(tmp_path / "gone", "disk: {free: 5%}") as watch:
            assert str(tmp_path / "gone") in await logged.lines.get()
            watch.events.tell(Committed(1, 0.1, failed=True))
            assert (await watch.told())["key"] == "journal"
    finally:
        logger.removeHandler(logged)


async def test_what_is_switched_off_is_not_listened_to(tmp_path: Path) -> None:
    async with watching(tmp_path, "disk: off, breaker: off, journal: off, dead_letters: off") as watch:
        watch.events.tell(GateClosed("archive", "main", "breaker", "", NOW))
        watch.events.tell(Committed(1, 0.1, failed=True))
        watch.ended(41, TaskStatus.FAILED)
        watch.later(HOUR)
    assert watch.web.requests == []


async def test_a_web_server_that_is_away_harms_nobody_and_hears_of_it_when_it_is_back(tmp_path: Path) -> None:
    async with WebServer([503] * 5).serving() as web, MailServer().serving() as mail:
        section = f"""webhook: {{url: 'http://127.0.0.1:{web.port}/'}}, retry: {{first: 0.01s}}, disk: off,
          mail: {{server: '127.0.0.1:{mail.port}', encryption: none, from: a@b.test, to: c@d.test}}"""
        config = configured(tmp_path, section)
        assert config.alerts is not None
        events = Events()
        alerts = Alerts(config.alerts, config, events)
        await alerts.start()
        events.tell(GateClosed("archive", "main", "breaker", "", NOW))
        assert "archive main" in (await mail.taken.get())["Subject"]
        assert (await web.taken.get())["key"] == "breaker:archive:main"
        await alerts.stop()
        await alerts.stop()
    assert len(web.requests) == 6


async def test_a_part_that_cannot_be_stopped_keeps_nothing_else_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(tmp_path, "disk: off, webhook: {url: 'http://127.0.0.1:9/x'}")
    with monkeypatch.context() as patch:
        patch.setattr(Alerts, "look", Mock(side_effect=RuntimeError("a fault")))
        async with Engine(config, {}):
            pass
    assert "Alerts could not be stopped" in caplog.text
    async with Engine(config, {}):  # the journal is free
        pass


async def test_the_engine_starts_and_stops_its_alerts(tmp_path: Path) -> None:
    async with WebServer().serving() as web:
        config = configured(
            tmp_path, f"webhook: {{url: 'http://127.0.0.1:{web.port}/'}}, disk: {{free: 999TB}}"
        )
        async with Engine(config):
            assert (await web.taken.get())["source"].startswith("FOREFETCH on ")


def test_without_the_section_nothing_of_it_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(routes(tmp_path, "").replace("alerts: {}\n", ""))
    code = f"""
import sys
from engine import app
from engine.config import load
app.Engine(load({str(path)!r}))
print(*sorted(name for name in sys.modules if name.startswith(("engine.alerts", "smtplib"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""


async def test_the_verb_says_of_each_way_whether_it_works(tmp_path: Path) -> None:
    async with WebServer([204, 404]).serving() as web, MailServer().serving() as mail:
        path = tmp_path / "routes.yaml"
        section = f"""webhook: {{url: 'http://127.0.0.1:{web.port}/', only: disk}},
          mail: {{server: '127.0.0.1:{mail.port}', encryption: none, from: a@b.test, to: c@d.test}}"""
        path.write_text(routes(tmp_path, section))
        good = await asyncio.to_thread(run, "alerts", "test", "-c", path)
        bad = await asyncio.to_thread(run, "alerts", "test", "-c", path)
        told, letter = await web.taken.get(), await mail.taken.get()
    assert good.exit_code == 0
    assert good.output == (
        f"✓ webhook at 127.0.0.1 port {web.port}: taken\n✓ mail by 127.0.0.1 port {mail.port}: taken\n"
    )
    assert (told["kind"], told["sentence"]) == ("test", "this is a test; nothing is wrong")
    assert "this is a test" in letter["Subject"]
    assert bad.exit_code == 1
    first, second = bad.output.splitlines()
    assert first.endswith("it answers 404 Not Found; check the path of alerts.webhook.url")
    assert second.endswith("taken")


def test_the_verb_says_what_is_missing_where_nobody_is_to_be_told(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(routes(tmp_path, "").replace("alerts: {}\n", ""))
    result = run("alerts", "test", "-c", path)
    assert result.exit_code == 2
    assert "a section alerts in" in result.output
    path.write_text(routes(tmp_path, ""))
    assert isinstance(run("alerts", "test", "-c", path).exception, ConfigError)


def test_check_says_which_ways_are_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    section = """webhook: [{url: 'https://a.test/x'}, {url: 'http://b.test/x', only: disk}],
      mail: {server: 'm.test:587', from: a@b.test, to: c@d.test, tls: {verify: false}}"""
    path.write_text(routes(tmp_path, section))
    output = run("check", "-c", path).output
    assert "encrypted (TLS): alerts: webhook at a.test port 443, alerts: mail by m.test port 587\n" in output
    assert "alerts: webhook at b.test port 80" in output
    assert "warning: alerts: mail by m.test port 587: its certificate is not verified" in output
