"""The PKI engine: issuers, roles, issuing, signing, revoking, listing.

Source: OpenBao ``internal/builtin/logical/pki``. Reading issuers and certificates needs no token.
"""

from dataclasses import replace
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from nhisync_vault.emulator.engine import NAME, Call, Engine, route
from nhisync_vault.emulator.gotime import rfc3339, unix
from nhisync_vault.emulator.pki_issue import issue, make_issuer, sign
from nhisync_vault.emulator.pki_store import (
    Issuer,
    PkiRole,
    chain_of,
    detailed,
    issuer_data,
    issuer_of,
    shown_serial,
    stored_serial,
)
from nhisync_vault.emulator.pki_x509 import make_crl, pem
from nhisync_vault.emulator.wire import Response, bad_request, internal, listing

_REF = r"(?P<ref>[\w.-]+)"


class PkiEngine(Engine):
    """One PKI mount."""

    type: ClassVar[str] = "pki"
    unauthenticated: ClassVar[tuple[str, ...]] = (
        "cert/*",
        "ca",
        "ca/pem",
        "ca_chain",
        "crl",
        "crl/pem",
        "issuer/+/json",
        "issuer/+/pem",
        "issuer/+/der",
        "issuers/",
    )
    root_paths: ClassVar[tuple[str, ...]] = ("root", "root/sign-self-issued")

    def __init__(self, *, detailed_lists: bool) -> None:
        super().__init__()
        lists = [route(r"certs/detailed/?", list_=_list_detailed)] if detailed_lists else []
        self.routes = (
            route(r"issuers/?", list_=_list_issuers),
            route(rf"issuer/{_REF}", read=_read_issuer, write=_update_issuer, delete=_delete_issuer),
            route(rf"issuer/{_REF}/json", read=_issuer_json),
            route(rf"issuer/{_REF}/(?P<form>pem|der)", read=_issuer_raw),
            route(rf"issuer/{_REF}/revoke", write=_revoke_issuer),
            route(rf"issuer/{_REF}/issue/{NAME}", write=issue),
            route(rf"issuer/{_REF}/sign/{NAME}", write=sign),
            route(r"config/issuers", read=_read_default, write=_write_default),
            route(r"root/(?:generate|rotate)/(?P<form>internal|exported)", write=make_issuer),
            route(r"issuers/generate/root/(?P<form>internal|exported)", write=make_issuer),
            route(r"roles/?", list_=lambda call: listing(call.page("role/"))),
            route(rf"roles/{NAME}", read=_read_role, write=_write_role, delete=_delete_role),
            route(rf"issue/{NAME}", write=issue),
            route(rf"sign/{NAME}", write=sign),
            route(r"revoke", write=_revoke),
            route(r"certs/revoked/?", list_=_list_revoked),
            *lists,
            route(r"certs/?", list_=_list_certs),
            route(r"ca(?:/pem)?", read=_ca),
            route(r"(?:cert/)?ca_chain", read=_ca_chain),
            route(r"crl(?:/pem)?", read=_crl),
            route(r"cert/(?P<serial>[0-9A-Fa-f:-]+|ca|crl)", read=_read_cert),
        )


def _list_issuers(call: Call) -> Response:
    ids = call.page("issuer/")
    issuers: list[Issuer] = [call.storage.get(f"issuer/{key}") for key in ids]
    default = call.storage.get("default")
    info = {
        issuer.id: {
            "issuer_name": issuer.name,
            "is_default": issuer.id == default,
            "serial_number": shown_serial(stored_serial(issuer.certificate.serial_number)),
            "key_id": issuer.key_id,
        }
        for issuer in issuers
    }
    return listing(ids, info)


def _issuer(call: Call) -> Issuer:
    issuer = issuer_of(call.storage, call["ref"])
    if issuer is None:
        raise internal(f"unable to find PKI issuer for reference: {call['ref']}")
    return issuer


def _read_issuer(call: Call) -> Response:
    return Response(data=issuer_data(call.storage, _issuer(call)))


def _update_issuer(call: Call) -> Response:
    issuer = replace(_issuer(call), name=call.text("issuer_name"))
    call.storage.put(f"issuer/{issuer.id}", issuer)
    return Response(data=issuer_data(call.storage, issuer))


def _delete_issuer(call: Call) -> None:
    call.storage.delete(f"issuer/{_issuer(call).id}")


def _revoke_issuer(call: Call) -> Response:
    issuer = _issuer(call)
    revoked = replace(issuer, revoked=issuer.revoked or call.now)
    call.storage.put(f"issuer/{issuer.id}", revoked)
    return Response(data=issuer_data(call.storage, revoked))


def _issuer_json(call: Call) -> Response:
    issuer = _issuer(call)
    return Response(
        data={
            "certificate": pem(issuer.certificate) + "\n",
            "ca_chain": [text + "\n" for text in chain_of(call.storage, issuer)],
            "issuer_id": issuer.id,
            "issuer_name": issuer.name,
        }
    )


def _issuer_raw(call: Call) -> Response:
    certificate = _issuer(call).certificate
    if call["form"] == "pem":
        return Response(raw=("application/pem-certificate-chain", pem(certificate).encode()))
    return Response(raw=("application/pkix-cert", certificate.public_bytes(serialization.Encoding.DER)))


