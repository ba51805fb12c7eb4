"""Signed tokens (RFC 7519) with what Entra uses of them: RS256, PS256, ES256 and x5t headers."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_SHA = hashes.SHA256()


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token that was taken apart, not yet verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def verified_by(self, key: PublicKey) -> bool:
        """Whether `key` made the signature, by the algorithm that the header names."""
        try:
            _verify(key, str(self.header.get("alg")), self.signature, self.signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def b64url(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """Bytes of base64url, padded or not.

    Raises:
        ValueError: it is none.
    """
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as problem:
        msg = "no base64url"
        raise ValueError(msg) from problem


def parse(text: str) -> Jwt:
    """Take a token apart.

    Raises:
        ValueError: it is no JWT.
    """
    parts = text.split(".")
    if len(parts) != 3:
        msg = "a JWT has three parts"
        raise ValueError(msg)
    header, claims = (json.loads(from_b64url(part)) for part in parts[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        msg = "header and claims of a JWT are objects"
        raise ValueError(msg)  # noqa: TRY004 - the text is wrong, not our types
    signed, _, signature = text.rpartition(".")
    return Jwt(header, claims, signed.encode(), from_b64url(signature))


def sign(key: rsa.RSAPrivateKey, claims: Mapping[str, Any], **header: Any) -> str:
    """An RS256 token."""
    head = b64url(json.dumps({"alg": "RS256", "typ": "JWT", **header}).encode())
    signed = f"{head}.{b64url(json.dumps(claims).encode())}"
    return f"{signed}.{b64url(key.sign(signed.encode(), padding.PKCS1v15(), _SHA))}"


@cache
def signing_key(name: str) -> rsa.RSAPrivateKey:
    """The process's RSA key of this name; making one costs a tenth of a second, so worlds share it."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _verify(key: PublicKey, algorithm: str, signature: bytes, signed: bytes) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey):
        if algorithm != "ES256" or len(signature) != 64:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_SHA))
    elif algorithm == "RS256":
        key.verify(signature, signed, padding.PKCS1v15(), _SHA)
    elif algorithm == "PS256":
        key.verify(signature, signed, padding.PSS(padding.MGF1(_SHA), _SHA.digest_size), _SHA)
    else:
        raise InvalidSignature
