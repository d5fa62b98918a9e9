"""Simulated nodes in the place of those of a routes file, on ports that the system chooses."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from engine.config.values import Config
from engine.dicom.node import Destination, Node
from engine.scenario.scenario import SimulatedNodeSetup
from engine.simulator import SimulatedArchive, SimulatedDestination, demo_studies
from engine.simulator.scp import Address

_HOST = "127.0.0.1"
_Node = TypeVar("_Node", bound=Node)


@dataclass(frozen=True, slots=True)
class SimulatedNodes:
    """By their names in the routes file. Those that are down are only in ``addresses`` (archives, then
    destinations)."""

    archives: Mapping[str, SimulatedArchive]
    destinations: Mapping[str, SimulatedDestination]
    addresses: tuple[Mapping[str, Address], Mapping[str, Address]]


@contextmanager
def simulated_nodes(
    config: Config,
    archives: Mapping[str, SimulatedNodeSetup] | None = None,
    destinations: Mapping[str, SimulatedNodeSetup] | None = None,
) -> Iterator[SimulatedNodes]:
    """Stand in for every archive and destination. Where nothing is said of one, an archive holds the demo
    studies and a destination takes everything."""
    normal = SimulatedNodeSetup(content=demo_studies())
    with ExitStack() as stack:
        targets: dict[str, SimulatedDestination] = {}
        target_addresses: dict[str, Address] = {}
        known: dict[str, Address] = {}
        for name, listed in config.destinations.items():
            setup = (destinations or {}).get(name, normal)
            if not setup.down:
                targets[name] = stack.enter_context(
                    SimulatedDestination(listed.ae_title, faults=setup.faults)
                )
            target_addresses[name] = stack.enter_context(_silent()) if setup.down else targets[name].address
            if setup.known:
                known[listed.ae_title] = target_addresses[name]
        sources: dict[str, SimulatedArchive] = {}
        source_addresses: dict[str, Address] = {}
        for name, archive in config.archives.items():
            setup = (archives or {}).get(name, normal)
            if not setup.down:
                node = SimulatedArchive(archive.ae_title, setup.content, known, faults=setup.faults)
                sources[name] = stack.enter_context(node)
            source_addresses[name] = stack.enter_context(_silent()) if setup.down else sources[name].address
        yield SimulatedNodes(sources, targets, (source_addresses, target_addresses))


@contextmanager
def _silent() -> Iterator[Address]:
    """An address at which connections are refused, kept from others as long as that."""
    with socket.socket() as sock:
        sock.bind((_HOST, 0))
        port: int = sock.getsockname()[1]
        yield _HOST, port


def on_simulated_nodes(config: Config, nodes: SimulatedNodes, store: str) -> Config:
    """The same routes, at the addresses of these nodes: nothing else is spoken to, and nothing is encrypted,
    since they speak no TLS."""
    archives, destinations = nodes.addresses
    return replace(
        config,
        engine=replace(config.engine, host=_HOST, port=0, store=store, tls=None),
        archives={name: _at(archive, archives[name]) for name, archive in config.archives.items()},
        destinations={
            name: _destination_at(destination, destinations[name])
            for name, destination in config.destinations.items()
        },
    )


def _destination_at(destination: Destination, address: Address) -> Destination:
    node, query = destination.node, destination.query
    return replace(
        destination,
        node=_at(node, address) if node is not None else None,
        # one node takes both here, by its one AE title
        query=replace(_at(query, address), ae_title=destination.ae_title) if query is not None else None,
    )


def _at(node: _Node, address: Address) -> _Node:
    host, port = address
    return replace(node, host=host, port=port, tls=None, identity=None)
