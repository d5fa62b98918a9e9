"""The shape of routes.yaml, as pydantic models. They check one thing each; ``build`` makes the values.

The tags of unions are names of classes: pydantic puts them into the place of an error, where the name of a
key would be taken for that key.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.config.models.alerts import AlertsSection
from engine.config.models.audit import AuditSection
from engine.config.models.base import Section, default
from engine.config.models.engine import EngineSection, IntakeSection
from engine.config.models.gate import GateSection
from engine.config.models.nodes import ArchiveSection, DestinationSection
from engine.config.models.relevance import VocabularySection
from engine.config.models.replies import ReplySection
from engine.config.models.routes import RouteSection
from engine.config.models.web import WebSection


class RoutesFile(Section):
    """routes.yaml of Forefetch."""

    engine: EngineSection = default({}, "Forefetch itself")
    intake: IntakeSection = default({}, "which messages are taken")
    gate: GateSection = default({}, "what holds for every move")
    archives: Annotated[dict[str, ArchiveSection], Field(min_length=1)]
    destinations: Annotated[dict[str, DestinationSection], Field(min_length=1)]
    routes: Annotated[list[RouteSection], Field(min_length=1)]
    relevance: dict[str, VocabularySection] = default({}, "vocabularies for priors, beside the built-in one")
    web: WebSection | None = default(None, "the operator's page, metrics and health; default: none")
    replies: list[ReplySection] = default([], "where application ACKs go; default: the same connection")
    audit: AuditSection | None = default(None, "who asked for what and who did it; default: no audit trail")
    alerts: AlertsSection | None = default(None, "who is told of what; default: nobody")
