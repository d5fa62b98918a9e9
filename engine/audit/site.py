"""Those who take part in what is audited, as PS3.15 A.5.2 names them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.audit.codes import DESTINATION, SOURCE, Coded
from engine.audit.record import Participant
from engine.config import Config

PROCESS = "forefetch"


@dataclass(frozen=True, slots=True)
class Site:
    """``host`` is this machine's name, ``process`` our ID in its logs."""

    config: Config
    host: str
    process: str

    def ours(self, role: Coded | None = None, *, requestor: bool = True, archive: str = "") -> Participant:
        """This engine, by the AE title that it calls an archive with."""
        node = self.config.archives.get(archive)
        title = node.calling_ae_title if node is not None else self.config.engine.ae_title
        return Participant(self.process, requestor, role, title, PROCESS, self.host)

    def archive(self, name: str, role: Coded = SOURCE) -> Participant:
        """An archive by its name; one that routes.yaml has no more is known by nothing else."""
        node = self.config.archives.get(name)
        if node is None:
            return Participant(name, role=role)
        return Participant(name, role=role, ae_title=node.ae_title, host=node.host)

    def destination(self, name: str) -> Participant:
        """A destination by its name, with its address where routes.yaml has that."""
        destination = self.config.destinations.get(name)
        if destination is None:
            return Participant(name, role=DESTINATION)
        host = destination.node.host if destination.node is not None else ""
        return Participant(name, role=DESTINATION, ae_title=destination.ae_title, host=host)

    def person(self, name: str, origin: str, *, requestor: bool) -> Participant:
        """Somebody at the operator's page: A.5.2.1 wants the login with the domain that it is good for."""
        return Participant(f"{name}@{self.host}", requestor, name=name, host=origin)
