"""Certificates of Key Vault (learn.microsoft.com/rest/api/keyvault/certificates): operations, policies, versions."""

import base64
import binascii
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from nhisync_azure.emulator import orders
from nhisync_azure.emulator.jwt import b64url
from nhisync_azure.emulator.kv import Call, bad_parameter, collection
from nhisync_azure.emulator.kv_common import (
    apply_attributes,
    attributes,
    checked_name,
    delete,
    deleted_entry,
    deletion_fields,
    entry_of,
    listed,
    listed_deleted,
    listed_versions,
    paged,
    purge,
    recover,
    refuse_deleted,
    stamp,
    version_of,
)
from nhisync_azure.emulator.kv_issuers import ISSUER_OPERATIONS
from nhisync_azure.emulator.material import spki
from nhisync_azure.emulator.vaults import CertificateVersion, Entry, Pending
from nhisync_azure.emulator.wire import RefusedError, Reply, no_content, reply

KIND: Final = "Certificate"
_RUNNING: Final = "inProgress"
_DETAILS: Final = {
    _RUNNING: "Pending certificate created. Certificate request is in progress. This may take some time based on "
    "the issuer provider. Please check again later.",
    "completed": None,
    "cancelled": "The operation was cancelled.",
    "failed": "The operation failed.",
}
_MERGE_DETAILS: Final = "Pending certificate created. Please Perform Merge to complete the request."


def _create(call: Call) -> Reply:
    name, body = checked_name(call), call.body()
    vault, low = call.vault, call.name.lower()
    refuse_deleted(call, vault.certificates, KIND)
    for shelf in (vault.secrets, vault.keys):
        twin = shelf.get(name)
        if twin is not None and not twin.newest.managed:
            text = f"A key or secret with the name {name} exists already."
            raise RefusedError(409, "Conflict", text, inner="KeyOrSecretExists")
    running = vault.pending.get(low)
    if running is not None and running.status == _RUNNING:
        text = (
            "A new key vault certificate can not be created or imported while a pending key vault certificate's status "
            f"is inProgress: {name}"
        )
        raise RefusedError(409, "Conflict", text, inner="PendingCertificate")
    policy = body.get("policy") or vault.certificate_policies.get(low)
    if not policy:
        raise bad_parameter("Property policy is required.")
    pending = orders.order(call.cloud, vault, name, policy, body.get("tags") or {}, call.now)
    pending.enabled = bool((body.get("attributes") or {}).get("enabled", True))
    _store_policy(call, policy)
    return reply(_operation(call, pending), 202)


def _get(call: Call) -> Reply:
    entry, version = version_of(call, call.vault.certificates, KIND)
    return reply(_bundle(call, entry, version))


def _update(call: Call) -> Reply:
    entry, version = version_of(call, call.vault.certificates, KIND)
    apply_attributes(version, call.body(), call.now)
    for shelf in (call.vault.keys, call.vault.secrets):
        twins = shelf.get(entry.name)
        twin = twins.version(version.id) if twins else None
        if twin is not None:
            orders.mirror(version, twin)
    return reply(_bundle(call, entry, version))


def _list(call: Call) -> Reply:
    shelf = call.vault.certificates
    if call.query.get("includePending", "").lower() != "true":
        return listed(call, shelf, lambda entry: _row(call, entry, entry.newest, ""))
    waiting = [name for name, one in call.vault.pending.items() if shelf.get(name) is None and one.status == _RUNNING]

    def render(low: str) -> dict[str, Any]:
        entry = shelf.get(low)
        return _row(call, entry, entry.newest, "") if entry else _waiting_row(call, low)

    return paged(call, sorted([*shelf.names, *waiting]), render)


def _waiting_row(call: Call, name: str) -> dict[str, Any]:
    """A certificate whose first version is still being made has neither thumbprint nor dates."""
    pending = call.vault.pending[name]
    times = {"created": stamp(pending.created), "updated": stamp(pending.created)}
    row = {"id": f"{call.base}/certificates/{name}", "attributes": {"enabled": False, **times}}
    return row | {"tags": pending.tags}


