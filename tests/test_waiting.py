"""Why tasks wait, told from outside: by the journal, by the configuration, and for what is not asked yet."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import Config, parse
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Selector, Study
from engine.retrieve.task import RetrieveRequest, Verb
from engine.store import Selection, Store, list_tasks, operate
from engine.waiting import foresee, holds, lines, local
from tests.store import FAILED, message, opened

NOW = dt.datetime.now(dt.UTC)
AHEAD = NOW + dt.timedelta(days=1)
PRIORS = PriorsOfPatient("P", PriorCriteria(), NOW.date())
SHUT = (NOW + dt.timedelta(hours=12)).strftime("daily %H:00-%H:01")  # in zone UTC
TERMS = {
    "plain": "enabled: true",
    "night": f"windows: {SHUT}",
    "asks": "hold: true",
    "many": "hold: {over: 2}",
}
TERMS |= {"dry": "gate: dry-run", "off": "enabled: false"}


def site(archive: str = "", gate: str = "{}") -> Config:
    head = "messages: ORM^O01, studies: {study: ZDS-1.1}, from: main, to: ws"
    routes = "".join(f"\n  - {{name: {name}, {head}, {extra}}}" for name, extra in TERMS.items())
    return parse(
        f"""
engine: {{listen: "127.0.0.1:0", time_zone: UTC}}
archives:
  main: {{ae_title: MAIN, host: 127.0.0.1, port: 1{archive and ", " + archive}}}
destinations:
  ws: {{ae_title: WS}}
