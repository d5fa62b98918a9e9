"""C-ECHO of all nodes side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from engine.config import Config, parse
from engine.dicom.node import Archive, Node, Timeouts
from engine.rollcall import Callee, Kind, call, callees
from engine.simulator import Fault, SimulatedDestination
from tests.dicom_peers import PATIENCE, SUCCESS, Reply, Request, answer, scripted_scp
from tests.peers.processes import closed_port

ROUTES = """
engine: {listen: "127.0.0.1:0", ae_title: OURS}
archives:
  main: {ae_title: ARCHIVE, host: 10.0.0.5, port: 104, calling_ae_title: READER, timeouts: {dimse: 7s}}
destinations:
  bare: {ae_title: BARE}
  reading: {ae_title: READING, host: 10.0.0.20, port: 104}
  same: {ae_title: SAME, host: 10.0.0.21, port: 104, query: {}}
  elsewhere: {ae_title: ELSE, host: 10.0.0.22, port: 104, query: {ae_title: ELSEQR, port: 11112}}
  only: {ae_title: ONLY, query: {host: 10.0.0.23, port: 104}}
routes:
  - {name: study, messages: ORM^O01, studies: {study: ZDS-1.1}, from: main, to: reading}
"""


def config() -> Config:
    return parse(ROUTES)


def callee(port: int, name: str = "node", **timeouts: float) -> Callee:
    node = Node(name, "ARCHIVE", "127.0.0.1", port)
    return Callee(Kind.ARCHIVE, node, "FOREFETCH", replace(Timeouts(acse=5.0), **timeouts))


def test_archives_destinations_and_other_query_addresses_are_asked_in_that_order() -> None:
    assert [(it.kind, it.node.name, it.node.ae_title, it.node.port) for it in callees(config())] == [
        (Kind.ARCHIVE, "main", "ARCHIVE", 104),
        (Kind.DESTINATION, "reading", "READING", 104),
        (Kind.DESTINATION, "same", "SAME", 104),
        (Kind.DESTINATION, "elsewhere", "ELSE", 104),
        (Kind.QUERY, "elsewhere", "ELSEQR", 11112),
        (Kind.QUERY, "only", "ONLY", 104),
    ]


def test_each_is_asked_as_whom_it_knows() -> None:
    main, reading, *_ = callees(config())
    assert isinstance(main.node, Archive)
    assert (main.calling_ae_title, main.timeouts.dimse) == ("READER", 7.0)
    assert reading.calling_ae_title == "OURS"


def test_all_are_asked_at_once_and_told_in_order() -> None:
    """Each answers only when both have been asked."""
    both = threading.Barrier(2)

    def when_both_are_asked(request: Request) -> Iterable[Reply]:
        both.wait(PATIENCE)
        return [SUCCESS]

    with (
        scripted_scp(when_both_are_asked, sop_classes=[Verification]) as first,
        scripted_scp(when_both_are_asked, sop_classes=[Verification]) as second,
    ):
        replies = list(call([callee(first.port, "first"), callee(second.port, "second")]))
    assert [(reply.callee.node.name, reply.answered) for reply in replies] == [
        ("first", True),
        ("second", True),
    ]


def test_those_that_do_not_answer_say_why_and_what_to_do() -> None:
    with closed_port() as closed, scripted_scp(answer(Reply(0x0122)), sop_classes=[Verification]) as scp:
        down, unwilling = call([callee(closed, "down"), callee(scp.port, "unwilling")])
    assert (down.answered, down.seconds) == (False, None)
    assert "Connection refused" in down.reason
    assert down.cure.startswith("check host, port and firewall")
    assert str(down) == f"✗ down (ARCHIVE at 127.0.0.1:{closed}): {down.reason}; {down.cure}"
    assert (unwilling.reason, unwilling.cure) == ("C-ECHO ended with status 0x0122", "")
    assert str(unwilling).endswith(": C-ECHO ended with status 0x0122")


def test_a_node_that_is_silent_after_it_has_accepted_is_given_up_as_soon_as_one_that_does_not_accept() -> (
    None
):
    silent = Fault.parse("node: silence, on=echo")
    with SimulatedDestination("ARCHIVE", faults=[silent]) as node:
        (reply,) = call([callee(node.address[1], acse=0.3, dimse=600.0)])
    assert reply.reason == "no response to C-ECHO for 0.3 s"


def test_nobody_to_ask_is_nobody_asked() -> None:
    assert list(call([])) == []