def _list_versions(call: Call) -> Reply:
    return listed_versions(
        call, call.vault.certificates, KIND, lambda entry, version: _row(call, entry, version, f"/{version.id}")
    )


def _delete(call: Call) -> Reply:
    entry = delete(call, call.vault.certificates, KIND)
    assert entry.deletion is not None, "it was deleted just now"
    for shelf in (call.vault.keys, call.vault.secrets):
        if shelf.get(entry.name) is not None:
            shelf.bury(entry.name, entry.deletion)
    return reply(_bundle(call, entry, entry.newest) | _deletion(call, entry))


def _list_deleted(call: Call) -> Reply:
    return listed_deleted(
        call, call.vault.certificates, lambda entry: _row(call, entry, entry.newest, "") | _deletion(call, entry)
    )


def _get_deleted(call: Call) -> Reply:
    entry = deleted_entry(call, call.vault.certificates, KIND)
    return reply(_bundle(call, entry, entry.newest) | _deletion(call, entry))


def _purge(call: Call) -> Reply:
    purge(call, call.vault.certificates, KIND)
    low = call.name.lower()
    for shelf in (call.vault.keys, call.vault.secrets):
        shelf.deleted.pop(low, None)
    call.vault.certificate_policies.pop(low, None)
    call.vault.pending.pop(low, None)
    return no_content()


def _recover(call: Call) -> Reply:
    entry = recover(call, call.vault.certificates, KIND)
    for shelf in (call.vault.keys, call.vault.secrets):
        if entry.name.lower() in shelf.deleted:
            shelf.restore(entry.name)
    return reply(_bundle(call, entry, entry.newest))


def _get_policy(call: Call) -> Reply:
    return reply(_policy(call, _policy_name(call)))


def _update_policy(call: Call) -> Reply:
    name = _policy_name(call)
    _store_policy(call, call.vault.certificate_policies[name.lower()] | call.body())
    return reply(_policy(call, name))


def _policy_name(call: Call) -> str:
    if call.name.lower() not in call.vault.certificate_policies:
        raise RefusedError(404, "PolicyNotFound", f"No policy was found for certificate {call.name}.")
    return call.name


def _get_pending(call: Call) -> Reply:
    pending = _pending(call)
    orders.advance(call.cloud, call.vault, call.name, pending, call.now)
    return reply(_operation(call, pending))


def _update_pending(call: Call) -> Reply:
    pending = _pending(call)
    if pending.status != _RUNNING:
        raise RefusedError(403, "Forbidden", "Only an operation in progress can be cancelled.")
    pending.cancelled = bool(call.body().get("cancellation_requested"))
    if pending.cancelled and pending.issuer in (orders.UNKNOWN, orders.SELF):
        pending.status = "cancelled"
    return reply(_operation(call, pending))


def _delete_pending(call: Call) -> Reply:
    pending = _pending(call)
    del call.vault.pending[call.name.lower()]
    return reply(_operation(call, pending))


def _merge(call: Call) -> Reply:
    pending, body = _pending(call), call.body()
    if pending.status != _RUNNING or pending.issuer != orders.UNKNOWN:
        raise RefusedError(404, "PendingCertificateNotFound", f"Nothing to merge for certificate {call.name}.")
    leaf, *chain = _certificates(body)
    if spki(leaf.public_key()) != spki(pending.csr.public_key()):
        text = "Public key from x509 certificate and key of this instance doesn't match."
        raise bad_parameter(text)
    if body.get("tags"):
        pending.tags = dict(body["tags"])
    version = orders.complete(call.cloud, call.vault, call.name, pending, call.now, leaf, tuple(chain))
    entry = entry_of(call, call.vault.certificates, KIND)
    return reply(_bundle(call, entry, version), 201)


def _certificates(body: dict[str, Any]) -> list[x509.Certificate]:
    try:
        found = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in body.get("x5c") or ()]
    except (ValueError, TypeError, binascii.Error):
        raise bad_parameter("Property x5c holds something that is no certificate.") from None
    if not found:
        raise bad_parameter("Property x5c is required.")
    return found


