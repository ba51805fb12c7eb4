"""What cert-manager says about an issuance besides the Certificate: the signed chain, and the issuer.

A CertificateRequest keeps the certificate that was signed for one revision, and the signer's own (public parts only),
so that chain and public key are known without a look into the Secret.
Source: cert-manager ``pkg/apis/certmanager/v1/types_certificaterequest.go`` and ``types_issuer.go``.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from nhisync.spi import Dependency, ErrorKind, ProviderError
from nhisync.spi.x509 import MalformedError, decode_pem
from nhisync_kubernetes.metadata import CERTIFICATE_NAME, REVISION, entries, mapping, read_meta, short, word
from nhisync_kubernetes.resources import CERT_MANAGER, CLUSTER_ISSUERS, ISSUERS, REQUESTS
from nhisync_kubernetes.run import Run

_INSIDE = ("ca", "selfSigned")
"""Issuers that need nothing outside of the cluster."""

_OUTSIDE = ("acme", "vault")
"""Issuers that name the server that signs."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed for one revision.

    Attributes:
        chain: leaf first; empty = not known.
        signer: the signer's own certificates, as far as it names them.
        why: why the chain is not known, "" = it is.
    """

    chain: tuple[x509.Certificate, ...] = ()
    signer: tuple[x509.Certificate, ...] = ()
    why: str = ""


def signed(run: Run, namespace: str, name: str, revision: int, ends: datetime) -> Signed:
    """The chain of a Certificate's current revision, from the requests of its namespace, which are listed once.

    Args:
        run: the run.
        namespace: of the Certificate.
        name: of the Certificate.
        revision: in force.
        ends: end of validity of what is in the Secret; another one means that the Secret holds something else.

    Raises:
        ProviderError: THROTTLED, when the cycle ended.
    """
    try:
        requests = run.once(("requests", namespace), lambda: _requests(run, namespace))
    except ProviderError as error:
        if error.kind is ErrorKind.THROTTLED:
            raise
        return Signed(why=error.message)
    status = requests.get((name, str(revision)))
    if status is None:
        return Signed(why=f"no CertificateRequest of revision {revision} is kept")
    try:
        found = Signed(
            tuple(decode_pem(_bytes(status.get("certificate")))), tuple(decode_pem(_bytes(status.get("ca"))))
        )
    except MalformedError:
        return Signed(why="the issued certificate cannot be parsed")
    if not found.chain or found.chain[0].not_valid_after_utc != ends:
        return Signed(why="the Secret holds another certificate than the one that was issued last")
    return found


def issuer(run: Run, namespace: str, spec: Mapping[str, Any]) -> Dependency:
    """The issuer that would renew a Certificate; each is read once a run.

    Raises:
        ProviderError: THROTTLED, when the cycle ended.
    """
    reference = mapping(spec.get("issuerRef"))
    kind, name = short(reference.get("kind")) or "Issuer", short(reference.get("name"))
    group = short(reference.get("group")) or CERT_MANAGER
    place = f"{kind}/{name}" if kind == "ClusterIssuer" else f"{kind}/{namespace}/{name}"
    if group != CERT_MANAGER or kind not in ("Issuer", "ClusterIssuer"):
        return Dependency(kind="issuer", id=place, detail=f"of {group}, which tells nothing")
    try:
        return run.once(("issuer", place), lambda: _issuer(run, kind, namespace, name, place))
    except ProviderError as error:
        if error.kind is ErrorKind.THROTTLED:
            raise
        usable = False if error.kind is ErrorKind.NOT_FOUND else None
        said = "it does not exist" if usable is False else f"not read: {error.message}"
        return Dependency(kind="issuer", id=place, region=run.region, usable=usable, detail=said)


def ready(found: Mapping[str, Any], condition: str = "Ready") -> bool | None:
    """Whether a condition holds; None when the object does not say."""
    status = condition_of(found, condition).get("status")
    return {"True": True, "False": False}.get(word(status))


def condition_of(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One condition of an object's status, empty when there is none."""
    listed = entries(mapping(found.get("status")).get("conditions"))
    return next((one for one in listed if one.get("type") == name), {})


def _issuer(run: Run, kind: str, namespace: str, name: str, place: str) -> Dependency:
    cluster = kind == "ClusterIssuer"
    found = run.api.get(CLUSTER_ISSUERS if cluster else ISSUERS, "" if cluster else namespace, name)
    spec, usable = mapping(found.get("spec")), ready(found)
    server = next((word(mapping(spec.get(one)).get("server")) for one in _OUTSIDE if one in spec), "")
    inside = any(one in spec for one in _INSIDE)
    host = _host(server)
    parts = [f"signs at {host}" if host else "", "" if usable is not False else "it is not ready"]
    return Dependency(
        kind="issuer",
        id=place,
        region=run.region if inside else None,
        usable=usable,
        detail="; ".join(part for part in parts if part),
    )


def _requests(run: Run, namespace: str) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """(certificate, revision) → status of its request; one that was signed goes before one that was not."""
    kept: dict[tuple[str, str], Mapping[str, Any]] = {}
    for found in run.api.listed(REQUESTS, namespace):
        marks = read_meta(found, "").marks
        key, status = (marks.get(CERTIFICATE_NAME, ""), marks.get(REVISION, "")), mapping(found.get("status"))
        if status.get("certificate") or key not in kept:
            kept[key] = status
    return kept


def _bytes(raw: object) -> bytes:
    try:
        return base64.b64decode(word(raw))
    except (ValueError, binascii.Error):
        return b""


def _host(url: str) -> str:
    try:
        return short(urlsplit(url).hostname or "")
    except ValueError:
        return ""
