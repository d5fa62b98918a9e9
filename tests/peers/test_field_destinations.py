"""An Orthanc as destination: what is there is not moved, what is missing is told and moved alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from tests.peers.conftest import Folders
from tests.peers.dcmtk import store
from tests.peers.field import Desk, desk, node, order, routes_with
from tests.peers.nodes import ArchiveNode
from tests.peers.orthanc import delete, orthanc
from tests.peers.studies import MIXED

pytestmark = pytest.mark.peers

S = TaskStatus
STUDY = MIXED.study_uid  # 3 CT and 2 MR
CT, MR = (series.series_uid for series in MIXED.series)
_MOVE = re.compile(r"Move-SCU request received.*\n.*QueryRetrieveLevel = (\w+)")
SPOILED = replace(
    MIXED,
    study_uid=f"{STUDY}.9",
    series=tuple(replace(series, series_uid=f"{series.series_uid}.9") for series in MIXED.series),
)
# Orthanc answers the C-STORE of what this refuses with success
_FILTER = f"""
function ReceivedInstanceFilter(dicom)
  return dicom["StudyInstanceUID"] ~= "{SPOILED.study_uid}" or dicom["Modality"] ~= "MR"
end
"""


class Nodes(NamedTuple):
    """An archive and a destination, which says yes to the MR of a study and does not keep it."""

    source: ArchiveNode
    second: ArchiveNode

    def levels(self) -> list[str]:
        """Of the C-MOVE requests since the test began."""
        return _MOVE.findall(self.source.process.log_since_mark())

    def routes(self, folder: Path, **terms: Any) -> Path:
        return routes_with(
            folder,
            {"archive": node(self.source.ae_title, self.source.port, idle="0.5s")},
            {"SECOND": node("SECOND", self.second.port, query={})},
            gate={"verify_within": "0.5s"},
            deadline="10m",
            **terms,
        )


@pytest.fixture(scope="module")
def _nodes(folders: Folders) -> Iterator[Nodes]:
    folder = folders("source")
    script = folder / "filter.lua"
    script.write_text(_FILTER, encoding="ascii")
    with (
        orthanc("SECOND", {}, folders("second"), settings={"LuaScripts": [str(script)]}) as second,
        orthanc("SOURCE", {"SECOND": second.port}, folder) as source,
    ):
        store([MIXED, SPOILED], source.ae_title, source.port, folder / "studies")
        yield Nodes(source, second)


@pytest.fixture
def nodes(_nodes: Nodes) -> Nodes:
    """The destination has nothing."""
    delete(_nodes.second)
    return _nodes


def outcome(engine: Desk) -> Outcome:
    """Of the newest task."""
    last = engine.tasks()[-1].outcome
    assert last is not None
    return last


@pytest.mark.parametrize("gone", [MR, f"{CT}.2"])
def test_what_is_there_is_not_moved_and_of_what_is_not_the_series_alone(
    nodes: Nodes, tmp_path: Path, gone: str
) -> None:
    routes = nodes.routes(tmp_path, verify="series", already_there="skip", retry="1x1s")
    with desk(routes) as engine:
        message = order(STUDY, room="SECOND")
        assert engine.send(message).code == "AA"
        assert "5 of 5 objects are at SECOND" in outcome(engine).text
        again = engine.send(order(STUDY, room="SECOND"))
        assert (again.code, again.text) == ("AA", "1 of 1 study arrived")
        assert (outcome(engine).cause, nodes.levels()) == (Cause.ALREADY_THERE, ["STUDY"])
        delete(nodes.second, gone)
        assert engine.send(order(STUDY, room="SECOND")).code == "AA"
        assert "5 of 5 objects are at SECOND" in outcome(engine).text
        assert outcome(engine).counters.completed == (3 if gone.startswith(CT) else 2)
    assert nodes.levels() == ["STUDY", "SERIES"]


def test_what_the_destination_drops_without_a_word_is_told_as_missing_and_asked_for_again_alone(
    nodes: Nodes, tmp_path: Path
) -> None:
    with desk(nodes.routes(tmp_path, verify="series", retry="1x1s")) as engine:
        acknowledgment = engine.send(order(SPOILED.study_uid, room="SECOND"))
        assert acknowledgment.code == "AE"
        (problem,) = acknowledgment.problems()
        assert problem.severity == "W"
        assert "3 of 5 objects are at SECOND, 2 missing" in problem.text
        (task,) = engine.tasks()
        assert (task.status, task.missing, task.attempts) == (S.WARNING, (f"{MR}.9",), 2)
        assert outcome(engine).cause is Cause.MISSING
    assert nodes.levels() == ["STUDY", "SERIES"]
