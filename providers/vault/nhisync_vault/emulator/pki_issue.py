"""Issuing and signing: root generation, leaf certificates with own or given key.

Source: OpenBao ``internal/builtin/logical/pki/path_issue_sign.go`` and ``path_root.go``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from nhisync_vault.emulator.engine import Call
from nhisync_vault.emulator.gotime import unix
from nhisync_vault.emulator.pki_store import Issuer, PkiRole, chain_of, issuer_of, shown_serial, stored_serial
from nhisync_vault.emulator.pki_x509 import (
    SKEW,
    PrivateKey,
    PublicKey,
    Subject,
    key_pem,
    make_leaf,
    new_key,
    pem,
    public_of,
    self_signed,
    subject_of_csr,
)
from nhisync_vault.emulator.wire import LeaseTerms, Response, bad_request, internal

_MONTH = timedelta(hours=768)


_PUBLIC: Mapping[str, type] = {
    "rsa": rsa.RSAPublicKey,
    "ec": ec.EllipticCurvePublicKey,
    "ed25519": ed25519.Ed25519PublicKey,
}


@dataclass(frozen=True, slots=True)
class _Order:
    """What a leaf request resolved to."""

    role: PkiRole
    issuer: Issuer
    subject: Subject
    end: datetime


def make_issuer(call: Call) -> Response:
    """Generate a self-signed root with its key; the first one becomes the default."""
    name = call.text("common_name")
    if not name:
        raise bad_request("the common_name field is required")
    issuer_name = call.text("issuer_name")
    if issuer_name and issuer_of(call.storage, issuer_name) is not None:
        raise bad_request("issuer name already in use")
    key = _key(call.text("key_type", "rsa"), call.number("key_bits"))
    end = call.now + (call.duration("ttl") or _MONTH)
    certificate = self_signed(
        Subject(common_name=name), key, serial=call.core.ids.serial(), start=call.now - SKEW, end=end
    )
    issuer = Issuer(
        id=call.core.ids.uuid(), name=issuer_name, key_id=call.core.ids.uuid(), certificate=certificate, key=key
    )
    add_issuer(call, issuer)
    data: dict[str, Any] = {
        "certificate": pem(certificate),
        "issuing_ca": pem(certificate),
        "issuer_id": issuer.id,
        "issuer_name": issuer.name,
        "key_id": issuer.key_id,
        "key_name": "",
        "serial_number": shown_serial(stored_serial(certificate.serial_number)),
        "expiration": unix(certificate.not_valid_after_utc),
    }
    if call["form"] == "exported":
        data |= {"private_key": key_pem(key), "private_key_type": _kind(key)}
    return Response(data=data)


def add_issuer(call: Call, issuer: Issuer) -> None:
    """Store an issuer and its certificate; the first one becomes the default."""
    call.storage.put(f"issuer/{issuer.id}", issuer)
    call.storage.put(f"cert/{stored_serial(issuer.certificate.serial_number)}", issuer.certificate)
    if call.storage.get("default") is None:
        call.storage.put("default", issuer.id)


def issue(call: Call) -> Response:
    """A new key with a certificate; not idempotent."""
    order = _order(call, Subject(common_name=call.text("common_name")))
    key = _key(order.role.key_type, order.role.key_bits)
    certificate = _certify(call, order, public_of(key))
    extra = {"private_key": key_pem(key), "private_key_type": _kind(key)}
    return _answer(call, order, certificate, extra)


def sign(call: Call) -> Response:
    """A certificate for the caller's own key."""
    try:
        csr = x509.load_pem_x509_csr(call.text("csr").encode())
    except ValueError:
        raise bad_request("certificate request could not be parsed") from None
    order = _order(call, subject_of_csr(csr))
    public = csr.public_key()
    wanted = order.role.key_type
    if wanted != "any" and not isinstance(public, _PUBLIC.get(wanted, ())):
        raise bad_request(f"role requires keys of type {wanted}")
    return _answer(call, order, _certify(call, order, public), {})  # type: ignore[arg-type]


def _order(call: Call, asked: Subject) -> _Order:
    role: PkiRole | None = call.storage.get(f"role/{call['name']}")
    if role is None:
        raise bad_request(f"unknown role: {call['name']}")
    issuer = issuer_of(call.storage, call["ref"] or role.issuer_ref)
    if issuer is None:
        raise internal("error fetching CA certificate: unable to find PKI issuer")
    name = call.text("common_name") or asked.common_name
    if not name:
        raise bad_request("the common_name field is required, or must be provided in a CSR")
    names = tuple(dict.fromkeys((name, *asked.dns, *call.strings("alt_names"))))
    for each in names:
        if not role.permits(each):
            raise bad_request(f"common name {each} not allowed by this role")
    subject = Subject(common_name=name, dns=names, addresses=tuple(call.strings("ip_sans")))
    ttl = call.duration("ttl") or role.ttl or _MONTH
    end = call.now + (min(ttl, role.max_ttl) if role.max_ttl else ttl)
    if end > issuer.certificate.not_valid_after_utc:
        raise bad_request("cannot satisfy request, as TTL would result in notAfter beyond the expiration of the CA")
    return _Order(role, issuer, subject, end)


def _certify(call: Call, order: _Order, public: PublicKey) -> x509.Certificate:
    certificate = make_leaf(
        order.subject,
        public,
        order.issuer.authority(),
        serial=call.core.ids.serial(),
        start=call.now - SKEW,
        end=order.end,
    )
    if not order.role.no_store:
        call.storage.put(f"cert/{stored_serial(certificate.serial_number)}", certificate)
    return certificate


def _answer(call: Call, order: _Order, certificate: x509.Certificate, extra: dict[str, Any]) -> Response:
    data = {
        "certificate": pem(certificate),
        "issuing_ca": pem(order.issuer.certificate),
        "ca_chain": chain_of(call.storage, order.issuer),
        "serial_number": shown_serial(stored_serial(certificate.serial_number)),
        "not_before": unix(certificate.not_valid_before_utc),
        "expiration": unix(certificate.not_valid_after_utc),
        **extra,
    }
    lease = None
    if order.role.generate_lease:
        lease = LeaseTerms(ttl=order.end - call.now, renewable=False)
    return Response(data=data, lease=lease)


def _key(kind: str, bits: int) -> PrivateKey:
    try:
        return new_key(kind, bits)
    except (ValueError, KeyError):
        raise bad_request(f"unknown key type: {kind}") from None


def _kind(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "rsa"
    return "ec" if isinstance(key, ec.EllipticCurvePrivateKey) else "ed25519"
