"""A DICOM archive and a destination to test against: real associations, made-up patients."""

from engine.simulator.archive import MoveAsked, QueryAsked, SimulatedArchive
from engine.simulator.catalogue import HeldObject
from engine.simulator.destination import ArrivedObject, SimulatedDestination
from engine.simulator.fault_fields import Kind, Operation
from engine.simulator.faults import Fault, parse_faults, read_faults
from engine.simulator.folder import load_folder
from engine.simulator.script import FaultScript
from engine.simulator.studies import GeneratedSeries, GeneratedStudy, datasets, demo_studies

__all__ = [
    "ArrivedObject",
    "Fault",
    "FaultScript",
    "GeneratedSeries",
    "GeneratedStudy",
    "HeldObject",
    "Kind",
    "MoveAsked",
    "Operation",
    "QueryAsked",
    "SimulatedArchive",
    "SimulatedDestination",
    "datasets",
    "demo_studies",
    "load_folder",
    "parse_faults",
    "read_faults",
]
