"""Names in routes.yaml that must be defined elsewhere in it, or only once.

Works on the values as written, so that its complaints come together with those of a file that has other
mistakes too: what has the wrong shape is passed over here, for the models complain of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.config.vocabularies import vocabulary_references
from engine.config.yamlfile import Document, Where
from engine.errors import Complaint
from engine.retrieve.policy import BY_HAND, REHEARSAL


def references(document: Document) -> Iterator[Complaint]:
    """Every complaint about a name."""
    file = _mapping(document.value)
    archives, destinations = _mapping(file.get("archives")), _mapping(file.get("destinations"))
    names: set[str] = set()
    for number, section in enumerate(_list(file.get("routes"))):
        here: Where = ("routes", number)
        route = _mapping(section)
        name = route.get("name")
        if isinstance(name, str) and name in names:
            yield document.complaint((*here, "name"), "a name of its own", f"a second {name!r}")
        if name in (BY_HAND, REHEARSAL):
            yield document.complaint((*here, "name"), "another name: this one is for the tool", repr(name))
        names.add(str(name))
        yield from _known(document, (*here, "from"), route.get("from"), "archives", archives)
        for where, target in _targets((*here, "to"), route.get("to")):
            yield from _known(document, where, target, "destinations", destinations)
        yield from _unasked(document, here, route, destinations)
        for index, item in enumerate(_list(route.get("studies"))):
            yield from _series_uid(document, (*here, "studies", index), _mapping(item))
    yield from _ae_titles(document, destinations)
    yield from _query_addresses(document, destinations)
    replies = _list(file.get("replies"))
    yield from _senders(document, replies)
    yield from _encryption(document, replies)
    yield from _silences(document, _mapping(file.get("alerts")).get("silence"))
    yield from vocabulary_references(document)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    """A list; a single value may stand for a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _targets(where: Where, to: Any) -> Iterator[tuple[Where, Any]]:
    if not isinstance(to, dict):
        yield where, to
        return
    for value, name in _mapping(to.get("map")).items():
        yield (*where, "map", value), name
    yield (*where, "otherwise"), to.get("otherwise")


def _known(
    document: Document, where: Where, name: Any, section: str, known: dict[str, Any]
) -> Iterator[Complaint]:
    if isinstance(name, str) and known and name not in known:
        yield document.complaint(where, f"a name under {section}: {', '.join(known)}", repr(name))


def _series_uid(document: Document, where: Where, item: dict[str, Any]) -> Iterator[Complaint]:
    """A series UID belongs to one study: it goes with ``study`` only."""
    within = ("priors",) if "priors" in item else ()
    section = _mapping(item["priors"]) if within else item
    if "study" not in item and "uid" in _mapping(section.get("series")):
        expected = "modality or description, since a series UID needs its study's UID beside it"
        yield document.complaint((*where, *within, "series", "uid"), expected, "uid", at_key=True)


def _unasked(
    document: Document, here: Where, route: dict[str, Any], destinations: dict[str, Any]
) -> Iterator[Complaint]:
    """What a route wants to know of its destinations can only be asked where they answer C-FIND."""
    names = dict.fromkeys(str(name) for _, name in _targets((), route.get("to")))
    silent = [name for name in names if name in destinations and "query" not in _mapping(destinations[name])]
    for key, asking, instead in (("verify", {"study", "series"}, "off"), ("already_there", {"skip"}, "move")):
        value = route.get(key)
        if silent and isinstance(value, str) and value in asking:
            which = f"{', '.join(silent)} answers C-FIND (query: {{}} there: at its own address)"
            yield document.complaint((*here, key), f"{instead}, or to say where destination {which}", value)


def _query_addresses(document: Document, destinations: dict[str, Any]) -> Iterator[Complaint]:
    """``query: {}`` is the destination's own address: it must have one."""
    for name, section in destinations.items():
        destination = _mapping(section)
        if "query" not in destination:
            continue
        where: Where = ("destinations", name, "query")
        query = destination["query"]
        if query is None:
            yield document.complaint(where, "a mapping; {} is the destination's own address", "nothing")
        elif isinstance(query, dict):
            for key in ("host", "port"):
                if query.get(key) is None and destination.get(key) is None:
                    expected = f"a {key}, here or in the destination"
                    yield document.complaint(where, expected, "none")


def _ae_titles(document: Document, destinations: dict[str, Any]) -> Iterator[Complaint]:
    owners: dict[str, str] = {}
    for name, section in destinations.items():
        title = _mapping(section).get("ae_title")
        if not isinstance(title, str):
            continue
        title = title.strip()
        if title in owners:
            found = f"{title}, which is also destination {owners[title]}"
            yield document.complaint(("destinations", name, "ae_title"), "an AE title of its own", found)
        owners[title] = name


def _senders(document: Document, replies: list[Any]) -> Iterator[Complaint]:
    """The first reply rule that matches counts: a second one for the same sender would be dead."""
    seen: set[tuple[str, str]] = set()
    for number, section in enumerate(replies):
        reply = _mapping(section)
        sender = str(reply.get("application") or "*"), str(reply.get("facility") or "*")
        if sender in seen:
            found = f"application {sender[0]!r}, facility {sender[1]!r} again"
            yield document.complaint(("replies", number), "a sender that no rule above names", found)
        seen.add(sender)


def _encryption(document: Document, replies: list[Any]) -> Iterator[Complaint]:
    """A letter knows its address only: what is sent there is encrypted in one way."""
    first: dict[str, Any] = {}
    for number, section in enumerate(replies):
        address, tls = str(_mapping(section).get("to")).strip(), _mapping(section).get("tls")
        if first.setdefault(address, tls) != tls:
            expected = f"the same tls wherever replies go to {address}"
            yield document.complaint(("replies", number), expected, "another one")


def _silences(document: Document, rules: Any) -> Iterator[Complaint]:
    """What is told of a feed has the name of its host."""
    hosts: set[str] = set()
    for number, section in enumerate(_list(rules)):
        host = str(_mapping(section).get("host") or "").strip()
        if host in hosts:
            found = f"a second rule for {host or 'all of them together'}"
            yield document.complaint(("alerts", "silence", number), "a host of its own", found)
        hosts.add(host)
