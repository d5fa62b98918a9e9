"""Faults in the log."""

from __future__ import annotations

import asyncio
import gc
import logging
from io import StringIO

from engine.mcp.faults import WithoutText


async def _fail() -> None:
    raise ValueError("Aalto")


async def test_what_asyncio_tells_of_a_task_that_failed_is_its_place_without_the_text() -> None:
    told = StringIO()
    handler = logging.StreamHandler(told)
    handler.addFilter(WithoutText())
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    try:
        task = asyncio.create_task(_fail())
        await asyncio.wait([task])
        del task
        gc.collect()
    finally:
        logger.removeHandler(handler)
    (line,) = told.getvalue().splitlines()
    assert line.startswith("a fault: ValueError at ")
    assert "test_faults.py:" in line
    assert "Aalto" not in line
