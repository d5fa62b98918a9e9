"""Names in a scenario that its routes file must define."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from engine.config.values import Config
from engine.config.yamlfile import Document, Where
from engine.errors import Complaint
from engine.scenario.fields import Wanted
from engine.scenario.models import ScenarioSection


def references(
    document: Document, where: Where, section: ScenarioSection, config: Config
) -> Iterator[Complaint]:
    """Every complaint about a name, and about a first step that is sent together with one before it."""
    at_keys = (
        ("archives", section.archives, config.archives),
        ("destinations", section.destinations, config.destinations),
    )
    expected = section.expected
    for key, names, known in at_keys:
        yield from _unknown(document, (*where, key), names, known)
    for key, studies in (("arrived", [*expected.arrived]), ("not_arrived", [*expected.not_arrived])):
        yield from _unknown(document, (*where, "expected", key), studies, config.destinations)
    for number, retrieve in enumerate(expected.retrieves or []):
        here = (*where, "expected", "retrieves", number)
        yield from chain(
            _misnamed(document, (*here, "archive"), retrieve.archive, config.archives),
            _misnamed(document, (*here, "destination"), retrieve.destination, config.destinations),
        )
    if section.steps[0].concurrently:
        place = (*where, "steps", 0, "concurrently")
        yield document.complaint(place, "a step before it to be sent with", "the first step", at_key=True)


def _unknown(
    document: Document, where: Where, names: Collection[str], known: Collection[str]
) -> Iterator[Complaint]:
    for name in names:
        if name not in known:
            expected = f"a name of the routes file: {', '.join(known)}"
            yield document.complaint((*where, name), expected, repr(name), at_key=True)


def _misnamed(
    document: Document, where: Where, wanted: Wanted | None, known: Collection[str]
) -> Iterator[Complaint]:
    if wanted is not None and not any(map(wanted.fits, known)):
        expected = f"a name of the routes file: {', '.join(known)}"
        yield document.complaint(where, expected, repr(wanted.text))
