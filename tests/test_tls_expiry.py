"""The end of a certificate, as the library that made it says."""

from __future__ import annotations

import datetime as dt

import pytest
import trustme

from engine.tls.expiry import expiry


@pytest.mark.parametrize(
    "end",
    [
        dt.datetime(2030, 6, 1, 12, 30, 5, tzinfo=dt.UTC),
        dt.datetime(2049, 12, 31, 23, 59, 59, tzinfo=dt.UTC),  # the last UTCTime
        dt.datetime(2050, 1, 1, tzinfo=dt.UTC),  # the first GeneralizedTime
    ],
)
@pytest.mark.parametrize("kind", [trustme.KeyType.ECDSA, trustme.KeyType.RSA])
def test_the_end_is_read_from_both_forms_of_time(end: dt.datetime, kind: trustme.KeyType) -> None:
    issued = trustme.CA().issue_cert("pacs.example", not_after=end, key_type=kind)
    assert expiry(issued.cert_chain_pems[0].bytes().decode()) == end


def test_of_a_chain_the_earliest_end_counts() -> None:
    authority = trustme.CA()
    ends = [dt.datetime(2030 + number, 1, 1, tzinfo=dt.UTC) for number in (5, 1, 3)]
    blobs = [authority.issue_cert("a.example", not_after=end).cert_chain_pems[0] for end in ends]
    assert expiry("some text\n" + "".join(blob.bytes().decode() for blob in blobs)) == ends[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nkein Base64!\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="no certificate in it"):
        expiry(text)
