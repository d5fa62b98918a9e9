"""A notice by mail (RFC 5321, RFC 5322). It is never sent in the clear where encryption is configured."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import localtime, make_msgid

from engine.alerts.alert import Notice, Severity
from engine.alerts.fault import NotDelivered, fault_of
from engine.alerts.wording import text, title
from engine.config.alerts import Encryption, Mail
from engine.secret import SecretMissing
from engine.tls import client_context

_log = logging.getLogger(__name__)
_SERVER = "alerts.mail.server"


class _Named:
    """smtplib has the certificate checked for the host that it connects to; it may be for another name."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._context, self._name = context, name

    def wrap_socket(self, sock: socket.socket, server_hostname: str | None = None) -> ssl.SSLSocket:
        return self._context.wrap_socket(sock, server_hostname=self._name)


def send(way: Mail, notice: Notice, source: str) -> None:
    """Hand a notice to the mail server. Blocks; raises NotDelivered."""
    try:
        with _session(way) as session:
            refused = session.send_message(mail(way, notice, source))
    except SecretMissing as exc:
        raise NotDelivered(str(exc)) from exc
    except smtplib.SMTPException as exc:
        raise NotDelivered(_fault(exc)) from exc
    except OSError as exc:
        raise NotDelivered(fault_of(exc, way.timeout, _SERVER)) from exc
    for address, (code, _) in refused.items():
        _log.warning("%s refuses %s (%d), but not the others; check alerts.mail.to", way, address, code)


@contextmanager
def _session(way: Mail) -> Iterator[smtplib.SMTP]:
    """Connected, encrypted and logged in."""
    session = _connected(way)
    try:
        if way.encryption is Encryption.STARTTLS:
            session.starttls(context=_tls(way))
        if way.user:
            assert way.password is not None  # routes.yaml has both or neither
            session.login(way.user, way.password.read().decode("utf-8", "replace").strip())
        yield session
        with suppress(smtplib.SMTPException, OSError):  # it has the mail
            session.quit()
    finally:
        session.close()


def _connected(way: Mail) -> smtplib.SMTP:
    name = socket.gethostname()
    hello = name if "." in name else "[127.0.0.1]"  # RFC 5321 4.1.1.1; smtplib itself would ask a name server
    if way.encryption is Encryption.TLS:
        return smtplib.SMTP_SSL(way.host, way.port, hello, timeout=way.timeout, context=_tls(way))
    return smtplib.SMTP(way.host, way.port, hello, timeout=way.timeout)


def _tls(way: Mail) -> ssl.SSLContext:
    context = client_context(way.tls, way.host)
    return _Named(context, way.tls.name_of(way.host))  # type: ignore[return-value]


def mail(way: Mail, notice: Notice, source: str) -> EmailMessage:
    """A notice as a mail that no robot answers (RFC 3834)."""
    message = EmailMessage()
    message["From"] = way.sender
    message["To"] = ", ".join(way.recipients)
    # The name of a node may be of any characters, and no header takes a line end
    subject = "".join(one if one.isprintable() else " " for one in title(notice))
    message["Subject"] = f"[Forefetch] {subject}"
    message["Date"] = localtime(notice.at)
    message["Message-ID"] = make_msgid(domain=way.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    if notice.alert.severity is Severity.CRITICAL:
        message["Importance"] = "high"
    message.set_content(text(notice, source) + "\n")
    return message


def _fault(error: smtplib.SMTPException) -> str:
    """What a mail server does not like, with the cure."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = ", ".join(f"{address} ({code})" for address, (code, _) in error.recipients.items())
        return f"it refuses the recipients {codes}; check alerts.mail.to, and whether it wants a login"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return (
            "it offers no STARTTLS, or no login; check alerts.mail.encryption (tls is for port 465) and user"
        )
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return (
            f"it closed the connection, or is silent; check the port of {_SERVER} and alerts.mail.encryption"
        )
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"it refuses the login ({error.smtp_code}); check alerts.mail.user and password"
    if isinstance(error, smtplib.SMTPSenderRefused):
        return (
            f"it refuses the sender ({error.smtp_code}); check alerts.mail.from, and whether it wants a login"
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answers {error.smtp_code}; look in its log"
    return f"it does not speak SMTP as it should ({type(error).__name__}); check {_SERVER}"
