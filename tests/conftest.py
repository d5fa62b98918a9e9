"""What tests of several packages use."""

from __future__ import annotations

import os

import pytest

from tests.certificates import Certificates

# The processes that tests start would compile the engine anew, each of them: a fifth of a second of theirs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
