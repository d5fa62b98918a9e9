"""Nothing of a patient gets to an assistant unless the operator allows it, whatever tool or message."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from engine.hl7.encoding import STANDARD_DELIMITERS, escape
from engine.hl7.message import Message
from engine.hl7.mllp import frame
from engine.hl7.path import FieldPath
from engine.hl7.patient import PatientValues, patient_values
from engine.mcp import sending
from engine.routing.conditions import OneOf
from engine.routing.router import decide
from engine.routing.table import RouteTable
from engine.simulator import SimulatedArchive, SimulatedDestination
from engine.simulator.faults import Fault
from engine.simulator.studies import GeneratedSeries, GeneratedStudy
from engine.telling.masking import Masking, Veil
from engine.telling.veiling import veiled_decision
from tests.hospital import unused_port
from tests.mcp.assistant import ALLOW_ALL, assistant, at_desk, content
from tests.mcp.engine import engine
from tests.mcp.patients import PATIENTS, Patient, strings_in
from tests.nursery import forked
from tests.routing.test_router import route

MASKED = {name: "true" for name in ALLOW_ALL if "PATIENT" not in name}
FIELDS = {
    "PID": "2 3.1 3(2).1 5.1 5.2 6.1 6.2 7 8 10 11.1 11.3 11.5 13 18 19",
    "PD1": "4.1 4.2",
    "MRG": "1.1 7.1 7.2",
    "NK1": "2.1 2.2 4.1 4.3 5",
    "PV1": "5 19 50",
    "GT1": "3.1 3.2 5.1 5.3 6",
    "IN1": "2 3 4 16.1 16.2",
    "IN2": "1 2",
    "ZPI": "1 2",
}


def _routes(patient: Patient, main: int, other: int, listen: str, folder: Path) -> str:
    """Conditions on everything of the patient, and every way in which a route may speak of it."""
    paths = [f"{segment}-{number}" for segment, numbers in FIELDS.items() for number in numbers.split()]
    exist = ", ".join(f"{{field: {json.dumps(path)}, exists: true}}" for path in paths)
    surname = json.dumps(patient.secrets[0] if "\\" in patient.surname else patient.surname)
    named = (
        f"{{field: PID-5.1, equals: {surname}}}, {{field: PID-3.1, in: [{json.dumps(patient.mrn)}, x]}}, "
        f"{{field: PID-8, in: [F, M, O]}}, {{field: PID-5.1, regex: {json.dumps('.*')}}}, "
        "{field: PID-7, date: {before: now}}"
    )
    return f"""
engine: {{listen: "{listen}", store: {folder / "forefetch.db"}, drain_timeout: 1s}}
archives:
  main: {{ae_title: MAIN, host: 127.0.0.1, port: {main}}}
  other: {{ae_title: OTHER, host: 127.0.0.1, port: {other}}}
destinations: {{reading: {{ae_title: READING}}}}
routes:
  - {{name: everything, messages: "*", when: {{any: [{exist}, {named}]}}, studies: {{accession: OBR-99}},
     from: main, to: reading}}
  - {{name: fields-as-uids, messages: [ADT^A08], studies: [{{study: PID-5.1}}, {{study: PID-11.1}}],
     from: main, to: reading}}
  - {{name: patient-decides, messages: [ADT^A08], studies: {{study: ZDS-1.1}}, from: main,
     to: {{field: PID-5.1, map: {{nobody: reading}}}}}}
  - {{name: id-decides, messages: [ADT^A08], studies: {{study: ZDS-1.1}}, from: main,
     to: {{field: PID-3.1, map: {{nobody: reading}}}}}}
  - {{name: account, messages: [ADT^A03], studies: {{accession: PID-18}}, from: main, to: reading}}
  - {{name: search, messages: ORM^O01, when: {{field: ORC-1, equals: NW}}, from: main, to: reading,
     studies: {{priors: {{patient: PID-3.1, within: 50y}}}}, retry: 3x1h, acknowledge: accepted}}
  - {{name: others, messages: ORM^O01, when: {{field: ORC-1, equals: UA}}, from: other, to: reading,
     studies: [{{priors: {{patient: PID-3.1, within: 50y}}}}, {{accession: OBR-18, patient: PID-3.1}}]}}
  - {{name: move, messages: ORM^O01, when: {{field: ORC-1, equals: RE}}, from: main, to: reading,
     studies: {{study: ZDS-1.1}}}}
  - {{name: asks, messages: ORM^O01, when: {{field: ORC-1, equals: SC}}, from: main, to: reading,
     studies: {{study: ZDS-1.1}}, hold: true, acknowledge: accepted}}
