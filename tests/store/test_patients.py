"""Whose tasks are, as far as the journal knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.hl7.patient import PatientValues
from engine.retrieve.selector import StudiesOfAccession
from engine.routing.meaning import Meaning, Merge, PatientIdentifier
from engine.store import Store, list_tasks, patients_of

from . import PRIORS, RESOLVED, message, opened, request

RAW = b"MSH|^~\\&|RIS|A|B|C|2026||ORM^O01|%d|P|2.5.1\rPID|1||%s^^^FOREST||%s\r"


def _merge(old: str, new: str) -> Meaning:
    return Meaning(merges=(Merge(PatientIdentifier(old, "A"), PatientIdentifier(new, "A")),))


async def _known(where: str | Path) -> dict[int, PatientValues]:
    return patients_of(where, list_tasks(where), "UNICODE UTF-8")


async def test_a_task_is_of_the_patients_of_all_its_messages_and_of_no_others(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), raw=RAW % (1, b"A-1", b"Aalto")))
        await store.journal(message(2, request("1.1"), raw=RAW % (2, b"B-2", b"Berg")))
        await store.journal(message(3, request("1.3"), raw=RAW % (3, b"C-3", b"Cole")))
    known = await _known(where)
    assert known[1].words == {"A-1", "Aalto", "B-2", "Berg"}
    assert known[2].words == {"C-3", "Cole"}


async def test_a_task_is_of_those_whom_it_asks_for_and_whom_they_were_merged_with(where: str | Path) -> None:
    accession = StudiesOfAccession("ACC1", patient_ids=(("Z-9", "A"),))
    async with opened(where) as store:
        await store.journal(message(1, meaning=_merge("OLD", "4711"), raw=b"MSH"))
        await store.journal(message(2, meaning=_merge("OLDER", "OLD"), raw=b"MSH"))
        by_budget = replace(request("1.2"), patient="P-1^FOREST")
        await store.journal(message(3, request(PRIORS), request(accession), by_budget))
    known = await _known(where)
    assert known[1].words == {"4711", "OLD", "OLDER"}
    assert known[2].words == {"Z-9"}
    assert known[3].words == {"P-1"}


async def test_what_was_found_is_of_the_patient_whose_search_it_was(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS), raw=RAW % (1, b"4711", b"Aalto")))
        await _answered(store)
    assert (await _known(where))[2].words == {"4711", "Aalto"}


async def _answered(store: Store) -> None:
    assert await store.claim(1) is not None
    assert await store.resolve(1, RESOLVED, (), [request("1.7")]) is not None


async def test_of_a_task_without_a_message_nothing_is_known(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), raw=b"no message at all"))
    assert (await _known(where))[1] == PatientValues()


def test_without_a_journal_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        patients_of(tmp_path / "journal.db", [], "UNICODE UTF-8")
