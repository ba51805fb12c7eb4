"""cert-manager in small: it honours Issuing, renews when it is time, backs off after failures, and keeps one request.

Source: cert-manager ``pkg/controller/certificates`` (trigger, issuing, readiness) and ``pkg/util/pki/renewaltime.go``.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from nhisync.spi import Randomness, parse_duration
from nhisync_kubernetes.emulator.definitions import (
    CERTIFICATES,
    CLUSTER_ISSUERS,
    ISSUERS,
    REQUESTS,
    SECRETS,
)
from nhisync_kubernetes.emulator.selecting import managed
from nhisync_kubernetes.emulator.store import Object, Store, stamp
from nhisync_kubernetes.emulator.tls import Authority, Key, Subject, key_pem, new_key
from nhisync_kubernetes.metadata import CERTIFICATE_NAME, REVISION, instant

_BACKDATED = timedelta(0)
_LONGEST_WAIT = timedelta(hours=32)
_DEFAULT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one Certificate's issuances go.

    Attributes:
        fails: the issuer refuses.
        hangs: the issuer never answers.
        asleep: the controller does not look at it at all.
        takes: how long the issuer needs.
        key: fixed key; None = a new one each time.
    """

    fails: bool = False
    hangs: bool = False
    asleep: bool = False
    takes: timedelta = timedelta(0)
    key: Key | None = None


