"""What the tools work with: the configuration, what is allowed, and names as a person gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.by_hand import ByHand
from engine.config import Config
from engine.dicom.identifiers import valid_ae_title
from engine.dicom.node import Archive, Destination
from engine.errors import GateClosed, IdentifierError
from engine.mcp.switches import Switches
from engine.retrieve.policy import Policy
from engine.telling.masking import Masking


@dataclass(frozen=True, slots=True)
class Desk:
    """One for a server. ``routes``: the path of the routes file, for sentences."""

    config: Config
    routes: str
    switches: Switches
    masking: Masking
    by_hand: ByHand

    @classmethod
    def of(cls, config: Config, routes: str, environment: Mapping[str, str]) -> Desk:
        """``environment`` has the switches. The tools work within ``async with desk.by_hand``."""
        switches = Switches.of(environment)
        masking = Masking(shown=switches.patient_data)
        return cls(config, routes, switches, masking, ByHand(config, switch_on=switches.retrieve))

    @property
    def journal(self) -> str:
        return self.config.engine.store

    def policy(self) -> Policy:
        """What the gate needs to know."""
        return self.config.policy(switch_on=self.switches.retrieve)

    def archive(self, name: str) -> Archive:
        """By its name, or the only one where none is named. IdentifierError with the choices."""
        archives = self.config.archives
        if not name and len(archives) == 1:
            return next(iter(archives.values()))
        if name not in archives:
            said = f"there is no archive {name!r}" if name else "several archives are listed"
            raise IdentifierError(f"{said}; name one of: {', '.join(archives)}")
        return archives[name]

    def destination(self, title: str) -> Destination:
        """A listed one, by its AE title or by its name. IdentifierError for what is no AE title at all,
        GateClosed for one that is not listed."""
        destinations = self.config.destinations
        if title in destinations:
            return destinations[title]
        wanted = valid_ae_title(title, "destination_ae_title")
        for destination in destinations.values():
            if destination.ae_title == wanted:
                return destination
        listed = ", ".join(it.ae_title for it in destinations.values())
        raise GateClosed(
            f"destination {wanted} is not listed under destinations in {self.routes}, and nothing is moved "
            f"to others; listed are: {listed}"
        )
