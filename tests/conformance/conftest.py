"""Receivers that live as long as the run: what a case sends has control IDs of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.case import Receiver
from tests.conformance.receiver import IMPATIENT, Running, running
from tests.conformance.runner import Runner


@pytest.fixture(scope="package")
def forefetch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("forefetch")) as engine:
        yield engine


@pytest.fixture(scope="package")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("impatient"), IMPATIENT) as engine:
        yield engine


@pytest.fixture(scope="package")
def runners(forefetch: Running, impatient: Running) -> dict[Receiver, Runner]:
    """One runner for each receiver, so that its answers' control IDs are compared over all cases."""
    normal = Runner(forefetch.address)
    return {
        Receiver.ANY: normal,
        Receiver.FOREFETCH: normal,
        Receiver.IMPATIENT: Runner(impatient.address),
    }
