"""What every page and call of the operator's page works with, and who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request

from engine.config import Config
from engine.events import Events, OperatorActed
from engine.metrics import Metrics


class Role(StrEnum):
    """A viewer looks; an operator acts too."""

    VIEWER = "viewer"
    OPERATOR = "operator"


class User(NamedTuple):
    """Who is logged in, as ``request.state.user``."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Office:
    """One for an engine. ``routes_file``: the path of routes.yaml, for sentences."""

    config: Config
    routes_file: str
    events: Events
    metrics: Metrics

    @property
    def journal(self) -> str:
        """The path of the journal. Its readers block: they are for threads."""
        return self.config.engine.store


def user_of(request: Request) -> User:
    """Who asks. The middleware has seen to it that there is somebody."""
    user: User = request.state.user
    return user


def origin_of(request: Request) -> str:
    """The address that a request comes from, for the audit trail."""
    return request.client.host if request.client is not None else ""


def require(request: Request, office: Office, role: Role, verb: str, tasks: tuple[int, ...] = ()) -> User:
    """Who asks, if he has this role. HTTPException 403 with a sentence otherwise, which is audited."""
    user = user_of(request)
    if role is Role.OPERATOR and user.role is not Role.OPERATOR:
        office.events.tell(OperatorActed(user.name, origin_of(request), verb, tasks, permitted=False))
        raise HTTPException(403, f"{user.name} may look but not {verb}: that takes the role operator")
    return user
