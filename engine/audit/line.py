"""An event as a line of the local trail: JSON on one line, with who, what and when by the same keys."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from engine.audit.codes import Indicator
from engine.audit.transfers import indicator, patient_of, query_indicator
from engine.audit.xml import moment
from engine.events import LoggedIn, OperatorActed, Queried, Started, Stopping, TransferBegan, TransferEnded
from engine.retrieve.selector import SeriesOfStudy, Study
from engine.retrieve.task import RetrieveTask

_WORDS = {
    Indicator.SUCCESS: "success",
    Indicator.MINOR_FAILURE: "minor failure",
    Indicator.SERIOUS_FAILURE: "serious failure",
}


def to_line(event: tuple[Any, ...], at: dt.datetime, source: str, accession: str = "") -> bytes:
    """UTF-8, with its line end. What is not known has no key."""
    facts = {"at": moment(at), "who": source, **_facts(event, accession)}
    known = {key: value for key, value in facts.items() if value not in ("", None, [], {})}
    return json.dumps(known, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _facts(event: tuple[Any, ...], accession: str) -> dict[str, Any]:
    match event:
        case Started(address):
            return {"event": "started", "address": address}
        case Stopping():
            return {"event": "stopping"}
        case LoggedIn(who, origin, succeeded):
            result = "success" if succeeded else "refused"
            return {"who": who, "event": "login", "from": origin, "result": result}
        case OperatorActed(who, origin, verb, tasks, permitted):
            result = "success" if permitted else "refused"
            facts = {"who": who, "event": "action", "from": origin, "result": result}
            return facts | {"verb": str(verb), "tasks": list(tasks)}
        case Queried(task, outcome):
            result = _WORDS[query_indicator(outcome)]
            return {"event": "query", "result": result, "text": outcome.text, **_task(task, accession)}
        case TransferBegan(task):
            return {"event": "transfer began", **_task(task, accession)}
        case TransferEnded(task):
            return {"event": "transfer ended", **_end(event), **_task(task, accession)}
    raise TypeError(f"{type(event).__name__} is not audited")


def _end(event: TransferEnded) -> dict[str, Any]:
    outcome = event.outcome
    count = outcome.counters
    counts = {"completed": count.completed, "failed": count.failed, "warning": count.warning}
    return {
        "result": _WORDS[indicator(outcome)],
        "text": outcome.text,
        "objects": {name: number for name, number in counts.items() if number is not None},
        "seconds": round(event.seconds, 3),
    }


def _task(task: RetrieveTask, accession: str) -> dict[str, Any]:
    request = task.request
    selector = request.selector
    return {
        "task": task.id,
        "message": task.message_id,
        "routes": list(request.routes),
        "archive": request.archive,
        "destination": request.destination,
        "study": selector.study_uid if isinstance(selector, Study | SeriesOfStudy) else "",
        "series": selector.series_uid if isinstance(selector, Study) else "",
        "accession": accession,
        "patient": patient_of(task),
    }
