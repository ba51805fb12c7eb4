"""nhisync's own identity: exactly the application that the configuration names, proven anew for every token.

No credential chain is searched. A token is asked for the services of the configured cloud only, whatever a server's
challenge says, and for the configured tenant only. MSAL's own cache is not used: it keeps refusals for a minute.
"""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError

from nhisync.spi import ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import small_file
from nhisync_azure.errors import Called, translate
from nhisync_azure.machine import ask
from nhisync_azure.settings import AzureSettings, CertificateAuth, ClientSecretAuth, FileAuth, ManagedIdentityAuth
from nhisync_azure.transport import current, retry_options

_FRESH = timedelta(minutes=10)
"""How long a new credential may need until every replica of the token service knows it."""

_MARGIN = 600.0
"""Seconds of a token's life that are not used: its ``iat`` lies five minutes before its issue."""

_OPAQUE = 600.0
"""Seconds for which a token is kept that does not say how long it lives."""

_LARGEST_FILE = 256 * 1024
_FIX = "Correct the file that the source's auth names; it belongs to the user that runs nhisync, mode 0600."
_SETTINGS = {"client_secret": "secret_file", "certificate": "certificate_file", "workload_identity": "token_file"}


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a token stands for, by its own claims; no signature is checked, the services do that.

    Attributes:
        tenant: tenant id.
        client: application (client) id.
        object: object id of the service principal, "" = not said.
        roles: app roles granted for the token's audience.
    """

    tenant: str
    client: str
    object: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What the file of the source's auth held.

    Attributes:
        content: the bytes.
        fresh: it was written within the last minutes, so it may not have spread yet.
    """

    content: bytes = field(repr=False)
    fresh: bool


@dataclass(frozen=True, slots=True)
class _Held:
    token: AccessToken = field(repr=False)
    until: float


class Tokens:
    """A credential for azure-core's clients; thread safe.

    Args:
        settings: of the source.
        context: for files and the clock.
        transport: a new transport to the token service.
    """

    def __init__(self, settings: AzureSettings, context: SourceContext, transport: Callable[[], Any]) -> None:
        self._settings, self._context, self._transport = settings, context, transport
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **_: Any) -> AccessToken:
        """A token for one scope, from memory while it lives.

        Raises:
            ProviderError: why there is none.
        """
        scope = self._allowed(scopes, tenant_id)
        now = self._context.clock.monotonic
        with self._lock:
            held = self._held.get(scope)
            if held is not None and not claims and now() < held.until:
                return held.token
            token, lasts = self._ask(scope, claims)
            self._held = {**self._held, scope: _Held(token, now() + lasts)}
            return token

    def only(self, audience: str) -> "Only":
        """These tokens for one service alone."""
        return Only(self, f"{audience}/.default")

    def forget(self) -> None:
        """Drop all tokens: a service refused one, or the source is closed."""
        self._held = {}

    def who(self, scope: str) -> Who:
        """Whom the token for `scope` stands for; what it does not say is what the configuration says.

        Raises:
            ProviderError: there is no token.
        """
        claims = _claims(self.get_token(scope))
        auth, roles = self._settings.auth, claims.get("roles")
        return Who(
            tenant=str(claims.get("tid") or auth.tenant).lower(),
            client=str(claims.get("appid") or claims.get("azp") or auth.client_id).lower(),
            object=str(claims.get("oid") or "").lower(),
            roles=tuple(sorted(map(str, roles))) if isinstance(roles, list) else (),
        )

    def _allowed(self, scopes: tuple[str, ...], tenant: str | None) -> str:
        home, auth = self._settings.home, self._settings.auth
        known = {f"{audience}/.default" for audience in (home.vault_audience, home.graph, home.arm)}
        if len(scopes) != 1 or scopes[0] not in known:
            raise _foreign()
        if tenant and _is_id(tenant) and _is_id(auth.tenant) and tenant.lower() != auth.tenant.lower():
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "the vault belongs to another tenant than the source's auth",
                fix="Set auth.tenant to the vault's tenant: az keyvault show --query properties.tenantId",
            )
        return scopes[0]

    def _ask(self, scope: str, claims: str | None) -> tuple[AccessToken, float]:
        """A new token, and for how many seconds it is used."""
        auth = self._settings.auth
        if isinstance(auth, ManagedIdentityAuth):
            token, lives = ask(auth, scope.removesuffix("/.default"), self._transport(), self._settings.attempts)
            return token, max(0.0, lives.total_seconds() - _MARGIN)
        proof = read_proof(auth, self._context)
        try:
            credential = _credential(self._settings, auth, proof, self._transport())
            found: AccessToken = credential.get_token(scope, claims=claims, enable_cae=True)
        except (AzureError, ValueError, TypeError) as error:
            called = Called(name="token", resource=self._settings.authority_url, login_status=current().login_status)
            unusable = isinstance(error, (ValueError, TypeError))  # raised before anything is sent
            failure = _unusable(auth) if unusable else translate(error, called)
            raise _settled(failure, fresh=proof.fresh) from None
        return found, _lasts(found)


