"""Read scenario files: every complaint at once, each with file, line, column, expected and found."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config.clock import clock_of
from engine.config.load import checked, configuration, read_text
from engine.config.values import Config
from engine.config.yamlfile import Document, Where, read
from engine.errors import Complaint, ConfigError, ForefetchError
from engine.hl7.files import messages_of
from engine.scenario.content import messages_in, objects
from engine.scenario.faults import faults_by_node
from engine.scenario.models import (
    ArchiveSection,
    DestinationSection,
    ScenarioFile,
    ScenarioSection,
    StepSection,
)
from engine.scenario.override import override
from engine.scenario.references import references
from engine.scenario.scenario import Scenario, SimulatedNodeSetup, Step
from engine.simulator import demo_studies, load_folder
from engine.simulator.archive import Content
from engine.simulator.faults import Fault


def load(path: Path) -> list[Scenario]:
    """The scenarios of a file, or ConfigError with the complaints about it and the routes files it names."""
    document = read(read_text(path), str(path))
    several = isinstance(document.value, dict) and "scenarios" in document.value
    sections = checked(document, ScenarioFile).scenarios if several else [_only(document)]
    loaded: list[Scenario] = []
    complaints: list[Complaint] = []
    for number, section in enumerate(sections):
        try:
            where: Where = ("scenarios", number) if several else ()
            loaded.append(_Reading(document, where, path, section).scenario())
        except ConfigError as error:
            complaints += error.complaints
    complaints += _second_names(document, sections)
    if complaints:
        raise ConfigError(complaints)
    return loaded


def _only(document: Document) -> ScenarioSection:
    """A file that is one scenario."""
    return checked(document, ScenarioSection)


def schema() -> str:
    """The JSON Schema of a scenario file, for editors."""
    several = ScenarioFile.model_json_schema(by_alias=True)
    definitions = several.pop("$defs")
    one = {"$ref": "#/$defs/ScenarioSection"}
    return json.dumps({"title": "Scenario", "anyOf": [one, several], "$defs": definitions}, indent=2)


def _second_names(document: Document, sections: list[ScenarioSection]) -> Iterator[Complaint]:
    names: set[str] = set()
    for number, section in enumerate(sections):
        if section.name in names:
            where: Where = ("scenarios", number, "name")
            yield document.complaint(where, "a name of its own", f"a second {section.name!r}")
        names.add(section.name)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One scenario of a document, at ``where`` in it."""

    document: Document
    where: Where
    path: Path
    section: ScenarioSection

    def scenario(self) -> Scenario:
        config = self._config()
        now = clock_of(config)()
        complaints = list(references(self.document, self.where, self.section, config))
        steps = [self._step(number, step, now, complaints) for number, step in enumerate(self.section.steps)]
        struck = faults_by_node(
            self.document, (*self.where, "faults"), self.section.faults, config, complaints
        )
        archives = {
            name: self._archive(name, now, struck.get(name, ()), complaints) for name in config.archives
        }
        destinations = {name: self._destination(name, struck.get(name, ())) for name in config.destinations}
        if complaints:
            raise ConfigError(complaints)
        return Scenario(
            name=self.section.name,
            file=self.path,
            config=config,
            gate_open=self.section.gate == "open",
            time_limit=self.section.time_limit.total_seconds(),
            archives=archives,
            destinations=destinations,
            steps=tuple(steps),
            expected=self.section.expected,
        )

    def _config(self) -> Config:
        base = Document(str(self.path), {})
        if self.section.config is not None:
            file = self.path.parent / self.section.config
            if not file.is_file():
                raise ConfigError([self._missing("config", "a routes file", file)])
            base = read(read_text(file), str(file))
        if self.section.override is None:
            return configuration(base)
        return configuration(override(base, self.document, (*self.where, "override")))

    def _step(self, number: int, section: StepSection, now: dt.datetime, complaints: list[Complaint]) -> Step:
        label = section.name or section.file or f"message {number + 1}"
        payloads = self._payloads(number, section, now, complaints)
        for kind in ("ack", "accept", "application"):
            count = len(getattr(section, kind))
            if payloads and count > 1 and count != len(payloads):
                expected = f"one answer, or as many as messages ({len(payloads)})"
                place = (*self.where, "steps", number, kind)
                complaints.append(self.document.complaint(place, expected, f"{count} answers"))
        return Step(label, tuple(payloads), section)

    def _payloads(
        self, number: int, section: StepSection, now: dt.datetime, complaints: list[Complaint]
    ) -> list[bytes]:
        key = "message" if section.message is not None else "file"
        here = (*self.where, "steps", number, key)
        try:
            if section.message is not None:
                payloads = messages_in(section.message, now)
            else:
                payloads = messages_of((self.path.parent / str(section.file)).read_bytes())
        except OSError as error:
            complaints.append(
                self.document.complaint(here, "a file of HL7 messages", error.strerror or str(error))
            )
            return []
        except ValueError as error:
            complaints.append(self.document.complaint(here, str(error), "a message that is not so"))
            return []
        if not payloads:
            complaints.append(self.document.complaint(here, "at least one message", "none"))
        return payloads

    def _destination(self, name: str, struck: tuple[Fault, ...]) -> SimulatedNodeSetup:
        section = self.section.destinations.get(name, DestinationSection())
        return SimulatedNodeSetup(down=section.down, known=section.known, faults=struck)

    def _archive(
        self, name: str, now: dt.datetime, struck: tuple[Fault, ...], complaints: list[Complaint]
    ) -> SimulatedNodeSetup:
        section = self.section.archives.get(name, ArchiveSection())
        content: list[Content] = []
        if section.folder is not None:
            try:
                content += load_folder(self.path.parent / section.folder)
            except ForefetchError as error:
                place = (*self.where, "archives", name, "folder")
                complaints.append(self.document.complaint(place, "a folder of DICOM files", str(error)))
        elif section.studies is None:
            content += demo_studies()
        else:
            content += [dataset for study in section.studies for dataset in objects(study, now)]
        return SimulatedNodeSetup(content=tuple(content), down=section.down, faults=struck)

    def _missing(self, key: str, expected: str, file: Any) -> Complaint:
        return self.document.complaint((*self.where, key), expected, f"no file {file}")
