"""Decisions and tasks for those who may not see their patients: the same values with them behind a veil.

What is told of them afterwards is in the very words that a person reads, and keeps its form: a time stays a
time, though a patient's ID may be a year.
"""

from __future__ import annotations

from dataclasses import replace

from engine.hl7.message import Located
from engine.hl7.patient import about_patient
from engine.resolve import Resolution
from engine.retrieve.outcome import Outcome
from engine.retrieve.plan import PlanProblem, RetrievePlan
from engine.retrieve.selector import PriorsOfPatient, Selector, StudiesOfAccession
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.routing.conditions import Check
from engine.routing.meaning import Meaning, Merge, Number, Occasion, PatientIdentifier
from engine.routing.router import Decision, Matched, RouteTrace
from engine.routing.table import RuledOut
from engine.store import Line, Story
from engine.telling.masking import Masking, Veil
from engine.telling.tasks import Summary
from engine.waiting import Hold


def veiled_decision(decision: Decision, veil: Veil) -> Decision:
    """What a message was decided to mean."""
    trace = tuple(_trace(one, veil) for one in decision.trace)
    meaning, others = _meaning(decision.meaning, veil), _ruled_out(decision.ruled_out, veil)
    if not isinstance(decision, Matched):
        return decision._replace(trace=trace, meaning=meaning, ruled_out=others)
    plan = RetrievePlan(
        tuple(_request(request, veil) for request in decision.plan.requests),
        tuple(_problem(problem, veil) for problem in decision.plan.problems),
    )
    return decision._replace(trace=trace, meaning=meaning, ruled_out=others, plan=plan)


def veiled_resolution(answer: Resolution, veil: Veil) -> Resolution:
    """What an archive has found."""
    choices = tuple(replace(one, reason=veil.sentence(one.reason)) for one in answer.choices)
    return replace(answer, outcome=veiled_outcome(answer.outcome, veil), choices=choices)


def veiled_task(task: RetrieveTask, veil: Veil) -> RetrieveTask:
    """A task of the journal."""
    return replace(
        task,
        request=_request(task.request, veil),
        outcome=None if task.outcome is None else veiled_outcome(task.outcome, veil),
        choices=tuple(replace(one, reason=veil.sentence(one.reason)) for one in task.choices),
        reason=veil.echo(task.reason),
    )


def veiled_story(story: Story, veil: Veil) -> Story:
    """All that is known of a task."""
    return replace(
        story,
        task=veiled_task(story.task, veil),
        messages=tuple(replace(it, control_id=veil.echo(it.control_id)) for it in story.messages),
        lines=tuple(_line(line, veil) for line in story.lines),
        children=tuple(veiled_task(child, veil) for child in story.children),
    )


def veiled_hold(hold: Hold | None, veil: Veil) -> Hold | None:
    """What a task waits for."""
    return None if hold is None else replace(hold, reason=veil.echo(hold.reason))


def _line(line: Line, veil: Veil) -> Line:
    outcome = None if line.outcome is None else veiled_outcome(line.outcome, veil)
    return replace(line, text=veil.echo(line.text), outcome=outcome)


def veiled_outcome(outcome: Outcome, veil: Veil) -> Outcome:
    """How something ended."""
    return replace(outcome, text=veil.echo(outcome.text), comment=veil.comment(outcome.comment))


def _request(request: RetrieveRequest, veil: Veil) -> RetrieveRequest:
    return replace(request, selector=_selector(request.selector, veil), patient=veil.value(request.patient))


def _selector(selector: Selector, veil: Veil) -> Selector:
    if isinstance(selector, PriorsOfPatient):
        return replace(selector, patient_id=veil.value(selector.patient_id))
    if isinstance(selector, StudiesOfAccession):
        ids = tuple((veil.value(patient_id), authority) for patient_id, authority in selector.patient_ids)
        return replace(selector, accession=veil.unless_his(selector.accession), patient_ids=ids)
    return selector


def _problem(problem: PlanProblem, veil: Veil) -> PlanProblem:
    text = veil.literals(problem.text) if about_patient(problem.location) else problem.text
    return replace(problem, text=veil.sentence(text))


def _trace(trace: RouteTrace, veil: Veil) -> RouteTrace:
    condition = None if trace.condition is None else _check(trace.condition, veil)
    return trace._replace(type_check=_check(trace.type_check, veil), condition=condition)


def _ruled_out(others: RuledOut, veil: Veil) -> RuledOut:
    fields = tuple(
        field._replace(found=tuple(_located(value, veil) for value in field.found)) for field in others.fields
    )
    return others._replace(fields=fields)


def _check(check: Check, veil: Veil) -> Check:
    """What a route asks of a field of the patient's is hidden as what stands in it: that the condition holds
    would tell it otherwise."""
    text = veil.literals(check.text) if about_patient(check.text) else veil.quotes(check.text)
    found = tuple(_located(value, veil) for value in check.found)
    return check._replace(text=text, found=found, parts=tuple(_check(part, veil) for part in check.parts))


def _located(value: Located, veil: Veil) -> Located:
    hide = veil.value if about_patient(value.location) else veil.unless_his
    return value._replace(text=hide(value.text))


def _meaning(meaning: Meaning, veil: Veil) -> Meaning:
    return meaning._replace(
        occasions=tuple(_occasion(occasion, veil) for occasion in meaning.occasions),
        withdrawn=tuple(_occasion(occasion, veil) for occasion in meaning.withdrawn),
        merges=tuple(Merge(_identifier(it.old, veil), _identifier(it.new, veil)) for it in meaning.merges),
        fault=veil.sentence(meaning.fault),
    )


def _identifier(identifier: PatientIdentifier, veil: Veil) -> PatientIdentifier:
    return replace(identifier, id=veil.value(identifier.id))


def _occasion(occasion: Occasion, veil: Veil) -> Occasion:
    """The numbers of an order are nobody's data, unless a patient's are used for it; a visit's are his."""
    number, other = (_number(it, veil, occasion.kind != "order") for it in (occasion.number, occasion.other))
    return occasion._replace(
        number=number, other=other, patients=tuple(veil.value(it) for it in occasion.patients)
    )


def _number(number: Number, veil: Veil, patients: bool) -> Number:
    hide = veil.value if patients else veil.unless_his
    return number._replace(value=hide(number.value))


def without_comments(summary: Summary, masking: Masking) -> Summary:
    """A sum is of many patients, and names none."""
    waiting = [
        line
        if line.hold is None
        else replace(line, hold=replace(line.hold, reason=masking.without_comments(line.hold.reason)))
        for line in summary.waiting
    ]
    return replace(summary, waiting=waiting)
