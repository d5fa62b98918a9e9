"""What a message would come to, for those who may not see whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.config import Config
from engine.config.clock import clock_of
from engine.config.profiles import message_profiles
from engine.errors import MessageError
from engine.hl7.message import Header, best_header
from engine.hl7.patient import patient_values
from engine.hl7.validation import require_valid
from engine.resolve import Finder
from engine.routing.admission import examine
from engine.routing.router import Matched
from engine.telling.masking import Masking, Veil
from engine.telling.preview import Preview, preview, preview_dict, refusal_dict
from engine.telling.veiling import veiled_decision, veiled_resolution


def explanation(
    config: Config,
    payload: bytes,
    masking: Masking,
    *,
    switched_on: bool,
    finders: Mapping[str, Finder] | None = None,
) -> dict[str, Any]:
    """What one message would come to, as plain values, its patient behind a veil; why it would be refused,
    where it would. With ``finders``, as of `preview`, it blocks."""
    veil = masking.of(patient_values(payload, config.engine.default_charset))
    now = clock_of(config)()
    try:
        seen = preview(config, payload, now, switched_on=switched_on)
        _require_taken(config, seen)
        if finders is not None:
            seen = preview(config, payload, now, switched_on=switched_on, finders=finders)
    except MessageError as error:
        return refusal_dict(_veiled_error(error, payload, veil))
    found = None if seen.found is None else tuple(veiled_resolution(it, veil) for it in seen.found)
    values = preview_dict(replace(seen, decision=veiled_decision(seen.decision, veil), found=found))
    values["message"] = veil.sentence(values["message"])
    values["warnings"] = [veil.sentence(warning) for warning in values["warnings"]]
    return values


def _require_taken(config: Config, seen: Preview) -> None:
    """MessageError for what the engine would refuse though it can be read."""
    examine(seen.message.header, config.intake, config.table)
    decision = seen.decision
    if isinstance(decision, Matched) and decision.validate:
        profiles = message_profiles(config)
        require_valid(seen.message, [profiles.get(name) for name in decision.profiles or ("",)])


def _veiled_error(error: MessageError, payload: bytes, veil: Veil) -> MessageError:
    """Of a message without a readable header, what stands in its beginning may be anything."""
    unreadable = best_header(payload) == Header()
    text = veil.echo(veil.literals(error.text) if unreadable else error.text)
    return MessageError(text, code=error.code, location=error.location, reject=error.reject)