def _read_default(call: Call) -> Response:
    default = call.storage.get("default") or ""
    return Response(data={"default": default, "default_follows_latest_issuer": False})


def _write_default(call: Call) -> Response:
    issuer = issuer_of(call.storage, call.text("default"))
    if issuer is None:
        raise bad_request("Error resolving issuer reference")
    call.storage.put("default", issuer.id)
    return _read_default(call)


def _read_role(call: Call) -> Response | None:
    role: PkiRole | None = call.storage.get(f"role/{call['name']}")
    return None if role is None else Response(data=role.data())


def _write_role(call: Call) -> Response:
    role = PkiRole(
        ttl=call.duration("ttl"),
        max_ttl=call.duration("max_ttl"),
        allowed_domains=tuple(call.strings("allowed_domains")),
        allow_subdomains=call.flag("allow_subdomains"),
        allow_bare_domains=call.flag("allow_bare_domains"),
        allow_any_name=call.flag("allow_any_name"),
        key_type=call.text("key_type", "rsa"),
        key_bits=call.number("key_bits"),
        no_store=call.flag("no_store"),
        generate_lease=call.flag("generate_lease"),
        issuer_ref=call.text("issuer_ref", "default"),
    )
    call.storage.put(f"role/{call['name']}", role)
    return Response(data=role.data())


def _delete_role(call: Call) -> None:
    call.storage.delete(f"role/{call['name']}")


def _list_certs(call: Call) -> Response:
    return listing([shown_serial(key) for key in call.page("cert/")])


def _list_revoked(call: Call) -> Response:
    return listing([shown_serial(key) for key in call.page("revoked/")])


def _list_detailed(call: Call) -> Response:
    keys = call.page("cert/")
    info = {shown_serial(key): detailed(call.storage.get(f"cert/{key}")) for key in keys}
    return listing([shown_serial(key) for key in keys], info)


def _read_cert(call: Call) -> Response | None:
    if call["serial"] == "ca":
        return Response(data=_cert_data(_default(call).certificate, call))
    found: x509.Certificate | None = call.storage.get(f"cert/{stored_serial(call['serial'])}")
    return None if found is None else Response(data=_cert_data(found, call))


def _cert_data(certificate: x509.Certificate, call: Call) -> dict[str, Any]:
    revoked = call.storage.get(f"revoked/{stored_serial(certificate.serial_number)}")
    return {
        "certificate": pem(certificate),
        "revocation_time": unix(revoked) if revoked else 0,
        "revocation_time_rfc3339": rfc3339(revoked),
    }


def _default(call: Call) -> Issuer:
    issuer = issuer_of(call.storage, "default")
    if issuer is None:
        raise internal("unable to fetch default issuer: no default issuer currently configured")
    return issuer


def _ca(call: Call) -> Response:
    certificate = _default(call).certificate
    if call.path.endswith("/pem"):
        return Response(raw=("application/pem-certificate-chain", pem(certificate).encode()))
    return Response(raw=("application/pkix-cert", certificate.public_bytes(serialization.Encoding.DER)))


def _ca_chain(call: Call) -> Response:
    text = "\n".join(chain_of(call.storage, _default(call)))
    if call.path.startswith("cert/"):
        shown = {"certificate": text, "ca_chain": text, "revocation_time": 0, "revocation_time_rfc3339": ""}
        return Response(data=shown)
    return Response(raw=("application/pkix-cert", text.encode()))


def _crl(call: Call) -> Response:
    revoked = {
        int(key.replace("-", ""), 16): call.storage.get(f"revoked/{key}") for key in call.storage.walk("revoked/")
    }
    crl = make_crl(_default(call).authority(), revoked, now=call.now)
    if call.path.endswith("/pem"):
        return Response(raw=("application/x-pem-file", crl.public_bytes(serialization.Encoding.PEM).strip()))
    return Response(raw=("application/pkix-crl", crl.public_bytes(serialization.Encoding.DER)))


def _revoke(call: Call) -> Response:
    serial = call.text("serial_number")
    if call.text("certificate"):
        try:
            certificate = x509.load_pem_x509_certificate(call.text("certificate").encode())
        except ValueError:
            raise bad_request("certificate could not be parsed") from None
        serial = shown_serial(stored_serial(certificate.serial_number))
    elif not serial:
        raise bad_request("The serial number or certificate to revoke must be provided.")
    else:
        found: x509.Certificate | None = call.storage.get(f"cert/{stored_serial(serial)}")
        if found is None:
            raise bad_request(f"certificate with serial {serial} not found.")
        certificate = found
    return _revoke_known(call, certificate, serial)


def _revoke_known(call: Call, certificate: x509.Certificate, serial: str) -> Response:
    if certificate.not_valid_after_utc < call.now:
        warning = f"certificate with serial {serial} already expired; refusing to add to CRL"
        return Response(data={}, warnings=(warning,))
    key = f"revoked/{stored_serial(serial)}"
    at = call.storage.get(key) or call.now
    call.storage.put(key, at)
    data = {"revocation_time": unix(at), "revocation_time_rfc3339": rfc3339(at), "state": "revoked"}
    return Response(data=data)
