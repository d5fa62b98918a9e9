"""Alerts: what somebody is told of, and by which ways."""

from __future__ import annotations

from urllib.parse import urlsplit

from tzlocal import get_localzone

from engine.config.alerts import AlertSettings, DeadLetterRule, Mail, SilenceRule, Webhook
from engine.config.build.gate import windows
from engine.config.build.security import secret, tls
from engine.config.models import RoutesFile
from engine.config.models.alerts import (
    AlertsSection,
    DeadLetterSection,
    DiskSection,
    MailSection,
    WebhookSection,
)
from engine.tls import Tls


def alerts(file: RoutesFile) -> AlertSettings | None:
    section = file.alerts
    if section is None:
        return None
    zone = file.engine.time_zone or get_localzone()
    return AlertSettings(
        ways=(*map(_webhook, section.webhook), *map(_mail, section.mail)),
        dead_letters=_dead_letters(section),
        breaker=section.breaker,
        journal=section.journal,
        silence=tuple(
            SilenceRule(rule.after, rule.host or "", windows(rule.windows, zone)) for rule in section.silence
        ),
        disk=section.disk.free if isinstance(section.disk, DiskSection) else None,
        repeat=section.repeat,
        pause=section.pause,
        first=section.retry.first.total_seconds(),
        longest=section.retry.longest.total_seconds(),
        give_up=section.retry.give_up.total_seconds(),
    )


def _dead_letters(section: AlertsSection) -> DeadLetterRule | None:
    choice = section.dead_letters
    if choice is False:
        return None
    rule = choice if isinstance(choice, DeadLetterSection) else DeadLetterSection()
    return DeadLetterRule(rule.gather, rule.quiet)


def _webhook(section: WebhookSection) -> Webhook:
    url = urlsplit(section.url)
    encrypted = url.scheme == "https"
    return Webhook(
        host=url.hostname or "",
        port=url.port or (443 if encrypted else 80),
        target=(url.path or "/") + (f"?{url.query}" if url.query else ""),
        only=frozenset(section.only),
        tls=(tls(section.tls) or Tls()) if encrypted else None,
        header=section.header,
        secret=secret(section.secret) if section.secret is not None else None,
        timeout=section.timeout.total_seconds(),
    )


def _mail(section: MailSection) -> Mail:
    host, port = section.server
    return Mail(
        host=host,
        port=port,
        sender=section.sender,
        recipients=tuple(section.to),
        only=frozenset(section.only),
        encryption=section.encryption,
        tls=tls(section.tls) or Tls(),
        user=section.user or "",
        password=secret(section.password) if section.password is not None else None,
        timeout=section.timeout.total_seconds(),
    )