"""


def _studies(patient: Patient) -> list[GeneratedStudy]:
    """A study that names the patient in its description."""
    series = GeneratedSeries("CT", "axial", 2, f"{patient.study}.1")
    shown = patient.secrets[0] if "\\" in patient.surname else patient.surname
    return [
        GeneratedStudy(
            study_uid=patient.study,
            patient_id=patient.mrn,
            patient_name=f"{shown}^X",
            birth_date=dt.date(1961, 3, 14),
            sex="F",
            accession="ACC9",
            date=dt.date(2020, 5, 6),
            time=dt.time(9, 30),
            description=f"CT of {shown.upper()}",
            series=(series,),
        )
    ]


@contextmanager
def ward(folder: Path, patient: Patient) -> Iterator[Path]:
    """Archives of this patient; one of them fails and says whose images it has not."""
    known: dict[str, tuple[str, int]] = {}
    faults = [
        Fault.parse(f'main: status=0xA900, times=always, on=find, comment="{patient.comment}"'),
        Fault.parse(f'main: status=0xC001, times=always, on=move, comment="{patient.comment}"'),
    ]
    with ExitStack() as stack:
        reading = stack.enter_context(SimulatedDestination("READING"))
        known["READING"] = reading.address
        studies = _studies(patient)
        main = stack.enter_context(SimulatedArchive("MAIN", studies, known, faults=faults))
        other = stack.enter_context(SimulatedArchive("OTHER", studies, known))
        path = folder / "routes.yaml"
        listen = f"127.0.0.1:{unused_port()}"
        path.write_text(_routes(patient, main.address[1], other.address[1], listen, folder))
        yield path


@dataclass
class Told:
    """What tools have told, text and structure, and what the server has logged."""

    client: Client
    strings: list[str] = field(default_factory=list)
    failed: int = 0

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.client.call_tool(tool, arguments)
        self.failed += bool(result.is_error)
        self.strings += strings_in(result.model_dump(mode="json"))
        return content(result) if result.structured_content is not None else {}


@asynccontextmanager
async def telling(routes: Path, environment: dict[str, str]) -> AsyncIterator[Told]:
    async with assistant(routes, environment) as client:
        told = Told(client)
        yield told
    told.strings.append((routes.parent / "mcp.log").read_text())


def _messages(patient: Patient) -> list[str]:
    """Of every kind, each with its own control ID."""
    orders = [patient.message("ORM^O01", control, f"C-{control}") for control in ("NW", "UA", "RE", "SC")]
    events = [
        patient.message(f"ADT^{event}", "", f"C-{event}") for event in ("A01", "A08", "A11", "A40", "A03")
    ]
    cancel = patient.message("ORM^O01", "CA", "C-CA")
    return [*orders, *events, cancel]


async def _everything(told: Told, patient: Patient) -> None:
    """Every tool, on every message, and on every task that comes of them."""
    for message in _messages(patient):
        await told.call("hl7_explain", message=message, find="ORM" in message)
    await told.call("hl7_explain", message=_messages(patient)[0].replace("|C-NW|", "||"))
    await told.call("hl7_explain", message=f"MSH{patient.surname}^{patient.given}|x")
    await told.call("hl7_explain", mesage=_messages(patient)[0])
    await told.call("hl7_explain", message={"text": _messages(patient)[0]})
    for message in _messages(patient)[:6]:
        await told.call("hl7_send", message=message)
    await told.call("hl7_send", message=_messages(patient)[0], timeout=patient.surname)
    await told.call("tasks_list", route=patient.surname, since=patient.mrn)
    tasks = await _settled(told)
    assert {task["status"] for task in tasks} >= {"FAILED", "HELD", "SCHEDULED", "COMPLETED"}
    for task in tasks:
        await told.call("task_status", task_id=task["task_id"])
    for verb in ("task_retry", "task_approve", "task_cancel"):
        await told.call(verb, task_ids=[task["task_id"] for task in tasks])
        await told.call(verb, task_ids=[patient.surname])
    await told.call("tasks_list")
    await told.call("task_status", task_id=patient.mrn + "x")


async def _settled(told: Told) -> list[dict[str, Any]]:
    """The tasks, each of which has been tried or is held."""
    async with asyncio.timeout(30):
        while True:
            tasks: list[dict[str, Any]] = (await told.call("tasks_list"))["tasks"]
            if all(task["outcome"] or task["reason"] for task in tasks):
                return tasks


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
async def test_no_tool_tells_or_logs_anything_of_a_patient(tmp_path: Path, patient: Patient) -> None:
    with ward(tmp_path, patient) as routes, engine(routes):
        async with telling(routes, MASKED) as told:
            await _everything(told, patient)
    assert patient.seen_in(told.strings) == set()
    assert told.failed > 5
    assert any(patient.study in text for text in told.strings), "UIDs stay whole"


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
async def test_whoever_may_see_patients_is_told_all_of_it(tmp_path: Path, patient: Patient) -> None:
    """Which also shows that there was something to mask."""
    with ward(tmp_path, patient) as routes, engine(routes):
        async with assistant(routes) as client:
            told = Told(client)
            await _everything(told, patient)
    read = {it for it in patient.hidden if "\\" not in it and it not in patient.secrets}
    assert patient.seen_in(told.strings) >= read
    assert any(patient.comment in text for text in told.strings)
    assert not any("masked" in text for text in told.strings)


async def test_what_was_merged_with_a_patient_is_hidden_in_his_tasks_too(tmp_path: Path) -> None:
    """The archive is asked for the old ID as well, and says that."""
    patient = replace(PATIENTS[0], comment="no patient OLD-12 here")
    merge = patient.message("ADT^A40", "", "C-A40")
    search = patient.message("ORM^O01", "NW", "C-NW")
    with ward(tmp_path, patient) as routes:
        routes.write_text(routes.read_text().replace('messages: "*"', "messages: QRY"))
        with engine(routes):
            async with telling(routes, MASKED) as told:
                await told.call("hl7_send", message=merge)
                await told.call("hl7_send", message=search)
                await _settled(told)
                story = await told.call("task_status", task_id=1)
    assert "(no patient masked-" in story["task"]["reason"]
    assert patient.seen_in(told.strings) == set()


@pytest.mark.parametrize("patient_segment", ["", "PID|1||{}^^^FOREST^MR||||19610314|F\r"])
async def test_what_an_archive_says_is_withheld_where_it_is_not_known_whom_it_may_name(
    tmp_path: Path, patient_segment: str
) -> None:
    """A message without a patient or without his name, and an archive that knows whose study it is."""
    patient = PATIENTS[0]
    lines = patient.message("ORM^O01", "RE", "C-RE").split("\r")
    nobody = "\r".join(it for it in lines if it[:3] in {"MSH", "ORC", "ZDS"}) + "\r"
    nobody = nobody.replace("\rORC", f"\r{patient_segment.format(patient.mrn)}ORC")
    with ward(tmp_path, patient) as routes, engine(routes):
        async with telling(routes, MASKED) as told:
            sent = await told.call("hl7_send", message=nobody)
            story = await told.call("task_status", task_id=1)
            explained = await told.call("hl7_explain", message=nobody, find=True)
        async with assistant(routes) as client:
            shown = content(await client.call_tool("task_status", {"task_id": 1}))
    assert patient.seen_in(told.strings) == set()
    withheld = "its comment is withheld"
    assert withheld in story["outcome"]["comment"]
    assert withheld in sent["acknowledgments"][0]["details"][-1]["counts"]
    assert withheld in explained["messages"][0]["requests"][0]["found"]["outcome"]
    assert shown["outcome"]["comment"] == patient.comment


@asynccontextmanager
async def echoing(folder: Path, said: Callable[[str], str]) -> AsyncIterator[Path]:
    """Routes of a receiver that acknowledges by repeating, in MSA-3 and ERR-8, what it makes of a message."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = await reader.readuntil(b"\x1c\r")
        text = escape(said(block[1:-2].decode()), STANDARD_DELIMITERS)
        ack = f"MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\rMSA|AE|C-RE|{text}\rERR|||102|E||||{text}\r"
        writer.write(frame(ack.encode()))
        await reader.read()
        writer.close()

    receiver = await asyncio.start_server(answer, "127.0.0.1", 0)
    path = folder / "routes.yaml"
    port = receiver.sockets[0].getsockname()[1]
    path.write_text(_routes(PATIENTS[0], 1, 1, f"127.0.0.1:{port}", folder))
    async with receiver:
        yield path


