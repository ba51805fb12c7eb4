"""What a source of provider ``aws`` can be told in the configuration."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from nhisync.spi import Document, Duration, HttpProxy, PositiveDuration, SourceSettings

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+\Z")


def _role_arn(value: str) -> str:
    """A role's full ARN (IAM user guide, "IAM identifiers")."""
    if not _ROLE.match(value):
        raise ValueError("a role is named by its full ARN, like arn:aws:iam::111122223333:role/nhisync")
    return value


def _url(value: str) -> str:
    """An endpoint is scheme and host; a path would silently change signed requests."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("an endpoint is a URL without path, like https://secretsmanager.eu-north-1.amazonaws.com")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("an endpoint holds neither query nor user name")
    return value.rstrip("/")


RoleArn = Annotated[str, AfterValidator(_role_arn)]
Endpoint = Annotated[str, AfterValidator(_url)]


class KeysFileAuth(Document):
    """Long-lived keys in a file of AWS's shared-credentials form.

    Attributes:
        method: discriminator.
        file: the file; relative to the configuration's folder.
        profile: section of the file.
    """

    method: Literal["keys_file"]
    file: Path
    profile: str = "default"


class ProfileAuth(Document):
    """A named profile of AWS's own configuration files, sign-in helpers of that profile included.

    Attributes:
        method: discriminator.
        name: the profile; its own settings only, never the environment.
    """

    method: Literal["profile"]
    name: str


class WebIdentityAuth(Document):
    """A token file of a workload identity (EKS service account and the like).

    Attributes:
        method: discriminator.
        role_arn: role that the token may assume.
        token_file: read anew for every session.
        session_name: shows up in CloudTrail.
        duration: length of one session.
    """

    method: Literal["web_identity"]
    role_arn: RoleArn
    token_file: Path
    session_name: str = "nhisync"
    duration: Duration = timedelta(hours=1)


class InstanceRoleAuth(Document):
    """The role of the machine nhisync runs on, through its metadata service; used only when it is named here.

    Attributes:
        method: discriminator.
        endpoint: metadata service, when it is not the usual link-local address.
    """

    method: Literal["instance_role"]
    endpoint: Endpoint | None = None


BaseAuth = Annotated[
    KeysFileAuth | ProfileAuth | WebIdentityAuth | InstanceRoleAuth,
    Field(discriminator="method"),
]


class AssumeRoleAuth(Document):
    """A role, assumed with credentials that are named too.

    Attributes:
        method: discriminator.
        role_arn: the role; its account is the source's account.
        base: who assumes it; none is taken from the environment.
        external_id: demanded by some trust policies; not a secret by AWS's own words.
        session_name: shows up in CloudTrail.
        duration: length of one session.
    """

    method: Literal["assume_role"]
    role_arn: RoleArn
    base: BaseAuth
    external_id: str | None = None
    session_name: str = "nhisync"
    duration: Duration = timedelta(hours=1)


Auth = Annotated[
    KeysFileAuth | ProfileAuth | WebIdentityAuth | InstanceRoleAuth | AssumeRoleAuth,
    Field(discriminator="method"),
]

SERVICE_CREDENTIALS = (
    "bedrock.amazonaws.com",
    "cassandra.amazonaws.com",
    "codecommit.amazonaws.com",
    "logs.amazonaws.com",
)
"""Services with service-specific credentials (botocore's IAM model, CreateServiceSpecificCredential)."""


class AwsSettings(SourceSettings):
    """A source whose items stand in one account and region.

    Attributes:
        auth: who nhisync is there.
        endpoint: one URL for all services (private clouds, emulators); None = AWS's own regional endpoints.
        endpoints: service → URL, for VPC endpoints; goes before `endpoint`.
        fips: use AWS's FIPS endpoints.
        ca_file: PEM bundle instead of botocore's.
        trust_file: PEM file of the roots that clients of stored certificates trust; None = the operating system's.
        intermediates_file: PEM file of further authorities, so that a missing intermediate is told from a broken chain.
        profile: ``web`` = rules of public authorities; ``private`` = RFC 5280 basics for private ones.
        proxy: proxy for all calls; None = HTTPS_PROXY and NO_PROXY as botocore reads them.
        workers: single reads at the same time, and connections kept per service.
        connect_timeout: limit of one TCP and TLS set-up.
        read_timeout: limit of one silence of the server.
        attempts: most attempts of one read.
        owner_tag: tag that names an item's owner, compared without letter case.
        version_dates: ``wanted`` asks for the dates of a secret's versions where a named pair needs them; ``all`` also
            for items that only templates reach.
        batch_values: value comparison through BatchGetSecretValue (20 at once, needs its own grant).
        service_credentials: services whose service-specific credentials are swept.
    """

    auth: Auth
    endpoint: Endpoint | None = None
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    fips: bool = False
    ca_file: Path | None = None
    trust_file: Path | None = None
    intermediates_file: Path | None = None
    profile: Literal["web", "private"] = "web"
    proxy: HttpProxy | None = None
    workers: int = Field(default=8, ge=1, le=64)
    connect_timeout: PositiveDuration = timedelta(seconds=3)
    read_timeout: PositiveDuration = timedelta(seconds=10)
    attempts: int = Field(default=3, ge=1, le=5)
    owner_tag: str = "owner"
    version_dates: Literal["wanted", "all"] = "wanted"
    batch_values: bool = False
    service_credentials: tuple[str, ...] = SERVICE_CREDENTIALS

    def endpoint_of(self, service: str) -> str | None:
        """The configured URL of a service, or None for AWS's own."""
        return self.endpoints.get(service, self.endpoint)
