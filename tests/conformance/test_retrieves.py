"""What becomes of a message whose sender is gone, beside what it is told."""

from __future__ import annotations

from tests.conformance.answer import Answer
from tests.conformance.case import Finish
from tests.conformance.notation import Names
from tests.conformance.receiver import Running
from tests.conformance.runner import Connection
from tests.hospital import CHEST_CT, OLD_KNEE, order

HANG = 30.0


def _send(connection: Connection, message: bytes, finish: Finish = Finish.NOTHING) -> None:
    connection.write([b"\x0b" + message + b"\x1c\r"], finish)


def test_a_message_is_carried_out_though_its_sender_reset_the_connection(forefetch: Running) -> None:
    site, control_id = forefetch.site, Names().control_id("A")
    message = order("RE", control_id=control_id, study=OLD_KNEE)
    moves = len(site.archive.moves)
    assert site.reading.arrived(OLD_KNEE) == 0
    first = Connection(forefetch.address, HANG)
    _send(first, message)
    first.reset()
    assert site.reading.wait_for(4, HANG, OLD_KNEE)
    again = Connection(forefetch.address, HANG)
    try:
        _send(again, message)
        answer = Answer(again.block())
    finally:
        again.close()
    assert (answer.field("MSA-1"), answer.field("MSA-2")) == ("AA", control_id)
    assert len(site.archive.moves) == moves + 1


def test_a_message_sent_again_on_the_same_connection_gets_the_same_answer(forefetch: Running) -> None:
    site = forefetch.site
    message = order("RE", control_id=Names().control_id("A"), study=CHEST_CT)
    moves = len(site.archive.moves)
    connection = Connection(forefetch.address, HANG)
    try:
        _send(connection, message)
        _send(connection, message, Finish.HALF_CLOSE)
        assert connection.block() == connection.block()
        connection.expect_end()
    finally:
        connection.close()
    assert len(site.archive.moves) == moves + 1


def test_half_a_message_moves_nothing(forefetch: Running) -> None:
    site = forefetch.site
    moves = len(site.archive.moves)
    connection = Connection(forefetch.address, HANG)
    try:
        message = order("RE", control_id=Names().control_id("A"), study=CHEST_CT)
        connection.write([b"\x0b" + message], Finish.HALF_CLOSE)
        assert Answer(connection.block()).field("MSA-1") == "AR"
        connection.expect_end()
    finally:
        connection.close()
    assert len(site.archive.moves) == moves
