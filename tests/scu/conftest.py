from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider

from engine.dicom.node import Archive, Timeouts
from engine.scu import ArchiveClient

Connect = Callable[..., ArchiveClient]


def requestor_threads() -> list[threading.Thread]:
    """The threads of associations that this process has requested."""
    found = []
    for thread in threading.enumerate():
        association = thread.assoc if isinstance(thread, DULServiceProvider) else thread
        if isinstance(association, Association) and association.is_requestor:
            found.append(thread)
    return found


def archive(port: int, *, concurrency: int = 2, idle: float = 60.0, **timeouts: float) -> Archive:
    """An archive on this machine whose timeouts are too long to matter, but for those that are given."""
    patient = {"connect": 5.0, "acse": 5.0, "dimse": 20.0, "total": 60.0}
    return Archive(
        name="pacs",
        ae_title="ARCHIVE",
        host="127.0.0.1",
        port=port,
        concurrency=concurrency,
        idle=idle,
        timeouts=Timeouts(**patient | timeouts),
    )


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, and sees that after each test nothing is left of their associations."""
    clients = []

    def make(
        port: int, *, grace: float = 10.0, concurrency: int = 2, idle: float = 60.0, **timeouts: float
    ) -> ArchiveClient:
        client = ArchiveClient(
            archive(port, concurrency=concurrency, idle=idle, **timeouts),
            grace=grace,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
        assert client.open_associations == 0
    assert requestor_threads() == []
