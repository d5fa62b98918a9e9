"""DICOM peers for tests: a real Query/Retrieve SCP that follows a script, and bare TCP peers that break off.

All listen on 127.0.0.1 at a port that the system chooses.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_CANCEL_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_MOVE
from pynetdicom.dsutils import decode, encode
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

SOP_CLASSES = (
    Verification,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)
PATIENCE = 20.0  # seconds after which a peer stops to wait, so that a broken test ends


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for something that another thread has to do; false where it does not do it."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if condition():
            return True
        pause.wait(0.01)
    return False


@dataclass(slots=True)
class Request:
    """A DIMSE request as the SCP received it."""

    message: C_ECHO | C_FIND | C_MOVE
    association: Association
    identifier: Dataset | None

    @property
    def message_id(self) -> int:
        assert self.message.MessageID is not None
        return self.message.MessageID

    @property
    def is_cancelled(self) -> bool:
        return self.message_id in self.association.dimse.cancel_req

    @property
    def ended(self) -> bool:
        return self.association.acse.is_aborted() or not self.association.dul.is_alive()

    def wait_for_cancel(self) -> bool:
        return eventually(lambda: self.is_cancelled)

    def wait_for_end(self) -> bool:
        return eventually(lambda: self.ended)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; what is None is left out."""

    status: int
    identifier: Dataset | bytes | None = None
    comment: str | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    message_id: int | None = None


Script = Callable[[Request], Iterable[Reply]]

PENDING = 0xFF00
SUCCESS = Reply(0x0000)


def answer(*replies: Reply) -> Script:
    """A script that gives the same replies to every request."""
    return lambda request: iter(replies)


def result(**values: Any) -> Reply:
    """A pending C-FIND response with an identifier."""
    identifier = Dataset()
    for keyword, value in values.items():
        setattr(identifier, keyword, value)
    return Reply(PENDING, identifier)


@dataclass(slots=True)
class ScriptedScp:
    """What a running SCP has seen."""

    port: int = 0
    associations: int = 0
    connections: int = 0
    released: int = 0
    cancels: list[int] = field(default_factory=list)  # message IDs that C-CANCELs name
    requests: list[Request] = field(default_factory=list)
    open: list[Association] = field(default_factory=list)


@contextmanager
def scripted_scp(
    script: Script,
    *,
    sop_classes: Sequence[Any] = SOP_CLASSES,
    require_called_aet: bool = False,
    maximum_associations: int = 50,
    ssl_context: ssl.SSLContext | None = None,
    verify_identity: Callable[[evt.Event], tuple[bool, bytes | None]] | None = None,
) -> Iterator[ScriptedScp]:
    """An SCP named ARCHIVE that answers every request with what the script yields."""
    seen = ScriptedScp()
    sockets: list[socket.socket] = []

    def established(event: evt.Event) -> None:
        association = event.assoc
        seen.associations += 1
        seen.open.append(association)
        # pynetdicom's own service classes count sub-operations themselves; a script must be able to be wrong
        association.__dict__["_serve_request"] = partial(serve, association)

    def serve(association: Association, msg: Any, context_id: int) -> None:
        data = getattr(msg, "Identifier", None)
        request = Request(msg, association, None if data is None else decode(data, True, True))
        seen.requests.append(request)
        for reply in script(request):
            association.dimse.send_msg(_response(request, reply), context_id)

    def connected(event: evt.Event) -> None:
        seen.connections += 1
        transport: Any = event.assoc.dul.socket
        sockets.append(transport.socket)  # pynetdicom forgets to close one that the other side has shut

    def released(event: evt.Event) -> None:
        seen.released += 1

    def received(event: evt.Event) -> None:
        if isinstance(event.message, C_CANCEL_RQ):
            seen.cancels.append(event.message.command_set.MessageIDBeingRespondedTo)

    entity = AE(ae_title="ARCHIVE")
    entity.require_called_aet = require_called_aet
    entity.maximum_associations = maximum_associations
    for sop_class in sop_classes:
        entity.add_supported_context(sop_class, "1.2.840.10008.1.2")
    handlers: list[Any] = [
        (evt.EVT_ESTABLISHED, established),
        (evt.EVT_CONN_OPEN, connected),
        (evt.EVT_RELEASED, released),
        (evt.EVT_DIMSE_RECV, received),
    ]
    if verify_identity is not None:
        handlers.append((evt.EVT_USER_ID, verify_identity))
    server = entity.make_server(
        ("127.0.0.1", 0),
        ssl_context=ssl_context,
        evt_handlers=handlers,
        server_class=ThreadedAssociationServer,
    )
    entity._servers.append(server)  # as start_server does, whose thread takes half a second to shut down
    seen.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        for association in seen.open:
            if association.is_established:
                association.abort(block=False)
            association.join(PATIENCE)
        for connection in sockets:
            connection.close()


def _response(request: Request, reply: Reply) -> Any:
    response: Any = type(request.message)()
    response.MessageIDBeingRespondedTo = reply.message_id or request.message_id
    response.AffectedSOPClassUID = request.message.AffectedSOPClassUID
    response.Status = reply.status
    if reply.comment is not None:
        response.ErrorComment = reply.comment
    if reply.identifier is not None and not isinstance(response, C_ECHO):
        encoded = reply.identifier
        if isinstance(encoded, Dataset):
            encoded = encode(encoded, True, True) or b""
        response.Identifier = BytesIO(encoded)
    if isinstance(response, C_MOVE):
        response.NumberOfRemainingSuboperations = reply.remaining
        response.NumberOfCompletedSuboperations = reply.completed
        response.NumberOfFailedSuboperations = reply.failed
        response.NumberOfWarningSuboperations = reply.warning
    return response


@contextmanager
def tcp_peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a peer that does with each connection what ``behave`` says, and then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE)
                connections.append(connection)
                threads.append(threading.Thread(target=converse, args=(connection,), daemon=True))
                threads[-1].start()

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port at which the TCP handshake is never completed: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


A_ABORT = bytes.fromhex("07 00 00000004 00 00 00 00")
A_RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
NOT_A_PDU = b"HTTP/1.1 400 Bad Request\r\n\r\n"
HALF_A_PDU = bytes.fromhex("04 00 00001000 00000ffc 03 03")


def receive_pdu(connection: socket.socket) -> bytes:
    """One PDU with its header (PS3.8 9.3.1)."""
    header = _receive(connection, 6)
    return header + _receive(connection, struct.unpack(">I", header[2:])[0])


def accept_association(connection: socket.socket) -> None:
    """Answer an A-ASSOCIATE-RQ by accepting every presentation context (PS3.8 9.3.3)."""
    request = receive_pdu(connection)
    contexts = b"".join(
        _item(0x21, bytes([value[0], 0, 0, 0]) + _item(0x40, b"1.2.840.10008.1.2"))
        for kind, value in _items(request[74:])
        if kind == 0x20
    )
    user = _item(0x50, _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3"))
    body = request[6:74] + _item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
    connection.sendall(struct.pack(">BBI", 2, 0, len(body)) + body)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("closed by the peer")
        data += piece
    return data


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, _, length = struct.unpack(">BBH", data[:4])
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]
