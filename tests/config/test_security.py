"""`tls` and `identity` in routes.yaml: what they become, and a place for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Config, load
from engine.dicom.node import Identity, IdentityKind
from engine.errors import Complaint, ConfigError
from engine.secret import Secret
from engine.tls import Tls
from tests.certificates import Certificates


class Site:
    """A folder with a routes.yaml that is written anew for each question."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.folder = folder
        self.pair = certificates.pair()
        for name, source in (
            ("ca.pem", certificates.ca),
            ("our.pem", self.pair.certificate),
            ("our.key", self.pair.key),
            ("other.key", certificates.pair().key),
        ):
            (folder / name).write_bytes(Path(source).read_bytes())
        (folder / "junk.pem").write_text("no certificate\n")

    def load(self, archive: str = "", *, engine: str = "", reply: str = "", try_files: bool = True) -> Config:
        path = self.folder / "routes.yaml"
        path.write_text(
            f"engine: {{{engine}}}\n"
            f"archives: {{main: {{ae_title: ARCHIVE, host: 10.0.0.5, port: 2762, {archive}}}}}\n"
            "destinations: {room: {ae_title: ROOM, host: 10.0.0.6, port: 104, tls: {}}, o: {ae_title: O}}\n"
            "routes: [{name: a, messages: ORM^O01, studies: [{study: ZDS-1}], from: main, to: room}]\n"
            f"replies: [{{application: HIS, to: 10.0.0.7:2576, {reply}}}, {{facility: B, to: 10.0.0.8:1}}]\n"
        )
        return load(path, try_files=try_files)

    def complaint(self, archive: str = "", **sections: str) -> Complaint:
        with pytest.raises(ConfigError) as caught:
            self.load(archive, **sections)  # type: ignore[arg-type]
        (only,) = caught.value.complaints
        return only

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture
def site(tmp_path: Path, certificates: Certificates) -> Site:
    return Site(tmp_path, certificates)


def test_without_the_sections_nothing_is_encrypted_and_nobody_is_named(site: Site) -> None:
    config = site.load()
    archive = config.archives["main"]
    assert (archive.tls, archive.identity, archive.health) == (None, None, None)
    assert config.engine.tls is None
    assert [rule.tls for rule in config.replies] == [None, None]


def test_files_are_those_beside_routes_yaml(site: Site, certificates: Certificates) -> None:
    config = site.load(
        f"tls: {{ca: {certificates.ca}, certificate: our.pem, key: our.key, hostname: pacs, minimum: '1.3'}}",
        engine="tls: {certificate: our.pem, key: our.key, ca: ca.pem}",
        reply="tls: {verify: false}",
    )
    ours = site.path("our.pem"), site.path("our.key")
    assert config.archives["main"].tls == Tls(certificates.ca, *ours, hostname="pacs", minimum="1.3")
    assert config.engine.tls == Tls(site.path("ca.pem"), *ours)
    assert config.replies[0].tls == Tls(verify=False)
    node = config.destinations["room"].node
    assert node is not None
    assert node.tls == Tls()


@pytest.mark.parametrize(
    ("section", "where", "expected"),
    [
        ("tls: {ca: absent.pem}", "tls.ca", "a file that can be read"),
        ("tls: {ca: junk.pem}", "tls.ca", "a file of certificates in PEM"),
        ("tls: {certificate: junk.pem, key: our.key}", "tls.certificate", "a certificate in PEM"),
        ("tls: {certificate: our.pem, key: absent}", "tls.key", "a file that can be read"),
        ("tls: {certificate: our.pem, key: other.key}", "tls.key", "the key of the certificate"),
        ("tls: {certificate: our.pem, key: ca.pem}", "tls.key", "the key of the certificate"),
        ("tls: {certificate: our.pem}", "tls", "certificate and key, both or neither"),
        ("tls: {key: our.key}", "tls", "certificate and key, both or neither"),
        ("tls: {verify: false, ca: ca.pem}", "tls", "verify: true"),
        ("tls: {minimum: '1.1'}", "tls.minimum", "'1.2' or '1.3'"),
        ("identity: {}", "identity", "one of user, kerberos, saml and jwt"),
        ("identity: {user: a, jwt: {file: our.key}}", "identity", "one of user, kerberos"),
        ("identity: {user: a, password: b, password_file: our.key}", "identity", "one password"),
        ("identity: {jwt: {file: our.key}, password: b}", "identity", "one password, and only with user"),
        ("identity: {jwt: {}}", "identity.jwt", "env or file"),
        ("identity: {user: a, password_env: NO_SUCH_VARIABLE}", "identity.password_env", "that is set"),
        ("identity: {user: a, password_file: absent}", "identity.password_file", "can be read"),
    ],
)
def test_a_mistake_is_named_at_its_place(site: Site, section: str, where: str, expected: str) -> None:
    complaint = site.complaint(section)
    assert complaint.where == f"archives.main.{where}"
    assert expected in complaint.expected
    assert complaint.line == 2
    assert complaint.file == site.path("routes.yaml")


