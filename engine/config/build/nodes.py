"""Archives and destinations."""

from __future__ import annotations

from engine.config.build.security import identity, tls
from engine.config.models.engine import EngineSection
from engine.config.models.nodes import ArchiveSection, DestinationSection
from engine.dicom.node import Archive, Destination, Node, Timeouts


def archive(name: str, section: ArchiveSection, engine: EngineSection) -> Archive:
    limits = section.timeouts
    return Archive(
        name=name,
        ae_title=section.ae_title,
        host=section.host,
        port=section.port,
        calling_ae_title=section.calling_ae_title or engine.ae_title,
        concurrency=section.concurrency,
        idle=section.idle.total_seconds(),
        health=section.health.total_seconds() if section.health is not None else None,
        timeouts=Timeouts(
            connect=limits.connect.total_seconds(),
            acse=limits.acse.total_seconds(),
            dimse=limits.dimse.total_seconds(),
            total=limits.total.total_seconds(),
        ),
        tls=tls(section.tls),
        identity=identity(section.identity),
    )


def destination(name: str, section: DestinationSection) -> Destination:
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
    return Destination(name, section.ae_title, node)
