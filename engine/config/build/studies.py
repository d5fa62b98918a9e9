"""Which studies a route asks for."""

from __future__ import annotations

import re

from engine.config.build.relevance import Vocabularies, exclusion, relevance
from engine.config.models.studies import AccessionItem, PriorsItem, PriorsSection, SeriesSection, StudyItem
from engine.hl7.path import ASSIGNING_AUTHORITY
from engine.retrieve.selector import PriorCriteria, SeriesFilter
from engine.routing.rules import AccessionWant, PriorsWant, StudyWant, Want


def want(item: StudyItem | AccessionItem | PriorsItem, vocabularies: Vocabularies) -> Want:
    match item:
        case StudyItem():
            uid = item.series.uid if item.series is not None else None
            return StudyWant(item.study, uid, _series(item.series) if uid is None else None)
        case AccessionItem():
            return AccessionWant(item.accession, _series(item.series), item.patient)
        case PriorsItem():
            return _priors(item.priors, vocabularies)


def _priors(section: PriorsSection, vocabularies: Vocabularies) -> PriorsWant:
    criteria = PriorCriteria(
        modalities=tuple(section.modality),
        within=section.within,
        newest=section.newest,
        description=_source(section.description),
        relevance=relevance(section.relevance, vocabularies),
        oldest=section.oldest,
        at_least=section.at_least,
        exclude=exclusion(section.exclude),
    )
    return PriorsWant(
        patient=section.patient,
        criteria=criteria,
        issuer=_issuer(section),
        ordered_study=tuple(section.ordered_study),
        ordered_accession=tuple(section.ordered_accession),
        series=_series(section.series),
        ordered_code=tuple(section.ordered_code),
        ordered_text=tuple(section.ordered_text),
        ordered_modality=tuple(section.ordered_modality),
        exam_date=tuple(section.exam_date),
    )


def _issuer(section: PriorsSection) -> str:
    """The issuer that is named; or the authority by which the patient ID is chosen (``PID-3[FOREST].1``)."""
    if section.issuer is not None:
        return section.issuer
    named = (choice.value for choice in section.patient.chosen if choice.component == ASSIGNING_AUTHORITY)
    return next(named, "")


def _series(section: SeriesSection | None) -> SeriesFilter | None:
    if section is None:
        return None
    return SeriesFilter(tuple(section.modality), _source(section.description))


def _source(pattern: re.Pattern[str] | None) -> str:
    return pattern.pattern if pattern is not None else ""
