"""routes.yaml: from text to frozen values, or to complaints that name their place."""

from engine.config.audit import AuditSettings, Collector
from engine.config.load import load, parse, schema
from engine.config.values import Config, EngineSettings, GateSettings, Limits, ReplyRule, reply_rule
from engine.config.web import WebSettings

__all__ = [
    "AuditSettings",
    "Collector",
    "Config",
    "EngineSettings",
    "GateSettings",
    "Limits",
    "ReplyRule",
    "WebSettings",
    "load",
    "parse",
    "reply_rule",
    "schema",
]
