"""Certificates of a hospital that has an authority of its own, and of a stranger."""

from __future__ import annotations

import datetime as dt
import itertools
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from engine.tls import Tls, server_context


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of a certificate and its key, in PEM."""

    certificate: str
    key: str


class Certificates:
    """Each is made when it is asked for. All are for 127.0.0.1 and localhost unless another name is given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hospital = trustme.CA()
        self._stranger = trustme.CA()
        self._numbers = itertools.count()
        self.ca = self._write(self._hospital.cert_pem)
        self.strange_ca = self._write(self._stranger.cert_pem)

    def pair(self, *names: str, expired: bool = False, strange: bool = False, rsa: bool = False) -> Pair:
        """``rsa``: with such a key, as DCMTK's profiles ask for; else an elliptic curve's, which is quick."""
        authority = self._stranger if strange else self._hospital
        end = dt.datetime.now(dt.UTC) - dt.timedelta(days=1) if expired else None
        issued = authority.issue_cert(
            *(names or ("127.0.0.1", "localhost")),
            not_before=end and end - dt.timedelta(days=30),
            not_after=end,
            key_type=trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA,
        )
        certificate = self._write(*issued.cert_chain_pems)
        return Pair(certificate, self._write(issued.private_key_pem))

    def server(self, pair: Pair | None = None, *, mutual: bool = False) -> ssl.SSLContext:
        """Of a peer that listens; ``mutual``: it wants a certificate that the hospital has issued."""
        pair = pair or self.pair()
        return server_context(Tls(self.ca if mutual else "", pair.certificate, pair.key))

    def _write(self, *blobs: trustme.Blob) -> str:
        path = self._folder / f"{next(self._numbers)}.pem"
        for blob in blobs:
            blob.write_to_path(path, append=True)
        return str(path)
