"""Token endpoints: one token is asked for and thrown away; it ends by itself within the hour.

Microsoft Entra takes a client secret (RFC 6749 §4.4), Google a request that the account's key signed (RFC 7523 §2.1).
The endpoints' own codes decide whether the credential was judged; their texts are matched, never passed on. What is let
in is asked for once more with a made-up secret or signature.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from nhisync.probes.exchange import Answer, Request, exchange, resource_of, unexpected
from nhisync.probes.order import Order, Patience, Presented, Shown, name_of, not_made, refused, value_of
from nhisync.probes.stranger import proven, stranger
from nhisync.spi import ErrorKind, ProviderError

_ENTRA: Final[Mapping[int, tuple[ErrorKind, str]]] = {
    7000215: (ErrorKind.AUTH_FAILED, "the token service does not know this client secret"),
    7000222: (ErrorKind.AUTH_FAILED, "the client secret has expired"),
    700016: (ErrorKind.AUTH_FAILED, "the tenant has no such application"),
    7000229: (ErrorKind.AUTH_FAILED, "the tenant has no service principal of this application"),
    7000112: (ErrorKind.AUTH_FAILED, "the application is disabled in the tenant"),
    53003: (ErrorKind.DENIED, "a conditional access policy blocks the application"),
}
"""Codes that judge the credential (Microsoft Learn, "Microsoft Entra authentication and authorization error codes")."""

_UNUSABLE: Final[Mapping[int, str]] = {
    90002: "there is no such tenant",
    900023: "the tenant's name cannot be one",
    500011: "the tenant does not know what the scope names",
    70011: "the scope is not one",
    1002012: "the scope is not one; for an application it ends in /.default",
}

_GOOGLE: Final = (
    ("signature", "the account's key is disabled, deleted or not its own"),
    ("account not found", "the account does not exist any more"),
    ("disabled", "the account is disabled"),
)
"""What descriptions of ``invalid_grant`` speak of when the credential was judged."""

_ACCOUNT: Final = re.compile(r"[a-z0-9.-]{1,64}@[a-z0-9.-]{1,120}\.gserviceaccount\.com")
"""The only part of a key file that is ever told: it is taken out of the value, so it must be what it claims to be."""

_UNKNOWN: Final = frozenset({("invalid_token", "Invalid Value"), (None, "Invalid Value")})
"""What the token information endpoint answers for a token that is over, taken back or never was one, old and new."""

_LIFE: Final = 300
"""Seconds that the signed request is good for; Google takes an hour at most."""

_FORGED: Final = urlsafe_b64encode(sha256(b"nhisync-probe").digest() * 8).decode().rstrip("=")
"""256 bytes, as long as a signature of RSA 2048, that no key made."""


def probe_entra(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask for a token with client ID and client secret.

    Raises:
        ProviderError: the endpoint cannot be asked.
    """
    shown = _entra(order, presented, patience)
    return proven(shown, order.floor, lambda: _entra(order, stranger(presented.user), patience))


def _entra(order: Order, presented: Presented, patience: Patience) -> Shown:
    form = {
        "grant_type": "client_credentials",
        "client_id": presented.user,
        "client_secret": value_of(presented).decode("utf-8", "surrogateescape"),
        "scope": order.scope,
    }
    answer = _posted(order, form, patience)
    said = answer.document
    if answer.status == 200:
        claims = _claims(_token(said))
        app, tenant = claims.get("appid") or claims.get("azp") or presented.user, claims.get("tid")
        seen = name_of(f"{app} at tenant {tenant}", presented) if tenant else ""
        return Shown(depth="auth", accepted=True, seen_as=seen)
    code = next((one for one in _codes(said) if one in _ENTRA or one in _UNUSABLE), 0)
    if code in _ENTRA:
        return refused(order.floor, *_ENTRA[code])
    if code:
        return not_made(order.floor, ProviderError(ErrorKind.MISCONFIGURED, _UNUSABLE[code]))
    return Shown(depth=order.floor, accepted=None, error=unexpected(answer.status))


