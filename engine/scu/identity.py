"""User identity in A-ASSOCIATE-RQ (PS3.7 D.3.3.7). The secret leaves here for the wire only."""

from __future__ import annotations

from pynetdicom.pdu_primitives import UserIdentityNegotiation

from engine.dicom.node import Identity, IdentityKind, Node
from engine.errors import NodeError
from engine.secret import Secret, SecretMissing

_LONGEST = 65_535  # bytes: the length of a field is 16 bits (PS3.7 table D.3-14)


def negotiation_items(node: Node) -> list[UserIdentityNegotiation]:
    """What goes with the request to this node. Raises NodeError where a secret is not to be had."""
    return [] if node.identity is None else [_item(node.name, node.identity)]


def _item(node: str, identity: Identity) -> UserIdentityNegotiation:
    try:
        secret = _secret(identity.kind, identity.secret or Secret())
    except SecretMissing as exc:
        raise NodeError(node, f"no user identity for it: {exc}") from exc
    if len(secret) > _LONGEST:
        raise NodeError(node, f"no user identity for it: a secret of {len(secret)} bytes, {_LONGEST} at most")
    item = UserIdentityNegotiation()
    item.user_identity_type = identity.kind.value
    item.positive_response_requested = identity.confirm
    if identity.kind in (IdentityKind.USER, IdentityKind.USER_AND_PASSWORD):
        item.primary_field = identity.user.encode()
        item.secondary_field = secret
    else:
        item.primary_field = secret
    return item


def _secret(kind: IdentityKind, secret: Secret) -> bytes:
    """A line end after it is the editor's. A Kerberos ticket is binary, where every byte counts."""
    content = secret.read()
    return content if kind is IdentityKind.KERBEROS else content.rstrip(b"\r\n")
