"""What a source of provider ``azure`` can be told in the configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from nhisync.spi import Document, HttpProxy, PositiveDuration, SourceSettings

VAULT_KINDS = ("secret", "certificate", "key")
"""Kinds that stand in a Key Vault."""

DIRECTORY_KINDS = ("app-secret", "app-certificate", "app-federation", "sp-secret", "sp-certificate")
"""Kinds that stand in a tenant's directory."""

KINDS = (*VAULT_KINDS, *DIRECTORY_KINDS)
"""All kinds, in the order in which they are swept."""

_TENANT = re.compile(r"[A-Za-z0-9.-]{1,253}\Z")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_VAULT_ID = re.compile(
    r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/\s]{1,90}/providers/Microsoft\.KeyVault/vaults/[A-Za-z0-9-]{3,24}\Z",
    re.IGNORECASE,
)

_SCOPE = re.compile(
    r"/subscriptions/[0-9a-fA-F-]{36}(?:/resourceGroups/[^/\s]{1,90}(?:/providers/[\w.]+(?:/[\w.-]+/[^/\s]{1,260})+)?)?\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Endpoints of one cloud (azure-core ``AzureClouds``; Microsoft Learn, "Azure Key Vault security domains").

    Attributes:
        authority: token service.
        graph: Microsoft Graph.
        arm: Azure Resource Manager.
        vault_suffix: DNS suffix of vaults.
        vault_audience: what tokens for vaults are issued for.
    """

    authority: str
    graph: str
    arm: str
    vault_suffix: str
    vault_audience: str


CLOUDS: Mapping[str, Cloud] = {
    "public": Cloud(
        authority="https://login.microsoftonline.com",
        graph="https://graph.microsoft.com",
        arm="https://management.azure.com",
        vault_suffix=".vault.azure.net",
        vault_audience="https://vault.azure.net",
    ),
    "china": Cloud(
        authority="https://login.chinacloudapi.cn",
        graph="https://microsoftgraph.chinacloudapi.cn",
        arm="https://management.chinacloudapi.cn",
        vault_suffix=".vault.azure.cn",
        vault_audience="https://vault.azure.cn",
    ),
    "usgov": Cloud(
        authority="https://login.microsoftonline.us",
        graph="https://graph.microsoft.us",
        arm="https://management.usgovcloudapi.net",
        vault_suffix=".vault.usgovcloudapi.net",
        vault_audience="https://vault.usgovcloudapi.net",
    ),
}


def _https(value: str) -> str:
    """Every Azure endpoint takes a bearer token, and the SDKs refuse plain HTTP only after five seconds of retries."""
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("an endpoint is an https URL without path, like https://payments-north.vault.azure.net")
    if parts.query or parts.fragment or parts.username or parts.password or "\\" in value:
        raise ValueError("an endpoint holds neither query nor user name")
    _ = parts.port  # a ValueError of its own for a port that is none
    return f"https://{parts.netloc.lower()}"


def _tenant(value: str) -> str:
    if not _TENANT.match(value) or value.lower() in {"common", "organizations", "consumers"}:
        raise ValueError("a tenant is its id or one of its domains, like contoso.onmicrosoft.com")
    return value


def _guid(value: str) -> str:
    if not _GUID.match(value):
        raise ValueError("a client id is the application (client) id, like 00000000-0000-0000-0000-000000000000")
    return value.lower()


def _vault_id(value: str) -> str:
    if not _VAULT_ID.match(value):
        form = "/subscriptions/…/Microsoft.KeyVault/vaults/NAME, a name of 3 to 24 letters, digits and dashes"
        raise ValueError(f"a vault id is the vault's full resource id: {form}")
    return value


def _scope(value: str) -> str:
    if not _SCOPE.match(value):
        raise ValueError("a scope is a subscription, resource group or resource: /subscriptions/…/resourceGroups/…")
    return value


Endpoint = Annotated[str, AfterValidator(_https)]
Tenant = Annotated[str, AfterValidator(_tenant)]
ClientId = Annotated[str, AfterValidator(_guid)]
VaultId = Annotated[str, AfterValidator(_vault_id)]
Scope = Annotated[str, AfterValidator(_scope)]


class _Application(Document):
    """An application of the tenant.

    Attributes:
        tenant: its id or one of its domains; vaults of other tenants are refused.
        client_id: application (client) id.
    """

    tenant: Tenant
    client_id: ClientId


class ClientSecretAuth(_Application):
    """An application with a client secret in a file.

    Attributes:
        method: discriminator.
        secret_file: holds nothing but the secret; read anew for every token.
    """

    method: Literal["client_secret"]
    secret_file: Path


class CertificateAuth(_Application):
    """An application with a certificate.

    Attributes:
        method: discriminator.
        certificate_file: PEM with certificate and RSA key; read anew for every token.
        send_chain: send the chain along (subject name and issuer authentication).
    """

    method: Literal["certificate"]
    certificate_file: Path
    send_chain: bool = False


class WorkloadIdentityAuth(_Application):
    """An application that trusts another issuer's token (federated credential).

    Attributes:
        method: discriminator.
        token_file: the other issuer's token; read anew for every token.
    """

    method: Literal["workload_identity"]
    token_file: Path


def _imds(value: str) -> str:
    """The token comes back without TLS, so only this machine, or its own link, may be asked for it."""
    parts = urlsplit(value)
    try:
        address = ip_address(parts.hostname or "")
        _ = parts.port  # a ValueError of its own for a port that is none
    except ValueError:
        raise ValueError("a metadata service is named by its address, like http://169.254.169.254") from None
    if parts.scheme != "http" or not (address.is_link_local or address.is_loopback):
        raise ValueError("a metadata service is plain http on a link-local address or on this machine")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("a metadata service is named by address and port alone")
    return f"http://{parts.netloc}"


class ManagedIdentityAuth(_Application):
    """A managed identity of the machine that nhisync runs on, asked for by its client id.

    Attributes:
        method: discriminator.
        endpoint: instance metadata service, when it is not the usual address; never asked through a proxy.
    """

    method: Literal["managed_identity"]
    endpoint: Annotated[str, AfterValidator(_imds)] = "http://169.254.169.254"


FileAuth = ClientSecretAuth | CertificateAuth | WorkloadIdentityAuth
"""Methods whose proof stands in a file."""

Auth = Annotated[FileAuth | ManagedIdentityAuth, Field(discriminator="method")]


class AzureSettings(SourceSettings):
    """A source whose items stand in one Key Vault, in one tenant's directory, or in both.

    Attributes:
        auth: who nhisync is there.
        vault: URL of the vault; None = only the directory.
        directory: whether kinds of the directory may be asked for; None = only when no vault is named.
        vault_id: the vault's resource id; with it the documents name the vault, and doctor asks ARM for rights held.
        access: how the vault authorises: roles, or its own access policies.
        cloud: whose endpoints are the defaults.
        authority: token service, when it is not the cloud's.
        graph: Microsoft Graph, when it is not the cloud's.
        arm: Azure Resource Manager, when it is not the cloud's.
        api_version: of Key Vault, for clouds and servers that do not know the SDK's newest one.
        ca_file: PEM bundle instead of certifi's.
        proxy: proxy for all calls; None = none, the environment is not asked.
        workers: single reads at the same time, and connections kept.
        connect_timeout: limit of one TCP and TLS set-up.
        read_timeout: limit of one silence of the server.
        attempts: most attempts of one read.
        owner_tag: tag that names an item's owner, compared without letter case.
        scopes: where rights of applications are read: subscriptions, resource groups, resources; None = the vault,
            ``[]`` = the directory alone.
        versions: ``wanted`` lists the versions of secrets and keys that pairs name; ``all`` those of every swept one.
    """

    auth: Auth
    vault: Endpoint | None = None
    directory: bool | None = None
    vault_id: VaultId | None = None
    access: Literal["rbac", "policies"] = "rbac"
    cloud: Literal["public", "china", "usgov"] = "public"
    authority: Endpoint | None = None
    graph: Endpoint | None = None
    arm: Endpoint | None = None
    api_version: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d|7\.\d)$")] | None = None
    ca_file: Path | None = None
    proxy: HttpProxy | None = None
    workers: int = Field(default=8, ge=1, le=64)
    connect_timeout: PositiveDuration = timedelta(seconds=5)
    read_timeout: PositiveDuration = timedelta(seconds=20)
    attempts: int = Field(default=3, ge=1, le=5)
    owner_tag: str = "owner"
    scopes: tuple[Scope, ...] | None = None
    versions: Literal["wanted", "all"] = "wanted"

    @model_validator(mode="after")
    def _something_to_ask(self) -> "AzureSettings":
        """A source without a vault and without a directory is asked nothing, and a resource id belongs to a vault."""
        if self.vault is None and self.directory is False:
            raise ValueError("the source names no vault, and directory is false: there is nothing to ask")
        if self.vault_id is not None and self.vault is None:
            raise ValueError("vault_id is there, and vault is not")
        return self

    @property
    def home(self) -> Cloud:
        """The cloud's own endpoints."""
        return CLOUDS[self.cloud]

    @property
    def has_directory(self) -> bool:
        """Whether kinds of the directory may be asked for."""
        return self.vault is None if self.directory is None else self.directory

    @property
    def real_vault(self) -> bool:
        """Whether the vault stands under the cloud's own domain, so that its challenge can be checked against it."""
        host = urlsplit(self.vault or "").hostname or ""
        return host.endswith(self.home.vault_suffix)

    @property
    def places(self) -> tuple[str, ...] | None:
        """Scopes in which rights are read; None = the configuration does not say."""
        return self.scopes if self.scopes is not None else (self.vault_id,) if self.vault_id else None

    @property
    def authority_url(self) -> str:
        """Token service."""
        return self.authority or self.home.authority

    @property
    def token_service(self) -> str:
        """Who gives tokens: the authority, or this machine's metadata service."""
        return self.auth.endpoint if isinstance(self.auth, ManagedIdentityAuth) else self.authority_url

    @property
    def graph_url(self) -> str:
        """Microsoft Graph."""
        return self.graph or self.home.graph

    @property
    def arm_url(self) -> str:
        """Azure Resource Manager."""
        return self.arm or self.home.arm

    def serves(self, kind: str) -> bool:
        """Whether items of `kind` can stand in this source."""
        return self.vault is not None if kind in VAULT_KINDS else kind in DIRECTORY_KINDS and self.has_directory
