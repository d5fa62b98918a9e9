"""hl7_explain and hl7_send, as an assistant calls them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp.types import CallToolResult
from typer.testing import CliRunner

from engine.cli import app
from engine.config import parse
from engine.errors import ForefetchError
from engine.hl7.mllp import frame
from engine.mcp.sending import address_of
from engine.retrieve.gate import SWITCH
from engine.scu import ArchiveClient
from engine.store import list_tasks
from tests.certificates import Certificates
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, Hospital, hospital, order
from tests.mcp.assistant import ALLOW_ALL, assistant, at_desk, content, text
from tests.mcp.engine import engine, written
from tests.mcp.test_query_failures import endless, was_canceled

ALL_BUT_PATIENTS = {name: "true" for name in ALLOW_ALL if "PATIENT" not in name}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        yield running


@pytest.fixture
def routes(site: Hospital, tmp_path: Path) -> Path:
    return written(tmp_path, site.text)


async def explain(routes: Path, message: str, **named: object) -> CallToolResult:
    async with at_desk(routes) as client:
        return await client.call_tool("hl7_explain", {"message": message, **named})


def typed(*words: object) -> str:
    environment = {"COLUMNS": "300", **ALLOWED}
    return CliRunner().invoke(app, [str(word) for word in words], env=environment).output


# hl7_explain


@pytest.mark.parametrize("find", [False, True])
async def test_a_message_is_explained_in_the_words_of_the_command_line(
    routes: Path, tmp_path: Path, find: bool
) -> None:
    (tmp_path / "order.hl7").write_bytes(order(study="2.25.1001001"))
    words = ["--find"] if find else []
    async with assistant(routes) as client:
        call = {"message": order(study="2.25.1001001").decode(), "find": find}
        told = await client.call_tool("hl7_explain", call)
    assert not told.is_error
    wanted = typed("explain", tmp_path / "order.hl7", "--config", routes, *words)
    assert text(told) == wanted.rstrip("\n")


async def test_without_find_no_network_is_touched(site: Hospital, routes: Path) -> None:
    told = await explain(routes, order().decode())
    assert site.archive.associations == 0
    (message,) = content(told)["messages"]
    assert (message["message_type"], message["routes"], message["refused"]) == ("ORM^O01", ["priors"], None)
    (request,) = message["requests"]
    assert (request["kind"], request["archive"], request["destination"]) == ("priors", "main", "reading")
    assert request["found"] is None
    assert [check["route"] for check in message["trace"]] == ["priors", "study", "later", "off", "dark"]
    (kind, both, control) = message["trace"][1]["checks"]
    assert (kind["depth"], kind["held"], both["held"], control["depth"]) == (0, True, False, 1)
    assert control["found"] == [{"location": "ORC-1", "text": "NW"}]


async def test_find_tells_what_the_archive_has_and_moves_nothing(site: Hospital, routes: Path) -> None:
    told = await explain(routes, order(study="2.25.1001001").decode(), find=True)
    found = content(told)["messages"][0]["requests"][0]["found"]
    assert [choice["study"] for choice in found["choices"] if choice["taken"]] == [CHEST_CT, OLD_KNEE]
    assert "it is the ordered study" in found["choices"][0]["why"]
    assert site.archive.moves == ()


async def test_a_call_that_is_canceled_stops_the_archive(tmp_path: Path) -> None:
    with endless() as archive:
        path = tmp_path / "routes.yaml"
        path.write_text(f"""
engine: {{store: {tmp_path / "forefetch.db"}}}
archives: {{main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {archive.address[1]}}}}}
destinations: {{reading: {{ae_title: READING}}}}
routes: [{{name: priors, messages: "*", studies: {{priors: {{}}}}, from: main, to: reading}}]
""")
        async with assistant(path) as client:
            call = {"message": order().decode(), "find": True}
            waiting = asyncio.create_task(client.call_tool("hl7_explain", call))
            assert await asyncio.to_thread(archive.faults.wait_for, 1, 20)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert await was_canceled(archive)


async def test_an_archive_that_cannot_be_asked_is_told_with_the_cure(routes: Path) -> None:
    told = await explain(routes, order("UA", study=CHEST_CT).decode(), find=True)
    assert not told.is_error
    found = content(told)["messages"][0]["requests"][0]["found"]
    assert "no TCP connection" in found["outcome"]
    assert "forefetch echo" in found["outcome"]


async def test_the_gate_stands_as_the_server_may_retrieve(routes: Path) -> None:
    async with at_desk(routes, {}) as client:
        told = await client.call_tool("hl7_explain", {"message": order("RE", study=CHEST_CT).decode()})
    (sentence,) = content(told)["messages"][0]["gate"]
    assert sentence.startswith("closed (switch)")
    assert SWITCH in sentence


REJECTING = """
intake: {senders: {application: HIS}, versions: "2.5*"}
routes:
  - {name: strict, messages: ORM^O01, studies: {study: ZDS-1.1}, from: main, to: reading, validate: true}
