"""Nhisync's own identity in a tenant, with the credential that a source's ``auth`` block names."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from nhisync_azure.emulator import jwt
from nhisync_azure.emulator.cloud import Cloud
from nhisync_azure.emulator.directory import (
    GRAPH_APP_ID,
    GRAPH_ROLES,
    Application,
    AppRole,
    AppRoleAssignment,
    FederatedCredential,
    KeyCredential,
    PasswordCredential,
    ServicePrincipal,
    Tenant,
)
from nhisync_azure.emulator.material import KeyShape, PrivateKey

TOKEN_ISSUER: Final = "https://oidc.example/nhisync"
"""Issuer of the tokens that workload identities present here."""
TOKEN_AUDIENCE: Final = "api://AzureADTokenExchange"
_ALWAYS: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Nhisync's application and principal."""

    application: Application
    principal: ServicePrincipal


def new_tenant(cloud: Cloud, tenant_id: str, name: str) -> Tenant:
    """A tenant with Microsoft Graph in it."""
    tenant = Tenant(id=tenant_id, name=f"{name}.onmicrosoft.com")
    roles = [AppRole(id=role_id, value=value) for value, role_id in GRAPH_ROLES.items()]
    principal = ServicePrincipal(
        id=cloud.ids.guid(),
        app_id=GRAPH_APP_ID,
        display_name="Microsoft Graph",
        created=cloud.clock.now() - _ALWAYS,
        roles=roles,
        owner_tenant="f8cdef31-a31e-4b4a-93e4-5f571e91255a",
    )
    tenant.principals[principal.id] = principal
    cloud.tenants[tenant.id] = tenant
    return tenant


def new_identity(cloud: Cloud, tenant: Tenant, name: str) -> Identity:
    """An application registration and its service principal."""
    now = cloud.clock.now() - timedelta(days=400)
    application = Application(id=cloud.ids.guid(), app_id=cloud.ids.guid(), display_name=name, created=now)
    principal = ServicePrincipal(
        id=cloud.ids.guid(),
        app_id=application.app_id,
        display_name=name,
        created=now,
        owner_tenant=tenant.id,
    )
    tenant.applications[application.id] = application
    tenant.principals[principal.id] = principal
    return Identity(application=application, principal=principal)


def set_graph_roles(cloud: Cloud, tenant: Tenant, principal: ServicePrincipal, roles: tuple[str, ...]) -> None:
    """Exactly these application permissions of Microsoft Graph.

    Raises:
        ValueError: Graph has no such permission here.
    """
    unknown = set(roles) - set(GRAPH_ROLES)
    graph = tenant.principal(GRAPH_APP_ID)
    if unknown or graph is None:
        msg = f"no application permissions of Microsoft Graph here: {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    others = [one for one in principal.assignments if one.resource_id != graph.id]
    made = [
        AppRoleAssignment(
            id=cloud.ids.version(), role_id=GRAPH_ROLES[role], resource_id=graph.id, created=cloud.clock.now()
        )
        for role in roles
    ]
    principal.assignments[:] = [*others, *made]


def client_secret(cloud: Cloud, application: Application) -> str:
    """A new client secret that lives for ten years."""
    now = cloud.clock.now()
    made = PasswordCredential(
        key_id=cloud.ids.guid(),
        display_name="nhisync",
        start=now - timedelta(days=10),
        end=now + _ALWAYS,
        secret=cloud.ids.password(),
    )
    application.passwords.append(made)
    return made.secret


def client_certificate(cloud: Cloud, application: Application) -> bytes:
    """A new certificate on the application; key and certificate as PEM, as azure-identity reads them."""
    key = cloud.keyring.new(KeyShape(kty="RSA"))
    certificate = self_signed(cloud, application.display_name, key)
    application.keys.append(key_credential(cloud, certificate, "nhisync"))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def key_credential(cloud: Cloud, certificate: x509.Certificate, name: str | None) -> KeyCredential:
    """A certificate as an application holds it."""
    return KeyCredential(
        key_id=cloud.ids.guid(),
        display_name=name,
        start=certificate.not_valid_before_utc,
        end=certificate.not_valid_after_utc,
        certificate=certificate,
        custom_key_identifier=certificate.fingerprint(hashes.SHA1()),  # noqa: S303 - Entra's x5t thumbprint
    )


def self_signed(
    cloud: Cloud,
    name: str,
    key: PrivateKey,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> x509.Certificate:
    """A certificate for an application."""
    now = cloud.clock.now()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:60] or "application")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(cloud.ids.serial())
        .not_valid_before(start or now - timedelta(days=10))
        .not_valid_after(end or now + _ALWAYS)
        .sign(key, hashes.SHA256())
    )


def federated_token(cloud: Cloud, application: Application) -> str:
    """Trust in an outside issuer, and one of its tokens for this application (a day long)."""
    key = jwt.signing_key("issuer")
    cloud.issuers.setdefault(TOKEN_ISSUER, {})["issuer"] = key.public_key()
    subject = f"system:serviceaccount:nhisync:{application.display_name}"
    application.federated.append(
        FederatedCredential(id=cloud.ids.guid(), name="cluster", issuer=TOKEN_ISSUER, subject=subject)
    )
    return outside_token(cloud, key, subject)


def outside_token(cloud: Cloud, key: rsa.RSAPrivateKey, subject: str, **claims: Any) -> str:
    """A token of the outside issuer."""
    now = int(cloud.wall.now().timestamp())
    document = {"iss": TOKEN_ISSUER, "sub": subject, "aud": TOKEN_AUDIENCE, "iat": now, "nbf": now, "exp": now + 86_400}
    return jwt.sign(key, {**document, **claims}, kid="issuer")


def secret_file(file: Path, content: str | bytes) -> str:
    """Write a credential file that only its owner can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)
