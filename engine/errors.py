"""The errors of Forefetch. Each knows whose fault it is and therefore who has to act.

::

    ForefetchError
    ├── ConfigError            the operator: routes.yaml says something that cannot be meant
    ├── MessageError           the sender: a message that cannot be read or carried out as it stands
    ├── IdentifierError        whoever gave it: a UID, AE title or key that DICOM does not allow
    ├── GateClosed             nobody: policy says that nothing moves; the text says how to open the gate
    ├── NodeError              a DICOM node (archive or destination)
    │   ├── NodeUnreachable        no TCP connection
    │   │   └── TlsFailed              no TLS on it, or a certificate that one side does not take
    │   ├── AssociationRejected    A-ASSOCIATE-RJ, or no presentation context accepted
    │   │   └── NodeBusy               A-ASSOCIATE-RJ for now: congestion, or a limit of associations
    │   ├── AssociationAborted     A-ABORT, A-P-ABORT or connection closed while waiting
    │   ├── NodeTimeout            silence: ACSE, DIMSE or the total time of one operation
    │   └── QueryFailed            a C-FIND that ended with a failure status
    ├── ListenError            the operator: an address cannot be listened on
    └── StoreError             this machine: the disk or the database

An adapter turns a foreign exception into one of these and keeps it as ``__cause__``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ErrorCode(IntEnum):
    """Message error condition codes, HL7 table 0357. `engine.hl7.ack` says when each is given."""

    ACCEPTED = 0
    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD_MISSING = 101
    DATA_TYPE = 102
    TABLE_VALUE_NOT_FOUND = 103
    VALUE_TOO_LONG = 104
    CARDINALITY = 198
    OTHER_HL7_ERROR = 199
    UNSUPPORTED_MESSAGE_TYPE = 200
    UNSUPPORTED_EVENT = 201
    UNSUPPORTED_PROCESSING_ID = 202
    UNSUPPORTED_VERSION = 203
    UNKNOWN_KEY = 204
    DUPLICATE_KEY = 205
    RECORD_LOCKED = 206
    INTERNAL = 207


class ForefetchError(Exception):
    """Root of everything that Forefetch raises on purpose."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong in a file, with the place and the cure.

    ``line`` and ``column`` count from 1; ``where`` is the path of keys, such as ``routes[2].when``.
    """

    file: str
    line: int
    column: int
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.where or 'file'}: expected {self.expected}; found {self.found}"


class ConfigError(ForefetchError):
    """routes.yaml is not usable. Carries every complaint, not only the first."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))


class MessageError(ForefetchError):
    """A message that cannot be accepted as it stands.

    ``code`` is an `ErrorCode`; ``location`` is a field in the form
    ``SEG-field``, or empty; ``reject`` says whether the answer is AR (true) or AE (false), HL7 v2 ch. 2.9.2.
    """

    def __init__(
        self,
        text: str,
        *,
        code: int = ErrorCode.SEGMENT_SEQUENCE,
        location: str = "",
        reject: bool = False,
    ) -> None:
        self.text = text
        self.code = code
        self.location = location
        self.reject = reject
        super().__init__(text)


class IdentifierError(ForefetchError):
    """A UID, AE title or matching key that must not go on the wire."""


class GateClosed(ForefetchError):
    """Policy refuses the retrieve; the text says how it would be allowed."""


class NodeError(ForefetchError):
    """A DICOM node did not do what was asked. ``node`` is its name in routes.yaml, ``said`` the node's own
    comment, which may name a patient; ``plain`` is the text without it, for logs."""

    def __init__(self, node: str, text: str, said: str = "") -> None:
        self.node = node
        self.plain = text
        self.text = f"{text} ({said})" if said else text
        super().__init__(f"{node}: {self.text}")


class NodeUnreachable(NodeError):
    """No TCP connection to the node."""


class TlsFailed(NodeUnreachable):
    """There is a TCP connection, but no TLS on it that both sides want. The text has the cure."""


class AssociationRejected(NodeError):
    """The node answered and refused the association or every presentation context."""


class NodeBusy(AssociationRejected):
    """The node refused the association for now (PS3.8 table 9-21, source 3: congestion or its limit)."""


class AssociationAborted(NodeError):
    """The association ended while an answer was awaited."""


class NodeTimeout(NodeError):
    """The node was silent, or went on, for longer than is allowed."""


class QueryFailed(NodeError):
    """The node ended a C-FIND with a status that is not success. ``status`` is the DIMSE status."""

    def __init__(self, node: str, text: str, status: int, said: str = "") -> None:
        self.status = status
        super().__init__(node, text, said)


class ListenError(ForefetchError):
    """An address, or its files of TLS, cannot be had. The text has the cure."""


class StoreError(ForefetchError):
    """The journal could not be read or written: nothing may be acknowledged as kept."""
