"""The operator's page and its API."""

from __future__ import annotations

from pydantic import model_validator

from engine.address import is_loopback
from engine.config.fields import Address, PositiveDuration
from engine.config.models.base import Section, default
from engine.config.models.security import Beside, ListenerTlsSection


class WebSection(Section):
    """The operator's page, its API, health and metrics. ``web: {}`` serves them to this machine only."""

    listen: Address = default("127.0.0.1:2580", "host:port of the page")
    tls: ListenerTlsSection | None = default(None, "HTTPS; needed where other machines reach it")
    users: Beside | None = default(
        None, "file of users (forefetch user add), beside this one; default: no login, for this machine only"
    )
    idle_timeout: PositiveDuration = default("1h", "who does nothing for so long has to log in again")
    session_timeout: PositiveDuration = default("12h", "and so has everybody after this time")
    mask_patients: bool = default(True, "viewers see the names and IDs of patients masked")
    open_metrics: bool = default(False, "/metrics needs no login for other machines either")

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> WebSection:
        host, _ = self.listen
        if is_loopback(host):
            return self
        if self.tls is None:
            raise ValueError(
                "tls beside a listen that other machines reach, since passwords would cross the network in "
                "the clear; or listen: 127.0.0.1:2580"
            )
        if self.users is None:
            raise ValueError(
                "users beside a listen that other machines reach (users: users.yaml, and forefetch user add "
                "NAME --role operator), since everybody could act there; or listen: 127.0.0.1:2580"
            )
        return self
