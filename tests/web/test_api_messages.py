"""Messages and explanations by the API, on journals that an engine has written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.app import Engine
from engine.config import parse
from engine.sender import send
from engine.store import browse
from engine.web.api import export
from tests.hospital import ALLOWED, CHEST_CT, Hospital, hospital, order
from tests.store import message, opened, request
from tests.web.api import VIEWER, Api, api


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        yield running


def quiet(folder: Path) -> str:
    """A configuration whose nodes nobody asks."""
    return f"""
engine: {{listen: "127.0.0.1:0", store: {folder / "journal"}}}
archives: {{pacs: {{ae_title: PACS, host: 127.0.0.1, port: 1}}}}
destinations: {{ws: {{ae_title: WS}}}}
routes: [{{name: orders, messages: ORM^O01, studies: {{study: ZDS-1.1}}, from: pacs, to: ws}}]
"""


async def test_a_message_is_told_with_its_fields_its_decision_its_ack_and_its_tasks(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await send(*engine.address, [order("RE", study=CHEST_CT)])
        page = await asked.get("/messages", params={"control_id": "M1"})
        (row,) = page["messages"]
        told = await asked.get(f"/messages/{row['message_id']}")
    assert (row["ack_code"], row["message_type"], page["next"]) == ("AA", "ORM^O01", None)
    values = {it["path"]: it for segment in told["segments"] for it in segment["values"]}
    assert values["PID-3.1"]["text"] == "FF-1001"
    assert values["PID-3.1"]["name"].startswith("Patient identifier list")
    assert told["text"].encode() == order("RE", study=CHEST_CT)
    assert told["decision"]["routes"] == ["study"]
    assert "MSA|AA|M1" in told["acknowledgment"]
    (task,) = told["tasks"]
    assert (task["status"], task["study"], task["counters"]["completed"]) == ("COMPLETED", CHEST_CT, 5)


async def test_a_viewer_is_not_told_whose_message_it_is(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await send(*engine.address, [order()])
        text = "".join(
            [
                str(await asked.get(path, headers=VIEWER))
                for path in ("/messages/1", "/messages", "/tasks", "/tasks/1", "/tasks/2", "/tasks.csv")
            ]
        )
        explained = str(await asked.post("/explain", content=order(), headers=VIEWER))
        shown = str(await asked.get("/messages/1"))
    for secret in ("FF-1001", "Aalto", "Mira", "19610314"):
        assert secret in shown
        assert secret not in text
        assert secret not in explained
    assert "masked-" in text


async def test_messages_are_paged_by_the_address_that_is_told(tmp_path: Path) -> None:
    config = parse(quiet(tmp_path))
    async with opened(tmp_path / "journal") as store, api(config) as asked:
        for number in range(1, 6):
            await store.journal(message(number))
        seen, path = [], "/messages?limit=2&application=RIS"
        while path:
            page = await asked.get(path)
            seen += [it["control_id"] for it in page["messages"]]
            path = (page["next"] or "").removeprefix("/api/v1")
    assert seen == ["5", "4", "3", "2", "1"]


async def test_messages_that_have_to_be_read_are_exported_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST_READ", 2)
    config = parse(quiet(tmp_path))
    async with opened(tmp_path / "journal") as store, api(config) as asked:
        for number in range(1, 6):
            wanted = [request()] if number == 1 else []
            await store.journal(message(number, *wanted, raw=order(patient="P1")))
        page = await asked.get("/messages", params={"patient": "P1"})
        text = await asked.get("/messages.csv", params={"patient": "P1"})
    rows = list(csv.DictReader(io.StringIO(text)))
    assert page["looked_to"] == 4
    assert "before=4" in page["next"]
    assert [row["message_id"] for row in rows] == ["5", "4", "3", "2", "1"]


async def test_the_export_goes_through_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_LISTED", 2)
    async with opened(tmp_path / "journal") as store, api(parse(quiet(tmp_path))) as asked:
        for number in range(1, 6):
            await store.journal(message(number, request(f"1.{number}")))
        messages = list(csv.DictReader(io.StringIO(await asked.get("/messages.csv"))))
        tasks = list(csv.DictReader(io.StringIO(await asked.get("/tasks.csv"))))
    assert [row["message_id"] for row in messages] == [row["task_id"] for row in tasks] == list("54321")
    assert tasks[0]["study"] == "1.5"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t"])
async def test_a_cell_is_no_formula(tmp_path: Path, begin: str) -> None:
    async with opened(tmp_path / "journal") as store, api(parse(quiet(tmp_path))) as asked:
        await store.journal(message(1, control_id=f"{begin}HYPERLINK(1)"))
        (row,) = csv.DictReader(io.StringIO(await asked.get("/messages.csv")))
    assert row["control_id"] == f"'{begin}HYPERLINK(1)"


async def test_a_message_is_explained_as_the_command_explains_it(site: Hospital) -> None:
    async with api(site.config) as asked:
        (told,) = await asked.post("/explain", content=order("RE", study=CHEST_CT))
        (other,) = await asked.post("/explain", content=order("RE", control_id=""))
        many = await asked.post("/explain", content=order().replace(b"\r", b"\n") * 2)
    assert told["routes"] == ["study"]
    assert told["requests"][0]["from"] == "main"
    assert [it["route"] for it in told["trace"] if it["matched"]] == ["study"]
    assert list(other) == ["refused"]
    assert other["refused"]["location"] == "MSH-10"
    assert [it["message"] for it in many] == ["ORM^O01", "ORM^O01"]


@pytest.mark.parametrize(("content", "status"), [(b"", 400), (b"MSH|" + b"x" * 2**25, 413)])
async def test_what_is_no_message_is_a_problem_with_the_cure(
    site: Hospital, content: bytes, status: int
) -> None:
    async with api(site.config) as asked:
        problem = await asked.post("/explain", status, content=content)
    assert problem["status"] == status
    assert problem["cure"]


async def wrong(asked: Api, path: str, name: str) -> str:
    problem = await asked.get(path, 400)
    (fault,) = problem["faults"]
    assert fault["parameter"].startswith(name)
    assert name in problem["detail"]
    return str(fault["detail"])


async def test_a_bad_parameter_is_named_with_what_it_may_be(site: Hospital) -> None:
    async with Engine(site.config), api(site.config) as asked:
        assert "a time with its zone" in await wrong(asked, "/messages?since=yesterday", "since")
        assert "zone" in await wrong(asked, "/messages?until=2026-01-01T00:00:00", "until")
        assert "less than or equal to 500" in await wrong(asked, "/messages?limit=501", "limit")
        assert "no such parameter" in await wrong(asked, "/messages?patent=1", "patent")
        assert "'FAILED'" in await wrong(asked, "/tasks?status=LOST", "status")
        assert "integer" in await wrong(asked, "/tasks?before=x", "before")
        assert "zone" in await wrong(asked, "/tasks?since=0001-01-01T00:00:00%2B14:00", "since")
        assert (await asked.get("/messages?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z"))[
            "next"
        ] is None
        await asked.get("/tasks?status=failed,HELD&status=WARNING&since=12h")
        await asked.get("/messages?since=2026-01-01T00:00:00+01:00&until=2026-01-01T00:00:00Z")


async def test_a_journal_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    async with api(parse(quiet(tmp_path))) as asked:
        for path in ("/messages", "/tasks", "/messages.csv", "/tasks.csv", "/status", "/nodes", "/tasks/1"):
            problem = await asked.get(path, 503)
            assert "forefetch serve" in problem["detail"]
