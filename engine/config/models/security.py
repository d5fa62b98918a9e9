"""TLS and user identity. Files are looked for beside routes.yaml and tried: a mistake has its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator, model_validator

from engine.config.fields import Text
from engine.config.models.base import Section, default
from engine.tls import check_certificates, check_key


def beside(text: object, info: ValidationInfo) -> str:
    """A path; a relative one starts from the folder of routes.yaml."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError("a file")
    return str(Path(_setting(info, "folder", "")) / text.strip())


def _file(text: object, info: ValidationInfo) -> str:
    path = beside(text, info)
    if _trying(info):
        try:
            Path(path).open("rb").close()
        except OSError as error:
            raise ValueError(f"a file that can be read ({path}: {error.strerror})") from None
    return path


def _setting(info: ValidationInfo, name: str, otherwise: str) -> str:
    return str((info.context or {}).get(name, otherwise))


def _trying(info: ValidationInfo) -> bool:
    """Whether files and the environment are looked at. A verb that connects to nobody has no need to."""
    return bool((info.context or {}).get("try_files", False))


def _tried(check: Callable[[], None], expected: str) -> None:
    try:
        check()
    except OSError as error:
        raise ValueError(f"{expected} ({getattr(error, 'reason', None) or error})") from None


def _variable(text: object, info: ValidationInfo) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("the name of an environment variable")
    if _trying(info) and not os.environ.get(text.strip()):
        raise ValueError("an environment variable that is set")
    return text.strip()


Beside = Annotated[str, PlainValidator(beside), WithJsonSchema({"type": "string"})]
File = Annotated[str, PlainValidator(_file), WithJsonSchema({"type": "string"})]
Variable = Annotated[str, PlainValidator(_variable), WithJsonSchema({"type": "string"})]


class _Certificates(Section):
    """What both sides of TLS have."""

    ca: File | None = None
    certificate: File | None = None
    key: File | None = None

    @field_validator("ca")
    @classmethod
    def _authorities(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is not None and _trying(info):
            _tried(lambda: check_certificates(path), "a file of certificates in PEM")
        return path

    @field_validator("certificate")
    @classmethod
    def _our_certificate(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is not None and _trying(info):
            _tried(lambda: check_certificates(path), "a certificate in PEM, with its chain")
        return path

    @field_validator("key")
    @classmethod
    def _our_key(cls, path: str | None, info: ValidationInfo) -> str | None:
        certificate = info.data.get("certificate")
        if path is not None and certificate is not None and _trying(info):
            expected = "the key of the certificate, in PEM and without a password"
            _tried(lambda: check_key(certificate, path), expected)
        return path


class TlsSection(_Certificates):
    """TLS to a peer that we connect to (PS3.15 B). ``tls: {}`` trusts the authorities of the system."""

    ca: File | None = default(None, "PEM: who issues the peer's certificate; default: those of the system")
    certificate: File | None = default(None, "PEM: ours with its chain, where the peer wants one")
    key: File | None = default(None, "PEM, without a password: the key of certificate")
    verify: bool = default(True, "false: take any certificate, so that anybody in between can read all")
    hostname: Text | None = default(None, "name in the peer's certificate; default: its host")
    minimum: Literal["1.2", "1.3"] = default("1.2", "lowest TLS version")

    @model_validator(mode="after")
    def _pair(self) -> TlsSection:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("certificate and key, both or neither")
        if not self.verify and (self.ca is not None or self.hostname is not None):
            raise ValueError("verify: true, since ca and hostname mean nothing without it")
        return self


class ListenerTlsSection(_Certificates):
    """TLS on our MLLP port."""

    ca: File | None = default(None, "PEM: who issues the senders' certificates, which they then need to have")
    certificate: File
    key: File
    minimum: Literal["1.2", "1.3"] = default("1.2", "lowest TLS version")


class SecretSection(Section):
    """Where a secret is kept."""

    env: Variable | None = default(None, "environment variable")
    file: File | None = default(None, "file, whose content it is; read whenever it is needed")

    @model_validator(mode="after")
    def _one(self) -> SecretSection:
        if (self.env is None) is (self.file is None):
            raise ValueError("env or file")
        return self


class IdentitySection(Section):
    """Who we are to an archive (PS3.7 D.3.3.7): a user, with a password or without, or a token."""

    user: Text | None = default(None, "user name")
    password: Annotated[Text | None, Field(repr=False)] = default(None, "better kept in one of the two below")
    password_env: Variable | None = default(None, "environment variable with the password")
    password_file: File | None = default(None, "file with the password; a line end after it does not count")
    kerberos: SecretSection | None = default(None, "Kerberos service ticket")
    saml: SecretSection | None = default(None, "SAML assertion")
    jwt: SecretSection | None = default(None, "JSON web token")
    confirm: bool = default(False, "ask for a positive response, and use no association without one")

    @model_validator(mode="after")
    def _one_kind(self) -> IdentitySection:
        kinds = [self.user, self.kerberos, self.saml, self.jwt]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("one of user, kerberos, saml and jwt")
        passwords = [self.password, self.password_env, self.password_file]
        if sum(password is not None for password in passwords) > (self.user is not None):
            raise ValueError("one password, and only with user")
        return self
