"""What the simulated archive and destination have in common: a DICOM node that listens, answers C-ECHO, and
can be stopped without leaving a socket or a thread behind."""

from __future__ import annotations

import logging
import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from socketserver import BaseServer
from types import TracebackType
from typing import Any, Self

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, DimseServiceType
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from engine.dicom.identifiers import valid_ae_title
from engine.errors import ForefetchError, NodeError
from engine.simulator.exchange import SUCCESS, Exchange
from engine.simulator.fault_fields import REJECTIONS, Kind, Operation
from engine.simulator.faults import Fault
from engine.simulator.script import FaultScript
from engine.simulator.wire import Ended, Wire, cut

logger = logging.getLogger(__name__)

Address = tuple[str, int]
Faults = FaultScript | Iterable[Fault]
Service = tuple[Operation, Callable[[Exchange], None]]

# pynetdicom logs whole C-FIND and C-MOVE identifiers unless it is told not to, and those are patient data.
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False

_MAXIMUM_ASSOCIATIONS = 100
_POLL = 0.05  # s; how soon the accepting thread sees that it has to end
_JOIN = 10.0  # s


class SimulatedNode:
    """A listening DICOM application entity. Port 0 lets the system choose; later starts keep that port.

    Calls to another called AE title are rejected (PS3.8 9.3.4, reason 7). The node has every one of its
    ``faults``, whatever name they carry; ForefetchError for one of an operation that it does not offer. With
    an ``ssl_context``, which may be set until the start, it speaks TLS only.
    """

    principal: Operation  # what a fault strikes that does not say on what

    def __init__(self, ae_title: str, host: str, port: int, faults: Faults = ()) -> None:
        self.ssl_context: ssl.SSLContext | None = None
        self.ae_title = valid_ae_title(ae_title)
        self._address: Address = (host, port)
        self._server: ThreadedAssociationServer | None = None
        self._acceptor: threading.Thread | None = None
        self._lock = threading.Lock()
        self._associations = 0
        self._stopping = threading.Event()
        self.faults = faults if isinstance(faults, FaultScript) else FaultScript(faults)
        self._check_faults()
        self._ae = AE(self.ae_title)
        self._ae.require_called_aet = True
        self._ae.maximum_associations = _MAXIMUM_ASSOCIATIONS
        self._ae.connection_timeout = 5
        self._ae.add_supported_context(Verification)

    def _services(self) -> Mapping[type[DimseServiceType], Service]:
        """What answers each DIMSE service, and the operation that faults know it as."""
        return {C_ECHO: (Operation.ECHO, self._echo)}

    def _echo(self, exchange: Exchange) -> None:
        exchange.pause()
        exchange.final(SUCCESS)

    def _subject(self, exchange: Exchange) -> dict[str, Any]:
        """What a request is about, as `FaultScript.strike` wants to know it."""
        return {}

    @property
    def address(self) -> Address:
        """Host and port; after :meth:`stop` still those that were used. ForefetchError before a start."""
        if not self._address[1]:
            raise ForefetchError(f"{self.ae_title} has no port yet; start it first")
        return self._address

    @property
    def associations(self) -> int:
        """Associations accepted since this object was made. Exact once a peer has had its first answer."""
        return self._associations

    def start(self) -> Self:
        """Listen. NodeError where the address cannot be used. Starting twice is one start."""
        if self._server is not None:
            return self
        handlers: list[EventHandlerType] = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_ACCEPTED, self._count),
        ]
        try:
            server = self._ae.make_server(
                self._address, ssl_context=self.ssl_context, evt_handlers=handlers, server_class=_Server
            )
        except OSError as exc:
            host, port = self._address
            raise NodeError(self.ae_title, f"cannot listen on {host}:{port}: {exc.strerror}") from exc
        host, port = server.server_address[:2]
        self._server, self._address = server, (str(host), int(port))
        self._stopping.clear()
        self._acceptor = threading.Thread(
            target=server.serve_forever, args=(_POLL,), name=self.ae_title, daemon=True
        )
        self._acceptor.start()
        logger.info("%s listens on %s:%d", self.ae_title, *self._address)
        return self

    def stop(self) -> None:
        """Stop listening, cut what is open, and wait for every thread. Stopping twice is one stop.

        Peers see the connection close, as when a process dies (A-P-ABORT).
        """
        if self._server is None or self._acceptor is None:
            return
        with self._lock:
            self._stopping.set()
        self._server.shutdown()
        self._acceptor.join()
        associations = self._open_associations()
        connections = [cut(association) for association in associations]
        for association in associations:
            if association.is_alive():
                association.join(_JOIN)
        for connection in connections:
            if connection is not None:
                connection.close()
        self._server = self._acceptor = None
        logger.info("%s has stopped", self.ae_title)

    def _open_associations(self) -> list[Association]:
        """Those that peers have asked for come first: once they are cut, they tell of nothing else."""
        return sorted(self._ae.active_associations, key=lambda association: association.is_requestor)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _count(self, event: Event) -> None:
        with self._lock:
            self._associations += 1

    def _check_faults(self) -> None:
        offered = {Operation.ASSOCIATION, *(operation for operation, _ in self._services().values())}
        for fault in self.faults.faults:
            operation = fault.operation(self.principal)
            if operation not in fault.befalls & offered:
                possible = ", ".join(sorted(fault.befalls & offered)) or "nothing that it offers"
                raise ForefetchError(
                    f"fault '{fault}' cannot befall {operation} at {self.ae_title}; `on` can be: {possible}"
                )

    def _opened(self, event: Event) -> None:
        wire = Wire(event.assoc)
        event.assoc.bind(evt.EVT_REQUESTED, self._requested, [wire])
        event.assoc._serve_request = partial(  # type: ignore[method-assign]
            self._serve, wire, event.assoc._serve_request
        )

    def _requested(self, _: Event, wire: Wire) -> None:
        """Faults of the negotiation, before pynetdicom negotiates."""
        struck = self.faults.strike(Operation.ASSOCIATION, self.principal)
        if not struck.faults:
            return
        association = wire.association
        with suppress(Ended):
            if (slow := struck.by(Kind.DELAY)) is not None:
                wire.wait(slow.delay or 0)
            if struck.ending is not None:
                _refuse(wire, struck.ending)
        if struck.ending is not None or wire.lost:
            association.is_aborted = not association.is_rejected  # pynetdicom does not negotiate then
            association.kill()

    def _serve(
        self,
        wire: Wire,
        serve: Callable[[DimseServiceType, int], None],
        request: DimseServiceType,
        context_id: int,
    ) -> None:
        """In the place of pynetdicom's own, which decides too much of the responses."""
        association = wire.association
        context = association._accepted_cx.get(context_id)
        service = self._services().get(type(request))
        if context is None or service is None or not request.is_valid_request or association._sent_release:
            serve(request, context_id)
            return
        operation, answer = service
        association._is_paused = True  # or a release from here would wait for ever
        exchange = Exchange(wire, request, context)
        try:
            exchange.struck = self.faults.strike(operation, self.principal, **self._subject(exchange))
            exchange.begin()
            answer(exchange)
        except Ended:
            pass
        except Exception as exc:  # noqa: BLE001  whatever it is, the peer must not wait for it
            logger.error("%s: %s failed: %s", self.ae_title, operation, type(exc).__name__)
            with suppress(Ended):
                exchange.fail()
        finally:
            association._is_paused = False
            association.dimse.cancel_req = {}


def _refuse(wire: Wire, fault: Fault) -> None:
    match fault.fault:
        case Kind.REJECT:
            wire.association.acse.send_reject(*(fault.reject or REJECTIONS["local-limit-exceeded"]))
        case Kind.ABORT:
            wire.abort()
        case Kind.CLOSE:
            wire.close()
        case Kind.SILENCE:
            wire.wait(math.inf)


class _Socket(socket.socket):
    """pynetdicom leaves a socket open that cannot be shut down, since its peer is gone."""

    def shutdown(self, how: int, /) -> None:
        with suppress(OSError):
            super().shutdown(how)


class _Server(ThreadedAssociationServer):
    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if type(connection) is socket.socket:  # one of TLS cannot be made anew
            connection = _Socket(fileno=connection.detach())
        return connection, address

    def shutdown(self) -> None:
        """Stop without pynetdicom's bookkeeping: this server was made by the AE, not started by it."""
        BaseServer.shutdown(self)
        self.server_close()
