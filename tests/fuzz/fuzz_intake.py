"""Fuzz ``targets.CheckIntake``. The arguments are those of libFuzzer."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["engine", "hl7"]):
    from tests.fuzz.targets import CheckIntake

if __name__ == "__main__":
    logging.disable()
    # Not closed: libFuzzer ends the process, and nobody reads the journal
    atheris.Setup(sys.argv, CheckIntake(Path(tempfile.mkdtemp(prefix="fuzz-"))))
    atheris.Fuzz()
