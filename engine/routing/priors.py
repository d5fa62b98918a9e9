"""Which of a patient's studies, and which series of a study, are worth moving; each with the reason."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine.dicom.study import SeriesRecord, StudyRecord
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, SeriesFilter
from engine.retrieve.task import Choice
from engine.routing.relevance import Score, score
from engine.routing.relevance_facts import of_study, with_parts


@dataclass(frozen=True, slots=True)
class _Judged:
    """A study, what is against it whatever else there is, and how relevant it is otherwise: yes, no, or None
    where that cannot be told."""

    study: StudyRecord
    against: str | None
    score: Score | None = None
    relevant: bool | None = True


def choose_priors(studies: Iterable[StudyRecord], wanted: PriorsOfPatient) -> list[Choice]:
    """Judge every study that the archive found, newest first. Taken are the ``newest`` of the relevant ones,
    then of those that nothing is known of; the ``oldest``; and as many others as fill up to ``at_least``."""
    judged = [_judged(study, wanted) for study in newest_first(studies)]
    verdicts = _verdicts([one for one in judged if one.against is None], wanted.criteria)
    return [_choice(one, *verdicts.get(one.study.study_uid, (False, one.against or ""))) for one in judged]


def newest_first(studies: Iterable[StudyRecord]) -> list[StudyRecord]:
    """The same order whatever the archive's was: those of one day by UID, those without a date last."""
    by_uid = sorted(studies, key=lambda study: study.study_uid)
    return sorted(by_uid, key=lambda study: study.date or dt.date.min, reverse=True)


def _verdicts(judged: Sequence[_Judged], criteria: PriorCriteria) -> dict[str, tuple[bool, str]]:
    """Of each study that nothing is against: whether it is taken, and the reason."""
    unknown = criteria.relevance is not None and criteria.relevance.take_unknown
    fitting = [one for one in judged if one.relevant]
    fitting += [one for one in judged if one.relevant is None and unknown]
    others = [one for one in judged if not (one.relevant or (one.relevant is None and unknown))]
    limit = len(fitting) if criteria.newest is None else criteria.newest
    verdicts = {one.study.study_uid: (False, _left(one, criteria)) for one in judged}
    verdicts |= _newest(fitting[:limit], criteria)
    verdicts |= _oldest(fitting[limit:], criteria)
    missing = criteria.at_least - sum(taken for taken, _ in verdicts.values())
    for one in sorted(others, key=_points, reverse=True)[: max(0, missing)]:
        verdicts[one.study.study_uid] = (True, f"taken, to fill up to {criteria.at_least}")
    return verdicts


def _newest(taken: Sequence[_Judged], criteria: PriorCriteria) -> dict[str, tuple[bool, str]]:
    limited = criteria.relevance is not None and criteria.newest is not None
    verdicts = {}
    for number, one in enumerate(taken, 1):
        unknown = ", for it cannot be told irrelevant" if one.relevant is None else ""
        newest = f", newest {number} of {criteria.newest}" if limited else ""
        verdicts[one.study.study_uid] = (True, f"taken{unknown}{newest}")
    return verdicts


def _oldest(rest: Sequence[_Judged], criteria: PriorCriteria) -> dict[str, tuple[bool, str]]:
    """Relevant ones with a date; the oldest is the last."""
    dated = [one for one in reversed(rest) if one.relevant and one.study.date is not None]
    return {
        one.study.study_uid: (True, f"taken, oldest {number} of {criteria.oldest}")
        for number, one in enumerate(dated[: criteria.oldest], 1)
    }


def _left(one: _Judged, criteria: PriorCriteria) -> str:
    """Why a study that nothing is against is left, if it is."""
    relevance = criteria.relevance
    if relevance is not None and one.relevant is False:
        return f"left, {relevance.minimum} are needed"
    if relevance is not None and one.relevant is None and not relevance.take_unknown:
        return "left, for it cannot be told relevant"
    oldest = f", nor the oldest {criteria.oldest}" if criteria.oldest else ""
    return f"not among the newest {criteria.newest}{oldest}"


def _points(one: _Judged) -> int:
    return one.score.points if one.score is not None else 0


def _choice(one: _Judged, taken: bool, reason: str) -> Choice:
    scored = f"{one.score}: " if one.score is not None else ""
    points = float(one.score.points) if one.score is not None else None
    text, study = f"{_described(one.study)}: {scored}{reason}", one.study
    return Choice(taken, text, study.study_uid, score=points, instances=study.instances)


