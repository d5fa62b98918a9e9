"""A service class user for the tests of the simulator: plain pynetdicom, so that both ends are real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from engine.dicom.node import Archive, Timeouts
from engine.scu import ArchiveClient
from engine.simulator.scp import SimulatedNode
from engine.simulator.wire import no_delay

QUERY_RETRIEVE = (
    Verification,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
)


def request(
    node: SimulatedNode, *sop_classes: str, called: str = "", transfer_syntax: str | None = None
) -> Association:
    """Ask the node for an association; it may have been refused."""
    ae = AE("TESTER")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    return ae.associate(
        *node.address,
        contexts=[build_context(sop_class, transfer_syntax) for sop_class in sop_classes or QUERY_RETRIEVE],
        ae_title=called or node.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, lambda event: no_delay(event.assoc))],
    )


@contextmanager
def associated(
    node: SimulatedNode, *sop_classes: str, transfer_syntax: str | None = None
) -> Iterator[Association]:
    association = request(node, *sop_classes, transfer_syntax=transfer_syntax)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()
        association.join(20)


def identifier(level: str, **keys: object) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def find(
    node: SimulatedNode,
    level: str,
    model: str = StudyRootQueryRetrieveInformationModelFind,
    **keys: object,
) -> tuple[int, list[Dataset]]:
    """The final status of a C-FIND and the identifiers of its pending responses."""
    with associated(node) as association:
        responses = list(association.send_c_find(identifier(level, **keys), model))
    return responses[-1][0].Status, [found for _, found in responses if found is not None]


def move(
    node: SimulatedNode,
    destination: str,
    level: str,
    model: str = StudyRootQueryRetrieveInformationModelMove,
    priority: int = 0,
    **keys: object,
) -> tuple[Dataset, Dataset | None]:
    """The final response of a C-MOVE (status, counters) and its identifier (failed SOP instances)."""
    with associated(node) as association:
        responses = association.send_c_move(identifier(level, **keys), destination, model, priority=priority)
        return list(responses)[-1]


def responses(node: SimulatedNode, destination: str, study: str) -> list[tuple[Dataset, Dataset | None]]:
    """Every response to a C-MOVE of a study."""
    with associated(node) as association:
        return list(
            association.send_c_move(
                identifier("STUDY", StudyInstanceUID=study),
                destination,
                StudyRootQueryRetrieveInformationModelMove,
            )
        )


@contextmanager
def client(node: SimulatedNode, grace: float = 10, **timeouts: float) -> Iterator[ArchiveClient]:
    """Forefetch's own SCU: what it makes of the node."""
    host, port = node.address
    limits = Timeouts(**{"connect": 20, "acse": 20, "dimse": 20, "total": 60, **timeouts})
    asking = ArchiveClient(Archive("node", node.ae_title, host, port, timeouts=limits), grace=grace)
    try:
        yield asking
    finally:
        asking.close()


def counters(response: Dataset) -> tuple[int, int, int]:
    """Completed, failed and warning sub-operations."""
    return (
        response.NumberOfCompletedSuboperations,
        response.NumberOfFailedSuboperations,
        response.NumberOfWarningSuboperations,
    )
