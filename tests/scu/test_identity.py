"""User identity goes out as the node is to get it, and its secret goes nowhere else."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from pynetdicom import evt

from engine.dicom.node import Identity, IdentityKind
from engine.errors import AssociationRejected, NodeError
from engine.scu import ArchiveClient
from engine.secret import Secret
from tests.dicom_peers import SUCCESS, answer, scripted_scp
from tests.scu.conftest import archive, requestor_threads

Told = tuple[int, bytes, bytes, bool]


class Doorman:
    """What an SCP is told of its callers; it lets them in or does not."""

    def __init__(self, *, verified: bool = True) -> None:
        self.told: list[Told] = []
        self._verified = verified

    def __call__(self, event: evt.Event) -> tuple[bool, bytes | None]:
        kind = event.user_id_type  # type: ignore[attr-defined]
        primary, secondary = event.primary_field, event.secondary_field  # type: ignore[attr-defined]
        asked = event.assoc.requestor.user_identity
        assert asked is not None
        self.told.append((kind, primary, secondary or b"", asked.positive_response_requested))
        return self._verified, b"" if self._verified else None


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        (IdentityKind.USER, b"", (1, b"svc", b"", False)),
        (IdentityKind.USER_AND_PASSWORD, b"geheim\n", (2, b"svc", b"geheim", False)),
        (IdentityKind.KERBEROS, b"\x60\x82\n", (3, b"\x60\x82\n", b"", False)),
        (IdentityKind.SAML, b"<Assertion/>\n", (4, b"<Assertion/>", b"", False)),
        (IdentityKind.JWT, b"ey.ey.x", (5, b"ey.ey.x", b"", False)),
    ],
)
def test_every_kind_of_identity_goes_out_in_its_fields(
    tmp_path: Path, kind: IdentityKind, content: bytes, told: Told
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    user = "svc" if kind in (IdentityKind.USER, IdentityKind.USER_AND_PASSWORD) else ""
    secret = Secret(file=str(file)) if content else None
    doorman = Doorman()
    with scripted_scp(answer(SUCCESS), verify_identity=doorman) as scp:
        client = ArchiveClient(replace(archive(scp.port), identity=Identity(kind, user, secret)))
        client.echo()
        client.close()
    assert doorman.told == [told]


def test_the_secret_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACS_PASSWORD", "geheim")
    doorman = Doorman()
    identity = Identity(IdentityKind.USER_AND_PASSWORD, "svc", Secret(environment="PACS_PASSWORD"))
    with scripted_scp(answer(SUCCESS), verify_identity=doorman) as scp:
        client = ArchiveClient(replace(archive(scp.port), identity=identity))
        client.echo()
        client.close()
    assert doorman.told == [(2, b"svc", b"geheim", False)]


def test_a_confirmed_identity_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACS_TOKEN", "ey.ey.x")
    doorman = Doorman()  # pynetdicom confirms tokens only
    identity = Identity(IdentityKind.JWT, secret=Secret(environment="PACS_TOKEN"), confirm=True)
    with scripted_scp(answer(SUCCESS), verify_identity=doorman) as scp:
        client = ArchiveClient(replace(archive(scp.port), identity=identity))
        client.echo()
        client.close()
    assert doorman.told == [(5, b"ey.ey.x", b"", True)]


def test_a_secret_that_is_not_there_opens_no_connection(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    cases = [
        (Secret(environment="FOREFETCH_NO_SUCH_VARIABLE"), "FOREFETCH_NO_SUCH_VARIABLE is not set; set it"),
        (Secret(file=str(tmp_path / "absent")), "cannot be read .*check the path"),
        (Secret(file=str(empty)), "is empty"),
        (Secret("x" * 65_536), "65535 at most"),
    ]
    with scripted_scp(answer(SUCCESS)) as scp:
        for secret, words in cases:
            identity = Identity(IdentityKind.USER_AND_PASSWORD, "svc", secret)
            client = ArchiveClient(replace(archive(scp.port), identity=identity))
            with pytest.raises(NodeError, match=words):
                client.echo()
        assert scp.connections == 0
    assert requestor_threads() == []


def test_a_refused_identity_names_the_setting_and_not_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    identity = Identity(IdentityKind.USER_AND_PASSWORD, "svc", Secret("geheim"))
    with scripted_scp(answer(SUCCESS), verify_identity=Doorman(verified=False)) as scp:
        client = ArchiveClient(replace(archive(scp.port), identity=identity))
        with caplog.at_level(logging.DEBUG), pytest.raises(AssociationRejected) as caught:
            client.echo()
        assert "check identity in routes.yaml" in caught.value.text
        assert scp.associations == 0
    assert "geheim" not in caplog.text + caught.value.text + repr(identity)
    assert requestor_threads() == []


def test_a_node_that_does_not_confirm_an_identity_is_not_used() -> None:
    identity = Identity(IdentityKind.USER, "svc", confirm=True)
    with scripted_scp(answer(SUCCESS)) as scp:  # knows nothing of identities, and lets everybody in
        client = ArchiveClient(replace(archive(scp.port), identity=identity))
        with pytest.raises(AssociationRejected, match="did not confirm our user identity"):
            client.echo()
        assert scp.requests == []
        assert client.open_associations == 0
        unconfirmed = ArchiveClient(replace(archive(scp.port), identity=replace(identity, confirm=False)))
        unconfirmed.echo()
        unconfirmed.close()
    assert requestor_threads() == []