def _judged(study: StudyRecord, wanted: PriorsOfPatient) -> _Judged:
    against = _against(study, wanted)
    relevance = wanted.criteria.relevance
    if relevance is None or _is_ordered(study, wanted):
        return _Judged(study, against)
    points = score(study, wanted, relevance)
    against = against or points.against(relevance.same)
    return _Judged(study, against, points, points.relevant(relevance.minimum))


def hanging(studies: Iterable[StudyRecord], wanted: PriorsOfPatient) -> list[StudyRecord]:
    """The studies whose choice hangs on what only their series tell. None is older than as many relevant
    ones as are allowed: it would be left whatever they tell."""
    found: list[StudyRecord] = []
    sure = 0
    criteria = wanted.criteria
    for study in newest_first(studies):
        if criteria.newest is not None and sure >= criteria.newest and not criteria.oldest:
            break
        if _hangs(study, wanted):
            found.append(study)
        else:
            judged = _judged(study, wanted)
            sure += judged.against is None and judged.relevant is True
    return found


def _hangs(study: StudyRecord, wanted: PriorsOfPatient) -> bool:
    criteria, relevance = wanted.criteria, wanted.criteria.relevance
    known = wanted if study.modalities is not None else _whatever_modality(wanted)
    if study.series is not None or _against(study, known) is not None:
        return False
    filtered = study.modalities is None and bool(criteria.modalities or criteria.exclude.modalities)
    if relevance is None:
        return filtered
    points = score(study, wanted, relevance)
    left = points.relevant(relevance.minimum) is False and not criteria.at_least
    if left or points.against(relevance.same) is not None:
        return False
    unnamed = bool(criteria.exclude.body_parts) and not of_study(study, relevance.vocabulary).named
    return filtered or unnamed or points.hangs(relevance)


def _whatever_modality(wanted: PriorsOfPatient) -> PriorsOfPatient:
    return replace(wanted, criteria=replace(wanted.criteria, modalities=()))


def _against(study: StudyRecord, wanted: PriorsOfPatient) -> str | None:
    """The first reason against a study, or None."""
    criteria = wanted.criteria
    if _is_ordered(study, wanted):
        return "it is the ordered study"
    if wanted.issuer and study.issuer and study.issuer != wanted.issuer:
        return f"its patient ID was issued by {study.issuer}, not {wanted.issuer}"
    if criteria.within is not None and (study.date is None or wanted.day - study.date > criteria.within):
        return f"older than {criteria.within.days} days" if study.date else "it has no date"
    if criteria.description and not re.search(criteria.description, study.description):
        return f"description does not match {criteria.description!r}"
    if criteria.modalities and not set(criteria.modalities) & set(study.modalities or ()):
        return f"modality is not {' or '.join(criteria.modalities)}"
    return _excluded(study, criteria)


def _is_ordered(study: StudyRecord, wanted: PriorsOfPatient) -> bool:
    ordered = wanted.ordered
    return study.study_uid in ordered.study_uids or bool(
        study.accession and study.accession in ordered.accessions
    )


def _excluded(study: StudyRecord, criteria: PriorCriteria) -> str | None:
    """Why a study is never taken, not to fill up either. What is not known of it does not exclude it."""
    exclude = criteria.exclude
    if study.modalities and set(study.modalities) <= set(exclude.modalities):
        return "excluded: nothing but " + " and ".join(study.modalities)
    if exclude.description and re.search(exclude.description, study.description):
        return f"excluded: description matches {exclude.description!r}"
    if exclude.body_parts and criteria.relevance is not None:
        vocabulary = criteria.relevance.vocabulary
        named = of_study(study, vocabulary).named
        if named and set(named) <= with_parts(exclude.body_parts, vocabulary):
            return "excluded: body part " + " and ".join(named)
    return None


def _described(study: StudyRecord) -> str:
    modalities = "/".join(study.modalities or ("modality unknown",))
    date = study.date.isoformat() if study.date else "no date"
    return f"{modalities} of {date} {study.description!r}"


def choose_series(series: Iterable[SeriesRecord], wanted: SeriesFilter) -> list[Choice]:
    """Judge every series of a study."""
    choices = []
    for record in series:
        reason = "taken"
        if wanted.modalities and record.modality not in wanted.modalities:
            reason = f"modality is not {' or '.join(wanted.modalities)}"
        elif wanted.description and not re.search(wanted.description, record.description):
            reason = f"description does not match {wanted.description!r}"
        text = f"{record.modality or 'modality unknown'} series {record.description!r}: {reason}"
        uids = record.study_uid, record.series_uid
        choices.append(Choice(reason == "taken", text, *uids, instances=record.instances))
    return choices
