"""What a source of provider ``gcp`` can be told in the configuration."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from nhisync.spi import Document, PositiveDuration, SourceSettings, http_proxy

_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]\Z|\d{1,19}\Z")
_EMAIL = re.compile(r"[^\s@/:]{1,128}@[A-Za-z0-9.-]{1,128}\Z")
_LOCATION = re.compile(r"[a-z][a-z0-9-]{1,62}\Z")


def _project(value: str) -> str:
    """A project is named by its id, or by its number (Resource Manager, "Identifying projects")."""
    if not _PROJECT.match(value):
        raise ValueError("a project is named by its id, like payments-backup, or by its number")
    return value


def _location(value: str) -> str:
    """A location's canonical id, like ``europe-north1``."""
    if not _LOCATION.match(value):
        raise ValueError("a location is named by its id, like europe-north1")
    return value


def _email(value: str) -> str:
    """Google compares addresses without letter case."""
    if not _EMAIL.match(value):
        raise ValueError("a group or service account is named by its e-mail address")
    return value.lower()


def _url(value: str) -> str:
    """An endpoint is scheme and host. Tokens travel to it: without TLS only on this machine."""
    parts = urlsplit(value)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.path not in {"", "/"}
        or "@" in parts.netloc
    ):
        raise ValueError("an endpoint is a URL without path, like https://secretmanager.googleapis.com")
    if parts.scheme == "http" and not _on_this_machine(parts.hostname):
        raise ValueError("http:// is only for emulators on this machine; everything else needs https://")
    return value.rstrip("/")


def _proxy(value: str) -> str:
    """GRPC core tunnels through plain HTTP proxies only, and sends no password that is not in the URL."""
    if urlsplit(http_proxy(value)).scheme != "http":
        raise ValueError("a proxy is a plain http URL, like http://proxy.example:3128")
    return value.rstrip("/")


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Endpoint = Annotated[str, AfterValidator(_url)]
Location = Annotated[str, AfterValidator(_location)]
Email = Annotated[str, AfterValidator(_email)]


class ServiceAccountKeyAuth(Document):
    """A key of a service account, in the JSON file that Google hands out.

    Attributes:
        method: discriminator.
        file: the file; relative to the configuration's folder.
    """

    method: Literal["service_account_key"]
    file: Path


class WorkloadIdentityAuth(Document):
    """Workload identity federation: a credential configuration file of type ``external_account``.

    Attributes:
        method: discriminator.
        file: the file that ``gcloud iam workload-identity-pools create-cred-config`` writes; its subject token comes
            from a file or a URL, never from a program.
    """

    method: Literal["workload_identity"]
    file: Path


class MetadataServerAuth(Document):
    """The service account of the machine or pod nhisync runs on; used only when it is named here.

    Attributes:
        method: discriminator.
        account: e-mail address of the account, or ``default``.
        endpoint: metadata server, when it is not the usual link-local name.
    """

    method: Literal["metadata_server"]
    account: str = Field(default="default", pattern=r"^[A-Za-z0-9@._-]+$")
    endpoint: str = Field(default="http://metadata.google.internal", pattern=r"^http://[A-Za-z0-9.:\[\]-]+$")


class AccessTokenFileAuth(Document):
    """An access token that something else keeps fresh in a file; read anew when it stops working.

    Attributes:
        method: discriminator.
        file: the file; relative to the configuration's folder.
    """

    method: Literal["access_token_file"]
    file: Path


Auth = Annotated[
    ServiceAccountKeyAuth | WorkloadIdentityAuth | MetadataServerAuth | AccessTokenFileAuth,
    Field(discriminator="method"),
]

Service = Literal[
    "secretmanager", "iam", "iamcredentials", "certificatemanager", "privateca", "cloudresourcemanager", "cloudkms"
]


class GcpSettings(SourceSettings):
    """A source whose items stand in one project.

    Attributes:
        project: project id, or number.
        auth: who nhisync is there.
        locations: where regional secrets, certificates and CA pools are swept; empty = the source's region.
        endpoint: one URL for all services (private endpoints, emulators); None = Google's own.
        endpoints: service → URL; goes before `endpoint`.
        regional_endpoints: location → URL of its Secret Manager; None named = Google's own.
        ca_file: PEM bundle for calls and for tokens alike, instead of certifi's.
        proxy: HTTP proxy for calls and tokens; None = HTTPS_PROXY and NO_PROXY as gRPC and requests read them.
        workers: single reads at the same time.
        timeout: limit of one call, connection included.
        attempts: most attempts of one read.
        current: the version that applications read: ``latest`` (the newest one, whatever its state) or ``enabled`` (the
            newest one that works).
        alias: version alias that applications read; goes before `current` for secrets that have it.
        owner_label: label or annotation that names an item's owner, compared without letter case.
        inherited: rights are read with what folders and organisation grant and deny; False = the project alone.
        groups: Google group → service accounts that are in it, for the comparison of rights: IAM does not tell.
    """

    project: Annotated[str, AfterValidator(_project)]
    auth: Auth
    locations: tuple[Location, ...] = ()
    endpoint: Endpoint | None = None
    endpoints: dict[Service, Endpoint] = Field(default_factory=dict)
    regional_endpoints: dict[Location, Endpoint] = Field(default_factory=dict)
    ca_file: Path | None = None
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    workers: int = Field(default=8, ge=1, le=64)
    timeout: PositiveDuration = timedelta(seconds=10)
    attempts: int = Field(default=3, ge=1, le=5)
    current: Literal["latest", "enabled"] = "latest"
    alias: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")
    owner_label: str = "owner"
    inherited: bool = True
    groups: dict[Email, tuple[Email, ...]] = Field(default_factory=dict)

    def endpoint_of(self, service: str, location: str = "") -> str:
        """URL of a service; `location` asks for the regional Secret Manager."""
        if location:
            return self.regional_endpoints.get(location, f"https://secretmanager.{location}.rep.googleapis.com")
        named = {str(name): url for name, url in self.endpoints.items()}
        return named.get(service) or self.endpoint or f"https://{service}.googleapis.com"
