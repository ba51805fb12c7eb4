"""The token endpoint of Entra: discovery, client credentials by secret, certificate or federated token, AADSTS errors.

Numbers and texts: learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from nhisync_azure.emulator import jwt
from nhisync_azure.emulator.cloud import TOKEN_LIFETIME, Caller, Cloud, Token
from nhisync_azure.emulator.directory import (
    GRAPH_APP_ID,
    Credentials,
    FederatedCredential,
    KeyCredential,
    PasswordCredential,
    ServicePrincipal,
    Tenant,
)
from nhisync_azure.emulator.wire import RefusedError, Reply, Request, reply

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VAULT_AUDIENCE: Final = "https://vault.azure.net"
GRAPH_AUDIENCE: Final = "https://graph.microsoft.com"
ARM_AUDIENCE: Final = "https://management.azure.com"
_EARLIER: Final = timedelta(minutes=5)
"""Entra dates its tokens back, so that services with slow clocks accept them."""
_AUDIENCES: Final = {
    VAULT_AUDIENCE: VAULT_AUDIENCE,
    GRAPH_AUDIENCE: GRAPH_AUDIENCE,
    ARM_AUDIENCE: ARM_AUDIENCE,
    "https://management.core.windows.net": ARM_AUDIENCE,
}


class AadError(RefusedError):
    """A refusal of the token endpoint.

    Attributes:
        number: the AADSTS number.
    """

    def __init__(self, cloud: Cloud, status: int, error: str, number: int, text: str) -> None:
        super().__init__(status, error, f"AADSTS{number}: {text}")
        self.number = number
        self._trace, self._correlation = cloud.ids.guid(), cloud.ids.guid()
        self._at = cloud.clock.now()
        self._authority = cloud.authority

    def document(self) -> dict[str, Any]:
        """The OAuth error body as Entra fills it."""
        stamp = f"{self._at:%Y-%m-%d %H:%M:%S}Z"
        tail = f"Trace ID: {self._trace} Correlation ID: {self._correlation} Timestamp: {stamp}"
        return {
            "error": self.code,
            "error_description": f"{self.text} {tail}",
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": self._trace,
            "correlation_id": self._correlation,
            "error_uri": f"{self._authority}/error?code={self.number}",
        }


def operation_of(request: Request) -> str:
    """The request's name in books and faults."""
    tail = "/".join(request.segments[1:])
    return {"oauth2/v2.0/token": "token", "v2.0/.well-known/openid-configuration": "configuration"}.get(tail, tail)


def app_of(request: Request) -> str:
    """The application a token is asked for."""
    return _form(request).get("client_id", "") if request.method == "POST" else ""


def answer(cloud: Cloud, request: Request) -> Reply:
    """One request to the token service.

    Raises:
        RefusedError: an answer with an error status.
    """
    tenant = _tenant(cloud, request.segments[0] if request.segments else "")
    operation = operation_of(request)
    if operation == "configuration":
        return reply(_configuration(f"https://{request.host}", tenant))
    if operation == "discovery/v2.0/keys":
        return reply({"keys": [_public_jwk()]})
    if operation == "token" and request.method == "POST":
        return _token(cloud, tenant, _form(request))
    raise RefusedError(404, "not_found", "AADSTS90019: no such endpoint")


def issue(cloud: Cloud, tenant: Tenant, principal: ServicePrincipal, audience: str) -> str:
    """Hand out an access token."""
    now = cloud.wall.now()
    roles = tenant.role_values(principal, GRAPH_APP_ID) if audience == GRAPH_AUDIENCE else ()
    groups = tenant.groups_of(principal.id)
    caller = Caller(oid=principal.id, app_id=principal.app_id, tenant=tenant.id, groups=groups, roles=roles)
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{tenant.id}/",
        "iat": int((now - _EARLIER).timestamp()),
        "nbf": int((now - _EARLIER).timestamp()),
        "exp": int((now + TOKEN_LIFETIME).timestamp()),
        "appid": principal.app_id,
        "idtyp": "app",
        "oid": principal.id,
        "sub": principal.id,
        "tid": tenant.id,
        "uti": cloud.ids.version(),
        "ver": "1.0",
    }
    if roles:
        claims["roles"] = list(roles)
    text = jwt.sign(jwt.signing_key("sts"), claims, kid="sts")
    cloud.tokens[text] = Token(caller=caller, audience=audience, expires=now + TOKEN_LIFETIME)
    return text


