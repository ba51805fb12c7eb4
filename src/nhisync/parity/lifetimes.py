"""What it means that a provider tells no end of a credential: it has none, nothing is kept at all, or nobody knows.

Kinds that are not listed hold values of others (a KV secret, a parameter, a file): their store does not know when the
key inside ends, and no end that is known is not "no end".

Compared with the vendors' pages on 2026-11-28. Confirmed: sessions of roles (also: credentials that EC2 hands out for a
role are not subject to MaxSessionDuration), service-specific credentials, secret IDs, Google's access tokens and keys,
Kubernetes tokens. Corrected: tokens of Entra workloads live 24 hours at most, the 28 of before are those of people.
Not found again in the stored pages, so as good as they were: access keys, keys of Key Vault and of transit, Vault
tokens, static database roles, logins of database roles.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Final, NamedTuple

_HOUR: Final = 3_600

NEVER: Final = int(datetime.combine(date.max, time(23, 59, 59), UTC).timestamp())
"""Epoch seconds of the end of the calendar: how a configuration states that there is no end."""


class Minted(NamedTuple):
    """A kind of which nothing is kept: every use rests on what an issuer has just made.

    Attributes:
        longest: seconds that the longest-lived product can live; None = the provider sets no limit.
        product: what the issuer makes, in the plural.
    """

    longest: int | None
    product: str


ENDLESS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        # IAM user guide, "Manage access keys": valid until somebody deactivates or deletes them.
        ("aws", "access-key"): "an access key works until it is deactivated",
        # IAM API, CreateServiceSpecificCredential: "When not specified, the credential will not expire".
        ("aws", "service-credential"): "it was made without an age limit",
        # Vault, "AppRole auth method (API)", secret_id_ttl: zero, the default, allows the secret ID to not expire.
        ("vault", "approle"): "its secret ID was made without a ttl",
        # OpenBao and Vault API, database: a static role's password stays until the server changes it.
        ("vault", "db-static"): "the password stays until the server changes it",
        # OpenBao and Vault, "Tokens": only root tokens have no expire_time.
        ("vault", "token"): "the token was made without a ttl",
        ("vault", "transit"): "keys of transit do not end",
        # Google Cloud blog, "Introducing time-bound key authentication for service accounts": keys by default do not
        # expire; an organisation policy (iam.serviceAccountKeyExpiryHours) ends new ones, uploaded ones have an end.
        ("gcp", "service-account-key"): "the key was made without an end",
        # Key Vault REST API: a key without attributes.exp does not expire.
        ("azure", "key"): "the key was made without an end",
        # PostgreSQL, CREATE ROLE: without VALID UNTIL the password is valid for all time.
        ("postgres", "role"): "the role has no VALID UNTIL",
        # RFC 7517 §5: a set has no dates; a key is accepted as long as it is published.
        ("tls", "jwks"): "a key is accepted as long as the set publishes it",
        ("file", "jwks"): "a key is accepted as long as the set publishes it",
        # RFC 8555 §7.1.2: an account is valid until it is deactivated or revoked.
        ("acme", "account"): "an ACME account is valid until it is deactivated",
    }
)
"""(provider, kind) → why its credential does not end by itself when the provider tells no end."""

MINTED: Final[Mapping[tuple[str, str], Minted]] = MappingProxyType(
    {
        # IAM API, CreateRole and UpdateRole: MaxSessionDuration is 1 to 12 hours; STS AssumeRole asks for no more.
        ("aws", "role"): Minted(12 * _HOUR, "role sessions"),
        # IAM Service Account Credentials API, "Method: projects.serviceAccounts.generateAccessToken", lifetime: one
        # hour, twelve with constraints/iam.allowServiceAccountCredentialLifetimeExtension.
        ("gcp", "service-account"): Minted(12 * _HOUR, "access tokens"),
        # Microsoft Learn, "Continuous access evaluation for workload identities": "long-lived tokens (LLTs) with a
        # lifetime of up to 24 hours"; others live about an hour.
        ("azure", "app-federation"): Minted(24 * _HOUR, "access tokens"),
        # Kubernetes API, TokenRequestSpec.expirationSeconds: the issuer may return another validity than was asked for;
        # the flag --service-account-max-token-expiration of the API server bounds it.
        ("kubernetes", "service-account"): Minted(None, "tokens"),
        # OpenBao and Vault API, database: max_ttl of the role, else of the mount; no upper limit of the product.
        ("vault", "db-dynamic"): Minted(None, "logins"),
    }
)
"""(provider, kind) → what its issuer makes, and how long that lives at most."""
