"""Issuers of Key Vault: certification authorities that one vault may order from.

An issuer belongs to its vault: a backup vault needs its own, and its own account at the authority
(learn.microsoft.com/azure/key-vault/certificates/how-to-integrate-certificate-authority).
"""

from typing import Any, Final

from nhisync_azure.emulator.kv import Call, Operation, bad_parameter
from nhisync_azure.emulator.kv_common import paged, stamp
from nhisync_azure.emulator.vaults import Issuer
from nhisync_azure.emulator.wire import RefusedError, Reply, reply


def _list(call: Call) -> Reply:
    issuers = call.vault.issuers
    return paged(call, sorted(issuers), lambda name: _row(call, issuers[name]))


def _get(call: Call) -> Reply:
    return reply(_document(call, _issuer(call)))


def _set(call: Call) -> Reply:
    body = call.body()
    if not body.get("provider"):
        raise bad_parameter("Property provider is required.")
    made = Issuer(name=call.name, provider=str(body["provider"]), created=call.now, updated=call.now)
    _apply(call, made, body)
    call.vault.issuers[call.name.lower()] = made
    return reply(_document(call, made))


def _update(call: Call) -> Reply:
    issuer, body = _issuer(call), call.body()
    issuer.provider = str(body.get("provider") or issuer.provider)
    _apply(call, issuer, body)
    return reply(_document(call, issuer))


def _delete(call: Call) -> Reply:
    issuer = _issuer(call)
    del call.vault.issuers[call.name.lower()]
    return reply(_document(call, issuer))


def _apply(call: Call, issuer: Issuer, body: dict[str, Any]) -> None:
    issuer.account = (body.get("credentials") or {}).get("account_id", issuer.account)
    issuer.enabled = bool((body.get("attributes") or {}).get("enabled", issuer.enabled))
    issuer.organization = dict(body.get("org_details") or issuer.organization)
    issuer.updated = call.now


def _issuer(call: Call) -> Issuer:
    found = call.vault.issuers.get(call.name.lower())
    if found is None:
        raise RefusedError(404, "CertificateIssuerNotFound", f"Issuer not found: {call.name}")
    return found


def _row(call: Call, issuer: Issuer) -> dict[str, Any]:
    return {"id": f"{call.base}/certificates/issuers/{issuer.name}", "provider": issuer.provider}


def _document(call: Call, issuer: Issuer) -> dict[str, Any]:
    dates = {"enabled": issuer.enabled, "created": stamp(issuer.created), "updated": stamp(issuer.updated)}
    return {
        **_row(call, issuer),
        "credentials": {"account_id": issuer.account},
        "org_details": {"zip": 0, **issuer.organization},
        "attributes": dates,
    }


_ALL: Final = ("certificates", "issuers")
_ONE: Final = (*_ALL, "{name}")
ISSUER_OPERATIONS: Final = tuple(
    Operation(
        name=f"issuers/{name}", method=method, path=path, action=action, policy=("certificates", permission), handler=do
    )
    for name, method, path, action, permission, do in (
        ("list", "GET", _ALL, "certificatecas/read", "listissuers", _list),
        ("get", "GET", _ONE, "certificatecas/read", "getissuers", _get),
        ("set", "PUT", _ONE, "certificatecas/write", "setissuers", _set),
        ("update", "PATCH", _ONE, "certificatecas/write", "setissuers", _update),
        ("delete", "DELETE", _ONE, "certificatecas/delete", "deleteissuers", _delete),
    )
)
