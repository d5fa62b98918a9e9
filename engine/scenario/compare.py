"""What was expected beside what was seen. Pure: every difference says where, what, expected and got."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.errors import MessageError
from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.scenario.conversation import Sending, code_of
from engine.scenario.difference import Difference
from engine.scenario.fields import Wanted
from engine.scenario.models import ExpectedSection, StepSection
from engine.scenario.retrieves import compare_retrieves
from engine.scenario.scenario import Scenario, Step
from engine.scenario.seen import Seen

Fields = Mapping[FieldPath, Wanted]
# The answers of a step in the notation, and where they are kept
_KINDS = {"ack": "answer", "accept": "accept", "application": "answer"}


def expects(section: StepSection, number: int) -> dict[str, bool]:
    """By kind of answer, whether the step says that one comes to this message (true) or none (false)."""
    return {
        kept: expected != "none"
        for kind, kept in _KINDS.items()
        if (expected := _expected(section, kind, number)) is not None
    }


def _expected(section: StepSection, kind: str, number: int) -> Fields | str | None:
    answers: Sequence[Fields | str] = getattr(section, kind)
    if not answers:
        return None
    return answers[number] if len(answers) > 1 else answers[0]


def compare(scenario: Scenario, seen: Seen) -> list[Difference]:
    """Every difference, in the order of the steps; none: all is as expected."""
    differences = [*_answers(scenario, seen)]
    differences += compare_retrieves(scenario, seen)
    differences += _arrivals(scenario.expected, seen)
    for fault, count in seen.faults:
        if not count:
            differences.append(Difference("faults", str(fault), "to strike", "it never did"))
    if not seen.in_time:
        limit = f"all ended within {scenario.time_limit:g} s"
        unfinished = [
            f"{task.request.selector} {task.status}" for task in seen.tasks if not task.status.final
        ]
        got = ", ".join(unfinished) or "still waiting for an answer"
        differences.append(Difference("time limit", "end", limit, got))
    return differences


def place_of(step: Step, sent: Sending) -> str:
    """A message of a step, in words."""
    number = f", message {sent.number + 1}" if len(step.payloads) > 1 else ""
    again = f", sent again ({sent.again})" if sent.again else ""
    return f"step {sent.step + 1}, {step.label}{number}{again}"


def _answers(scenario: Scenario, seen: Seen) -> Iterator[Difference]:
    for number, step in enumerate(scenario.steps):
        sendings = [sent for sent in seen.sendings if sent.step == number]
        if len(sendings) < len(step.payloads) * (1 + step.section.resend):
            got = f"{len(sendings)}, the answer before did not come"
            count = str(len(step.payloads) * (1 + step.section.resend))
            yield Difference(f"step {number + 1}, {step.label}", "messages sent", count, got)
        for sent in sendings:
            place = place_of(step, sent)
            for kind, kept in _KINDS.items():
                expected = _expected(step.section, kind, sent.number)
                if expected is not None:
                    yield from _answer(place, kind, expected, getattr(sent, kept), sent)
            yield from _again(place, sent, sendings)


def _answer(
    place: str, kind: str, expected: Fields | str, answer: bytes | None, sent: Sending
) -> Iterator[Difference]:
    if expected == "none":
        if answer is not None:
            yield Difference(place, kind, "none", code_of(answer).code or "one")
        return
    fields: Fields = {FieldPath.parse("MSA-1"): Wanted(expected)} if isinstance(expected, str) else expected
    if answer is None:
        wanted = ", ".join(f"{path} {wanted}" for path, wanted in fields.items())
        yield Difference(place, kind, wanted, f"no answer{f': {sent.fault}' if sent.fault else ''}")
        return
    try:
        message = Message(answer)
    except MessageError as error:
        yield Difference(place, kind, "an HL7 acknowledgment", error.text)
        return
    for path, value in fields.items():
        values = [value.text for value in message.values(path)] or [""]
        if not any(map(value.fits, values)):
            yield Difference(place, f"{kind} {path}", str(value), " ~ ".join(values) or "nothing")


def _again(place: str, sent: Sending, sendings: Sequence[Sending]) -> Iterator[Difference]:
    """A message that is sent again gets its first answers again."""
    if not sent.again:
        return
    first = next(it for it in sendings if it.number == sent.number and not it.again)
    for kind in ("accept", "answer"):
        before, now = getattr(first, kind), getattr(sent, kind)
        if before != now:
            what = {"accept": "accept", "answer": "application" if sent.mode.enhanced else "ack"}[kind]
            yield Difference(place, what, "the first answer, byte for byte", _beside(before, now))


def _beside(before: bytes | None, now: bytes | None) -> str:
    if before is None or now is None:
        return "no answer" if now is None else "an answer, though none came to the first"
    differing = [
        f"{new!r} where it said {old!r}"
        for old, new in zip(segments(before), segments(now), strict=False)
        if old != new
    ]
    return differing[0] if differing else "more or fewer segments"


def segments(message: bytes) -> list[str]:
    """A message as lines of text, for people."""
    return [line for line in message.decode("utf-8", "replace").replace("\n", "\r").split("\r") if line]


def _arrivals(expected: ExpectedSection, seen: Seen) -> Iterator[Difference]:
    for name, studies in expected.arrived.items():
        for study, count in studies.items():
            got = seen.arrived[name][study] if name in seen.arrived else 0
            if got != count:
                yield Difference("arrived", f"{study} at {name}", f"{count} objects", f"{got} objects")
    for name, unwanted in expected.not_arrived.items():
        for study, count in sorted(seen.arrived.get(name, {}).items()):
            if count and ("*" in unwanted or study in unwanted):
                yield Difference("not arrived", f"{study} at {name}", "nothing", f"{count} objects")
