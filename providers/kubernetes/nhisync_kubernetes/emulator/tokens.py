"""Service account tokens: signed JWTs, bound ones with an end and legacy ones without.

Source: k8s.io/kubernetes ``pkg/serviceaccount/claims.go`` and ``legacy.go``.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from nhisync_kubernetes.emulator.definitions import SECRETS, SERVICE_ACCOUNTS
from nhisync_kubernetes.emulator.rbac import ACCOUNTS, AUTHENTICATED, User
from nhisync_kubernetes.emulator.store import Store
from nhisync_kubernetes.emulator.tls import new_key

ISSUER = "https://kubernetes.default.svc.cluster.local"
LEGACY = "kubernetes/serviceaccount"
_HALF = 32


class Tokens:
    """Issues and judges the tokens of one cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = new_key()
        numbers = self._key.public_key().public_numbers()
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._kid = _encode(hashlib.sha256(der).digest())
        self.key_set = {
            "keys": [
                {
                    "use": "sig",
                    "kty": "EC",
                    "kid": self._kid,
                    "alg": "ES256",
                    "crv": "P-256",
                    "x": _encode(numbers.x.to_bytes(_HALF, "big")),
                    "y": _encode(numbers.y.to_bytes(_HALF, "big")),
                }
            ]
        }

    def bound(self, account: Mapping[str, Any], ends: datetime, audiences: Sequence[str] = ()) -> str:
        """A token of the TokenRequest API."""
        metadata, now = account["metadata"], int(self._store.now().timestamp())
        about = {"name": metadata["name"], "uid": metadata["uid"]}
        claims = {
            "aud": list(audiences) or [ISSUER],
            "exp": int(ends.timestamp()),
            "iat": now,
            "iss": ISSUER,
            "jti": self._store.uid(),
            "kubernetes.io": {"namespace": metadata["namespace"], "serviceaccount": about},
            "nbf": now,
            "sub": _subject(metadata),
        }
        return self._sign(claims)

    def legacy(self, account: Mapping[str, Any], secret: str) -> str:
        """A token for a Secret."""
        metadata = account["metadata"]
        claims = {
            "iss": LEGACY,
            "kubernetes.io/serviceaccount/namespace": metadata["namespace"],
            "kubernetes.io/serviceaccount/secret.name": secret,
            "kubernetes.io/serviceaccount/service-account.name": metadata["name"],
            "kubernetes.io/serviceaccount/service-account.uid": metadata["uid"],
            "sub": _subject(metadata),
        }
        return self._sign(claims)

    def user(self, token: str) -> User | None:
        """Whom a token stands for; None when it is not accepted."""
        claims = self._verified(token)
        if claims is None:
            return None
        return self._legacy_user(claims, token) if claims.get("iss") == LEGACY else self._bound_user(claims)

    def _bound_user(self, claims: Mapping[str, Any]) -> User | None:
        about = claims["kubernetes.io"]
        if claims["exp"] <= self._store.now().timestamp():
            return None
        return self._account(about["namespace"], about["serviceaccount"]["name"], about["serviceaccount"]["uid"])

    def _legacy_user(self, claims: Mapping[str, Any], token: str) -> User | None:
        """A legacy token lives as long as its Secret holds it and the Secret's account exists."""
        prefix = "kubernetes.io/serviceaccount/"
        namespace = claims[f"{prefix}namespace"]
        secret = self._store.get(SECRETS, namespace, claims[f"{prefix}secret.name"])
        held = base64.b64decode((secret or {}).get("data", {}).get("token", "")).decode()
        if held != token:
            return None
        name, uid = claims[f"{prefix}service-account.name"], claims[f"{prefix}service-account.uid"]
        return self._account(namespace, name, uid)

    def _account(self, namespace: str, name: str, uid: str) -> User | None:
        account = self._store.get(SERVICE_ACCOUNTS, namespace, name)
        if account is None or account["metadata"]["uid"] != uid:
            return None
        groups = (ACCOUNTS, f"{ACCOUNTS}:{namespace}", AUTHENTICATED)
        return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)

    def _sign(self, claims: Mapping[str, Any]) -> str:
        header = {"alg": "ES256", "kid": self._kid}
        text = ".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_encode(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"

    def _verified(self, token: str) -> dict[str, Any] | None:
        text, _, signature = token.rpartition(".")
        try:
            raw = _decode(signature)
            pair = encode_dss_signature(int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
            self._key.public_key().verify(pair, text.encode(), ec.ECDSA(hashes.SHA256()))
            claims: dict[str, Any] = json.loads(_decode(text.partition(".")[2]))
        except (InvalidSignature, ValueError):
            return None
        return claims


def _subject(metadata: Mapping[str, Any]) -> str:
    return f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
