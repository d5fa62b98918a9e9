"""The faults of a scenario, by the node that has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from engine.config.values import Config
from engine.config.yamlfile import Document, Where
from engine.errors import Complaint, ForefetchError
from engine.simulator import SimulatedArchive, SimulatedDestination
from engine.simulator.faults import Fault, parse_faults

_PLACE = re.compile(r"(?:faults\[0\]: )?(?:(?P<key>[a-z_]+): )?(?P<expected>.*)", re.DOTALL)


def faults_by_node(
    document: Document, where: Where, written: Sequence[Any], config: Config, complaints: list[Complaint]
) -> dict[str, tuple[Fault, ...]]:
    """The faults of each node of the routes file; what is wrong with them goes to ``complaints``."""
    known = [*config.archives, *config.destinations]
    faults: dict[str, tuple[Fault, ...]] = {}
    for number, item in enumerate(written):
        here: Where = (*where, number)
        try:
            (fault,) = parse_faults([item])
            _try(fault, config)
        except ForefetchError as error:
            complaints.append(_complaint(document, here, str(error), item))
            continue
        if fault.at not in known:
            expected = f"a name of the routes file: {', '.join(known)}"
            complaints.append(document.complaint((*here, "at"), expected, repr(fault.at)))
        faults[fault.at] = (*faults.get(fault.at, ()), fault)
    return faults


def _try(fault: Fault, config: Config) -> None:
    """ForefetchError where the node does not offer what the fault befalls."""
    if fault.at in config.archives:
        SimulatedArchive("ARCHIVE", (), {}, faults=[fault])
    elif fault.at in config.destinations:
        SimulatedDestination("DESTINATION", faults=[fault])


def _complaint(document: Document, where: Where, text: str, item: Any) -> Complaint:
    """At the key that the error names, where it stands in the file."""
    match = _PLACE.fullmatch(text)
    key = match["key"] if match is not None else None
    expected, stated, found = (match["expected"] if match is not None else text).partition("; found ")
    place = (*where, key) if key and isinstance(item, dict) else where
    if not stated:
        return document.complaint(place, f"a fault that can be ({expected})", "this one")
    return document.complaint(place, expected.removeprefix("expected "), found)
