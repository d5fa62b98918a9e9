"""The retrieves that were expected beside those that there were. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.dicom.node import Destination
from engine.retrieve.outcome import Cause
from engine.retrieve.selector import PriorsOfPatient, SeriesOfStudy, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveTask
from engine.scenario.difference import Difference
from engine.scenario.models import RetrieveSection
from engine.scenario.scenario import Scenario
from engine.scenario.seen import Seen

# The values by which a person knows which retrieve is meant
_IDENTITY = ("study", "series", "accession", "priors", "archive", "destination")
_OTHERS = ("priority", "status", "cause", "reason", "dicom_status", "attempts", "moves")


def retrieves(seen: Seen, destinations: Mapping[str, Destination]) -> list[dict[str, str]]:
    """Every task that is a retrieve, in the words of the notation. A query that did its work is none: those
    that it led to are."""
    told = []
    for task in seen.tasks:
        if task.outcome is None or task.outcome.cause is not Cause.RESOLVED:
            destination = destinations.get(task.request.destination)
            title = destination.ae_title if destination is not None else ""
            told.append({**told_of(task), "moves": str(_moves(seen, task, title))})
    return told


def told_of(task: RetrieveTask) -> dict[str, str]:
    """A task in the words of the notation; ``moves`` is not among them."""
    outcome = task.outcome
    status = outcome.dicom_status if outcome is not None else None
    return {
        **_subject(task),
        "archive": task.request.archive,
        "destination": task.request.destination,
        "priority": task.request.priority.name.lower(),
        "status": str(task.status),
        "cause": str(outcome.cause) if outcome is not None else "",
        "reason": outcome.sentence if outcome is not None else task.reason,
        "dicom_status": f"{status:04X}" if status is not None else "",
        "attempts": str(task.attempts),
    }


def _subject(task: RetrieveTask) -> dict[str, str]:
    match task.request.selector:
        case Study(study, series):
            return {"study": study, "series": series}
        case SeriesOfStudy(study):
            return {"study": study, "series": ""}
        case StudiesOfAccession(accession):
            return {"accession": accession}
        case PriorsOfPatient(patient):
            return {"priors": patient}


def _moves(seen: Seen, task: RetrieveTask, title: str) -> int:
    """Of the study, whole or in part; of a series, where the task is for one."""
    told = _subject(task)
    return sum(
        (it.study_uid, it.destination) == (told.get("study"), title)
        and told.get("series") in ("", it.series_uid)
        for it in seen.moves.get(task.request.archive, ())
    )


def awaited(task: RetrieveTask, wanted: Sequence[RetrieveSection]) -> bool:
    """Whether a task that has not ended is just so expected."""
    told = told_of(task)
    return any(it.status is not None and not _unlike(it, told, (*_IDENTITY, *_OTHERS[:-1])) for it in wanted)


def compare_retrieves(scenario: Scenario, seen: Seen) -> Iterator[Difference]:
    """Each that is expected is paired with one that there was, in no particular order; the closest first."""
    if scenario.expected.retrieves is None:
        return
    wanted = list(scenario.expected.retrieves)
    there = retrieves(seen, scenario.config.destinations)
    for pair in _pairs(wanted, there):
        wanted.remove(pair.wanted)
        there.remove(pair.told)
        for key in pair.unlike:
            yield Difference(
                f"retrieve of {name(pair.told)}",
                key,
                str(getattr(pair.wanted, key)),
                pair.told.get(key) or "nothing",
            )
    for missing in wanted:
        yield Difference("retrieves", name(_written(missing)), "to be asked for", "no such retrieve")
    for other in there:
        yield Difference(
            "retrieves", name(other), "no such retrieve", f"{other['status']}: {other['reason']}"
        )


@dataclass(frozen=True, slots=True)
class _Pair:
    wanted: RetrieveSection
    told: dict[str, str]
    unlike: list[str]


def _pairs(wanted: Sequence[RetrieveSection], there: Sequence[dict[str, str]]) -> list[_Pair]:
    """As many as can be that agree in all; then, only of the same study, accession or patient, those that
    agree in more before others."""
    candidates = [
        _Pair(section, told, _unlike(section, told, (*_IDENTITY, *_OTHERS)))
        for section in wanted
        for told in there
        if not _unlike(section, told, ("study", "accession", "priors"))
    ]
    candidates.sort(key=lambda pair: (len(set(pair.unlike) & set(_IDENTITY)), len(pair.unlike)))
    pairs = _matching([pair for pair in candidates if not pair.unlike])
    for candidate in candidates:
        if not any(candidate.wanted is it.wanted or candidate.told is it.told for it in pairs):
            pairs.append(candidate)
    return pairs


def _matching(fitting: Sequence[_Pair]) -> list[_Pair]:
    """The most pairs with nothing in two of them (a bipartite matching, by augmenting paths): a pattern must
    not take what only another expectation fits."""
    taken: dict[int, _Pair] = {}  # by the retrieve that there was

    def place(wanted: RetrieveSection, tried: set[int]) -> bool:
        for pair in fitting:
            key = id(pair.told)
            if pair.wanted is wanted and key not in tried:
                tried.add(key)
                if key not in taken or place(taken[key].wanted, tried):
                    taken[key] = pair
                    return True
        return False

    for pair in fitting:
        if not any(pair.wanted is it.wanted for it in taken.values()):
            place(pair.wanted, set())
    return list(taken.values())


def _unlike(wanted: RetrieveSection, told: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    return [
        key
        for key in keys
        if (value := getattr(wanted, key)) is not None and not (key in told and value.fits(told[key]))
    ]


def _written(section: RetrieveSection) -> dict[str, str]:
    return {key: str(value) for key in _IDENTITY if (value := getattr(section, key)) is not None}


def name(told: Mapping[str, str]) -> str:
    """A retrieve in words: what, and as far as it is known from where and to where."""
    subjects = {
        "study": "study {}",
        "series": "series {}",
        "accession": "accession number {}",
        "priors": "the priors of {}",
    }
    text = ", ".join(form.format(told[key]) for key, form in subjects.items() if told.get(key))
    text += f" from {told['archive']}" if told.get("archive") else ""
    return text + (f" to {told['destination']}" if told.get("destination") else "")