"""


@pytest.mark.parametrize(
    ("message", "code", "error", "location"),
    [
        ("hello", "AR", 100, "MSH"),
        (order().decode().replace("|M1|", "||"), "AE", 101, "MSH-10"),
        (order().decode().replace("|HIS|", "|ELSE|"), "AR", 103, "MSH-3.1"),
        (order(version="2.3").decode(), "AR", 203, "MSH-12.1"),
        (order("RE").decode().replace("PV1|", "ZZZ|x\rPV1|").replace("PID|", "PIX|"), "AE", 100, ""),
    ],
)
async def test_a_message_that_the_engine_would_refuse_is_an_error_with_its_code(
    tmp_path: Path, message: str, code: str, error: int, location: str
) -> None:
    with hospital(tmp_path, REJECTING) as site:
        told = await explain(written(tmp_path, site.text), message)
    assert told.is_error
    refused = content(told)["messages"][0]["refused"]
    assert (refused["acknowledgment"], refused["code"], refused["location"]) == (code, error, location)
    assert text(told) == f"refused with {code}, HL7 error {error}: {refused['text']}"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("framed", [False, True])
async def test_several_messages_are_explained_one_by_one(routes: Path, end: str, framed: bool) -> None:
    messages = [order(), order("RE", study=CHEST_CT, control_id="M2")]
    blocks = [frame(message) if framed else message for message in messages]
    told = await explain(routes, b"".join(blocks).decode().replace("\r", end))
    assert not told.is_error
    assert [one["routes"] for one in content(told)["messages"]] == [["priors"], ["study"]]
    assert "message 2 of 2" in text(told)


@pytest.mark.parametrize("framed", [False, True])
async def test_the_messages_of_a_batch_are_explained_as_the_engine_takes_them(
    routes: Path, framed: bool
) -> None:
    batch = b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + order() + order("RE", study=CHEST_CT) + b"BTS|2\rFTS|1\r"
    told = await explain(routes, (frame(batch) if framed else batch).decode())
    assert not told.is_error
    assert [one["routes"] for one in content(told)["messages"]] == [["priors"], ["study"]]


async def test_one_refused_message_of_two_makes_an_error_and_the_other_is_told(routes: Path) -> None:
    told = await explain(routes, (order() + order(control_id="")).decode())
    assert told.is_error
    good, bad = content(told)["messages"]
    assert good["routes"] == ["priors"]
    assert bad["refused"]["code"] == 101


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("", "there is no message"),
        (" \r\n", "there is no message"),
        (order().decode().replace("\r", "\\r"), "a backslash and a letter"),
        (order().decode() * 51, "at most 50 at a time"),
    ],
)
async def test_what_is_no_message_is_answered_with_a_sentence(
    routes: Path, message: str, sentence: str
) -> None:
    told = await explain(routes, message)
    assert told.is_error
    assert sentence in text(told)


async def test_text_is_read_in_the_character_set_that_the_message_declares(tmp_path: Path) -> None:
    named = """
routes:
  - {name: named, messages: ORM^O01, when: {field: PID-5.1, equals: Müller}, studies: {study: ZDS-1.1},
     from: main, to: reading}
