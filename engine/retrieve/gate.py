"""The gate: may this task go to its archive now? Deny by default; a closed gate gives its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.retrieve.task import RetrieveTask

SWITCH = "DICOM_HL7_PACS_ALLOW_RETRIEVE"


@dataclass(frozen=True, slots=True)
class Open:
    """The task may start."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The task may not start. ``final``: it never will as configured, and so fails with ``reason``."""

    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows: the switch, routes by name (enabled?), the listed archives with their
    concurrency, and the listed destinations."""

    switch_on: bool
    routes: Mapping[str, bool]
    archives: Mapping[str, int]
    destinations: frozenset[str]


def switch_on(environment: Mapping[str, str]) -> bool:
    """Whether retrieval is allowed at all: exactly the word ``true``, nothing like it."""
    return environment.get(SWITCH) == "true"


SWITCH_REASON = (
    f"retrieval is switched off; set the environment variable {SWITCH} to exactly 'true' "
    "and start forefetch again to allow it"
)


def admit(task: RetrieveTask, policy: Policy, running: int) -> Open | Closed:
    """Decide on one task. ``running`` counts the operations now under way at its archive."""
    request = task.request
    refusal = refuse(policy, archive=request.archive, destination=request.destination, routes=request.routes)
    if refusal is not None:
        return Closed(refusal, final=True)
    limit = policy.archives[request.archive]
    if running >= limit:
        return Closed(f"archive {request.archive} is at its limit of {limit} at a time", final=False)
    return Open()


def refuse(policy: Policy, *, archive: str, destination: str, routes: tuple[str, ...] = ()) -> str | None:
    """The reason why such a retrieve is never allowed, or None. No routes: a person asks by hand."""
    if not policy.switch_on:
        return SWITCH_REASON
    if routes and not any(policy.routes.get(name, False) for name in routes):
        return f"route {', '.join(routes)} is not enabled in routes.yaml"
    if archive not in policy.archives:
        return f"archive {archive} is not listed under archives in routes.yaml"
    if destination not in policy.destinations:
        return f"destination {destination} is not listed under destinations in routes.yaml"
    return None
