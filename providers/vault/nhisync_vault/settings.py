"""What a source of provider ``vault`` can be told in the configuration."""

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from nhisync.spi import Document, Duration, HttpProxy, SourceSettings

KINDS = ("approle", "db-dynamic", "db-static", "kv", "ldap-static", "pki", "token", "transit")
"""Kinds of this provider, in the order in which they are swept."""


def _address(value: str) -> str:
    """Scheme, host and port; plain HTTP only to this machine, because every request carries the token."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("an address is a URL without path, like https://vault.eu-west.example:8200")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("an address holds neither query nor user name")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("plain http would send the token in the clear; use https (http is for loopback only)")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _mount(value: str) -> str:
    """A mount path without slashes at its ends."""
    trimmed = value.strip("/")
    if not trimmed:
        raise ValueError("a mount path is not empty")
    return trimmed


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"unknown kind; known: {', '.join(KINDS)}")
    return value


Address = Annotated[str, AfterValidator(_address)]
MountPath = Annotated[str, AfterValidator(_mount)]
KindName = Annotated[str, AfterValidator(_kind)]


class TokenAuth(Document):
    """A token in a file; read anew for every run, so that an agent may renew it.

    Attributes:
        method: discriminator.
        token_file: holds nothing but the token; relative to the configuration's folder.
    """

    method: Literal["token"]
    token_file: Path


class AppRoleAuth(Document):
    """AppRole login.

    Attributes:
        method: discriminator.
        mount: auth mount without ``auth/``.
        role_id_file: holds the role id.
        secret_id_file: holds the secret id.
    """

    method: Literal["approle"]
    mount: MountPath = "approle"
    role_id_file: Path
    secret_id_file: Path


class JwtAuth(Document):
    """Login with a signed token of a workload identity (JWT/OIDC method).

    Attributes:
        method: discriminator.
        mount: auth mount without ``auth/``.
        role: role to log in to.
        jwt_file: holds the JWT; read anew for every login.
    """

    method: Literal["jwt"]
    mount: MountPath = "jwt"
    role: str
    jwt_file: Path


class KubernetesAuth(Document):
    """Login with a Kubernetes service account token.

    Attributes:
        method: discriminator.
        mount: auth mount without ``auth/``.
        role: role to log in to.
        token_file: projected service account token; read anew for every login.
    """

    method: Literal["kubernetes"]
    mount: MountPath = "kubernetes"
    role: str
    token_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class CertAuth(Document):
    """Login with a TLS client certificate.

    Attributes:
        method: discriminator.
        mount: auth mount without ``auth/``.
        role: certificate role, None = the server picks.
        certificate_file: PEM chain.
        key_file: PEM key.
    """

    method: Literal["cert"]
    mount: MountPath = "cert"
    role: str | None = None
    certificate_file: Path
    key_file: Path


Auth = Annotated[TokenAuth | AppRoleAuth | JwtAuth | KubernetesAuth | CertAuth, Field(discriminator="method")]


class TokenCensus(Document):
    """Opt-in listing of token accessors, which walks all tokens of the cluster and needs sudo.

    Attributes:
        limit: most tokens looked up; beyond it the coverage is partial.
    """

    limit: int = Field(default=1_000, ge=1, le=100_000)


class VaultSettings(SourceSettings):
    """A source whose items stand in one Vault or OpenBao cluster and namespace.

    Attributes:
        address: URL of the cluster: a node or a load balancer.
        nodes: further URLs of the same cluster that the token may be sent to (the nodes behind the load balancer).
        namespace: namespace everything is read in; "" = root.
        auth: who nhisync is there.
        ca_file: PEM bundle that the server's certificate must chain to; None = the one requests ships.
        proxy: proxy for all calls; None = none, the environment is not asked.
        mounts: kind → mount paths, when only these are to be read; kinds not named are discovered.
        page_size: entries asked for at once where the server pages.
        max_items: most entries of one mount; beyond it the coverage is partial.
        workers: single reads at the same time.
        connect_timeout: limit of one TCP and TLS set-up.
        read_timeout: limit of one silence of the server.
        attempts: most attempts of one read.
        standby_reads: believe reads of a standby whose active node cannot be reached; absences stay unknown.
        owner_key: custom metadata key that names a secret's owner.
        token_census: list token accessors; None = only tokens that pairs name.
    """

    address: Address
    nodes: tuple[Address, ...] = ()
    namespace: str = ""
    auth: Auth
    ca_file: Path | None = None
    proxy: HttpProxy | None = None
    mounts: dict[KindName, tuple[MountPath, ...]] = Field(default_factory=dict)
    page_size: int = Field(default=1_000, ge=1, le=10_000)
    max_items: int = Field(default=200_000, ge=1)
    workers: int = Field(default=8, ge=1, le=64)
    connect_timeout: Duration = timedelta(seconds=3)
    read_timeout: Duration = timedelta(seconds=10)
    attempts: int = Field(default=3, ge=1, le=5)
    standby_reads: bool = False
    owner_key: str = "owner"
    token_census: TokenCensus | None = None

    @field_validator("connect_timeout", "read_timeout")
    @classmethod
    def _limits_are_positive(cls, limit: timedelta) -> timedelta:
        """A limit of zero would mean "no limit" to a socket."""
        if limit <= timedelta(0):
            raise ValueError("must be longer than zero")
        return limit

    @field_validator("namespace")
    @classmethod
    def _namespace_is_trimmed(cls, value: str) -> str:
        """``team-a/`` and ``team-a`` are one namespace."""
        return value.strip("/")

    @model_validator(mode="after")
    def _certificates_need_tls(self) -> "VaultSettings":
        """A client certificate is shown in a TLS handshake or nowhere."""
        if isinstance(self.auth, CertAuth) and self.address.startswith("http://"):
            raise ValueError("auth method cert needs an https address")
        return self

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every URL the token may be sent to, the configured address first."""
        return tuple(dict.fromkeys((self.address, *self.nodes)))