class Only:
    """A credential for the clients of one service: no challenge gets the token of another one out of it."""

    def __init__(self, tokens: Tokens, scope: str) -> None:
        self._tokens, self._scope = tokens, scope

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for the service, as `Tokens.get_token`.

        Raises:
            ProviderError: why there is none; MISCONFIGURED when one for another service is asked for.
        """
        if scopes != (self._scope,):
            raise _foreign()
        return self._tokens.get_token(*scopes, **options)


def _foreign() -> ProviderError:
    return ProviderError(
        ErrorKind.MISCONFIGURED,
        "the endpoint asks for a token of another service than its own",
        fix="Check vault and cloud of the source; no token was sent.",
    )


def read_proof(auth: FileAuth, context: SourceContext) -> Proof:
    """What proves who we are.

    Raises:
        ProviderError: MISCONFIGURED when the file cannot be read or holds nothing.
    """
    name = proof_file(auth)
    content = small_file(context.file(name), f"{_SETTINGS[auth.method]} {name}", fix=_FIX, limit=_LARGEST_FILE)
    if not content.strip():
        raise _unreadable(name, "it holds nothing")
    try:
        written = context.file(name).stat().st_mtime
    except OSError:
        written = 0.0  # replaced this very moment: its age is not known, so it is not taken for fresh
    age = context.clock.now().timestamp() - written
    return Proof(content, fresh=0 <= age <= _FRESH.total_seconds())


def proof_file(auth: FileAuth) -> Path:
    """The file that `auth` names."""
    if isinstance(auth, ClientSecretAuth):
        return auth.secret_file
    return auth.certificate_file if isinstance(auth, CertificateAuth) else auth.token_file


def _credential(settings: AzureSettings, auth: FileAuth, proof: Proof, transport: Any) -> Any:
    """azure-identity's credential; imported here because no document or configuration needs it."""
    from azure.identity import (  # noqa: PLC0415 - msal comes with it
        CertificateCredential,
        ClientAssertionCredential,
        ClientSecretCredential,
    )

    options: dict[str, Any] = {
        "authority": settings.authority_url,
        "disable_instance_discovery": True,  # else the public login host is asked about private clouds, too
        "transport": transport,
        **retry_options(settings.attempts - 1),
    }
    if isinstance(auth, ClientSecretAuth):
        return ClientSecretCredential(auth.tenant, auth.client_id, proof.content.decode().strip(), **options)
    if isinstance(auth, CertificateAuth):
        return CertificateCredential(
            auth.tenant,
            auth.client_id,
            certificate_data=proof.content,
            send_certificate_chain=auth.send_chain,
            **options,
        )
    assertion = proof.content.decode().strip()
    options.pop("disable_instance_discovery")  # this credential never does one
    return ClientAssertionCredential(auth.tenant, auth.client_id, lambda: assertion, **options)


def _settled(failure: ProviderError, *, fresh: bool) -> ProviderError:
    """A credential that had its time to spread and is still not known is refused."""
    if failure.kind is not ErrorKind.NOT_PROPAGATED or fresh:
        return failure
    fact = failure.fact
    return ProviderError(
        ErrorKind.AUTH_FAILED, fact.message, resource=fact.resource, request_id=fact.request_id, fix=failure.fix
    )


def _lasts(token: AccessToken) -> float:
    """Seconds for which a token is used, by its own two instants: our clock may be wrong, the issuer's is the judge."""
    claims = _claims(token)
    begins, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(begins, (int, float)) or not isinstance(ends, (int, float)):
        return _OPAQUE
    return max(0.0, float(ends) - float(begins) - _MARGIN)


def _claims(token: AccessToken) -> dict[str, Any]:
    """Claims of a JWT (RFC 7519); nothing for a token that is none."""
    parts = token.token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_id(tenant: str) -> bool:
    """Whether a tenant is named by its id, not by a domain."""
    return len(tenant) == 36 and tenant.count("-") == 4


def _unreadable(name: Path, why: str) -> ProviderError:
    return ProviderError(
        ErrorKind.MISCONFIGURED,
        f"{name} cannot be used as the source's credential ({why})",
        fix=_FIX,
    )


def _unusable(auth: FileAuth) -> ProviderError:
    held = "a PEM certificate with its RSA key" if isinstance(auth, CertificateAuth) else "one line of text"
    return _unreadable(proof_file(auth), f"it does not hold {held}")
