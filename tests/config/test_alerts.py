"""`alerts` in routes.yaml: what it becomes, and a place for each mistake."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.config.alerts import (
    AlertSettings,
    DeadLetterRule,
    DiskRule,
    Encryption,
    Kind,
    Mail,
    SilenceRule,
    Webhook,
)
from engine.config.load import parse
from engine.errors import ConfigError
from engine.retrieve.windows import Window, Windows
from engine.secret import Secret
from engine.tls import Tls
from tests.alerts.given import configured, routes

HOOK = "webhook: {url: 'https://alerts.test/x'}"
MAIL = "mail: {server: 'm.test:587', from: a@b.test, to: c@d.test"


def settings(section: str) -> AlertSettings:
    found = configured(Path("/nowhere"), section).alerts
    assert found is not None
    return found


def test_without_the_section_nobody_is_told() -> None:
    text = routes(Path("/nowhere"), "").replace("alerts: {}\n", "")
    assert parse(text).alerts is None


def test_everything_but_silence_is_told_where_only_a_way_is_given() -> None:
    assert settings(HOOK) == AlertSettings(
        ways=(Webhook("alerts.test", 443, "/x", frozenset(Kind), Tls()),),
        dead_letters=DeadLetterRule(dt.timedelta(seconds=30), dt.timedelta(hours=1)),
        breaker=True,
        journal=True,
        silence=(),
        disk=DiskRule(share=0.05),
        repeat=dt.timedelta(hours=4),
        pause=dt.timedelta(minutes=5),
        first=5.0,
        longest=600.0,
        give_up=259_200.0,
    )


def test_all_of_it_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "geheim")
    found = settings(
        """
  webhook: {url: "http://[::1]:8080/x?a=1", secret: {env: HOOK_SECRET}, header: X-Token, only: disk,
            timeout: 3s},
  mail: {server: "m.test:465", encryption: tls, tls: {verify: false}, user: u, password: {env: HOOK_SECRET},
         from: a@b.test, to: [c@d.test, e@f.test], only: [breaker, journal]},
  dead_letters: {gather: 1m, quiet: 2h}, breaker: off, journal: off,
  silence: [{after: 15m, windows: mon-fri 07:00-19:00}, {after: 2h, host: 10.0.0.7}],
  disk: {free: 5 GB}, repeat: 1d, pause: 1m, retry: {first: 1s, longest: 2s, give_up: 1h}"""
    )
    secret = Secret(environment="HOOK_SECRET")
    assert found.ways == (
        Webhook("::1", 8080, "/x?a=1", frozenset({Kind.DISK}), None, "X-Token", secret, 3.0),
        Mail(
            "m.test",
            465,
            "a@b.test",
            ("c@d.test", "e@f.test"),
            frozenset({Kind.BREAKER, Kind.JOURNAL}),
            Encryption.TLS,
            Tls(verify=False),
            "u",
            secret,
        ),
    )
    windows = Windows((Window.parse("mon-fri 07:00-19:00"),), ZoneInfo("Europe/Helsinki"))
    assert found.silence == (
        SilenceRule(dt.timedelta(minutes=15), "", windows),
        SilenceRule(dt.timedelta(hours=2), "10.0.0.7"),
    )
    assert found.dead_letters == DeadLetterRule(dt.timedelta(minutes=1), dt.timedelta(hours=2))
    assert (found.breaker, found.journal) == (False, False)
    assert found.disk == DiskRule(size=5_000_000_000)
    assert (found.repeat, found.pause) == (dt.timedelta(days=1), dt.timedelta(minutes=1))
    assert (found.first, found.longest, found.give_up) == (1.0, 2.0, 3600.0)


def test_each_may_be_switched_off() -> None:
    found = settings(f"{HOOK}, dead_letters: off, disk: off")
    assert (found.dead_letters, found.disk) == (None, None)


@pytest.mark.parametrize(
    ("section", "where", "expected"),
    [
        ("breaker: on", "alerts", "webhook, mail or both"),
        ("webhook: {url: ftp://a.test/}", "alerts.webhook.url", "https://alerts.example.org"),
        ("webhook: {url: 'https://u:p@a.test/'}", "alerts.webhook.url", "without a user"),
        ("webhook: {url: 'https://a.test:99999/'}", "alerts.webhook.url", "https://alerts.example.org"),
        ("webhook: {url: 'http://a.test/', tls: {}}", "alerts.webhook", "an https url beside tls"),
        ("webhook: {url: 'http://a.test/', header: 'X Y'}", "alerts.webhook.header", "an HTTP header"),
        ("webhook: {url: 'http://a.test/', only: [tea]}", "alerts.webhook.only[0]", "'dead_letters'"),
        ("webhook: {url: 'http://a.test/', only: []}", "alerts.webhook.only", "at least one"),
        ("webhook: {url: 'http://a.test/', secret: {}}", "alerts.webhook.secret", "env or file"),
        ("mail: {server: m.test, from: a@b.test, to: c@d.test}", "alerts.mail.server", "host:port"),
        ("mail: {server: 'm.test:25', from: ab.test, to: c@d.test}", "alerts.mail.from", "a mail address"),
        ("mail: {server: 'm.test:25', from: a@b.test, to: 'c@d.test, e@f.test'}", "alerts.mail.to", "mail"),
        (f"{MAIL}, user: u}}", "alerts.mail", "user and password, both or neither"),
        (f"{MAIL}, encryption: none, tls: {{}}}}", "alerts.mail", "starttls or tls"),
        (f"{MAIL}, encryption: ssl}}", "alerts.mail.encryption", "'starttls', 'tls' or 'none'"),
        (f"{HOOK}, silence: {{after: 15}}", "alerts.silence.after", "such as 20s"),
        (f"{HOOK}, silence: {{after: 1h, host: his}}", "alerts.silence.host", "an IP address"),
        (f"{HOOK}, silence: {{after: 1d, windows: mon-fri}}", "alerts.silence", "less than 24h"),
        (f"{HOOK}, silence: [{{after: 1h}}, {{after: 2h}}]", "alerts.silence[1]", "a host of its own"),
        (f"{HOOK}, disk: {{free: 80%}}", "alerts.disk.free", "a size such as 5GB, or a share from 1% to 50%"),
        (f"{HOOK}, disk: {{free: 0GB}}", "alerts.disk.free", "a size such as 5GB"),
        (f"{HOOK}, dead_letters: {{gather: 2h}}", "alerts.dead_letters", "quiet to be no shorter"),
        (f"{HOOK}, dead_letters: some", "alerts.dead_letters", "true or false"),
        (f"{HOOK}, brake: on", "alerts.brake", "'breaker'"),
    ],
)
def test_a_mistake_is_named_at_its_place(section: str, where: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(section)
    (complaint,) = caught.value.complaints
    assert complaint.where == where
    assert expected in complaint.expected
    assert complaint.line == 5


def test_no_secret_is_in_what_is_printed() -> None:
    found = settings("webhook: {url: 'https://alerts.test/geheim?token=geheim'}")
    assert "geheim" not in f"{found!r} {found.ways[0]}"
