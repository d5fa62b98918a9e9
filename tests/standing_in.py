"""Calls of tests that are carried out by a stand-in."""

from __future__ import annotations

import asyncio

from engine.by_hand import Stage
from engine.retrieve.policy import BY_HAND
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest
from tests.dicom_peers import eventually
from tests.hospital import CHEST_CT
from tests.mcp.clinic import Clinic


async def silent(stage: Stage) -> None: ...


def by_hand_request(study: str = CHEST_CT) -> RetrieveRequest:
    return RetrieveRequest(Study(study), "main", "reading", (BY_HAND,))


async def when_arrived(nodes: Clinic, number: int, study: str = CHEST_CT) -> None:
    assert await asyncio.to_thread(eventually, lambda: nodes.reading.arrived(study) >= number)
