"""Notices by mail, to a mail server."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from engine.alerts.alert import State
from engine.alerts.fault import NotDelivered
from engine.alerts.mail import send
from engine.config.alerts import Encryption, Kind, Mail
from engine.secret import Secret
from engine.tls import Tls
from tests.alerts.given import MINUTE, NOW, notice
from tests.alerts.receivers import MailServer, listening
from tests.certificates import Certificates

SOURCE = "FOREFETCH on here"


def way(port: int, encryption: Encryption = Encryption.NONE) -> Mail:
    to = ("it@hospital.test", "call@hospital.test")
    return Mail("127.0.0.1", port, "forefetch@hospital.test", to, frozenset(Kind), encryption, timeout=5.0)


async def fault(way: Mail) -> str:
    with pytest.raises(NotDelivered) as caught:
        await asyncio.to_thread(send, way, notice(), SOURCE)
    return str(caught.value)


async def test_a_notice_is_mailed_to_everybody_who_is_listed() -> None:
    async with MailServer().serving() as server:
        await asyncio.to_thread(send, way(server.port), notice(), SOURCE)
        mail = await server.taken.get()
    assert mail["From"] == "forefetch@hospital.test"
    assert mail["To"] == "it@hospital.test, call@hospital.test"
    assert mail["Subject"] == "[Forefetch] raised (critical): archive main is away"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@hospital.test>")
    assert parsedate_to_datetime(mail["Date"]) == NOW + MINUTE
    content = mail.get_content().replace("\r\n", "\n")
    assert content.startswith("FOREFETCH on here: raised (critical): archive main is away\n")
    assert "What you can do: look at it.\n" in content
    assert sum(command.startswith("rcpt") for command in server.commands) == 2
    assert server.commands[-1] == "quit"


async def test_a_name_with_a_line_end_in_it_is_mailed_too_and_is_no_header() -> None:
    sentence = "archive a\r\nBcc: x@elsewhere.test is away"
    told = replace(notice(), alert=replace(notice().alert, sentence=sentence))
    async with MailServer().serving() as server:
        await asyncio.to_thread(send, way(server.port), told, SOURCE)
        mail = await server.taken.get()
    assert mail["Subject"].endswith("archive a  Bcc: x@elsewhere.test is away")
    assert mail["Bcc"] is None
    assert not any("elsewhere" in command for command in server.commands)


async def test_the_end_of_an_alert_is_mailed_as_resolved() -> None:
    async with MailServer().serving() as server:
        await asyncio.to_thread(send, way(server.port), notice(State.RESOLVED), SOURCE)
        mail = await server.taken.get()
    assert mail["Subject"] == "[Forefetch] resolved: archive main is away"


async def test_by_starttls_nothing_but_the_greeting_is_in_the_clear(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "geheim")
    server = MailServer(certificates.server(), ("forefetch", "geheim"))
    async with server.serving():
        to = replace(
            way(server.port, Encryption.STARTTLS),
            tls=Tls(ca=certificates.ca),
            user="forefetch",
            password=Secret(environment="MAIL_PASSWORD"),
        )
        await asyncio.to_thread(send, to, notice(), SOURCE)
    assert [command.split()[0] for command in server.commands[:4]] == ["ehlo", "STARTTLS", "ehlo", "AUTH"]
    assert server.encrypted == [True]


async def test_tls_from_the_start_checks_the_name_that_is_configured(certificates: Certificates) -> None:
    async with MailServer().serving(certificates.server(certificates.pair("mail.test"))) as server:
        to = replace(way(server.port, Encryption.TLS), tls=Tls(ca=certificates.ca))
        assert "tls.hostname" in await fault(to)
        named = replace(to, tls=Tls(ca=certificates.ca, hostname="mail.test"))
        await asyncio.to_thread(send, named, notice(), SOURCE)
    assert server.encrypted == [True]


async def test_a_strange_certificate_gets_neither_password_nor_mail(certificates: Certificates) -> None:
    async with MailServer(certificates.server(), ("forefetch", "geheim")).serving() as server:
        to = replace(
            way(server.port, Encryption.STARTTLS),
            tls=Tls(ca=certificates.strange_ca),
            user="forefetch",
            password=Secret("geheim"),
        )
        assert "enter the one that issued it as tls.ca" in await fault(to)
    assert server.commands == ["ehlo [127.0.0.1]", "STARTTLS"]


async def test_without_starttls_nothing_is_sent_in_the_clear() -> None:
    async with MailServer().serving() as server:
        assert "it offers no STARTTLS" in await fault(way(server.port, Encryption.STARTTLS))
    assert not any(command.startswith("mail") for command in server.commands)


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("mail", "550 who", "it refuses the sender (550); check alerts.mail.from"),
        ("rcpt", "550 who", "it refuses the recipients it@hospital.test (550), call@hospital.test (550)"),
        ("data", "554 no", "it answers 554; look in its log"),
    ],
)
async def test_what_a_server_refuses_is_told_with_the_cure(command: str, answer: str, expected: str) -> None:
    async with MailServer(refuse={command: answer}).serving() as server:
        assert (await fault(way(server.port))).startswith(expected)


async def test_a_wrong_password_is_told_with_the_cure(certificates: Certificates) -> None:
    async with MailServer(login=("forefetch", "geheim")).serving(certificates.server()) as server:
        to = replace(
            way(server.port, Encryption.TLS),
            tls=Tls(ca=certificates.ca),
            user="forefetch",
            password=Secret("falsch"),
        )
        assert await fault(to) == "it refuses the login (535); check alerts.mail.user and password"


async def test_one_recipient_that_is_refused_does_not_keep_the_others_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with MailServer(refuse={"rcpt TO:<it@": "550 who"}).serving() as server:
        with caplog.at_level(logging.WARNING):
            await asyncio.to_thread(send, way(server.port), notice(), SOURCE)
        await server.taken.get()
    assert "refuses it@hospital.test (550), but not the others" in caplog.text


async def test_a_server_that_is_not_there_or_silent_is_told_with_the_cure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "check alerts.mail.server" in await fault(way(unused.getsockname()[1]))

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port:
        assert "or is silent; check the port" in await fault(replace(way(port), timeout=0.05))
