"""Archives and destinations."""

from __future__ import annotations

from engine.config.build.security import identity, tls
from engine.config.models.engine import EngineSection
from engine.config.models.nodes import ArchiveSection, DestinationSection, TimeoutsSection
from engine.dicom.node import Archive, Destination, Node, Timeouts


def archive(name: str, section: ArchiveSection, engine: EngineSection) -> Archive:
    return Archive(
        name=name,
        ae_title=section.ae_title,
        host=section.host,
        port=section.port,
        calling_ae_title=section.calling_ae_title or engine.ae_title,
        concurrency=section.concurrency,
        idle=section.idle.total_seconds(),
        health=section.health.total_seconds() if section.health is not None else None,
        timeouts=_timeouts(section.timeouts),
        series_level=section.series_level,
        tls=tls(section.tls),
        identity=identity(section.identity),
    )


def _timeouts(section: TimeoutsSection) -> Timeouts:
    return Timeouts(
        connect=section.connect.total_seconds(),
        acse=section.acse.total_seconds(),
        dimse=section.dimse.total_seconds(),
        total=section.total.total_seconds(),
    )


def destination(name: str, section: DestinationSection, engine: EngineSection) -> Destination:
    node = None
    if section.host is not None and section.port is not None:
        node = Node(
            name,
            section.ae_title,
            section.host,
            section.port,
            tls=tls(section.tls),
            identity=identity(section.identity),
        )
    return Destination(name, section.ae_title, node, _query(name, section, engine))


def _query(name: str, section: DestinationSection, engine: EngineSection) -> Archive | None:
    """Where it answers C-FIND: at its own address, and as there, unless something else is given."""
    query = section.query
    if query is None:
        return None
    host, port = query.host or section.host, query.port or section.port
    assert host is not None  # references asks for both
    assert port is not None
    return Archive(
        name=name,
        ae_title=query.ae_title or section.ae_title,
        host=host,
        port=port,
        calling_ae_title=query.calling_ae_title or engine.ae_title,
        concurrency=query.concurrency,
        timeouts=_timeouts(query.timeouts),
        tls=tls(query.tls or section.tls),
        identity=identity(query.identity or section.identity),
    )
