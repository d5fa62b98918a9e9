"""Fuzz ``targets.check_decoder``. The arguments are those of libFuzzer."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["engine", "hl7"]):
    from tests.fuzz.targets import check_decoder

if __name__ == "__main__":
    atheris.Setup(sys.argv, check_decoder)
    atheris.Fuzz()
