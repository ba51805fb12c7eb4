"""Google's resource names, and what a locator's name means in them."""

import re
from dataclasses import dataclass
from itertools import pairwise

from nhisync.spi import ErrorKind, Locator, ProviderError

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_LOCATION = re.compile(r"[a-z][a-z0-9-]{1,62}\Z")
_ID = re.compile(r"[A-Za-z0-9_-]{1,63}\Z")
_EMAIL = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}@[a-z0-9][a-z0-9.-]*\.[a-z]+\Z")
_KEY = re.compile(r"[0-9a-f]{8,64}\Z")
_OWN_DOMAIN = ".iam.gserviceaccount.com"
_REGION = re.compile(r"[a-z]+-[a-z]+\d+\Z")
_KMS = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+\Z")


@dataclass(frozen=True, slots=True)
class SecretName:
    """One secret.

    Attributes:
        id: its id inside project and location.
        location: its location, or "" for a global secret.
    """

    id: str
    location: str = ""

    @classmethod
    def of(cls, locator: Locator) -> "SecretName":
        """What ``secret/ID`` or ``regional-secret/LOCATION/ID`` names.

        Raises:
            ProviderError: MISCONFIGURED, no secret can have this name.
        """
        location, _, id_ = locator.name.partition("/") if locator.kind == "regional-secret" else ("", "", locator.name)
        if not _SECRET.match(id_) or (locator.kind == "regional-secret" and not _LOCATION.match(location)):
            raise _impossible(locator, "letters, digits, - and _, and for regional secrets the location before it")
        return cls(id_, location)

    def resource(self, project: str) -> str:
        """Full resource name."""
        return f"{parent_of(project, self.location)}/secrets/{self.id}"


@dataclass(frozen=True, slots=True)
class AccountName:
    """One service account, or one key of it.

    Attributes:
        email: address of the account.
        key: id of the key, or "".
    """

    email: str
    key: str = ""

    @classmethod
    def of(cls, locator: Locator) -> "AccountName":
        """What ``service-account/EMAIL`` or ``service-account-key/EMAIL[/KEY]`` names.

        Raises:
            ProviderError: MISCONFIGURED, no account can have this name.
        """
        email, slash, key = locator.name.partition("/")
        if not _EMAIL.match(email) or (slash and (locator.kind == "service-account" or not _KEY.match(key))):
            raise _impossible(locator, "the account's e-mail address, for a single key followed by / and its id")
        return cls(email, key)

    def resource(self, project: str) -> str:
        """Full resource name, never with the wildcard ``projects/-``: with it IAM answers 403 where nothing is.

        The address names the project for accounts that users made; others live in `project`.
        """
        domain = self.email.partition("@")[2]
        home = project
        if domain.endswith(_OWN_DOMAIN):
            short, dot, organisation = domain.removesuffix(_OWN_DOMAIN).partition(".")
            home = f"{organisation}:{short}" if dot else short  # domain-scoped projects turn their id around
        account = f"projects/{home}/serviceAccounts/{self.email}"
        return f"{account}/keys/{self.key}" if self.key else account


@dataclass(frozen=True, slots=True)
class CertificateName:
    """One certificate of Certificate Manager, or of a CA pool.

    Attributes:
        location: its location.
        pool: its CA pool, or "" in Certificate Manager.
        id: its id, or "" when it is named by common name.
        common_name: subject common name; the newest certificate of it is meant.
    """

    location: str
    pool: str = ""
    id: str = ""
    common_name: str = ""

    @classmethod
    def of(cls, locator: Locator) -> "CertificateName":
        """What ``certificate/LOCATION/ID`` or ``cas-certificate/LOCATION/POOL/[cn/]NAME`` names.

        Raises:
            ProviderError: MISCONFIGURED, no certificate can have this name.
        """
        location, _, rest = locator.name.partition("/")
        pool, _, name = rest.partition("/") if locator.kind == "cas-certificate" else ("", "", rest)
        common = name.removeprefix("cn/") if locator.kind == "cas-certificate" and name.startswith("cn/") else ""
        good = bool(common) or _ID.match(name)
        if not good or not _LOCATION.match(location) or (locator.kind == "cas-certificate" and not _ID.match(pool)):
            raise _impossible(locator, "LOCATION/ID, in a CA pool LOCATION/POOL/ID or LOCATION/POOL/cn/COMMON_NAME")
        return cls(location, pool, "" if common else name, common)

    def resource(self, project: str) -> str:
        """Full resource name of the certificate, or of the place that holds it when it is named by common name."""
        parent = parent_of(project, self.location)
        parent = f"{parent}/caPools/{self.pool}" if self.pool else parent
        return f"{parent}/certificates/{self.id}" if self.id else parent


def parent_of(project: str, location: str = "") -> str:
    """Name of the project, or of one location of it."""
    return f"projects/{project}/locations/{location}" if location else f"projects/{project}"


def last_of(resource: str) -> str:
    """Last segment. What stands before it is not compared: answers name the project by its number."""
    return resource.rpartition("/")[2]


def segment(resource: str, after: str) -> str:
    """The segment behind the segment `after`, or ""."""
    parts = resource.split("/")
    return next((value for name, value in pairwise(parts) if name == after), "")


def kms_location(resource: str) -> str | None:
    """Location of a KMS key's name, or None for something else."""
    match = _KMS.match(resource)
    return match["location"] if match else None


def is_location(text: str) -> bool:
    """Whether `text` can be a location's id."""
    return _LOCATION.match(text) is not None


def is_region(location: str) -> bool:
    """Whether a location is one region, not ``global`` or a multi-region like ``europe`` (Cloud KMS locations)."""
    return _REGION.match(location) is not None


def _impossible(locator: Locator, rule: str) -> ProviderError:
    return ProviderError(
        ErrorKind.MISCONFIGURED,
        f"no {locator.kind} of Google Cloud can have this name",
        fix=f"Correct the locator: {locator.kind} takes {rule}.",
    )
