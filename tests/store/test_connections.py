"""What an engine waits for, of its connections to a database."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator

import pytest

from engine.store.connections import readable

_BEYOND = 1100  # what `select` takes


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= _BEYOND:
        pytest.skip("so many files are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _BEYOND + 1), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_files")
def test_a_connection_is_heard_also_where_the_engine_has_a_thousand_others() -> None:
    reading, writing = os.pipe()
    high = fcntl.fcntl(reading, fcntl.F_DUPFD, _BEYOND)
    try:
        assert not readable([high], 0.0)
        os.write(writing, b"!")
        assert readable([high, reading], 20.0)
    finally:
        for descriptor in (reading, writing, high):
            os.close(descriptor)