def _all_of_it(message: str) -> str:
    return message.replace("\r", " / ")


def _in_capitals(message: str) -> str:
    return message.upper().replace("|", " ")


@pytest.mark.parametrize("said", [_all_of_it, _in_capitals])
@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
async def test_an_acknowledgment_that_repeats_the_message_is_masked(
    tmp_path: Path, patient: Patient, said: Callable[[str], str]
) -> None:
    async with echoing(tmp_path, said) as routes, at_desk(routes, MASKED) as client:
        told = Told(client)
        sent = await told.call("hl7_send", message=patient.message("ORM^O01", "RE", "C-RE"))
    assert patient.seen_in(told.strings) == set()
    text = sent["acknowledgments"][0]["text"]
    assert patient.study in text
    assert "masked-" in text


def test_a_task_and_its_counts_stay_though_the_patient_has_the_same_number() -> None:
    diagnostics = "task 12; completed 12, failed 3; no room for 12"
    ack = f"MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\rMSA|AE|1\rERR|||207|E|||{diagnostics}|failed\r"
    veil = sending.veil_over(Masking(shown=False), [b"MSH|^~\\&|A\rPID|1||12||Aalto^Mira\r"], "ASCII")
    (line,) = sending.read(ack.encode(), veil).lines
    assert line.task == 12
    assert re.sub("masked-[0-9a-f]{6}", "*", line.diagnostics) == diagnostics.replace("for 12", "for *")


