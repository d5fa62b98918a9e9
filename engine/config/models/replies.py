"""Where the application acknowledgments of enhanced mode go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.config.fields import PositiveDuration, Receiver, Text
from engine.config.models.base import Section, default
from engine.config.models.security import TlsSection


class RetrySection(Section):
    """When what could not be delivered is tried again."""

    first: PositiveDuration = default("5s", "pause after the first failure")
    longest: PositiveDuration = default("10m", "pauses double up to this")
    give_up: PositiveDuration = default("3d", "after this time it is tried no more")

    @model_validator(mode="after")
    def _growing(self) -> RetrySection:
        if self.longest < self.first:
            raise ValueError("longest to be no shorter than first")
        return self


class ReplySection(Section):
    """Where the application acknowledgments of a sender's messages go in enhanced mode."""

    application: Text | None = default(None, "MSH-3.1 of the message, with * and ? as wild cards")
    facility: Text | None = default(None, "MSH-4.1 of the message, with * and ? as wild cards")
    to: Annotated[Receiver, Field(description="host:port of an MLLP receiver")]
    tls: TlsSection | None = default(None, "encrypt; {} trusts the authorities of the system")
    accept: Literal["AL", "NE"] = default("AL", "MSH-15 of the reply: wait for its accept ACK, or do not")
    retry: RetrySection = default({}, "when it cannot be delivered")

    @model_validator(mode="after")
    def _some_sender(self) -> ReplySection:
        if self.application is None and self.facility is None:
            raise ValueError("application, facility or both (* takes every sender)")
        return self
