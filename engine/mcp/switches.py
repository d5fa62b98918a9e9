"""What the operator allows an assistant. Switches are environment variables of the server, since an assistant
may be able to write files, routes.yaml among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import GateClosed
from engine.retrieve.gate import switch_on

TASKS = "DICOM_HL7_PACS_ALLOW_TASKS"
SEND = "DICOM_HL7_PACS_ALLOW_SEND"
PATIENT_DATA = "DICOM_HL7_PACS_ALLOW_PATIENT_DATA"


@dataclass(frozen=True, slots=True)
class Switches:
    """``retrieve``: pacs_retrieve may move. ``tasks``: tasks may be approved, canceled, tried again.
    ``send``: messages may be sent. ``patient_data``: it is not masked. Each is off unless its variable is
    exactly ``true``."""

    retrieve: bool = False
    tasks: bool = False
    send: bool = False
    patient_data: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Switches:
        """As the environment has them."""
        on = {name: environment.get(name) == "true" for name in (TASKS, SEND, PATIENT_DATA)}
        return cls(switch_on(environment), on[TASKS], on[SEND], on[PATIENT_DATA])


def require(on: bool, variable: str, what: str) -> None:
    """GateClosed, with what is refused, why, and how it is allowed."""
    if not on:
        raise GateClosed(
            f"{what} is switched off for assistants; set the environment variable {variable} to exactly "
            "'true' for forefetch mcp (in the MCP client's configuration) and start it again to allow it"
        )
