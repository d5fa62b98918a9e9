"""Records of what archives are asked for and made to send (PS3.15 A.5.3.3, A.5.3.7, A.5.3.10)."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict

from engine.audit import codes
from engine.audit.codes import Coded, Indicator
from engine.audit.people import node_refused
from engine.audit.query import STUDY_ROOT_FIND, TRANSFER_SYNTAX, encoded
from engine.audit.record import Contents, Record, Subject
from engine.audit.site import Site
from engine.errors import IdentifierError
from engine.events import Queried, TransferBegan, TransferEnded
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import PriorsOfPatient, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveTask

NO_PATIENT = "<none>"  # the standard wants an ID, and the message has none
_REMEMBERED = 1000  # questions whose accession number is kept for the studies that they led to
_NOT_KNOWN = {Cause.UNCOUNTED, Cause.UNVERIFIED}


def indicator(outcome: Outcome) -> Indicator:
    """What became of a transfer."""
    if outcome.arrived or outcome.status is TaskStatus.COMPLETED or outcome.cause in _NOT_KNOWN:
        return Indicator.SUCCESS
    return Indicator.SERIOUS_FAILURE if outcome.status is TaskStatus.FAILED else Indicator.MINOR_FAILURE


def query_indicator(outcome: Outcome) -> Indicator:
    """That nothing was found is an answer."""
    return Indicator.SUCCESS if outcome.cause is Cause.NOT_FOUND else indicator(outcome)


class Accessions:
    """The accession number that a task came from: a study's own task does not say it."""

    def __init__(self) -> None:
        self._of: OrderedDict[int, str] = OrderedDict()

    def note(self, task: RetrieveTask) -> None:
        """Remember that a question asked for one."""
        if isinstance(task.request.selector, StudiesOfAccession):
            self._of[task.id] = task.request.selector.accession
            while len(self._of) > _REMEMBERED:
                self._of.popitem(last=False)

    def of(self, task: RetrieveTask) -> str:
        """Empty where it is not known."""
        if isinstance(task.request.selector, StudiesOfAccession):
            return task.request.selector.accession
        return self._of.get(task.parent_id, "") if task.parent_id is not None else ""


def patient_of(task: RetrieveTask) -> str:
    """The patient as HL7 writes an ID with its assigning authority (CX, HL7 v2 ch. 2A); empty: not known."""
    selector = task.request.selector
    identifier, _, authority = task.request.patient.partition("^")
    if not identifier and isinstance(selector, PriorsOfPatient):
        identifier, authority = selector.patient_id, selector.authority
    return f"{identifier}^^^{authority}" if identifier and authority else identifier


def queried(event: Queried, at: dt.datetime, site: Site) -> tuple[Record, ...]:
    """No record for a key that no query can have: nothing was asked."""
    task, outcome = event.task, event.outcome
    if outcome.cause is Cause.INVALID:
        return ()
    archive = task.request.archive
    try:
        query = encoded(task.request.selector)
    except IdentifierError:
        return ()
    subject = Subject(
        STUDY_ROOT_FIND,
        codes.SOP_CLASS_UID,
        codes.SYSTEM_OBJECT,
        codes.REPORT,
        query=query,
        details=(("TransferSyntax", TRANSFER_SYNTAX.encode()),),
    )
    participants = (site.ours(codes.SOURCE, archive=archive), site.archive(archive, codes.DESTINATION))
    record = Record(
        codes.QUERY,
        codes.EXECUTE,
        at,
        participants,
        (subject,),
        indicator=query_indicator(outcome),
        text=outcome.text,
    )
    return record, *_distrust(archive, outcome, at, site)


def transfer_began(event: TransferBegan, at: dt.datetime, site: Site, accession: str) -> tuple[Record, ...]:
    contents = Contents(accession, event.task.request.instances)
    return (_transfer(codes.BEGIN_TRANSFERRING, codes.EXECUTE, event.task, at, site, contents),)


def transfer_ended(event: TransferEnded, at: dt.datetime, site: Site, accession: str) -> tuple[Record, ...]:
    """What came in part is two messages: one of what arrived and one of what did not (A.5.2)."""
    task, outcome = event.task, event.outcome
    count = outcome.counters
    stored, lost = (count.completed or 0) + (count.warning or 0), (count.failed or 0) + (count.remaining or 0)
    verdict = indicator(outcome)

    def ended(instances: int | None, how: Indicator, uids: tuple[str, ...] = ()) -> Record:
        contents = Contents(accession, instances, uids)
        kind = codes.INSTANCES_TRANSFERRED
        # READ: the standard's word where the receiver alone knows whether it had them before
        return _transfer(kind, codes.READ, task, at, site, contents, how, outcome.text)

    distrust = _distrust(task.request.archive, outcome, at, site)
    if verdict is Indicator.SUCCESS:
        return (ended(_arrived(outcome), verdict),)
    if stored and lost:
        arrived = ended(stored, Indicator.SUCCESS)
        return arrived, ended(lost, verdict, outcome.failed_instances), *distrust
    return ended(lost or None, verdict, outcome.failed_instances), *distrust


def _arrived(outcome: Outcome) -> int | None:
    """How many objects were sent by a transfer that went well; None: not known."""
    if outcome.cause is Cause.ALREADY_THERE:
        return 0
    count = outcome.counters
    return (count.completed or 0) + (count.warning or 0) or None


def _transfer(
    kind: Coded,
    action: str,
    task: RetrieveTask,
    at: dt.datetime,
    site: Site,
    contents: Contents,
    how: Indicator = Indicator.SUCCESS,
    text: str = "",
) -> Record:
    request = task.request
    participants = (
        site.archive(request.archive),
        site.destination(request.destination),
        site.ours(archive=request.archive),
    )
    subjects = (_study(task, contents), _patient(task))
    return Record(kind, action, at, participants, subjects, indicator=how, text=text)


def _study(task: RetrieveTask, contents: Contents) -> Subject:
    selector = task.request.selector
    uid = selector.study_uid if isinstance(selector, Study) else ""
    series = selector.series_uid if isinstance(selector, Study) else ""
    details = (("SeriesInstanceUID", series.encode()),) if series else ()
    return Subject(
        uid,
        codes.STUDY_INSTANCE_UID,
        codes.SYSTEM_OBJECT,
        codes.REPORT,
        name=uid,
        details=(*details, ("TaskID", str(task.id).encode())),
        contents=contents,
    )


def _patient(task: RetrieveTask) -> Subject:
    patient = patient_of(task) or NO_PATIENT
    return Subject(patient, codes.PATIENT_NUMBER, codes.PERSON, codes.PATIENT)


def _distrust(archive: str, outcome: Outcome, at: dt.datetime, site: Site) -> tuple[Record, ...]:
    if outcome.cause is not Cause.TLS_FAILED:
        return ()
    return (node_refused(archive, outcome.text, at, site),)
