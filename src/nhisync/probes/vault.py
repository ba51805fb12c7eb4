"""Vault and OpenBao: a token looks itself up; an AppRole logs in and its token is revoked.

A lookup changes nothing. A made-up token is looked up as well: a Vault Agent that puts its own token in the place of
every other one lets everybody in, and so does a role without `bind_secret_id`. A login uses a secret ID up when its
uses are counted (``secret_id_num_uses``), so the configuration must state that it is not. Sources: Vault HTTP API,
``auth/token`` and ``auth/approle``.
"""

import json
from contextlib import suppress
from typing import Any

from nhisync.probes.exchange import Answer, Request, exchange, unexpected, unsendable
from nhisync.probes.order import Order, Patience, Presented, Shown, name_of, not_made, refused, value_of
from nhisync.probes.stranger import MADE_UP, proven, stranger
from nhisync.probes.wire import place
from nhisync.spi import ErrorKind, ProviderError

_LOOKUP = "/v1/auth/token/lookup-self"
_REVOKE = "/v1/auth/token/revoke-self"
_INVALID = "invalid token"
_WRONG = ("invalid role or secret id", "invalid role_id", "invalid secret id", "invalid secret_id")
"""Wording of a refused AppRole login; matched, never passed on."""


def probe_token(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Let the token look itself up.

    Raises:
        ProviderError: the service cannot be asked.
    """
    return proven(_looked_up(order, presented, patience), order.floor, lambda: _unknown(order, patience))


def _looked_up(order: Order, presented: Presented, patience: Patience) -> Shown:
    answer = exchange(order, Request(_LOOKUP, _headers(order, value_of(presented))), patience)
    if answer.status == 200:
        found = _member(answer, "data")
        return Shown(depth="auth", accepted=True, seen_as=_seen(order, presented, found, "display_name"))
    if answer.status != 403:
        return Shown(depth=order.floor, accepted=None, error=unexpected(answer.status))
    if _INVALID in _said(answer):
        return refused(order.floor, ErrorKind.AUTH_FAILED, "the service does not know the token")
    return not_made(order.floor, _unclear())


def _unknown(order: Order, patience: Patience) -> Shown:
    """What becomes of a token that nobody made; OpenBao forbids it in the words for a narrow one."""
    answer = exchange(order, Request(_LOOKUP, _headers(order, MADE_UP.encode())), patience)
    if answer.status == 403:
        return refused(order.floor, ErrorKind.AUTH_FAILED, "the service forbids a made-up token")
    return Shown(depth=order.floor, accepted=True if answer.status == 200 else None)


def probe_approle(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Log in, then revoke the token that came of it.

    Raises:
        ProviderError: the service cannot be asked, or the values are no text.
    """
    shown = _logged_in(order, presented, patience)
    return proven(shown, order.floor, lambda: _logged_in(order, stranger(presented.user), patience))


def _logged_in(order: Order, presented: Presented, patience: Patience) -> Shown:
    try:
        login = {"role_id": presented.user, "secret_id": value_of(presented).decode()}
    except UnicodeDecodeError:
        raise unsendable() from None
    resource = f"/v1/auth/{order.mount or 'approle'}/login"
    answer = exchange(order, Request(resource, _headers(order), "POST", json.dumps(login).encode()), patience)
    if answer.status == 200:
        found = _member(answer, "auth")
        _revoke(order, str(found.get("client_token", "")), patience)
        return Shown(depth="auth", accepted=True, seen_as=_seen(order, presented, found, "metadata", "role_name"))
    if answer.status in {400, 403} and any(words in _said(answer) for words in _WRONG):
        return refused(order.floor, ErrorKind.AUTH_FAILED, "the service refuses role ID and secret ID")
    return Shown(depth=order.floor, accepted=None, error=unexpected(answer.status))


def _revoke(order: Order, token: str, patience: Patience) -> None:
    """Give the token back; one that cannot be revoked (a batch token, a lost answer) ends with its own lease."""
    with suppress(ProviderError, UnicodeError):  # the latter: no token of Vault's holds half a character
        exchange(order, Request(_REVOKE, _headers(order, token.encode()), "POST", b""), patience)


def _headers(order: Order, token: bytes = b"") -> dict[str, str]:
    text = token.decode("latin-1")
    if not text.isprintable():
        raise unsendable()
    found = {"X-Vault-Request": "true"}
    if text:
        found["X-Vault-Token"] = text
    if order.namespace:
        found["X-Vault-Namespace"] = order.namespace
    return found


def _member(answer: Answer, name: str) -> dict[str, Any]:
    """A member of the answer.

    Raises:
        ProviderError: it is not there; a page of somebody else answers 200 as well.
    """
    found = answer.document.get(name)
    if isinstance(found, dict):
        return found
    raise ProviderError(ErrorKind.MALFORMED, "what answered is no Vault and no OpenBao")


def _said(answer: Answer) -> str:
    errors = answer.document.get("errors")
    return "\n".join(str(line) for line in errors).lower() if isinstance(errors, list) else ""


def _seen(order: Order, presented: Presented, found: dict[str, Any], *steps: str) -> str:
    """The entity, or the name the login carries, at this service."""
    name: Any = found.get("entity_id") or _dig(found, steps)
    told = name_of(name, presented) if isinstance(name, str) else ""
    host, port = place(order.target)
    return f"{told} at {host}:{port}" if told else ""


def _dig(found: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _unclear() -> ProviderError:
    fix = "Let the token's policies allow read of auth/token/lookup-self, as the policy `default` does."
    told = "the service forbids the lookup and does not tell whether it knows the token"
    return ProviderError(ErrorKind.DENIED, told, action="read auth/token/lookup-self", fix=fix)
