"""What stored certificates are verified with: the roots that their clients trust."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256

from nhisync.spi import ProviderError, SourceContext
from nhisync.spi.x509 import Loaded, Profile, Trust, load_trust
from nhisync_aws.settings import AwsSettings

CERTIFICATE_KINDS = frozenset({"certificate", "server-certificate"})
"""Kinds whose chains are verified."""

NO_ROOTS = "no root certificate is configured, and the operating system offers none"


@dataclass(frozen=True, slots=True)
class Judging:
    """How chains are judged in one run.

    Attributes:
        trust: roots, intermediates and profile; None = chains are described only.
        problem: why there is no trust, or "".
        mark: changes with the trust, so that a chain is verified again when its roots are others.
    """

    trust: Trust | None
    problem: str
    mark: str


def load(settings: AwsSettings, context: SourceContext) -> Loaded:
    """The configured trust, or the operating system's.

    Raises:
        ProviderError: MISCONFIGURED, when a file cannot be used.
    """
    trust = context.file(settings.trust_file) if settings.trust_file else None
    known = context.file(settings.intermediates_file) if settings.intermediates_file else None
    return load_trust(trust, known, Profile(settings.profile))


def judging(settings: AwsSettings, context: SourceContext) -> Judging:
    """How this run judges chains; trust that cannot be used is a reason for "not verified", not the end of a run."""
    try:
        trust = load(settings, context).trust
    except ProviderError as failure:
        return Judging(None, failure.message, failure.message)
    if not trust.roots:
        return Judging(None, NO_ROOTS, NO_ROOTS)
    prints = sorted(one.fingerprint(SHA256()).hex() for one in (*trust.roots, *trust.intermediates))
    return Judging(trust, "", " ".join((trust.profile.value, *prints)))
