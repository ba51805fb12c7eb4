"""Which plane of its life an identity needs something on: to be read, issued, rotated, or to authenticate.

The plane that rotates is not the plane that authenticates: in an outage a credential may work for days while nobody
can change it. What providers document about their planes is data here, each with its page.

Compared with the vendors' pages on 2026-11-28:

- AWS: "Resilience in AWS Identity and Access Management" (one control plane for all commercial Regions, in US East
  (N. Virginia); a read-only data plane in each Region), and the whitepaper "AWS Fault Isolation Boundaries",
  appendix A: STS is a data plane alone and does not need the control plane, so that sessions of roles go on.
- Azure: "Azure Key Vault availability and redundancy" (during a failover a vault is in read-only mode: list, get,
  encrypt, decrypt, wrap, unwrap, sign, verify, backup). Failover exists for most paired regions only; Brazil South and
  West US 3 have none, and then nothing at all is answered.
- Not confirmed: that IAM of Google and Microsoft Entra have one fault domain of their own. Both are described as global
  and replicated, neither page says what a region's loss takes along; `gcp/global` and `azure/global` say no more
  than that no region of a path is meant. The pages named below are the nearest.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from nhisync.parity.lifetimes import MINTED


class Plane(StrEnum):
    """What for something is needed."""

    READ = "read"
    ISSUE = "issue"
    ROTATE = "rotate"
    AUTHENTICATE = "authenticate"


class Service(NamedTuple):
    """A part of a provider that a kind of identity rests on besides its own source.

    Attributes:
        name: for a person.
        planes: what for.
        domain: where it runs; None = where the source does.
        note: what its vendor says about it.
        source: the vendor's page.
    """

    name: str
    planes: tuple[Plane, ...]
    domain: str | None
    note: str
    source: str


_MADE: Final = (Plane.ISSUE, Plane.ROTATE)
_IAM_PAGE: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide/disaster-recovery-resiliency.html"
_STS_PAGE: Final = (
    "https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/"
    "appendix-a---partitional-service-guidance.html"
)
_IAM_CONTROL: Final = Service(
    "AWS IAM control plane",
    _MADE,
    "aws/us-east-1",
    "one control plane for all commercial Regions",
    _IAM_PAGE,
)
_IAM_DATA: Final = Service(
    "AWS IAM data plane",
    (Plane.AUTHENTICATE,),
    None,
    "every Region answers from a read-only replica",
    _IAM_PAGE,
)
_IAM: Final = (_IAM_CONTROL, _IAM_DATA)
_IAM_ROLE: Final = (
    _IAM_CONTROL._replace(planes=(Plane.ROTATE,)),
    _IAM_DATA,
    Service("AWS STS", (Plane.ISSUE,), None, "sessions are made without the control plane of IAM", _STS_PAGE),
)
_KEY_VAULT: Final = (
    Service(
        "Key Vault writes",
        _MADE,
        None,
        "after a failover to the paired region the vault is read-only",
        "https://learn.microsoft.com/azure/key-vault/general/disaster-recovery-guidance",
    ),
)
_ENTRA: Final = (
    Service(
        "Microsoft Entra ID",
        (*_MADE, Plane.AUTHENTICATE),
        "azure/global",
        "one directory for all regions",
        "https://learn.microsoft.com/entra/architecture/architecture",
    ),
)
_GOOGLE: Final = (
    Service(
        "Google Cloud IAM",
        (*_MADE, Plane.AUTHENTICATE),
        "gcp/global",
        "a global service",
        "https://cloud.google.com/docs/geography-and-regions",
    ),
)

SERVICES: Final[Mapping[tuple[str, str], tuple[Service, ...]]] = MappingProxyType(
    {
        **dict.fromkeys((("aws", k) for k in ("access-key", "server-certificate", "service-credential")), _IAM),
        ("aws", "role"): _IAM_ROLE,
        **dict.fromkeys((("azure", kind) for kind in ("certificate", "key", "secret")), _KEY_VAULT),
        **dict.fromkeys(
            (("azure", k) for k in ("app-certificate", "app-federation", "app-secret", "sp-certificate", "sp-secret")),
            _ENTRA,
        ),
        **dict.fromkeys((("gcp", kind) for kind in ("service-account", "service-account-key")), _GOOGLE),
    }
)
"""(provider, kind) → services besides its source."""

NO_COMMERCIAL: Final = ("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")
"""Beginnings of AWS regions outside the commercial partition; the table does not tell where their IAM is controlled."""

_CHECKED_HERE: Final = frozenset(
    {
        ("kubernetes", "service-account"),
        ("kubernetes", "service-account-token"),
        ("postgres", "role"),
        ("tls", "tls"),
        ("vault", "approle"),
        ("vault", "token"),
    }
)
"""Kinds whose logins the source itself checks."""

_NOT_KEPT: Final = frozenset(
    {
        ("acme", "account"),
        ("aws", "access-key"),
        ("aws", "role"),
        ("aws", "service-credential"),
        ("azure", "app-certificate"),
        ("azure", "app-federation"),
        ("azure", "app-secret"),
        ("azure", "sp-certificate"),
        ("azure", "sp-secret"),
        ("gcp", "service-account"),
        ("gcp", "service-account-key"),
        ("kubernetes", "service-account"),
        ("postgres", "role"),
        ("tls", "tls"),
        ("vault", "approle"),
        ("vault", "db-dynamic"),
        ("vault", "token"),
    }
)
"""Kinds whose value nobody can read from the source: it has a record of them, their holder has the value."""

_DEPENDENCIES: Final[Mapping[str, tuple[Plane, ...]]] = MappingProxyType(
    {
        "identity-provider": (Plane.AUTHENTICATE,),
        "issuer": _MADE,
        "kms-key": (Plane.READ, Plane.ROTATE),
        "managed-rotation": (Plane.ROTATE,),
        "master-secret": (Plane.ROTATE,),
        "mount": (Plane.READ, Plane.ROTATE),
        "queue": (Plane.ROTATE,),
        "replica": (Plane.ROTATE,),
        "replica-key": (Plane.ROTATE,),
        "replica-source": (Plane.ROTATE,),
        "rotation-function": (Plane.ROTATE,),
        "rotation-topic": (Plane.ROTATE,),
    }
)
"""Kind of dependency → what it is needed for."""


def source_planes(provider: str, kind: str) -> tuple[Plane, ...]:
    """What an item needs its own source for; empty = for nothing, its provider's services do it all."""
    elsewhere = {plane for service in SERVICES.get((provider, kind), ()) for plane in service.planes}
    planes = [] if (provider, kind) in _NOT_KEPT else [Plane.READ]
    if Plane.ROTATE not in elsewhere:
        planes += [Plane.ISSUE] if (provider, kind) in MINTED or kind == "pki" else [Plane.ROTATE]
    if (provider, kind) in _CHECKED_HERE:
        planes.append(Plane.AUTHENTICATE)
    return tuple(planes)


def dependency_planes(provider: str, kind: str, dependency: str) -> tuple[Plane, ...]:
    """What an item of `kind` needs a dependency for; empty = not known.

    Where nothing is kept of a credential, every login needs what its issuer has just made.
    """
    planes = _DEPENDENCIES.get(dependency, ())
    if dependency in {"issuer", "master-secret"} and (provider, kind) in MINTED:
        return (Plane.ISSUE, Plane.AUTHENTICATE)
    return planes