def probe_google(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask for a token with a request that the account's key signs; of a token that was minted, ask whose it is.

    Raises:
        ProviderError: the endpoint cannot be asked, the value is no key, or the package is not installed.
    """
    if order.auth == "bearer":
        return proven(_whose(order, presented, patience), order.floor, lambda: _whose(order, stranger(), patience))
    try:
        from google.auth import crypt, jwt  # noqa: PLC0415 - an extra, and only this kind needs it
    except ModuleNotFoundError:
        fix = "pip install 'nhisync[gcp]'"
        raise ProviderError(ErrorKind.UNSUPPORTED, "the package google-auth is not installed", fix=fix) from None
    try:
        key = json.loads(value_of(presented))
        account, signer = str(key["client_email"]), crypt.RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, TypeError, RecursionError):  # their texts quote the key
        fix = "Store the JSON file that `gcloud iam service-accounts keys create` wrote, as it is."
        raise ProviderError(ErrorKind.MISCONFIGURED, "the value is no service account key", fix=fix) from None
    now = patience.epoch
    # The audience is the endpoint that is asked, never the one that the stored value names.
    claims = {"iss": account, "scope": order.scope or "openid", "aud": order.target, "iat": now, "exp": now + _LIFE}
    signed = jwt.encode(signer, claims).decode()  # type: ignore[no-untyped-call]
    forged = f"{signed.rpartition('.')[0]}.{_FORGED}"
    shown = _granted(order, account, signed, patience)
    return proven(shown, order.floor, lambda: _granted(order, account, forged, patience))


def _granted(order: Order, account: str, assertion: str, patience: Patience) -> Shown:
    """What the endpoint says to a request that was signed for `account`."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = _posted(order, form, patience)
    said = answer.document
    if answer.status == 200:
        _token(said, "access_token", "id_token")
        return Shown(depth="auth", accepted=True, seen_as=account if _ACCOUNT.fullmatch(account) else "")
    if said.get("error") in {"invalid_grant", "invalid_client", "unauthorized_client"}:
        words = str(said.get("error_description", "")).lower()
        told = next((told for pattern, told in _GOOGLE if pattern in words), "")
        if told:
            return refused(order.floor, ErrorKind.AUTH_FAILED, told)
        told = "the endpoint rejects the signed request and does not say that it judged the key; is this clock right?"
        return not_made(order.floor, ProviderError(ErrorKind.MISCONFIGURED, told))
    return Shown(depth=order.floor, accepted=None, error=unexpected(answer.status))


def _whose(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask the token information endpoint, as google-auth-library's ``getTokenInfo`` does; it lets nobody do anything.

    Raises:
        ProviderError: the endpoint cannot be asked.
    """
    form = {"access_token": value_of(presented).decode("utf-8", "surrogateescape")}
    answer = _posted(order, form, patience)
    said = answer.document
    if answer.status == 200:
        if not isinstance(said.get("aud"), str):
            raise ProviderError(ErrorKind.MALFORMED, "what answered is no token information endpoint")
        account = str(said.get("email", ""))
        return Shown(depth="auth", accepted=True, seen_as=account if _ACCOUNT.fullmatch(account) else "")
    if answer.status == 400 and (said.get("error"), said.get("error_description")) in _UNKNOWN:
        return refused(order.floor, ErrorKind.AUTH_FAILED, "Google does not know the minted token")
    return Shown(depth=order.floor, accepted=None, error=unexpected(answer.status))


def _posted(order: Order, form: Mapping[str, str], patience: Patience) -> Answer:
    body = urlencode(form, errors="surrogateescape").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return exchange(order, Request(resource_of(order.target), headers, "POST", body), patience)


def _codes(said: Mapping[str, Any]) -> list[int]:
    found = said.get("error_codes")
    return [code for code in found if isinstance(code, int)] if isinstance(found, list) else []


def _token(said: Mapping[str, Any], *members: str) -> str:
    """The token of a good answer.

    Raises:
        ProviderError: there is none; a portal answers 200 as well.
    """
    found = next((said[one] for one in members or ("access_token",) if isinstance(said.get(one), str)), "")
    if not found:
        raise ProviderError(ErrorKind.MALFORMED, "what answered is no token endpoint")
    return str(found)


def _claims(token: str) -> dict[str, Any]:
    """Claims of a token that was just received over TLS from its issuer; nothing is decided by them."""
    with suppress(ValueError, IndexError, RecursionError):
        part = token.split(".")[1]
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if isinstance(found, dict):
            return {name: str(value)[:200] for name, value in found.items() if isinstance(value, str)}
    return {}
