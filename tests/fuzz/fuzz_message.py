"""Fuzz ``targets.check_message``. The arguments are those of libFuzzer."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["engine", "hl7"]):
    from tests.fuzz.targets import check_message

if __name__ == "__main__":
    atheris.Setup(sys.argv, check_message)
    atheris.Fuzz()