class CertManager:
    """Acts on what is due; the cluster calls it before and after every request."""

    def __init__(self, store: Store, randomness: Randomness) -> None:
        self._store, self._randomness = store, randomness
        self._authorities: dict[str, Authority] = {}
        self.conduct: dict[tuple[str, str], Conduct] = {}
        self._mark: tuple[Any, ...] = ()

    def reconcile(self) -> None:
        """Begin what is due, end what is done; nothing happens twice at one instant unless something changed."""
        mark = (
            self._store.now(),
            *(self._store.changes.get(one, 0) for one in (CERTIFICATES, ISSUERS, CLUSTER_ISSUERS)),
        )
        if mark == self._mark:
            return
        self._mark = mark
        for found in self._store.all(CERTIFICATES):
            conduct = self.conduct.get(_key(found), Conduct())
            if not conduct.asleep:
                self._one(found, conduct)

    def authority(self, name: str, start: datetime) -> Authority:
        """The CA behind an issuer."""
        if name not in self._authorities:
            self._authorities[name] = Authority.make(f"nhisync emulated {name}", self._randomness, start)
        return self._authorities[name]

    def issue(self, found: Object, revision: int, begins: datetime, ends: datetime, key: Key | None = None) -> Object:
        """Sign, write Secret and CertificateRequest, and set the status as after a success; returns the Certificate."""
        key, spec = key or new_key(), found["spec"]
        authority = self.authority(spec["issuerRef"]["name"], begins - timedelta(days=400))
        names = spec.get("dnsNames") or []
        subject = Subject(name=spec.get("commonName") or names[0], dns=names)
        leaf = authority.issue(subject, key.public_key(), (begins, ends))
        self._secret(found, leaf, authority.pem, key_pem(key), begins)
        self._request(found, revision, leaf, authority.pem, begins)
        begins, ends = _dates(leaf)  # certificates know whole seconds
        status = {
            "conditions": [_condition("Ready", "True", "Ready", begins)],
            "notBefore": stamp(begins),
            "notAfter": stamp(ends),
            "revision": revision,
        }
        renewal = _renewal(spec, begins, ends)
        return self._store.put(
            CERTIFICATES, {**found, "status": status | ({"renewalTime": renewal} if renewal else {})}
        )

    def _one(self, found: Object, conduct: Conduct) -> None:
        now, status = self._store.now(), found.get("status") or {}
        issuing = _find(status, "Issuing")
        if issuing.get("status") != "True":
            if self._due(found, now):
                self._begin(found, now)
                self._one(self._store.get(CERTIFICATES, *_key(found)) or found, conduct)
            return
        begun = instant(issuing.get("lastTransitionTime")) or now
        if conduct.hangs or now < begun + conduct.takes:
            return
        if conduct.fails or not self._issuer_ready(found):
            self._fail(found, now)
            return
        lifetime = _span(found["spec"].get("duration")) or _DEFAULT
        self.issue(found, int(status.get("revision") or 0) + 1, now - _BACKDATED, now + lifetime, conduct.key)

    def _due(self, found: Object, now: datetime) -> bool:
        """Never issued, or the renewal time has come; not while the last failure is waited out."""
        status = found.get("status") or {}
        failed = instant(status.get("lastFailureTime"))
        if failed is not None:
            attempts = int(status.get("failedIssuanceAttempts") or 1)
            if now < failed + min(timedelta(hours=2 ** (attempts - 1)), _LONGEST_WAIT):
                return False
        renewal = instant(status.get("renewalTime"))
        return not status.get("revision") or (renewal is not None and renewal <= now)

    def _begin(self, found: Object, now: datetime) -> None:
        self._set(found, [_condition("Issuing", "True", "Renewing", now)])

    def _fail(self, found: Object, now: datetime) -> None:
        attempts = int((found.get("status") or {}).get("failedIssuanceAttempts") or 0) + 1
        more = {"lastFailureTime": stamp(now), "failedIssuanceAttempts": attempts}
        self._set(found, [_condition("Issuing", "False", "Failed", now)], **more)

    def _set(self, found: Object, conditions: list[Object], **more: Any) -> None:
        status = found.get("status") or {}
        names = {one["type"] for one in conditions}
        kept = [one for one in status.get("conditions") or [] if one["type"] not in names]
        self._store.put(CERTIFICATES, {**found, "status": {**status, **more, "conditions": [*kept, *conditions]}})

    def _issuer_ready(self, found: Object) -> bool:
        reference = found["spec"]["issuerRef"]
        cluster = reference.get("kind") == "ClusterIssuer"
        issuer = self._store.get(
            CLUSTER_ISSUERS if cluster else ISSUERS, found["metadata"]["namespace"], reference["name"]
        )
        return issuer is not None and _find(issuer.get("status") or {}, "Ready").get("status") == "True"

    def _secret(self, found: Object, leaf: bytes, ca: bytes, key: bytes, at: datetime) -> None:
        metadata = found["metadata"]
        place = {"namespace": metadata["namespace"], "name": found["spec"]["secretName"]}
        known = self._store.get(SECRETS, place["namespace"], place["name"])
        data = _coded({"tls.crt": leaf, "tls.key": key, "ca.crt": ca})
        about = {
            **((known or {}).get("metadata") or {"creationTimestamp": stamp(at)}),
            **place,
            "annotations": {CERTIFICATE_NAME: metadata["name"]},
            "managedFields": [managed(data, at, "cert-manager-certificates-issuing")],
        }
        self._store.put(SECRETS, {"metadata": about, "type": "kubernetes.io/tls", "data": data})

    def _request(self, found: Object, revision: int, leaf: bytes, ca: bytes, at: datetime) -> None:
        """Stable names, and a history of one (cert-manager 1.18 and later)."""
        metadata = found["metadata"]
        place, name = metadata["namespace"], metadata["name"]
        self._store.delete(REQUESTS, place, f"{name}-{revision - 1}")
        self._store.put(
            REQUESTS,
            {
                "metadata": {
                    "namespace": place,
                    "name": f"{name}-{revision}",
                    "annotations": {CERTIFICATE_NAME: name, REVISION: str(revision)},
                },
                "spec": {"issuerRef": found["spec"]["issuerRef"]},
                "status": {
                    **_coded({"certificate": leaf, "ca": ca}),
                    "conditions": [_condition("Ready", "True", "Issued", at)],
                },
            },
        )


def _key(found: Mapping[str, Any]) -> tuple[str, str]:
    return found["metadata"]["namespace"], found["metadata"]["name"]


def _coded(plain: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(value).decode() for name, value in plain.items()}


def _dates(leaf: bytes) -> tuple[datetime, datetime]:
    certificate = x509.load_pem_x509_certificate(leaf)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _find(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((one for one in status.get("conditions") or [] if one["type"] == name), {})


def _condition(name: str, status: str, reason: str, at: datetime) -> Object:
    return {"type": name, "status": status, "reason": reason, "message": "", "lastTransitionTime": stamp(at)}


def _renewal(spec: Mapping[str, Any], begins: datetime, ends: datetime) -> str:
    if (spec.get("renewal") or {}).get("policy") == "Disabled":
        return ""
    before = _span(spec.get("renewBefore"))
    lifetime = ends - begins
    return stamp(ends - (before if before and before < lifetime else lifetime / 3))


def _span(raw: Any) -> timedelta | None:
    return parse_duration(raw) if raw else None
