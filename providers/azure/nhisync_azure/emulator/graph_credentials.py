"""Changes of credentials through Microsoft Graph: addPassword, removePassword, addKey, removeKey, PATCH.

learn.microsoft.com/graph/api: application-addpassword (the service draws the value; two years when no end is given),
application-removepassword, application-addkey (proof of possession, application-rollkey-prooftoken),
application-removekey, application-update (keyCredentials is replaced as a whole).
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from nhisync_azure.emulator import durations, jwt
from nhisync_azure.emulator import graph_documents as documents
from nhisync_azure.emulator.directory import (
    FederatedCredential,
    KeyCredential,
    PasswordCredential,
)
from nhisync_azure.emulator.graph import Call, GraphError, Object, bad_request, find, path_of, require
from nhisync_azure.emulator.wire import Reply, no_content, reply

PROOF_AUDIENCE: Final = "00000002-0000-0000-c000-000000000000"
_PROOF_LIFETIME: Final = timedelta(minutes=10)
_ALL: Final = "Application.ReadWrite.All"
_OWNED: Final = "Application.ReadWrite.OwnedBy"


def answer_write(call: Call) -> Reply:
    """A POST, PATCH or DELETE.

    Raises:
        GraphError: an answer with an error status.
    """
    path, method = path_of(call.request), call.request.method
    if len(path) < 2 or path[0] not in ("applications", "servicePrincipals"):
        raise bad_request("Resource not found for the segment.", "BadRequest")
    target = find(call, path[0], path[1])
    if method == "PATCH" and len(path) == 2:
        return _patch(call, target)
    action = _ACTIONS.get((method, path[2] if len(path) > 2 else ""))
    if action is None:
        raise bad_request(f"Resource not found for the segment '{path[-1]}'.", "BadRequest")
    return action(call, target)


def _add_password(call: Call, target: Object) -> Reply:
    _require_write(call, target)
    wanted: Mapping[str, Any] = call.body().get("passwordCredential") or {}
    start = _date(wanted.get("startDateTime")) or call.now
    end = _date(wanted.get("endDateTime")) or durations.add_months(start, 24)
    if end <= start:
        raise bad_request("Password credential end date must be after its start date.", "InvalidDates")
    policy = call.tenant.policy
    refused = call.traffic.faults.hit("policy-refusal", "graph", "") is not None
    if refused or not policy.password_addition:
        raise bad_request(
            "Credential type not allowed as per assigned policy.", "CredentialTypeNotAllowedAsPerAppPolicy"
        )
    _check_lifetime(policy.max_lifetime_days, start, end)
    made = PasswordCredential(
        key_id=call.cloud.ids.guid(),
        display_name=wanted.get("displayName"),
        start=start,
        end=end,
        secret=call.cloud.ids.password(),
        added=call.now,
    )
    target.passwords.append(made)
    context = f"{call.base}/v1.0/$metadata#microsoft.graph.passwordCredential"
    return reply({"@odata.context": context, **documents.password(made), "secretText": made.secret})


def _remove_password(call: Call, target: Object) -> Reply:
    _require_write(call, target)
    key_id = str(call.body().get("keyId"))
    kept = [one for one in target.passwords if one.key_id != key_id]
    if len(kept) == len(target.passwords):
        raise bad_request("No password credential found with keyId.")
    target.passwords[:] = kept
    return no_content()


def _add_key(call: Call, target: Object) -> Reply:
    body = call.body()
    _require_own(call, target)
    _check_proof(call, target, body.get("proof"))
    if call.traffic.faults.hit("policy-refusal", "graph", "") is not None or not call.tenant.policy.key_addition:
        raise bad_request(
            "Credential type not allowed as per assigned policy.", "CredentialTypeNotAllowedAsPerAppPolicy"
        )
    made = _new_key(call, body.get("keyCredential") or {})
    target.keys.append(made)
    context = f"{call.base}/v1.0/$metadata#microsoft.graph.keyCredential"
    return reply({"@odata.context": context, **documents.key(made, with_key=True)})


def _remove_key(call: Call, target: Object) -> Reply:
    body = call.body()
    _require_own(call, target)
    _check_proof(call, target, body.get("proof"))
    kept = [one for one in target.keys if one.key_id != str(body.get("keyId"))]
    if len(kept) == len(target.keys):
        raise bad_request("No key credential found with keyId.")
    target.keys[:] = kept
    return no_content()


def _patch(call: Call, target: Object) -> Reply:
    """The whole collection is replaced: who leaves a certificate out removes it."""
    _require_write(call, target)
    body = call.body()
    if "keyCredentials" in body:
        target.keys[:] = [_kept_or_new(call, target, one) for one in body["keyCredentials"]]
    if body.get("passwordCredentials"):
        raise bad_request("Property passwordCredentials cannot be set; use addPassword.")
    if "displayName" in body:
        target.display_name = str(body["displayName"])
    if "tags" in body:
        target.tags = [str(tag) for tag in body["tags"]]
    return no_content()


def _add_federated(call: Call, target: Object) -> Reply:
    _require_write(call, target)
    body = call.body()
    if not all(body.get(name) for name in ("name", "issuer", "subject", "audiences")):
        raise bad_request("A federated credential has name, issuer, subject and audiences.")
    made = FederatedCredential(
        id=call.cloud.ids.guid(),
        name=str(body["name"]),
        issuer=str(body["issuer"]),
        subject=str(body["subject"]),
        audiences=tuple(body["audiences"]),
        description=str(body.get("description") or ""),
    )
    target.federated.append(made)
    return reply(documents.federated(made), 201)


def _remove_federated(call: Call, target: Object) -> Reply:
    _require_write(call, target)
    wanted = path_of(call.request)[-1]
    kept = [one for one in target.federated if wanted not in (one.id, one.name)]
    if len(kept) == len(target.federated):
        raise GraphError(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
    target.federated[:] = kept
    return no_content()


_ACTIONS: Final[Mapping[tuple[str, str], Callable[[Call, Object], Reply]]] = {
    ("POST", "addPassword"): _add_password,
    ("POST", "removePassword"): _remove_password,
    ("POST", "addKey"): _add_key,
    ("POST", "removeKey"): _remove_key,
    ("POST", "federatedIdentityCredentials"): _add_federated,
    ("DELETE", "federatedIdentityCredentials"): _remove_federated,
}


def _require_write(call: Call, target: Object) -> None:
    if _OWNED in call.caller.roles and call.caller.oid in target.owners:
        return
    require(call, _ALL)


def _require_own(call: Call, target: Object) -> None:
    """An application needs no permission to roll its own keys."""
    if target.app_id != call.caller.app_id:
        _require_write(call, target)


def _check_proof(call: Call, target: Object, proof: object) -> None:
    """The proof is signed by a valid key that the object already has, names it, and is short-lived."""
    if not isinstance(proof, str) or not _proves(call, target, proof):
        raise GraphError(401, "Authentication_MissingOrMalformed", "Access Token missing or malformed.")


def _proves(call: Call, target: Object, proof: str) -> bool:
    try:
        parsed = jwt.parse(proof)
        start, end = float(parsed.claims["nbf"]), float(parsed.claims["exp"])
    except (ValueError, KeyError, TypeError):
        return False
    now = call.now.timestamp()
    named = parsed.claims.get("aud") == PROOF_AUDIENCE and parsed.claims.get("iss") == target.id
    timely = start - 300 <= now < end and end - start <= _PROOF_LIFETIME.total_seconds()
    valid = [one for one in target.keys if one.start <= call.now < one.end]
    return named and timely and any(_signed_by(parsed, one) for one in valid)


def _signed_by(parsed: jwt.Jwt, known: KeyCredential) -> bool:
    key = known.certificate.public_key()
    return isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and parsed.verified_by(key)


def _kept_or_new(call: Call, target: Object, wanted: Mapping[str, Any]) -> KeyCredential:
    if wanted.get("key"):
        return _new_key(call, wanted)
    known = next((one for one in target.keys if one.key_id == wanted.get("keyId")), None)
    if known is None:
        raise bad_request("New key credentials need a key.", "KeyCredentialsInvalid")
    return known


def _new_key(call: Call, wanted: Mapping[str, Any]) -> KeyCredential:
    try:
        raw = base64.b64decode(str(wanted.get("key") or ""), validate=True)
        certificate = x509.load_der_x509_certificate(raw)
    except (ValueError, binascii.Error):
        raise bad_request("Key credential holds no valid certificate.", "KeyCredentialsInvalid") from None
    start = _date(wanted.get("startDateTime")) or certificate.not_valid_before_utc
    end = _date(wanted.get("endDateTime")) or certificate.not_valid_after_utc
    if end > certificate.not_valid_after_utc:
        raise bad_request("Key credential end date is invalid.", "KeyCredentialsInvalidEndDate")
    _check_lifetime(call.tenant.policy.max_lifetime_days, start, end)
    return KeyCredential(
        key_id=str(wanted.get("keyId") or call.cloud.ids.guid()),
        display_name=wanted.get("displayName"),
        start=start,
        end=end,
        certificate=certificate,
        custom_key_identifier=certificate.fingerprint(hashes.SHA1()),  # noqa: S303 - Entra's x5t thumbprint
        usage=str(wanted.get("usage") or "Verify"),
        added=call.now,
    )


def _check_lifetime(most_days: int | None, start: datetime, end: datetime) -> None:
    if most_days is not None and end - start > timedelta(days=most_days):
        text = "Credential lifetime exceeds the max value allowed as per assigned policy."
        raise bad_request(text, "CredentialInvalidLifetimeAsPerAppPolicy")


def _date(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise bad_request("Invalid value specified for a date.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
