"""Access tokens and assertions; their times are compared with the machine's clock, which client libraries use."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME = timedelta(seconds=3599)
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
EMAIL_SCOPES = ("https://www.googleapis.com/auth/userinfo.email", "email")
_SLACK = timedelta(minutes=5)
_LONGEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Token:
    """One access token.

    Attributes:
        member: principal in the notation of policies.
        expires: when it ends, on the machine's clock.
        scopes: what it was asked for; () = everything.
    """

    member: str
    expires: datetime
    scopes: tuple[str, ...] = ()

    def covers(self, *wanted: str) -> bool:
        """Whether it was asked for one of these scopes."""
        return not self.scopes or bool(set(wanted) & set(self.scopes))


@dataclass(frozen=True, slots=True)
class Assertion:
    """A JWT taken apart; nothing is verified yet.

    Attributes:
        header: JOSE header.
        claims: payload.
        signed: the bytes that were signed.
        signature: over `signed`.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def signed_by(self, key: rsa.RSAPublicKey) -> bool:
        """Whether this key made the signature with RS256; no other algorithm is accepted."""
        if self.header.get("alg") != "RS256":
            return False
        try:
            key.verify(self.signature, self.signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def timely(self, now: datetime) -> bool:
        """Whether ``iat`` and ``exp`` are in a reasonable timeframe: an hour at most, five minutes of skew."""
        issued, ends = self.claims.get("iat"), self.claims.get("exp")
        if not isinstance(issued, int) or not isinstance(ends, int):
            return False
        start, end = datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(ends, UTC)
        return start <= now + _SLACK and now - _SLACK < end <= start + _LONGEST + _SLACK


def parse(text: str) -> Assertion | None:
    """The JWT in `text`; None when it is none."""
    try:
        header, claims, signature = text.split(".")
        signed = f"{header}.{claims}".encode()
        return Assertion(json.loads(_decoded(header)), json.loads(_decoded(claims)), signed, _decoded(signature))
    except (ValueError, binascii.Error):
        return None


def sign(key: rsa.RSAPrivateKey, key_id: str, claims: Mapping[str, Any]) -> str:
    """An RS256 JWT."""
    head = _encoded(json.dumps({"alg": "RS256", "typ": "JWT", "kid": key_id}).encode())
    signed = f"{head}.{_encoded(json.dumps(dict(claims)).encode())}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
