"""TLS and user identity as a user meets them: check, echo, send, and verbs that need no key."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from engine.answer import Answer
from engine.errors import ConfigError, StoreError
from engine.listener import Listener, ListenerSettings
from engine.simulator import SimulatedDestination
from engine.tls import Tls
from tests.certificates import Certificates
from tests.cli.test_cli import run
from tests.hospital import order
from tests.test_listener import Ward
from tests.test_outbox import ack, control_id_of

ROUTES = """\
engine: {{store: {store}{engine}}}
archives: {{main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {port}{archive}}}}}
destinations: {{room: {{ae_title: ROOM}}}}
routes: [{{name: a, messages: ORM^O01, studies: [{{study: ZDS-1}}], from: main, to: room}}]
"""


@pytest.fixture
def node(certificates: Certificates) -> Iterator[SimulatedDestination]:
    listening = SimulatedDestination("ARCHIVE")
    listening.ssl_context = certificates.server()
    with listening:
        yield listening


def routes(folder: Path, *, engine: str = "", archive: str = "", port: int = 104) -> Path:
    path = folder / "routes.yaml"
    path.write_text(ROUTES.format(store=folder / "j.db", engine=engine, archive=archive, port=port))
    return path


def test_echo_speaks_tls(node: SimulatedDestination, certificates: Certificates, tmp_path: Path) -> None:
    port = node.address[1]
    good = run("echo", "-c", routes(tmp_path, archive=f", tls: {{ca: {certificates.ca}}}", port=port))
    assert good.exit_code == 0, good.output
    assert good.output.startswith("✓ main (ARCHIVE at 127.0.0.1:")
    assert "with TLS" in good.output
    bad = run("echo", "-c", routes(tmp_path, archive=f", tls: {{ca: {certificates.strange_ca}}}", port=port))
    assert bad.exit_code == 1
    assert bad.output.rstrip().endswith("enter the one that issued it as tls.ca")


def test_check_says_who_is_encrypted_and_warns(certificates: Certificates, tmp_path: Path) -> None:
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=20)
    issued = trustme.CA().issue_cert("forefetch", not_after=end)
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "our.pem")
    listening = ", tls: {certificate: our.pem, key: our.pem}"
    result = run("check", "-c", routes(tmp_path, engine=listening, archive=", tls: {verify: false}"))
    assert result.exit_code == 0, result.output
    assert "encrypted (TLS): HL7 listener, archive main" in result.output
    assert "warning: archive main: its certificate is not verified" in result.output
    assert f"our.pem expires on {end.date()}; renew it" in result.output
    plain = run("check", "-c", routes(tmp_path))
    assert "not encrypted: HL7 listener, archive main" in plain.output
    assert "warning" not in plain.output


def test_check_says_whether_the_way_to_the_audit_collector_is_encrypted(tmp_path: Path) -> None:
    path = routes(tmp_path)
    plain = path.read_text()
    path.write_text(f"{plain}audit: {{collector: {{host: arr, transport: udp}}}}\n")
    assert (
        "not encrypted: HL7 listener, archive main, audit collector arr:514"
        in run("check", "-c", path).output
    )
    path.write_text(f"{plain}audit: {{collector: {{host: arr}}}}\n")
    assert "encrypted (TLS): audit collector arr:6514" in run("check", "-c", path).output


def test_check_is_silent_about_a_certificate_that_lasts(certificates: Certificates, tmp_path: Path) -> None:
    pair = certificates.pair()
    section = f", tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
    result = run("check", "-c", routes(tmp_path, engine=section))
    assert result.exit_code == 0
    assert "warning" not in result.output


def test_a_certificate_that_has_expired_is_warned_of(certificates: Certificates, tmp_path: Path) -> None:
    pair = certificates.pair(expired=True)
    section = f", tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
    result = run("check", "-c", routes(tmp_path, engine=section))
    assert f"{pair.certificate} has expired on" in result.output


def test_only_verbs_that_connect_need_the_keys(tmp_path: Path) -> None:
    path = routes(tmp_path, archive=", identity: {user: a, password_env: NO_SUCH_VARIABLE}")
    assert isinstance(run("tasks", "-c", path).exception, StoreError)  # as there is no journal yet
    checked = run("check", "-c", path)
    assert isinstance(checked.exception, ConfigError)
    assert "an environment variable that is set" in str(checked.exception)
    assert run("check", "-c", path, env={"NO_SUCH_VARIABLE": "x"}).exit_code == 0


class Clinic(Ward):
    """Acknowledges with AA."""

    async def receive(self, payload: bytes, peer: str) -> Answer:
        self.answers[payload] = Answer((ack("AA", control_id_of(payload)),))
        return await super().receive(payload, peer)


async def test_send_speaks_tls_and_shows_its_certificate(certificates: Certificates, tmp_path: Path) -> None:
    theirs, ours = certificates.pair("his.example"), certificates.pair("sender")
    tls = Tls(certificates.ca, theirs.certificate, theirs.key)
    listener = Listener(ListenerSettings(port=0, tls=tls), Clinic())
    await listener.start()
    message = tmp_path / "order.hl7"
    message.write_bytes(order())
    to = ["--to", ":".join(map(str, listener.address)), "--tls", "--ca", certificates.ca]
    named = ["--hostname", "his.example"]
    shown = ["--certificate", ours.certificate, "--key", ours.key]
    try:
        good = await asyncio.to_thread(run, "send", message, *to, *named, *shown)
        anonymous = await asyncio.to_thread(run, "send", message, *to, *named)
        misnamed = await asyncio.to_thread(run, "send", message, *to, *shown)
    finally:
        await listener.close()
    assert good.exit_code == 0, good.output
    assert "AA" in good.output
    assert anonymous.exit_code == misnamed.exit_code == 2
    assert "refuses our certificate or wants one" in anonymous.output
    assert "for this address" in misnamed.output


@pytest.mark.parametrize(
    "options", [["--ca", "FILE"], ["--tls", "--certificate", "FILE"], ["--hostname", "his.example"]]
)
def test_send_refuses_options_that_do_not_fit_together(tmp_path: Path, options: list[str]) -> None:
    message = tmp_path / "order.hl7"
    message.write_bytes(order())
    words = [str(message) if word == "FILE" else word for word in options]
    result = run("send", message, "--to", "127.0.0.1:1", *words)
    assert result.exit_code == 2
    assert "needed with" in result.output or "both or neither" in result.output