gate: {gate}
routes:{routes}
"""
    )


def asked(
    what: Selector | str = "1.1", route: str = "plain", due: dt.datetime | None = None
) -> RetrieveRequest:
    selector = Study(what) if isinstance(what, str) else what
    return RetrieveRequest(selector, "main", "ws", (route,), due=due)


async def keep(store: Store, *requests: RetrieveRequest) -> None:
    await store.journal(message(repr(requests), *requests))


def told(path: Path, config: Config) -> dict[int, str]:
    return {number: str(hold) for number, hold in holds(path, config, list_tasks(path)).items()}


async def test_each_task_tells_what_it_waits_for_and_until_when(tmp_path: Path) -> None:
    path, config = tmp_path / "journal", site()
    async with opened(path) as store:
        requests = [asked(f"1.{number}") for number in range(1, 6)]
        await keep(store, *requests, asked("1.6", due=AHEAD), asked("1.7", "night"), asked("1.8", "off"))
        await store.hold(1, "approval", "its route says so", AHEAD)
        await store.defer_tasks([(2, None)], AHEAD, "budget", "its patient has had enough")
        await store.claim(3)
        await store.reschedule(3, FAILED, AHEAD, "no connection; retry 1 of 3", ())
        operate(path, Verb.HOLD, [4], "ann")
        result = told(path, config)
    until = local(AHEAD)
    opens = config.gate.routes["night"].windows
    assert opens is not None
    assert result == {
        1: f"approval: its route says so, expires {until}",
        2: f"budget: its patient has had enough, until {until}",
        3: f"retry: no connection; retry 1 of 3, until {until}",
        4: "operator: held by an operator",
        6: f"schedule, until {until}",
        7: f"window: its route moves only {SHUT}, until {local(opens.opens(NOW) or NOW)}",
        8: "lists: route off is not enabled in routes.yaml",
    }


async def test_what_has_ended_or_is_under_way_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await keep(store, asked("1.1"), asked("1.2"))
        await store.claim(1)
        await store.claim(2)
        await store.finish(2, FAILED)
        assert told(path, site()) == {}


async def test_a_retry_that_is_due_waits_for_what_holds_it_now(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await keep(store, asked())
        await store.claim(1)
        await store.reschedule(1, FAILED, NOW, "no connection; retry 1 of 3", ())
        await store.close_gate("archive", "main", "breaker", "archive main failed 5 times", AHEAD)
        assert told(path, site()) == {1: f"breaker: archive main failed 5 times, until {local(AHEAD)}"}


@pytest.mark.parametrize(
    ("scope", "name", "gate", "held"),
    [
        ("archive", "main", "breaker", {1, 2, 3}),
        ("destination", "ws", "breaker", {1, 3}),
        ("archive", "main", "rate", {1}),  # neither a question nor what is expedited
        ("destination", "ws", "rate", {1}),
        ("archive", "other", "breaker", set()),
    ],
)
async def test_a_closed_gate_of_a_node_holds_what_it_concerns(
    tmp_path: Path, scope: str, name: str, gate: str, held: set[int]
) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await keep(store, asked("1.1"), asked(PRIORS), asked("1.3"))
        operate(path, Verb.EXPEDITE, [3], "ann")
        await store.close_gate(scope, name, gate, "why", None)
        assert set(told(path, site())) == held


async def test_an_archive_at_its_limit_is_told_while_an_engine_runs_and_not_after_it(tmp_path: Path) -> None:
    """What a crash left IN_PROGRESS, or noted as closed, holds nothing up."""
    path, config = tmp_path / "journal", site("concurrency: 1")
    async with opened(path) as store:
        await keep(store, asked("1.1"), asked("1.2"))
        await store.claim(1)
        assert told(path, config) == {2: "concurrency: archive main is at its limit of 1 at a time"}
        await store.close_gate("archive", "main", "breaker", "why", None)
        assert told(path, config) == {2: "breaker: why"}
    assert told(path, config) == {}


async def test_alike_tasks_are_counted_together_with_the_earliest_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path) as store:
        await keep(store, *(asked(f"1.{number}") for number in range(1, 8)))
        await keep(store, *(asked(f"2.{number}", "night") for number in range(3)))
        for number in (1, 2, 3):
            await store.hold(number, "approval", "its route says so", AHEAD + dt.timedelta(hours=number))
        for number, reason in ((4, "no connection"), (5, "aborted")):
            await store.claim(number)
            await store.reschedule(number, FAILED, AHEAD + dt.timedelta(hours=number), reason, ())
        found = lines(path, site(), Selection())
        only = lines(path, site(), Selection(route="night"))
    summary = {(line.count, line.hold and line.hold.gate, line.hold and line.hold.reason) for line in found}
    window = f"its route moves only {SHUT}"
    assert summary == {
        (3, "approval", "its route says so"),
        (2, "retry", ""),  # of different reasons none is told
        (2, None, None),
        (3, "window", window),
    }
    first = {line.hold.gate: line.hold.until for line in found if line.hold is not None}
    assert first["approval"] == AHEAD + dt.timedelta(hours=1)
    assert first["retry"] == AHEAD + dt.timedelta(hours=4)
    assert [(line.count, line.hold and line.hold.reason) for line in only] == [(3, window)]


def outlook(route: str, config: Config | None = None, *, on: bool = True, **more: int | None) -> list[str]:
    policy = (config or site()).policy(switch_on=on)
    return foresee(asked(PRIORS, route), policy, NOW, **more)


def test_an_open_gate_is_foreseen_as_nothing() -> None:
    assert outlook("plain") == []


def test_the_switch_does_not_hide_what_else_is_closed() -> None:
    first, second = outlook("night", on=False)
    assert first.startswith("closed (switch): retrieval is switched off")
    assert second.startswith(f"closed (window): its route moves only {SHUT}, until ")


def test_approval_does_not_hide_the_window() -> None:
    config = site(f"windows: {SHUT}")
    first, second = outlook("asks", config)
    assert first == "closed (approval): a person must approve it: its route says so"
    assert second.startswith("closed (window): archive main moves only")


def test_a_request_is_foreseen_at_the_time_at_which_it_is_due() -> None:
    windows = site().gate.routes["night"].windows
    assert windows is not None
    due = replace(asked(PRIORS, "night"), due=windows.opens(NOW))
    assert foresee(due, site().policy(switch_on=True), NOW) == []


@pytest.mark.parametrize(
    ("siblings", "expected"),
    [
        (None, ["may close (approval): where its message moves more than 2 studies"]),
        (2, []),
        (3, ["closed (approval): a person must approve it: it is one of 3 studies, more than 2"]),
    ],
)
def test_a_number_of_studies_that_needs_approval_is_told_as_far_as_it_is_known(
    siblings: int | None, expected: list[str]
) -> None:
    assert outlook("many", siblings=siblings) == expected


def test_budgets_are_not_known_beforehand() -> None:
    config = site(gate="{budgets: {patient: {studies: 5}}}")
    assert outlook("plain", config) == ["may close (budget): what was moved before is not looked at here"]


def test_a_dry_run_needs_no_switch() -> None:
    assert outlook("dry", on=False) == ["open for a dry run: nothing is moved"]


def test_what_is_not_listed_is_told_once() -> None:
    assert outlook("off") == ["closed (lists): route off is not enabled in routes.yaml"]