def token_document(text: str) -> dict[str, Any]:
    """The answer that carries a token."""
    seconds = int(TOKEN_LIFETIME.total_seconds())
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": text}


def audience_of(cloud: Cloud, scope: str) -> str:
    """The audience of a scope ``<resource>/.default``.

    Raises:
        AadError: no such resource.
    """
    resource = scope.removesuffix("/.default").rstrip("/")
    found = _AUDIENCES.get(resource)
    if found is None:
        text = f"The resource principal named {resource} was not found in the tenant."
        raise AadError(cloud, 400, "invalid_resource", 500011, text)
    return found


def _tenant(cloud: Cloud, name: str) -> Tenant:
    found = cloud.tenant(name)
    if found is None:
        text = f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID."
        raise AadError(cloud, 400, "invalid_request", 90002, text)
    return found


def _configuration(origin: str, tenant: Tenant) -> dict[str, Any]:
    """Endpoints stand where the document was asked for: Entra answers by several names, and each names itself."""
    base = f"{origin}/{tenant.id}"
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "issuer": f"{base}/v2.0",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": "EU",
    }


def _token(cloud: Cloud, tenant: Tenant, form: Mapping[str, str]) -> Reply:
    if form.get("grant_type") != "client_credentials":
        raise AadError(cloud, 400, "unsupported_grant_type", 70003, "The grant type is not supported.")
    app_id = form.get("client_id", "")
    principal = tenant.principal(app_id)
    if principal is None:
        text = f"Application with identifier '{app_id}' was not found in the directory '{tenant.name}'."
        raise AadError(cloud, 400, "unauthorized_client", 700016, text)
    if not principal.enabled:
        raise AadError(cloud, 400, "unauthorized_client", 7000112, f"Application '{app_id}' is disabled.")
    fault = cloud.traffic_of(app_id).faults.hit("login-refused", "sts", "token")
    if fault is not None:
        number = int(fault.options.get("number", 7000215))
        raise AadError(cloud, 401, "invalid_client", number, "Invalid client secret provided.")
    holders = _holders(cloud, principal)
    if form.get("client_assertion_type") == ASSERTION_TYPE:
        _check_assertion(cloud, tenant, app_id, holders, form.get("client_assertion", ""))
    elif "client_secret" in form:
        _check_secret(cloud, app_id, holders, form["client_secret"])
    else:
        text = "'client_assertion', 'client_secret' or 'request' is required for this grant type."
        raise AadError(cloud, 401, "invalid_client", 7000216, text)
    audience = audience_of(cloud, form.get("scope", ""))
    return reply(token_document(issue(cloud, tenant, principal, audience)))


def _holders(cloud: Cloud, principal: ServicePrincipal) -> tuple[Credentials, ...]:
    """Where the application's credentials may sit: the principal, and the registration in its home tenant."""
    registrations = (tenant.application(principal.app_id) for tenant in cloud.tenants.values())
    return (principal, *(one for one in registrations if one is not None))


def _check_secret(cloud: Cloud, app_id: str, holders: tuple[Credentials, ...], secret: str) -> None:
    found = [one for holder in holders for one in holder.passwords if one.secret == secret]
    if not found or _still_refused(cloud, app_id, found[0]):
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{app_id}'."
        )
        raise AadError(cloud, 401, "invalid_client", 7000215, text)
    if not _current(found[0], cloud.clock.now()):
        text = f"The provided client secret keys for app '{app_id}' are expired."
        raise AadError(cloud, 401, "invalid_client", 7000222, text)


def _check_assertion(
    cloud: Cloud, tenant: Tenant, app_id: str, holders: tuple[Credentials, ...], assertion: str
) -> None:
    try:
        parsed = jwt.parse(assertion)
    except ValueError:
        raise AadError(cloud, 400, "invalid_request", 50027, "JWT token is invalid or malformed.") from None
    now = cloud.wall.now().timestamp()
    if not float(parsed.claims.get("nbf", 0)) - 300 <= now < float(parsed.claims.get("exp", 0)):
        text = "Client assertion is not within its valid time range."
        raise AadError(cloud, 401, "invalid_client", 700024, text)
    if parsed.claims.get("iss") == app_id:
        _check_certificate(cloud, tenant, app_id, holders, parsed)
    else:
        _check_federated(cloud, app_id, holders, parsed)


