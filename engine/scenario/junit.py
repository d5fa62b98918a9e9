"""Results as JUnit XML, in the form that Jenkins and GitLab read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from engine.scenario.printable import printable
from engine.scenario.report import difference_lines
from engine.scenario.suite import Result


def junit(results: Sequence[Result]) -> bytes:
    """A ``testsuites`` document: a suite for each file, a case for each scenario. Characters that XML cannot
    hold are written ``\\x0b``."""
    suites = ElementTree.Element("testsuites", _numbers(results), name="forefetch")
    for file, group in groupby(results, key=lambda result: result.scenario.file):
        of_file = list(group)
        suite = ElementTree.SubElement(suites, "testsuite", _numbers(of_file), name=printable(str(file)))
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
        "classname": printable(scenario.file.stem),
        "name": printable(scenario.name),
        "file": printable(str(scenario.file)),
        "time": f"{result.seconds:.3f}",
    }
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if result.fault:
        error = ElementTree.SubElement(case, "error", message=printable(result.fault), type="cannot be run")
        error.text = printable(result.fault)
    elif result.differences:
        failure = ElementTree.SubElement(
            case, "failure", message=printable(_brief(result)), type="difference"
        )
        failure.text = printable("\n".join(difference_lines(result.differences)))
    ElementTree.SubElement(case, "system-out").text = printable("\n".join(result.seen))


def _brief(result: Result) -> str:
    """The first difference, for lists."""
    first, others = result.differences[0], len(result.differences) - 1
    text = f"{first.place}: {first.what}: expected {first.expected}, got {first.got}"
    return f"{text} (and {others} more)" if others else text
