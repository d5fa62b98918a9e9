"""What a message would come to."""

from __future__ import annotations

import os
from typing import Any

from engine.errors import MessageError
from engine.retrieve.gate import switch_on
from engine.telling.explaining import explanation
from engine.telling.masking import Masking
from engine.telling.payloads import blocks_of
from engine.web.api.decisions import Explanation
from engine.web.api.operation import Call
from engine.web.api.problem import Refused
from engine.web.office import Office
from engine.web.reading import read


async def explain(call: Call) -> Explanation:
    """POST /explain"""
    data = await call.body(call.office.config.engine.max_message_bytes)
    try:
        payloads = blocks_of(data)
    except MessageError as error:
        raise Refused(400, str(error), "send the message as it is: curl --data-binary @order.hl7") from error
    told = await read(_explained, call.office, payloads, call.masking)
    return Explanation.model_validate(told)


def _explained(office: Office, payloads: list[bytes], masking: Masking) -> list[dict[str, Any]]:
    allowed = switch_on(os.environ)
    return [explanation(office.config, it, masking, switched_on=allowed) for it in payloads]
