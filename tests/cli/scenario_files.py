"""Scenario files for tests."""

from __future__ import annotations

from pathlib import Path

from typer.testing import Result

from tests.cli.test_cli import run

ROUTES = (Path(__file__).parents[2] / "samples" / "scenarios" / "hospital" / "routes.yaml").read_text()
ORDER = r"""MSH|^~\&|RIS|FOREST|FOREFETCH|FOREST|${now}||ORM^O01|T-1|P|2.5.1
PID|1||P-1^^^FOREST^MR
PV1|1|O|RAD
ORC|RE|P1|F1
OBR|1|P1|F1|CTCH^CT Chest^L
ZDS|2.25.1^FOREFETCH^Application^DICOM
"""
STUDY = "{study: 2.25.1, patient: P-1, issuer: FOREST, date: -30d, modality: CT, series: {instances: 2}}"
BASE = f"""
name: a test
config: routes.yaml
archives: {{main: {{studies: {STUDY}}}}}
"""


def message(text: str = ORDER, **keys: str) -> str:
    """A step with an inline message."""
    lines = "".join(f"      {line}\n" for line in text.splitlines())
    return f"  - message: |\n{lines}" + "".join(f"    {key}: {value}\n" for key, value in keys.items())


def write(folder: Path, text: str, name: str = "scenario.yaml") -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    path = folder / name
    path.write_text(text)
    return path


def run_file(folder: Path, text: str, *words: object) -> Result:
    """`forefetch test` of a file with this text."""
    return run("test", write(folder, text), *words)
