"""Records of the engine itself and of people: start and stop, logins, actions (PS3.15 A.5.3.1, .11, .12)."""

from __future__ import annotations

import datetime as dt

from engine.audit import codes
from engine.audit.codes import Indicator
from engine.audit.record import Record, Subject
from engine.audit.site import Site
from engine.events import LoggedIn, OperatorActed, Started, Stopping

_DESCRIPTION = "Alert Description"
_MOST_TASKS = 50  # of one action that are told one by one


def engine_started(event: Started, at: dt.datetime, site: Site) -> tuple[Record, ...]:
    text = f"listening on {event.address}"
    return (_activity(at, site, codes.APPLICATION_START, text),)


def engine_stopping(event: Stopping, at: dt.datetime, site: Site) -> tuple[Record, ...]:
    return (_activity(at, site, codes.APPLICATION_STOP, ""),)


def _activity(at: dt.datetime, site: Site, kind: codes.Coded, text: str) -> Record:
    ours = site.ours(codes.APPLICATION, requestor=False)
    return Record(codes.APPLICATION_ACTIVITY, codes.EXECUTE, at, (ours,), type=kind, text=text)


def logged_in(event: LoggedIn, at: dt.datetime, site: Site) -> tuple[Record, ...]:
    """A refused one is an alert too."""
    text = "" if event.succeeded else "the login was refused"
    login = Record(
        codes.USER_AUTHENTICATION,
        codes.EXECUTE,
        at,
        (site.person(event.who, event.origin, requestor=True), site.ours(requestor=False)),
        type=codes.LOGIN,
        indicator=Indicator.SUCCESS if event.succeeded else Indicator.MINOR_FAILURE,
        text=text,
    )
    if event.succeeded:
        return (login,)
    subject = _resource("the operator's page", f"login as {event.who} was refused")
    return login, _alert(event.who, event.origin, at, site, (subject,), text)


def operator_acted(event: OperatorActed, at: dt.datetime, site: Site) -> tuple[Record, ...]:
    """What was permitted is an informative alert (A.5.3.11), what was refused a warning."""
    did = event.verb if event.permitted else f"{event.verb} was refused"
    told, more = event.tasks[:_MOST_TASKS], len(event.tasks) - _MOST_TASKS
    subjects = tuple(_resource(f"task {task}", did) for task in told)
    if more > 0:
        subjects += (_resource(f"{more} more tasks", did),)
    subjects = subjects or (_resource("the operator's page", did),)
    text = "" if event.permitted else did
    return (_alert(event.who, event.origin, at, site, subjects, text),)


def _alert(
    who: str, origin: str, at: dt.datetime, site: Site, subjects: tuple[Subject, ...], refusal: str
) -> Record:
    return Record(
        codes.SECURITY_ALERT,
        codes.EXECUTE,
        at,
        (site.ours(), site.person(who, origin, requestor=False)),
        subjects,
        codes.USE_OF_RESTRICTED_FUNCTION,
        Indicator.MINOR_FAILURE if refusal else Indicator.SUCCESS,
        refusal,
    )


def _resource(name: str, description: str) -> Subject:
    identifier = "urn:forefetch:" + name.replace(" ", "-").replace("'", "")
    details = ((_DESCRIPTION, description.encode("utf-8", "replace")),)
    return Subject(
        identifier, codes.URI, codes.SYSTEM_OBJECT, codes.SECURITY_RESOURCE, name=name, details=details
    )


def node_refused(name: str, text: str, at: dt.datetime, site: Site) -> Record:
    """No trust between us and an archive: TLS did not come about."""
    node = site.archive(name)
    subject = Subject(
        node.host or name,
        codes.NODE_ID,
        codes.SYSTEM_OBJECT,
        codes.SECURITY_RESOURCE,
        name=name,
        details=((_DESCRIPTION, text.encode("utf-8", "replace")),),
    )
    return Record(
        codes.SECURITY_ALERT,
        codes.EXECUTE,
        at,
        (site.ours(archive=name),),
        (subject,),
        codes.NODE_AUTHENTICATION,
        Indicator.MINOR_FAILURE,
        text,
    )
