"""Nothing of a routes file is spoken to in a scenario but the nodes that stand in for it."""

from __future__ import annotations

from pathlib import Path

from engine.config import parse
from engine.scenario.nodes import on_simulated_nodes, simulated_nodes
from engine.scu import ArchiveClient

ROUTES = """
archives:
  main:
    {ae_title: ARCHIVE, host: 192.0.2.1, port: 104, tls: {}, identity: {user: forefetch}}
destinations:
  room:
    {ae_title: ROOM, host: 192.0.2.2, port: 104, tls: {}, query: {ae_title: QR, host: 192.0.2.3, port: 105}}
  away: {ae_title: AWAY}
routes: [{name: a, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room, verify: study}]
"""


def test_every_address_is_that_of_a_simulated_node_which_speaks_no_tls(tmp_path: Path) -> None:
    config = parse(ROUTES)
    with simulated_nodes(config) as nodes:
        there = on_simulated_nodes(config, nodes, str(tmp_path / "journal.db"))
        archive, room = there.archives["main"], there.destinations["room"]
        assert room.node is not None
        assert room.query is not None
        assert (archive.host, archive.port) == nodes.archives["main"].address
        assert (room.node.host, room.node.port) == nodes.destinations["room"].address
        assert (room.query.host, room.query.port) == nodes.destinations["room"].address
        assert {(it.tls, it.identity) for it in (archive, room.node, room.query)} == {(None, None)}
        assert there.engine.tls is None
        away = there.destinations["away"]
        assert (away.node, away.query) == (None, None)
        for node in (archive, room.query):
            client = ArchiveClient(node)
            client.echo()
            assert client.find_studies(study_uid="2.25.404") == []
            client.close()