"""
    message = order(study=CHEST_CT).decode().replace("Aalto", "Müller")
    with hospital(tmp_path, named) as site:
        told = await explain(
            written(tmp_path, site.text), message.replace("|P|2.5.1", "|P|2.5.1||||||8859/1")
        )
    (one,) = content(told)["messages"]
    assert (one["routes"], one["warnings"]) == (["named"], [])


# hl7_send


async def test_sending_is_refused_with_the_cure_where_it_is_switched_off(
    routes: Path, tmp_path: Path
) -> None:
    with engine(routes):
        async with assistant(routes, ALLOWED) as client:
            told = await client.call_tool("hl7_send", {"message": order("RE", study=CHEST_CT).decode()})
    assert told.is_error
    assert "DICOM_HL7_PACS_ALLOW_SEND to exactly 'true'" in text(told)
    assert list_tasks(tmp_path / "forefetch.db") == []


async def test_a_sent_message_is_carried_out_once_however_often_it_is_sent(
    site: Hospital, routes: Path
) -> None:
    with engine(routes):
        async with assistant(routes) as client:
            message = {"message": order("RE", study=CHEST_CT).decode()}
            told = await client.call_tool("hl7_send", message)
            again = await client.call_tool("hl7_send", message)
    assert not told.is_error
    assert content(again) == content(told)
    assert text(told).startswith("message M1: AA 1 of 1 study arrived\n  I 0000 ")
    report = content(told)
    assert (report["messages"], report["positive"], report["fault"]) == (1, True, "")
    (ack,) = report["acknowledgments"]
    assert (ack["code"], ack["control_id"], ack["positive"]) == ("AA", "M1", True)
    (detail,) = ack["details"]
    assert (detail["severity"], detail["code"], detail["dicom_status"], detail["task_id"]) == (
        "I",
        "0",
        "0000",
        1,
    )
    assert "completed 5" in detail["counts"]
    assert [move.study_uid for move in site.archive.moves] == [CHEST_CT]


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1", "2.8"])
async def test_one_negative_acknowledgment_of_two_is_an_error_that_says_what_happened(
    routes: Path, version: str
) -> None:
    bad = order("RE", study=CHEST_CT, location="NOWHERE", control_id="M2", version=version)
    with engine(routes):
        async with assistant(routes) as client:
            message = (order("RE", study=CHEST_CT, version=version) + bad).decode()
            told = await client.call_tool("hl7_send", {"message": message})
    assert told.is_error
    assert [ack["code"] for ack in content(told)["acknowledgments"]] == ["AA", "AE"]
    (detail,) = content(told)["acknowledgments"][1]["details"]
    assert (detail["dicom_status"], detail["code"]) == ("A801", "207")
    assert "move destination unknown" in detail["text"]


async def test_a_refusal_names_the_field(routes: Path) -> None:
    with engine(routes):
        async with assistant(routes) as client:
            told = await client.call_tool("hl7_send", {"message": order("RE", study="1.2.x").decode()})
    assert told.is_error
    (detail,) = content(told)["acknowledgments"][0]["details"]
    assert (detail["severity"], detail["code"], detail["location"]) == ("E", "102", "ZDS-1.1")


async def test_both_acknowledgments_of_enhanced_mode_are_told(routes: Path) -> None:
    message = order("RE", study=CHEST_CT).decode().replace("|P|2.5.1", "|P|2.5.1|||AL|AL")
    with engine(routes):
        async with assistant(routes) as client:
            told = await client.call_tool("hl7_send", {"message": message})
    assert not told.is_error
    assert [ack["code"] for ack in content(told)["acknowledgments"]] == ["CA", "AA"]


async def test_a_message_that_asks_for_no_acknowledgment_is_not_reported_as_done(routes: Path) -> None:
    message = order("RE", study=CHEST_CT).decode().replace("|P|2.5.1", "|P|2.5.1|||NE|NE")
    with engine(routes):
        async with assistant(routes) as client:
            told = await client.call_tool("hl7_send", {"message": message})
    assert told.is_error
    assert "what became of them is not known" in text(told)


async def test_where_nothing_listens_the_cure_is_named(routes: Path) -> None:
    async with assistant(routes) as client:
        told = await client.call_tool("hl7_send", {"message": order().decode()})
    assert told.is_error
    assert text(told).endswith("start it with: forefetch serve")
    assert content(told)["positive"] is False


@asynccontextmanager
async def silent_receiver(folder: Path, site: Hospital) -> AsyncIterator[tuple[Path, asyncio.Event]]:
    """Routes of an engine that takes connections and is silent, and whether one has come."""
    accepted = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()  # to the end of the connection
        writer.close()

    receiver = await asyncio.start_server(silent, "127.0.0.1", 0)
    path = folder / "routes.yaml"
    path.write_text(site.text.replace("127.0.0.1:0", f"127.0.0.1:{receiver.sockets[0].getsockname()[1]}"))
    async with receiver:
        yield path, accepted


async def test_a_silent_engine_is_given_up_after_the_timeout(tmp_path: Path, site: Hospital) -> None:
    async with silent_receiver(tmp_path, site) as (path, _), assistant(path) as client:
        told = await client.call_tool("hl7_send", {"message": order().decode(), "timeout": 0.3})
    assert told.is_error
    assert "no acknowledgment within 0.3 s" in text(told)
    assert content(told)["acknowledgments"] == []


async def test_whoever_waits_for_an_acknowledgment_keeps_nobody_else_waiting(
    tmp_path: Path, site: Hospital
) -> None:
    """And may be canceled, which ends the connection."""
    async with silent_receiver(tmp_path, site) as (path, accepted), assistant(path) as client:
        call = client.call_tool("hl7_send", {"message": order().decode(), "timeout": 600})
        waiting = asyncio.create_task(call)
        await accepted.wait()
        told = await client.call_tool("hl7_explain", {"message": order().decode()})
        assert not told.is_error
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("timeout", [0, -1, 601, 1e308])
async def test_a_timeout_out_of_bounds_is_answered_with_the_bounds(routes: Path, timeout: float) -> None:
    async with at_desk(routes) as client:
        told = await client.call_tool("hl7_send", {"message": order().decode(), "timeout": timeout})
    assert told.is_error
    assert text(told) == "timeout: seconds above 0, at most 600"


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:2575", ("127.0.0.1", 2575)),
        ("[::]:2575", ("::1", 2575)),
        ("127.0.0.2:2575", ("127.0.0.2", 2575)),
        ("localhost:2575", ("localhost", 2575)),
    ],
)
def test_an_engine_that_listens_everywhere_is_spoken_to_on_the_loopback(
    site: Hospital, listen: str, address: tuple[str, int]
) -> None:
    assert address_of(parse(site.text.replace("127.0.0.1:0", listen)), "routes.yaml") == address


def test_a_port_that_the_system_chooses_cannot_be_known(site: Hospital) -> None:
    with pytest.raises(ForefetchError, match=r"engine\.listen in routes\.yaml has port 0"):
        address_of(site.config, "routes.yaml")


async def test_an_engine_with_tls_is_known_by_its_own_certificate_whatever_name_that_has(
    tmp_path: Path, certificates: Certificates
) -> None:
    pair = certificates.pair("engine.hospital")
    tls = f", tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
    with hospital(tmp_path, engine=tls) as site:
        routes = written(tmp_path, site.text)
        with engine(routes):
            async with assistant(routes) as client:
                told = await client.call_tool("hl7_send", {"message": order("RE", study=CHEST_CT).decode()})
    assert not told.is_error, text(told)


async def test_an_engine_that_wants_certificates_of_senders_has_to_be_sent_to_by_hand(
    tmp_path: Path, certificates: Certificates
) -> None:
    pair = certificates.pair()
    tls = f", tls: {{ca: {certificates.ca}, certificate: {pair.certificate}, key: {pair.key}}}"
    with hospital(tmp_path, engine=tls) as site:
        async with at_desk(written(tmp_path, site.text)) as client:
            told = await client.call_tool("hl7_send", {"message": order().decode()})
    assert told.is_error
    assert "use: forefetch send --tls" in text(told)


# both


async def test_the_tools_say_what_they_do_to_others(routes: Path) -> None:
    async with assistant(routes, ALL_BUT_PATIENTS) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    explaining, sending = (tools[name].annotations for name in ("hl7_explain", "hl7_send"))
    assert explaining is not None
    assert sending is not None
    assert (explaining.read_only_hint, explaining.destructive_hint) == (True, False)
    assert (sending.read_only_hint, sending.destructive_hint) == (False, True)
    assert (sending.idempotent_hint, sending.open_world_hint) == (True, True)
    for name in ("hl7_explain", "hl7_send"):
        assert tools[name].output_schema is not None


async def test_archives_that_were_asked_are_left_outside_of_the_event_loop(
    routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release may take as long as the archive likes; nothing else would be answered meanwhile."""
    close, left_in = ArchiveClient.close, []

    def noting(client: ArchiveClient) -> None:
        left_in.append(threading.current_thread())
        close(client)

    monkeypatch.setattr(ArchiveClient, "close", noting)
    assert not (await explain(routes, order().decode(), find=True)).is_error
    assert left_in
    assert threading.current_thread() not in left_in