def test_a_listener_needs_a_certificate_with_its_key(site: Site) -> None:
    assert site.complaint(engine="tls: {certificate: our.pem}").where == "engine.tls"
    complaint = site.complaint(engine="tls: {certificate: our.pem, key: other.key}")
    assert complaint.where == "engine.tls.key"


def test_tls_and_identity_of_a_destination_need_its_address(site: Site) -> None:
    text = (site.folder / "routes.yaml").write_text
    site.load()
    told = (site.folder / "routes.yaml").read_text().replace("{ae_title: O}", "{ae_title: O, tls: {}}")
    text(told)
    with pytest.raises(ConfigError, match="host and port beside tls and identity"):
        load(site.folder / "routes.yaml")


def test_replies_to_one_address_are_encrypted_in_one_way(site: Site) -> None:
    complaint = site.complaint(reply="tls: {}}, {facility: C, to: 10.0.0.7:2576")
    assert complaint.where == "replies[1]"
    assert "the same tls wherever replies go to 10.0.0.7:2576" in complaint.expected


@pytest.mark.parametrize(
    ("section", "identity"),
    [
        ("user: svc", Identity(IdentityKind.USER, "svc", Secret())),
        ("user: svc, password: x", Identity(IdentityKind.USER_AND_PASSWORD, "svc", Secret("x"))),
        (
            "user: svc, password_env: PACS_PASSWORD, confirm: true",
            Identity(IdentityKind.USER_AND_PASSWORD, "svc", Secret(environment="PACS_PASSWORD"), True),
        ),
        ("kerberos: {env: PACS_PASSWORD}", Identity(IdentityKind.KERBEROS, "", Secret("", "PACS_PASSWORD"))),
        ("saml: {env: PACS_PASSWORD}", Identity(IdentityKind.SAML, "", Secret("", "PACS_PASSWORD"))),
        ("jwt: {env: PACS_PASSWORD}", Identity(IdentityKind.JWT, "", Secret("", "PACS_PASSWORD"))),
    ],
)
def test_an_identity_is_a_user_or_a_token(
    site: Site, monkeypatch: pytest.MonkeyPatch, section: str, identity: Identity
) -> None:
    monkeypatch.setenv("PACS_PASSWORD", "geheim")
    assert site.load(f"identity: {{{section}}}, health: 30s").archives["main"].identity == identity
    assert site.load("health: 30s").archives["main"].health == 30


def test_who_connects_to_nobody_needs_neither_keys_nor_secrets(site: Site) -> None:
    config = site.load(
        "tls: {certificate: absent, key: absent}, identity: {user: a, password_env: NO_SUCH_VARIABLE}",
        try_files=False,
    )
    assert config.archives["main"].tls == Tls("", site.path("absent"), site.path("absent"))


def test_a_password_is_in_no_complaint_and_in_no_repr(site: Site) -> None:
    archive = site.load("identity: {user: svc, password: geheim}").archives["main"]
    assert archive.identity is not None
    assert archive.identity.secret is not None
    assert archive.identity.secret.read() == b"geheim"
    assert "geheim" not in repr(archive)
    with pytest.raises(ConfigError) as caught:
        site.load("identity: {password: geheim}, ae: x")
    assert "geheim" not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__cause__}"
