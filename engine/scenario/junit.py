"""Results as JUnit XML, in the form that Jenkins and GitLab read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from engine.scenario.report import difference_lines
from engine.scenario.suite import Result

# What XML 1.0 does not let into a document, not even as a reference (section 2.2)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[Result]) -> bytes:
    """A ``testsuites`` document: a suite for each file, a case for each scenario. Characters that XML cannot
    hold are written ``\\x0b``."""
    suites = ElementTree.Element("testsuites", _numbers(results), name="forefetch")
    for file, group in groupby(results, key=lambda result: result.scenario.file):
        of_file = list(group)
        suite = ElementTree.SubElement(suites, "testsuite", _numbers(of_file), name=_safe(str(file)))
        for result in of_file:
            _case(suite, result)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document


def _numbers(results: Sequence[Result]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(bool(result.differences) for result in results)),
        "errors": str(sum(bool(result.fault) for result in results)),
        "skipped": "0",
        "time": f"{sum(result.seconds for result in results):.3f}",
    }


def _case(suite: ElementTree.Element, result: Result) -> None:
    scenario = result.scenario
    attributes = {
        "classname": _safe(scenario.file.stem),
        "name": _safe(scenario.name),
        "file": _safe(str(scenario.file)),
        "time": f"{result.seconds:.3f}",
    }
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if result.fault:
        error = ElementTree.SubElement(case, "error", message=_safe(result.fault), type="cannot be run")
        error.text = _safe(result.fault)
    elif result.differences:
        failure = ElementTree.SubElement(case, "failure", message=_safe(_brief(result)), type="difference")
        failure.text = _safe("\n".join(difference_lines(result.differences)))
    ElementTree.SubElement(case, "system-out").text = _safe("\n".join(result.seen))


def _brief(result: Result) -> str:
    """The first difference, for lists."""
    first, others = result.differences[0], len(result.differences) - 1
    text = f"{first.place}: {first.what}: expected {first.expected}, got {first.got}"
    return f"{text} (and {others} more)" if others else text


def _safe(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
