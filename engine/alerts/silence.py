"""A feed that is silent while messages are expected. Pure."""

from __future__ import annotations

import datetime as dt

from engine.alerts.alert import Alert, Severity
from engine.alerts.ledger import Ledger
from engine.config.alerts import Kind, SilenceRule
from engine.retrieve.duration import duration_text


class Silence:
    """One rule. What was before the engine began to listen (``start``) is not known, and counts as heard."""

    def __init__(self, rule: SilenceRule, ledger: Ledger, start: dt.datetime) -> None:
        self._rule = rule
        self._ledger = ledger
        self._heard = start
        self.host = rule.host
        self.key = f"{Kind.SILENCE}:{rule.host}" if rule.host else Kind.SILENCE.value

    def heard(self, now: dt.datetime) -> bool:
        """A message has come; whether that ends an alert."""
        self._heard = now
        return self._ledger.is_raised(self.key)

    def look(self, now: dt.datetime) -> None:
        """Tell the ledger how it stands."""
        self._heard = min(self._heard, now)  # the clock may have been set back
        began = self._began(now)
        if began is None:
            text = f"{self._whose} is not watched at this time of the week; none has come since {self._last}"
            self._ledger.over(self.key, text)
        elif now < began + self._rule.after:
            self._ledger.over(self.key, f"messages come again from {self._whose}")
        elif not self._ledger.is_raised(self.key):
            self._ledger.wrong(self._alert(), now)

    def due(self, now: dt.datetime) -> dt.datetime | None:
        """When to look again, at the latest, if nothing is heard and no window opens or closes."""
        began = self._began(now)
        if began is None or self._ledger.is_raised(self.key):
            return None
        return began + self._rule.after

    def _began(self, now: dt.datetime) -> dt.datetime | None:
        """Since when there might have been messages; None: there need be none now."""
        if self._rule.windows is None:
            return self._heard
        opened = self._rule.windows.opened(now)
        return None if opened is None else max(self._heard, opened)

    @property
    def _whose(self) -> str:
        return f"the feed from {self._rule.host}" if self._rule.host else "the HL7 feed"

    @property
    def _last(self) -> str:
        return f"{self._heard.astimezone():%Y-%m-%d %H:%M:%S}"

    def _alert(self) -> Alert:
        long = duration_text(self._rule.after)
        sentence = f"{self._whose} is silent: no message for {long}, none since {self._last}"
        cure = (
            "look at the sender (its queue, its log) and at the network between; forefetch send on the "
            "sending machine shows whether a message gets through"
        )
        return Alert(self.key, Kind.SILENCE, Severity.WARNING, sentence, cure)