def _pending(call: Call) -> Pending:
    found = call.vault.pending.get(call.name.lower())
    if found is None:
        text = f"Pending certificate not found: {call.name}"
        raise RefusedError(404, "PendingCertificateNotFound", text)
    return found


def _store_policy(call: Call, policy: dict[str, Any]) -> None:
    low = call.name.lower()
    known = call.vault.certificate_policies.get(low, {}).get("attributes", {})
    dates = {"enabled": True, "created": known.get("created", stamp(call.now)), "updated": stamp(call.now)}
    call.vault.certificate_policies[low] = {key: value for key, value in policy.items() if key != "id"} | {
        "attributes": dates
    }


def _policy(call: Call, name: str) -> dict[str, Any]:
    return {"id": f"{call.base}/certificates/{name}/policy", **call.vault.certificate_policies[name.lower()]}


def _operation(call: Call, pending: Pending) -> dict[str, Any]:
    base = f"{call.base}/certificates/{call.name}"
    csr = pending.csr.public_bytes(serialization.Encoding.DER)
    waiting = pending.status == _RUNNING and pending.issuer == orders.UNKNOWN
    found: dict[str, Any] = {
        "id": f"{base}/pending",
        "issuer": {"name": pending.issuer},
        "csr": base64.b64encode(csr).decode(),
        "cancellation_requested": pending.cancelled,
        "status": pending.status,
        "status_details": _MERGE_DETAILS if waiting else _DETAILS[pending.status],
        "request_id": pending.request_id,
    }
    if pending.status == "completed":
        found["target"] = base
    if pending.error is not None:
        found["error"] = {"code": pending.error[0], "message": pending.error[1]}
    return found


def _row(call: Call, entry: Entry[CertificateVersion], version: CertificateVersion, tail: str) -> dict[str, Any]:
    thumbprint = version.certificate.fingerprint(hashes.SHA1())  # noqa: S303 - x5t is SHA-1 by definition
    return {
        "id": f"{call.base}/certificates/{entry.name}{tail}",
        "x5t": b64url(thumbprint),
        "attributes": attributes(call, version),
        "tags": version.tags,
    }


def _bundle(call: Call, entry: Entry[CertificateVersion], version: CertificateVersion) -> dict[str, Any]:
    bundle = _row(call, entry, version, f"/{version.id}")
    tail = f"{entry.name}/{version.id}"
    cer = version.certificate.public_bytes(serialization.Encoding.DER)
    bundle |= {
        "kid": f"{call.base}/keys/{tail}",
        "sid": f"{call.base}/secrets/{tail}",
        "cer": base64.b64encode(cer).decode(),
        "policy": _policy(call, entry.name),
    }
    if entry.name.lower() in call.vault.pending:
        bundle["pending"] = {"id": f"{call.base}/certificates/{entry.name}/pending"}
    return bundle


def _deletion(call: Call, entry: Entry[CertificateVersion]) -> dict[str, Any]:
    return deletion_fields(call, "deletedcertificates", entry)


_ONE: Final = "certificates/{name}"
OPERATIONS: Final = (
    *ISSUER_OPERATIONS,
    *collection(
        "certificates",
        read="certificates/read",
        handlers={
            "list": _list,
            "versions": _list_versions,
            "get": _get,
            "update": _update,
            "delete": _delete,
            "list-deleted": _list_deleted,
            "get-deleted": _get_deleted,
            "purge": _purge,
            "recover": _recover,
        },
        more=(
            ("create", "POST", f"{_ONE}/create", "certificates/create/action", "create", _create),
            ("get-policy", "GET", f"{_ONE}/policy", "certificates/read", "get", _get_policy),
            ("update-policy", "PATCH", f"{_ONE}/policy", "certificates/update/action", "update", _update_policy),
            ("merge", "POST", f"{_ONE}/pending/merge", "certificates/create/action", "create", _merge),
            ("get-pending", "GET", f"{_ONE}/pending", "certificates/read", "get", _get_pending),
            ("update-pending", "PATCH", f"{_ONE}/pending", "certificates/update/action", "update", _update_pending),
            ("delete-pending", "DELETE", f"{_ONE}/pending", "certificates/delete", "delete", _delete_pending),
        ),
    ),
)
