"""The threads of an association: asleep while there is nothing to do, and awake at once."""

from __future__ import annotations

import errno
import threading
from typing import NoReturn

import pytest

from engine.dicom.node import Timeouts
from engine.errors import NodeUnreachable
from engine.scu.association import NodeAssociation
from engine.scu.prompt import PromptProvider
from tests.dicom_peers import SUCCESS, answer, eventually, scripted_scp
from tests.scu.conftest import Connect, archive, requestor_threads


def test_an_unused_association_rests(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom's reactor is paused, and the other thread waits in its sleep."""
    asleep = threading.Event()
    sleep = PromptProvider._sleep

    def noted(provider: PromptProvider) -> None:
        asleep.set()
        sleep(provider)

    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port)
        client.echo()
        monkeypatch.setattr(PromptProvider, "_sleep", noted)
        assert asleep.wait(20)
        (provider,) = (it for it in requestor_threads() if isinstance(it, PromptProvider))
        assert eventually(lambda: provider.assoc._is_paused)
        assert not provider.assoc._reactor_checkpoint.is_set()


def test_a_release_by_the_node_is_answered_while_nothing_is_under_way(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port, idle=3600.0)
        client.echo()
        (association,) = scp.open
        association.release()  # waits for the answer
        assert association.is_released
        assert eventually(lambda: requestor_threads() == [])


def test_the_node_s_abort_ends_the_threads_of_an_association_that_nobody_uses(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        association = NodeAssociation(archive(scp.port), "FOREFETCH", Timeouts())
        assert association.is_established
        scp.open[0].abort()
        assert eventually(lambda: requestor_threads() == [])
        assert not association.is_established
        association.abort()


def test_where_no_file_may_be_opened_any_more_nobody_waits_for_an_association(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    with scripted_scp(answer(SUCCESS)) as scp:
        monkeypatch.setattr("engine.scu.prompt.socket.socketpair", full)
        with pytest.raises(NodeUnreachable, match="Too many open files"):
            NodeAssociation(archive(scp.port), "FOREFETCH", Timeouts())
        assert requestor_threads() == []
