"""The C-FIND SCP (PS3.4 C.4.1.3) of an archive, and of a destination that says what has arrived."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import IdentifierError
from engine.simulator.catalogue import Catalogue
from engine.simulator.exchange import CANCEL, SUCCESS, Exchange
from engine.simulator.fault_fields import Kind
from engine.simulator.matching import texts

_IDENTIFIER_MISMATCH = 0xA900


def answer_query(exchange: Exchange, catalogue: Catalogue, levels: Sequence[str], ae_title: str) -> None:
    """Send the matches, with ``ae_title`` as what retrieves them. ``levels`` are those of the model."""
    try:
        matches = list(catalogue.find(levels, exchange.event.identifier))
    except IdentifierError:
        exchange.final(_IDENTIFIER_MISMATCH)
        return
    if exchange.struck.by(Kind.EMPTY) is not None:
        matches = []
    for match in matches:
        exchange.pause()
        if exchange.canceled:
            exchange.final(CANCEL)
            return
        match.RetrieveAETitle = ae_title
        exchange.pending(match)
    exchange.pause()
    exchange.final(SUCCESS)


def studies_of(exchange: Exchange) -> tuple[str, ...]:
    """The Study Instance UIDs that the identifier of a C-FIND or C-MOVE names."""
    identifier = exchange.event.identifier
    return texts(identifier["StudyInstanceUID"]) if "StudyInstanceUID" in identifier else ()
