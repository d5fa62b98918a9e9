"""A question to an archive: asked by a client of its own, which leaves no association behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio

from engine.dicom.node import Archive
from engine.errors import ForefetchError, NodeError
from engine.mcp.threads import in_thread
from engine.retrieve.outcome import failure
from engine.scu import ArchiveClient
from engine.telling.masking import Masking

_T = TypeVar("_T")


class NotAnswered(ForefetchError):
    """The archive could not be asked, or ended the query with a failure; the text has the cure."""


async def ask(archive: Archive, question: Callable[[ArchiveClient], _T], masking: Masking) -> _T:
    """What the question comes to. A call that is canceled stops the archive by C-CANCEL, and does not wait.

    Raises NotAnswered, without the archive's own words where patients are masked, and IdentifierError. The
    timeouts of the archive bound it.
    """
    client = ArchiveClient(archive)
    try:
        return await in_thread(partial(_asked, client, question), abandon=True)
    except anyio.get_cancelled_exc_class():
        client.stop()
        raise
    except NodeError as error:
        outcome = failure(error)
        outcome = replace(outcome, text=masking.without_comments(outcome.text))
        raise NotAnswered(f"{archive.name} ({archive.ae_title}): {outcome.sentence}") from error


def _asked(client: ArchiveClient, question: Callable[[ArchiveClient], _T]) -> _T:
    with closing(client):
        return question(client)
