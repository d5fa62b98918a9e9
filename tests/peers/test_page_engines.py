"""The page about nodes where engines share a journal, to axe and on a phone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, update

from engine.store.members import register
from engine.store.reader import opened
from engine.store.schema import members
from tests.hospital import hospital
from tests.peers.browser import chromium, visitor
from tests.peers.processes import free_port
from tests.peers.test_page_looks import faults
from tests.test_serve import serving

pytestmark = pytest.mark.peers


def _beside(where: str, **values: Any) -> None:
    """Another engine, which is so."""
    with opened(where, read_only=False) as connection, connection.begin():
        number = register(connection, stand_in=False)
        connection.execute(update(members).where(members.c.id == number).values(values))


def test_engines_that_share_a_journal_are_shown_to_everybody(tmp_path: Path, shared: str) -> None:
    page_port, routes = free_port(), tmp_path / "routes.yaml"
    states: list[Mapping[str, Any]] = [
        {"left_at": func.now()},
        {
            "lost_at": func.now(),
            "address": "10.0.0.8:2575",
            "name": "a-machine-with-a-long-name.example:41072",
        },
        {"stand_in": True, "seen_at": func.now() - dt.timedelta(seconds=9)},
    ]
    with hospital(tmp_path) as site:
        store = str(tmp_path / "forefetch.db")
        routes.write_text(f"{site.text.replace(store, shared)}web: {{listen: '127.0.0.1:{page_port}'}}\n")
        with serving(routes) as engine, chromium() as browser:
            assert engine.address
            for values in states:
                _beside(shared, **values)
            with visitor(browser, f"http://127.0.0.1:{page_port}", bypass_csp=True) as who:
                page = who.go("/nodes")
                expect(page.get_by_role("heading", name="Engine nodes")).to_be_visible()
                for word in ("alive", "silent", "left", "lost"):
                    expect(page.get_by_text(word, exact=True)).to_be_visible()
                assert not faults(who, "engine nodes")
                expect(who.go("/").get_by_text("what it had under way goes on elsewhere")).to_be_visible()