@pytest.mark.parametrize("length", range(1, 40))
async def test_a_text_that_was_cut_in_the_middle_of_a_value_keeps_the_beginning_of_it_back(
    length: int,
) -> None:
    veil = Masking(shown=False).of(PatientValues.of_ids(["Straße-Lüdenscheidt", "Mannerheimintie 5"]))
    for text in ("patient 'Straße-Lüdenscheidt' is", "of MANNERHEIMINTIE 5 it is"):
        told = veil.echo(f"{text[:length]}...")
        assert not re.search("str|man", told, re.IGNORECASE)


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("study 1.2.276.7.1001.7 of 7", "study 1.2.276.7.1001.7 of *"),
        ("1001 (1001) 1001_1001 x1001 10011", "* (*) *_* x1001 10011"),
        ("2.25.1001.", "2.25.1001."),
        ("version 2.5.1 and 1001.5", "version 2.5.1 and *.5"),
        ("ZOE Zoë zoe O'BRIEN's", "* * * *'s"),
        ("MUELLER, Muller, MÜLLER", "*, *, *"),
    ],
)
def test_values_are_words_and_uids_stay_whole(said: str, seen: str) -> None:
    veil = Masking(shown=False).of(PatientValues.of_ids(["7", "1001", "Zoë", "O'Brien", "Müller"]))
    assert re.sub("masked-[0-9a-f]{6}", "*", veil.echo(said)) == seen


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("O'Brien-Smith^Mary Ann", "SMITH, MARY"),
        ("O'Brien-Smith^Mary Ann", "Brien Smith and OBrienSmith"),
        ("O'Brien-Smith^Mary Ann", "OBRIEN SMITH"),
        ("山田^太郎", "患者山田太郎"),
        ("김^민수", "김민수님"),
    ],
)
def test_a_name_is_masked_by_its_parts_and_without_spaces_too(name: str, said: str) -> None:
    values = patient_values(f"MSH|^~\\&|A\rPID|1||A-1||{name}\r".encode())
    seen = re.sub("masked-[0-9a-f]{6}", "", Masking(shown=False).of(values).echo(said))
    assert set(re.findall(r"\w+", seen)) <= {"and", "患者", "님"}


