"""Associations that are kept: reused, bounded, replaced when stale, released when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pynetdicom.dimse_primitives import C_MOVE

from engine.errors import AssociationAborted, NodeTimeout, QueryFailed
from engine.retrieve.outcome import MoveResponse
from engine.scu.association import NodeAssociation
from engine.scu.dimse import Bounds
from engine.scu.pool import AssociationPool
from tests.dicom_peers import PATIENCE, SUCCESS, Reply, Request, answer, eventually, scripted_scp
from tests.scu.conftest import Connect, archive


def test_operations_after_each_other_share_one_association(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port)
        client.echo()
        client.find_studies(patient_id="P1")
        client.move("1.2.3", "VIEW")
        assert scp.associations == 1
        assert [request.message_id for request in scp.requests] == [1, 2, 3]
        client.close()
        assert client.open_associations == 0
        assert eventually(lambda: scp.released == 1)


@pytest.mark.parametrize(("status", "associations"), [(0xA702, 2), (0xA801, 2), (0xC000, 2), (0xB000, 1)])
def test_an_association_is_not_used_again_after_a_move_that_was_refused(
    connect: Connect, status: int, associations: int
) -> None:
    """dcmqrscp keeps its index locked after one, until the association ends."""
    with scripted_scp(answer(Reply(status))) as scp:
        client = connect(scp.port)
        assert client.move("1.2.3", "VIEW").status == status
        assert client.open_associations == 2 - associations
        client.move("1.2.3", "VIEW")
        assert scp.associations == associations
        assert eventually(lambda: scp.released == 2 * (associations - 1))


def test_operations_at_the_same_time_have_as_many_associations_as_allowed_and_no_more(
    connect: Connect,
) -> None:
    lock = threading.Lock()
    pairs = threading.Barrier(2)
    running = 0
    most = 0

    def script(request: Request) -> Iterator[Reply]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pairs.wait(PATIENCE)  # passed only where two are under way at once
        with lock:
            running -= 1
        yield Reply(0x0000, completed=1)

    with scripted_scp(script) as scp:
        client = connect(scp.port, concurrency=2)
        with ThreadPoolExecutor(8) as threads:
            responses = list(threads.map(lambda number: client.move(f"1.2.{number}", "VIEW"), range(8)))
        assert {response.status for response in responses} == {0x0000}
        assert most == 2
        assert scp.associations == 2
        assert len(scp.requests) == 8
        assert client.open_associations == 2


def test_an_operation_that_finds_no_free_association_waits_until_its_deadline() -> None:
    started = threading.Event()
    go_on = threading.Event()

    def occupy(association: NodeAssociation) -> bool:
        started.set()
        return go_on.wait(PATIENCE)

    with scripted_scp(answer(SUCCESS)) as scp, ThreadPoolExecutor(1) as threads:
        node = archive(scp.port)
        pool = AssociationPool(
            lambda: NodeAssociation(node, "FOREFETCH", node.timeouts), "pacs", size=1, idle=60.0
        )
        first = threads.submit(pool.run, occupy, Bounds(time.monotonic() + PATIENCE))
        assert started.wait(PATIENCE)
        with pytest.raises(NodeTimeout, match="pacs: none of 1 associations became free"):
            pool.run(lambda association: True, Bounds(time.monotonic() + 0.3))
        go_on.set()
        assert first.result(PATIENCE)
        assert pool.run(lambda association: True, Bounds(time.monotonic() + PATIENCE))
        pool.close()
        assert scp.associations == 1


def test_a_move_that_waits_for_an_association_can_be_canceled(connect: Connect) -> None:
    started = threading.Event()
    go_on = threading.Event()

    def script(request: Request) -> Iterator[Reply]:
        started.set()
        go_on.wait(PATIENCE)
        yield Reply(0x0000, completed=1)

    with scripted_scp(script) as scp, ThreadPoolExecutor(2) as threads:
        client = connect(scp.port, concurrency=1)
        canceled = threading.Event()
        first = threads.submit(client.move, "1.2.3", "VIEW")
        assert started.wait(PATIENCE)
        second = threads.submit(client.move, "1.2.4", "VIEW", canceled=canceled)
        canceled.set()
        assert second.result(PATIENCE) == MoveResponse(0xFE00)
        go_on.set()
        assert first.result(PATIENCE).status == 0x0000
        assert len(scp.requests) == 1


def test_an_association_that_the_archive_had_aborted_is_replaced(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port)
        client.echo()
        scp.open[0].abort()
        assert client.move("1.2.3", "VIEW").status == 0x0000
        assert scp.associations == 2
        assert client.open_associations == 1


def test_an_association_that_dies_of_its_next_request_is_replaced(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        if request.association is scp.open[0] and len(scp.requests) > 1:
            request.association.abort()
            return
        yield Reply(0x0000, completed=1)

    with scripted_scp(script) as scp:
        client = connect(scp.port)
        client.echo()
        assert client.move("1.2.3", "VIEW").counters.completed == 1
        assert scp.associations == 2
        assert client.open_associations == 1


def test_one_stale_association_casts_out_those_that_were_idle_for_longer(connect: Connect) -> None:
    pairs = threading.Barrier(2)
    first = True

    def script(request: Request) -> Iterator[Reply]:
        if first:
            pairs.wait(PATIENCE)
        elif request.association in scp.open[:2]:
            request.association.abort()
            return
        yield Reply(0x0000, completed=1)

    with scripted_scp(script) as scp, ThreadPoolExecutor(2) as threads:
        client = connect(scp.port, concurrency=2)
        list(threads.map(lambda number: client.move(f"1.2.{number}", "VIEW"), range(2)))
        assert client.open_associations == 2
        first = False
        assert client.move("1.2.3", "VIEW").counters.completed == 1
        assert (scp.associations, client.open_associations) == (3, 1)


def test_the_second_try_is_the_last(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        if len(scp.requests) > 1:
            request.association.abort()
            return
        yield Reply(0x0000)

    with scripted_scp(script) as scp:
        client = connect(scp.port)
        client.echo()
        with pytest.raises(AssociationAborted):
            client.echo()
        assert scp.associations == 2
        assert client.open_associations == 0


def test_a_reused_association_that_dies_after_a_response_is_not_tried_again(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        if isinstance(request.message, C_MOVE):
            yield Reply(0xFF00, remaining=3)
            request.association.abort()
            return
        yield Reply(0x0000)

    with scripted_scp(script) as scp:
        client = connect(scp.port)
        client.echo()
        with pytest.raises(AssociationAborted):
            client.move("1.2.3", "VIEW")
        assert scp.associations == 1
        assert client.open_associations == 0


def test_an_association_on_which_something_went_wrong_is_not_used_again(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        yield Reply(0xC000 if len(scp.requests) == 1 else 0x0000)

    with scripted_scp(script) as scp:
        client = connect(scp.port)
        with pytest.raises(QueryFailed):
            client.find_studies(patient_id="P1")
        assert client.open_associations == 0
        assert client.find_studies(patient_id="P1") == []
        assert scp.associations == 2


def test_only_associations_that_were_idle_for_long_enough_are_released(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        young = connect(scp.port, idle=3600.0)
        old = connect(scp.port, idle=0.0)
        for client in (young, old):
            client.echo()
            client.close_idle()
        assert (young.open_associations, old.open_associations) == (1, 0)
        assert eventually(lambda: scp.released == 1)


def test_an_association_that_the_archive_released_is_forgotten(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port, idle=3600.0)
        client.echo()
        scp.open[0].release()

        def forgotten() -> bool:
            client.close_idle()
            return client.open_associations == 0

        assert eventually(forgotten)


def test_an_operation_that_is_under_way_at_close_ends_normally_and_is_then_released(
    connect: Connect,
) -> None:
    started = threading.Event()
    go_on = threading.Event()

    def script(request: Request) -> Iterator[Reply]:
        started.set()
        go_on.wait(PATIENCE)
        yield Reply(0x0000, completed=1)

    with scripted_scp(script) as scp, ThreadPoolExecutor(1) as threads:
        client = connect(scp.port)
        move = threads.submit(client.move, "1.2.3", "VIEW")
        assert started.wait(PATIENCE)
        client.close()
        assert client.open_associations == 1
        go_on.set()
        assert move.result(PATIENCE).status == 0x0000
        assert client.open_associations == 0
        assert eventually(lambda: scp.released == 1)


def test_unused_associations_are_released_together(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is silent lets each wait for the ACSE timeout."""
    under_way, released, release = threading.Barrier(2), threading.Barrier(2), NodeAssociation.release

    def script(request: Request) -> Iterator[Reply]:
        under_way.wait(PATIENCE)
        yield Reply(0x0000, completed=1)

    def with_another(association: NodeAssociation) -> None:
        released.wait(PATIENCE)  # passed only where two are being released at once
        release(association)

    monkeypatch.setattr(NodeAssociation, "release", with_another)
    with scripted_scp(script) as scp, ThreadPoolExecutor(2) as threads:
        client = connect(scp.port, concurrency=2)
        list(threads.map(lambda number: client.move(f"1.2.{number}", "VIEW"), range(2)))
        assert client.open_associations == 2
        client.close()
        assert client.open_associations == 0
