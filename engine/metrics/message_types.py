"""Which message types have a label of their own. MSH-9 is the sender's text: anything may stand there, a name
among others, and of any number of kinds."""

from __future__ import annotations

import re

_MOST = 100
_TRIGGER = re.compile(r"[A-Z][0-9]{2}")
# Of HL7 table 0076, those of the chapters that a radiology feed may have
_CODES = frozenset(
    re.findall(
        r"\w+",
        """
    ACK ADR ADT BAR CRM CSU DFT DOC EDR MCF MDM MFD MFK MFN MFQ MFR OMB OMD OMG OMI OML OMN OMP OMS ORB
    ORD ORF ORG ORI ORL ORM ORN ORP ORR ORS ORU OSQ OSR OUL PEX PGL PIN PPP PPR PTR QBP QCK QCN QRY QVR
    RAR RAS RCI RCL RDE RDR RDS RDY REF RGV ROR RPA RPI RPL RPR RQA RQC RQI RQP RRA RRD RRE RRG RRI RSP
    RTB SIU SQM SQR SRM SRR SUR TBR UDM VQQ VXQ VXR VXU VXX
    """,
    )
)
UNREADABLE, OTHER = "unreadable", "other"


class MessageTypes:
    """The labels that are in use: 100 at most, beside the two above."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {"": UNREADABLE}

    def label(self, message_type: str) -> str:
        """Of MSH-9 as ``ORM^O01``."""
        label = self._labels.get(message_type)
        if label is not None:
            return label
        if len(self._labels) > _MOST or not _is_known(message_type):
            return OTHER
        return self._labels.setdefault(message_type, message_type)


def _is_known(message_type: str) -> bool:
    code, separator, trigger = message_type.partition("^")
    return code in _CODES and (not separator or _TRIGGER.fullmatch(trigger) is not None)