def test_short_values_are_masked_in_quotes_and_not_as_words_of_our_own_sentences() -> None:
    veil = Masking(shown=False).of(PatientValues.of_ids(["7"]))
    told = veil.sentence("PID-3.1 '7' is not in the map; 7 of 7 objects arrived; it is the patient's: '7'")
    assert re.sub("masked-[0-9a-f]{6}", "*", told) == (
        "PID-3.1 '*' is not in the map; 7 of 7 objects arrived; it is the patient's: '*'"
    )


def test_a_pseudonym_is_the_same_wherever_and_however_a_value_is_written_and_another_in_the_next_run() -> (
    None
):
    masking = Masking(shown=False)
    veil = masking.of(PatientValues.of_ids(["Aalto"]))
    assert (
        veil.echo("AALTO aalto 'Aalto'") == f"{masking.value('Aalto')} " * 2 + f"'{masking.value('Aalto')}'"
    )
    assert Masking(shown=False).value("Aalto") != masking.value("Aalto")


def test_the_values_that_ruled_routes_out_are_hidden_as_those_of_a_check() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|||ORM^O01|1|P|2.5\rPID|||4711||MOORE\rPV1|||RAD"
    message, masking = Message(raw), Masking(shown=False)
    fields = [OneOf(FieldPath.parse(path), ("x",)) for path in ("PID-3.1", "PV1-3.1")]
    routes = RouteTable([route(str(field.path), condition=field) for field in fields])
    decision = decide(message, routes, dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
    veiled = veiled_decision(decision, Veil(masking, patient_values(raw)))
    found = [value.text for field in veiled.ruled_out.fields for value in field.found]
    assert found == [masking.value("4711"), "RAD"]


def test_what_is_shown_is_not_touched() -> None:
    veil = Masking(shown=True).of(PatientValues.of_ids(["Aalto"]))
    text = "status 0xA900 (Aalto) 'Aalto'"
    assert {veil.echo(text), veil.sentence(text), veil.comment(text), veil.literals(text)} == {text}


async def test_requests_that_are_none_are_not_repeated(tmp_path: Path) -> None:
    """Below what any client would send: arguments that are no object, and no JSON at all."""
    patient = PATIENTS[0]
    message = patient.message("ORM^O01", "NW", "C-NW")
    with ward(tmp_path, patient) as routes:
        server = await asyncio.create_subprocess_exec(
            *(*forked(), "mcp", "--config", str(routes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**20,  # bytes of a line: the list of tools is one
            env={**os.environ, **MASKED},
        )
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write("".join(f"{line}\n" for line in _broken_requests(message)).encode())
        answers: list[str] = []
        async with asyncio.timeout(60):
            while not answers or json.loads(answers[-1]).get("id") != 4:
                answers.append((await server.stdout.readline()).decode())
            _, log = await server.communicate(b"")
    assert len(answers) > 3
    assert patient.seen_in([*answers, log.decode()]) == set()


def _broken_requests(message: str) -> Iterator[str]:
    """After a proper beginning; the last is a proper one again."""
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    call = {"name": "hl7_explain", "arguments": message}
    wrong = {"name": "hl7_explain", "arguments": {"message": [message]}, "_meta": message}
    yield json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about})
    yield json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
    yield json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
    yield json.dumps({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": wrong})
    yield json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"x": message}})
    yield json.dumps({"jsonrpc": "2.0", "text": message})
    yield message.replace("\r", " ")
    yield json.dumps({"jsonrpc": "2.0", "id": 4, "method": "tools/list"})
