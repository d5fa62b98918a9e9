"""TLS and user identity."""

from __future__ import annotations

from engine.config.models.security import IdentitySection, ListenerTlsSection, SecretSection, TlsSection
from engine.dicom.node import Identity, IdentityKind
from engine.secret import Secret
from engine.tls import Tls


def tls(section: TlsSection | None) -> Tls | None:
    if section is None:
        return None
    return Tls(
        ca=section.ca or "",
        certificate=section.certificate or "",
        key=section.key or "",
        verify=section.verify,
        hostname=section.hostname or "",
        minimum=section.minimum,
    )


def listener_tls(section: ListenerTlsSection | None) -> Tls | None:
    if section is None:
        return None
    return Tls(section.ca or "", section.certificate, section.key, minimum=section.minimum)


def identity(section: IdentitySection | None) -> Identity | None:
    if section is None:
        return None
    tokens = (
        (IdentityKind.KERBEROS, section.kerberos),
        (IdentityKind.SAML, section.saml),
        (IdentityKind.JWT, section.jwt),
    )
    for kind, token in tokens:
        if token is not None:
            return Identity(kind, secret=secret(token), confirm=section.confirm)
    password = Secret(section.password or "", section.password_env or "", section.password_file or "")
    kind = IdentityKind.USER if password == Secret() else IdentityKind.USER_AND_PASSWORD
    return Identity(kind, section.user or "", password, section.confirm)


def secret(section: SecretSection) -> Secret:
    return Secret(environment=section.env or "", file=section.file or "")
