"""The ways by which notices go out, and one try of each of them."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable, Iterator

from engine.alerts.alert import TEST, Alert, Notice, Severity, State
from engine.config import Config
from engine.config.alerts import AlertSettings, Mail, Webhook

Deliver = Callable[[Notice], None]


def source_of(config: Config) -> str:
    """Which Forefetch this is, for whoever has several."""
    return f"{config.engine.ae_title} on {socket.gethostname()}"


def deliverer(way: Webhook | Mail, source: str) -> Deliver:
    """What sends a notice by this way. It blocks, for some times its timeout at most; `NotDelivered` says why
    it could not and what to do."""
    if isinstance(way, Webhook):
        from engine.alerts.webhook import post

        return lambda notice: post(way, notice, source)
    from engine.alerts.mail import send

    return lambda notice: send(way, notice, source)


def try_out(settings: AlertSettings, source: str) -> Iterator[tuple[Webhook | Mail, str]]:
    """A test notice by every way, one after the other; with what went wrong, empty where nothing did."""
    from engine.alerts.fault import NotDelivered

    for way in settings.ways:
        now = dt.datetime.now(dt.UTC)
        alert = Alert(
            TEST, TEST, Severity.WARNING, "this is a test; nothing is wrong", "nothing is to be done"
        )
        try:
            deliverer(way, source)(Notice(alert, State.RAISED, now, now, times=1))
        except NotDelivered as error:
            yield way, str(error)
        else:
            yield way, ""