def _check_certificate(
    cloud: Cloud, tenant: Tenant, app_id: str, holders: tuple[Credentials, ...], parsed: jwt.Jwt
) -> None:
    base = f"{cloud.authority}/{tenant.id}"
    if parsed.claims.get("aud") not in (f"{base}/oauth2/v2.0/token", f"{base}/v2.0", f"{base}/oauth2/token"):
        text = "Assertion audience claim does not match Realm issuer."
        raise AadError(cloud, 401, "invalid_client", 700023, text)
    known = next((one for holder in holders for one in holder.keys if _names(parsed, one)), None)
    if known is None or _still_refused(cloud, app_id, known):
        text = (
            "The certificate with identifier used to sign the client assertion is not registered on application. "
            f"[Reason - The key was not found.] Application '{app_id}'."
        )
        raise AadError(cloud, 401, "invalid_client", 700027, text)
    key = known.certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or not parsed.verified_by(key):
        text = "Client assertion contains an invalid signature. [Reason - The key used is wrong.]"
        raise AadError(cloud, 401, "invalid_client", 700027, text)
    if not _current(known, cloud.clock.now()):
        text = "Client assertion contains an invalid signature. [Reason - The key used is expired.]"
        raise AadError(cloud, 401, "invalid_client", 700027, text)


def _check_federated(cloud: Cloud, app_id: str, holders: tuple[Credentials, ...], parsed: jwt.Jwt) -> None:
    issuer, subject = str(parsed.claims.get("iss")), str(parsed.claims.get("sub"))
    audience = str(parsed.claims.get("aud"))
    trusted = [one for holder in holders for one in holder.federated]

    def refuse(number: int, what: str, value: str) -> AadError:
        text = f"No matching federated identity record found for presented assertion {what} '{value}'."
        return AadError(cloud, 401, "invalid_client", number, text)

    by_issuer: list[FederatedCredential] = [one for one in trusted if one.issuer == issuer]
    if not by_issuer:
        raise refuse(700211, "issuer", issuer)
    by_subject = [one for one in by_issuer if one.subject == subject]
    if not by_subject:
        raise refuse(700213, "subject", subject)
    if not any(audience in one.audiences for one in by_subject):
        raise refuse(700212, "audience", audience)
    key = cloud.issuers.get(issuer, {}).get(str(parsed.header.get("kid")))
    if key is None or not parsed.verified_by(key):
        text = f"Client assertion failed signature validation for application '{app_id}'."
        raise AadError(cloud, 401, "invalid_client", 50013, text)


def _names(parsed: jwt.Jwt, known: KeyCredential) -> bool:
    """Whether the assertion's header names this certificate."""
    thumbs = {"x5t": hashes.SHA1(), "x5t#S256": hashes.SHA256()}  # noqa: S303 - thumbprints, as the protocol wants
    for name, digest in thumbs.items():
        given = parsed.header.get(name)
        if isinstance(given, str) and given.rstrip("=") == jwt.b64url(known.certificate.fingerprint(digest)):
            return True
    return False


def _still_refused(cloud: Cloud, app_id: str, credential: PasswordCredential | KeyCredential) -> bool:
    """Whether this attempt still meets a replica that does not know the credential; attempts are counted down."""
    fault = cloud.traffic_of(app_id).faults.state("secret-lag", "sts")
    if fault is not None and credential.refusals == 0 and credential.key_id not in fault.options.setdefault("seen", []):
        fault.options["seen"].append(credential.key_id)
        credential.refusals = int(fault.options.get("attempts", 2))
    if credential.refusals > 0:
        credential.refusals -= 1
        return True
    return False


def _current(credential: PasswordCredential | KeyCredential, now: datetime) -> bool:
    return credential.start <= now < credential.end


def _form(request: Request) -> dict[str, str]:
    parsed = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in parsed.items()}


def _public_jwk() -> dict[str, str]:
    numbers = jwt.signing_key("sts").public_key().public_numbers()
    modulus = numbers.n.to_bytes(256, "big")
    return {"kty": "RSA", "use": "sig", "kid": "sts", "n": jwt.b64url(modulus), "e": "AQAB"}
