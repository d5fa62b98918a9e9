"""The main job on real sockets and associations: order in by MLLP, C-MOVE, outcome in the ACK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.app import Engine
from engine.errors import StoreError
from engine.hl7.message import Message
from engine.hl7.mllp import frame
from engine.retrieve.outcome import TaskStatus
from engine.sender import send
from engine.store import Store, list_tasks
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, Hospital, field, fields, hospital, order


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        yield running


async def ask(engine: Engine, *messages: bytes, pipelined: bool = False) -> list[bytes]:
    return await send(*engine.address, list(messages), pipelined=pipelined)


async def test_an_order_brings_the_priors_and_the_ack_says_so(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order())
    assert {it.study_uid for it in site.reading.objects} == {CHEST_CT, OLD_KNEE, "2.25.1001001"}
    assert field(ack, "MSA-1") == "AA"
    assert field(ack, "MSA-2") == "M1"
    assert field(ack, "MSA-3") == "3 of 3 studies arrived"
    assert fields(ack, "ERR-4") == ["I", "I", "I"]
    assert sorted(fields(ack, "ERR-5.1")) == ["0000", "0000", "0000"]


async def test_the_ordered_study_is_no_prior_of_itself(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        await ask(engine, order(study="2.25.1001001"))
        assert site.reading.arrived("2.25.1001001") == 0
        await ask(engine, order(control_id="M2", accession="A1001-1"))
    assert site.reading.arrived("2.25.1001001") == 0
    assert site.reading.arrived(CHEST_CT) == 5


async def test_a_patient_without_priors_is_a_success_without_a_move(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order(patient="FF-9999"))
    assert field(ack, "MSA-1") == "AA"
    assert field(ack, "MSA-3") == "no study to move"
    assert site.archive.moves == ()


async def test_a_resent_message_gets_its_first_ack_and_moves_nothing(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        first = await ask(engine, order("RE", study=CHEST_CT))
        again = await ask(engine, order("RE", study=CHEST_CT))
        other = await ask(engine, order("RE", study=CHEST_CT, control_id="M2"))
    assert again == first
    assert field(other[0], "MSA-2") == "M2"
    assert len(site.archive.moves) == 2


async def test_the_first_ack_is_given_again_after_a_restart(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        first = await ask(engine, order("RE", study=CHEST_CT))
    async with Engine(site.config, ALLOWED) as engine:
        assert await ask(engine, order("RE", study=CHEST_CT)) == first
    assert len(site.archive.moves) == 1


async def test_the_same_message_on_two_connections_at_once_is_carried_out_once(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        answers = await asyncio.gather(*(ask(engine, order("RE", study=CHEST_CT)) for _ in range(4)))
    assert len({ack for (ack,) in answers}) == 1
    assert len(site.archive.moves) == 1


@pytest.mark.parametrize("environment", [{}, {"DICOM_HL7_PACS_ALLOW_RETRIEVE": "True"}])
async def test_a_closed_gate_refuses_and_says_how_to_open_it(
    site: Hospital, environment: dict[str, str]
) -> None:
    async with Engine(site.config, environment) as engine:
        (ack,) = await ask(engine, order("RE", study=CHEST_CT))
    assert field(ack, "MSA-1") == "AE"
    assert "DICOM_HL7_PACS_ALLOW_RETRIEVE to exactly 'true'" in field(ack, "ERR-8")
    assert site.archive.moves == ()
    assert site.reading.arrived() == 0


async def test_a_disabled_route_asks_for_nothing(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("HD", study=CHEST_CT))
    assert (field(ack, "MSA-1"), field(ack, "MSA-3")) == ("AA", "no route asks for anything")
    assert site.archive.moves == ()


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        (order("RE", study=CHEST_CT, location="NOWHERE"), "A801", "move destination unknown"),
        (order("RE", study="2.25.404"), "0000", "the archive has no such study"),
        (order("RE", accession="A-404"), "not-found", "no study with this accession number"),
        (order("RE", study=CHEST_CT, series="2.25.1001001.1"), "not-found", "no such series in this study"),
        (order("UA", study=CHEST_CT), "unreachable", "127.0.0.1"),
    ],
)
async def test_each_failure_is_told_apart(site: Hospital, message: bytes, status: str, text: str) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, message)
    assert field(ack, "MSA-1") == "AE"
    assert fields(ack, "ERR-4") == ["E"]
    assert field(ack, "ERR-5.1") == status
    assert text in field(ack, "ERR-8")
    assert site.reading.arrived() == 0


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of pynetdicom in the simulated archive
async def test_a_destination_that_is_down_is_not_an_arrival(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("RE", study=CHEST_CT, location="DOWN"))
    assert field(ack, "MSA-1") == "AE"
    assert site.reading.arrived() == 0


async def test_a_series_of_a_study_comes_alone(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("RE", study=CHEST_CT, series=f"{CHEST_CT}.1"))
    assert field(ack, "MSA-1") == "AA"
    assert {it.series_uid for it in site.reading.objects} == {f"{CHEST_CT}.1"}


async def test_the_same_study_by_uid_and_by_accession_is_moved_once(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("RE", study=CHEST_CT, accession="A1001-2"))
    assert field(ack, "MSA-1") == "AA"
    assert [move.study_uid for move in site.archive.moves] == [CHEST_CT]


async def test_an_error_beside_a_success_is_an_error(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("RE", study=CHEST_CT, accession="A-404"))
    assert field(ack, "MSA-1") == "AE"
    assert field(ack, "MSA-3").startswith("1 of 1 study arrived; studies with accession number A-404")
    assert sorted(fields(ack, "ERR-4")) == ["E", "I"]
    assert site.reading.arrived(CHEST_CT) == 5


async def test_an_older_version_has_its_text_in_msa_3_and_its_error_in_err_1(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("RE", study=CHEST_CT, location="NOWHERE", version="2.3.1"))
    assert field(ack, "MSA-3").startswith("0 of 1 study arrived; study 2.25.1001002 to unknown")
    assert field(ack, "ERR-1.4.4") == "A801"


async def test_accepted_is_answered_before_the_retrieve_has_ended(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("SC", study=CHEST_CT))
        arrived = await asyncio.to_thread(site.reading.wait_for, 5, 20.0, CHEST_CT)
    assert (field(ack, "MSA-1"), field(ack, "MSA-3")) == ("AA", "accepted: 1 request to carry out")
    assert arrived


async def test_pipelined_messages_are_answered_in_their_order(site: Hospital) -> None:
    quick = [order("HD", control_id=f"Q{number}") for number in range(5)]
    messages = [order(control_id="SLOW"), *quick, order("RE", study=OLD_KNEE, control_id="LAST")]
    async with Engine(site.config, ALLOWED) as engine:
        acks = await ask(engine, *messages, pipelined=True)
    assert [field(ack, "MSA-2") for ack in acks] == ["SLOW", "Q0", "Q1", "Q2", "Q3", "Q4", "LAST"]


async def test_problems_of_a_message_are_named_with_their_field(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        (ack,) = await ask(engine, order("RE", study="2.25.1\\E\\2.25.2", accession="A1001-2"))
    assert field(ack, "MSA-1") == "AE"
    problem = fields(ack, "ERR-2.1").index("ZDS")
    assert fields(ack, "ERR-3.1")[problem] == "102"
    assert site.reading.arrived(CHEST_CT) == 5


@pytest.mark.parametrize(
    ("payload", "code", "error"),
    [
        (b"hello", "AR", "100"),
        (order(control_id=""), "AE", "101"),
        (order() + order(control_id="M2"), "AE", "100"),
    ],
)
async def test_unusable_messages_are_refused_in_words(
    site: Hospital, payload: bytes, code: str, error: str
) -> None:
    async with Engine(site.config, ALLOWED) as engine:
        reader, writer = await asyncio.open_connection(*engine.address)
        writer.write(frame(payload))
        ack = (await reader.readuntil(b"\x1c\r"))[1:-2]
        writer.close()
        await writer.wait_closed()
    assert Message(ack).header.type_code == "ACK"
    assert field(ack, "MSA-1") == code
    assert error in (field(ack, "ERR-3.1"), field(ack, "ERR-1.4"))
    assert list_tasks(site.config.engine.store) == []


async def test_a_message_that_cannot_be_kept_is_not_accepted(
    site: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreError("disk full")

    async with Engine(site.config, ALLOWED) as engine:
        with monkeypatch.context() as broken:
            broken.setattr(Store, "journal", full)
            (ack,) = await ask(engine, order("RE", study=CHEST_CT))
            assert (field(ack, "MSA-1"), field(ack, "ERR-3.1")) == ("AR", "207")
        (ack,) = await ask(engine, order("RE", study=CHEST_CT))
    assert field(ack, "MSA-1") == "AA"


async def test_the_deadline_answers_in_progress_with_the_task_and_the_study_still_arrives(
    tmp_path: Path,
) -> None:
    routes = """
routes:
  - {name: now, messages: ORM^O01, studies: {study: ZDS-1.1}, from: main, to: reading, deadline: 0s}
"""
    with hospital(tmp_path, routes) as site:
        async with Engine(site.config, ALLOWED) as engine:
            (ack,) = await ask(engine, order(study=CHEST_CT))
            arrived = await asyncio.to_thread(site.reading.wait_for, 5, 20.0, CHEST_CT)
        (task,) = list_tasks(site.config.engine.store)
    assert (field(ack, "MSA-1"), field(ack, "MSA-3")) == ("AA", f"accepted, in progress: task {task.id}")
    assert arrived
    assert task.status is TaskStatus.COMPLETED
