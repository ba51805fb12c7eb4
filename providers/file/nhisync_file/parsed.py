"""What a parser may hand on: names, dates and public identifiers, never a value."""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from nhisync.spi import ErrorKind, KeySet, ProviderError, PublicId


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The public facts of one file or mounted folder.

    Attributes:
        fields: names of what it holds; None = cannot be known without opening it.
        secret: whether anyone who reads it learns a secret.
        certificates: in stored order.
        version: the provider's own id of this generation, or None.
        provider_id: public name of the identity it belongs to, or "".
        ids: public identifiers besides those of certificates.
        key_set: published public keys; None = it is no key set.
        rotated: when this generation was made, if the file says so.
        expires: end of validity, if the file says so.
        attributes: further display facts.
    """

    fields: tuple[str, ...] | None
    secret: bool
    certificates: tuple[x509.Certificate, ...] = ()
    version: str | None = None
    provider_id: str = ""
    ids: tuple[PublicId, ...] = ()
    key_set: KeySet | None = None
    rotated: datetime | None = None
    expires: datetime | None = None
    attributes: dict[str, str] = field(default_factory=dict)


def malformed(reason: str, message: str) -> ProviderError:
    """The error of every parser; its message is ours alone and quotes nothing of the file."""
    return ProviderError(ErrorKind.MALFORMED, message, reason=reason)
