"""Archives and destinations: how they stand, and whether they answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from engine.config import parse
from engine.dicom.node import Archive
from engine.events import OperatorActed
from engine.simulator import SimulatedArchive
from engine.store import Closure, Standing
from engine.web.office import Role
from engine.web.pages.nodes import states_of
from tests.hospital import unused_port
from tests.web.reception import Filled, Reception, reception

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
IDLE = Standing({}, {}, ())
CONFIG = parse("""
engine: {time_zone: UTC}
archives: {main: {ae_title: A, host: 127.0.0.1, port: 1, windows: "daily 20:00-06:00"}}
destinations: {room: {ae_title: R}}
routes: [{name: a, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room}]
""")


def test_a_node_says_in_a_word_how_it_is() -> None:
    night = NOW.replace(hour=23)
    broken = Closure("archive", "main", "breaker", "it fails", NOW)
    rate = Closure("destination", "room", "rate", "too many", NOW)
    for now, at, words in (
        (IDLE, night, ["ready", "ready"]),
        (IDLE, NOW, ["window closed", "ready"]),
        (Standing({"main": 1}, {"room": 1}, ()), night, ["moving", "moving"]),
        (Standing({"main": 1}, {}, (broken, rate)), NOW, ["left alone", "slowed down"]),
    ):
        assert [state.word.text for state in states_of(CONFIG, now, at)] == words


async def test_nodes_are_listed_with_their_rules(desk: Reception) -> None:
    page = await desk.see("/nodes")
    assert "<code>ARCHIVE</code>" in page
    assert "left alone after 5 failures in a row" in page
    assert "not given" in page  # the address of a destination


async def test_a_node_is_asked_at_once_and_what_it_answers_is_shown(desk: Reception, tmp_path: Path) -> None:
    with SimulatedArchive("ARCHIVE", [], {}) as archive:
        listed: dict[str, Archive] = dict(desk.office.config.archives)
        listed["main"] = replace(listed["main"], port=archive.address[1])
        listed["dark"] = replace(listed["dark"], port=unused_port())
        config = replace(desk.office.config, archives=listed)
        (tmp_path / "asked").mkdir()
        async with reception(Filled(Path(desk.office.journal), config), tmp_path / "asked") as asked:
            page = await asked.post("/nodes/echo", {"kind": "archive", "name": "main"})
            assert page.count("answers</span>") == 1
            page = await asked.post("/nodes/echo", {"kind": "archive", "name": "dark"})
    assert "does not answer" in page
    assert "check host, port and firewall" in page
    assert asked.told == [OperatorActed("otto", "127.0.0.1", "echo", (), True)] * 2


async def test_a_node_that_is_not_listed_is_asked_for_in_vain(desk: Reception) -> None:
    assert "there is no archive nowhere" in await desk.post(
        "/nodes/echo", {"kind": "archive", "name": "nowhere"}, status=404
    )


async def test_a_viewer_asks_nobody(desk: Reception) -> None:
    await desk.post("/nodes/echo", {"kind": "all"}, Role.VIEWER, 403)
    assert [it.permitted for it in desk.told] == [False]
