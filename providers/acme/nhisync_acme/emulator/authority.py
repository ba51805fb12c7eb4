"""The authority itself: accounts by key, certificates by identifier, nonces used once."""

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from josepy.errors import Error as JoseError
from josepy.jwk import JWK
from josepy.jws import JWS

from nhisync.spi import Clock
from nhisync_acme.renewal import identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer.

    Attributes:
        status: HTTP status.
        body: JSON document, bytes as they are, or None.
        headers: besides content type and length.
        kind: content type.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    @property
    def payload(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


def problem(status: int, code: str, **headers: str) -> Reply:
    """A problem document (RFC 8555 §6.7)."""
    body = {"type": f"urn:ietf:params:acme:error:{code}", "detail": f"emulated {code}", "status": status}
    return Reply(status=status, body=body, headers=headers, kind="application/problem+json")


@dataclass(slots=True, kw_only=True)
class Account:
    """One account.

    Attributes:
        number: part of its URL.
        status: ``valid``, ``deactivated`` or ``revoked``.
        contact: mailto URLs.
    """

    number: int
    status: str = "valid"
    contact: tuple[str, ...] = ("mailto:oncall@nhisync.example",)


class Authority:
    """RFC 8555 directory, newNonce and newAccount, and RFC 9773 renewalInfo; issues without validation.

    Args:
        clock: its time; certificates of the world follow it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._serial = 0x1000
        self._nonces: set[str] = set()
        self._spent = 0
        self.base = ""
        self.renewal_information = True
        self.unknown_status = 404
        self.accounts: dict[str, Account] = {}
        self.windows: dict[str, dict[str, Any]] = {}
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._self_signed()

    def register(self, key: JWK) -> Account:
        """An account for `key`, as an ACME client would have made it."""
        account = Account(number=len(self.accounts) + 1)
        self.accounts[_thumbprint(key)] = account
        return account

    def issue(self, name: str, *, start: datetime, end: datetime, window: tuple[datetime, datetime] | None) -> bytes:
        """Sign a certificate for `name`; returns its chain as PEM, without the private key.

        Args:
            name: DNS name.
            start: first instant of validity.
            end: last instant of validity.
            window: suggested renewal; None = this authority does not know the certificate.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._sign(name, key.public_key(), start, end)
        if window is not None:
            words = {"start": f"{window[0]:%Y-%m-%dT%H:%M:%SZ}", "end": f"{window[1]:%Y-%m-%dT%H:%M:%SZ}"}
            self.windows[identifier(leaf)] = {"suggestedWindow": words}
        encoding = serialization.Encoding.PEM
        return leaf.public_bytes(encoding) + self.certificate.public_bytes(encoding)

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """One request; every answer carries a fresh nonce, as RFC 8555 §6.5 allows."""
        with self._lock:
            reply = self._route(method, path, body)
            self._spent += 1
            nonce = base64.urlsafe_b64encode(self._spent.to_bytes(12, "big")).decode().rstrip("=")
            self._nonces.add(nonce)
        return Reply(
            status=reply.status, body=reply.body, headers={"Replay-Nonce": nonce, **reply.headers}, kind=reply.kind
        )

    def _route(self, method: str, path: str, body: bytes) -> Reply:
        if path == "/directory" and method == "GET":
            return Reply(body=self._directory())
        if path == "/nonce" and method in {"HEAD", "GET"}:
            return Reply(status=200 if method == "HEAD" else 204)
        if path.startswith("/renewal/") and method == "GET":
            found = self.windows.get(path.removeprefix("/renewal/"))
            return (
                problem(self.unknown_status, "malformed")
                if found is None
                else Reply(body=found, headers={"Retry-After": "21600"})
            )
        if path == "/account" and method == "POST":
            return self._account(body)
        return problem(404, "malformed")

    def _directory(self) -> dict[str, Any]:
        words = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "revokeCert": "revoke"}
        if self.renewal_information:
            words["renewalInfo"] = "renewal"
        return {word: f"{self.base}/{path}" for word, path in words.items()} | {"meta": {}}

    def _account(self, body: bytes) -> Reply:
        """RFC 8555 §7.3.1: finds an account by its key; creates none, whatever is asked, because nhisync must not."""
        try:
            jws = JWS.json_loads(body.decode())
            (signature,) = jws.signatures
            header = json.loads(signature.protected)
            key = JWK.json_loads(json.dumps(header["jwk"]))
            sound = jws.verify(key) and header["url"] == f"{self.base}/account"
            asked = json.loads(jws.payload)
        except (ValueError, KeyError, TypeError, JoseError):
            return problem(400, "malformed")
        if header.get("nonce") not in self._nonces:
            return problem(400, "badNonce")
        self._nonces.discard(header["nonce"])
        if not sound:
            return problem(400, "malformed")
        account = self.accounts.get(_thumbprint(key))
        if account is None:
            return problem(400 if asked.get("onlyReturnExisting") else 403, "accountDoesNotExist")
        where = f"{self.base}/account/{account.number}"
        return Reply(body={"status": account.status, "contact": list(account.contact)}, headers={"Location": where})

    def _self_signed(self) -> x509.Certificate:
        now = self._clock.now()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nhisync emulated ACME CA")])
        builder = self._builder(name, name, self.key.public_key(), now - timedelta(days=900), now + timedelta(days=900))
        return builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
            self.key, hashes.SHA256()
        )

    def _sign(self, name: str, public: ec.EllipticCurvePublicKey, start: datetime, end: datetime) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return (
            self._builder(subject, self.certificate.subject, public, start, end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(usage, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _builder(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public: ec.EllipticCurvePublicKey,
        start: datetime,
        end: datetime,
    ) -> x509.CertificateBuilder:
        self._serial += 1
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(self._serial)
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )


def _thumbprint(key: JWK) -> str:
    return key.public_key().thumbprint().hex()
