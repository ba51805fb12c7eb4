"""Revocation by list (RFC 5280 §5 and §6.3), from lists that were given: nothing is fetched.

A list counts only for what it claims to cover: complete, numbered lists of the certificate's own issuer. Delta and
indirect lists and lists of some reasons alone are left aside, as is everything with a critical extension that is not
known here; then the status is unknown, never good.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from nhisync.model import Revocation
from nhisync.spi.x509.facts import PARSE_ERRORS, extension, text
from nhisync.spi.x509.views import RevocationLists

_KNOWN = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})
"""Extensions of lists that may be critical."""


def revocation(path: Sequence[x509.Certificate], given: RevocationLists, now: datetime) -> Revocation:
    """What `given` says of a path.

    Args:
        path: leaf first, each followed by its issuer, up to the root, which nobody can revoke.
        given: the configured lists.
        now: the instant at which a list must be current, aware UTC.

    Returns:
        The first revoked certificate and the first without an answer, from the leaf up, and the end of the answers.
    """
    now = now.replace(microsecond=0)  # the last second of a list belongs to it as a whole
    revoked, missing, ends = "", "", list[tuple[datetime, str]]()
    for certificate, issuer in pairwise(path):
        newest = max(_current(certificate, issuer, given.lists, now), key=_begins, default=None)
        if newest is None or newest.next_update_utc is None:
            missing = missing or _why_not(certificate, issuer, given, now)
            continue
        entry = newest.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None and not revoked:  # whatever its reason: a hold is a revocation, too (§5.3.1)
            revoked = f"{_told(certificate)} is revoked since {entry.revocation_date_utc:%Y-%m-%dT%H:%M:%SZ}"
        ends.append((newest.next_update_utc, text(issuer.subject.rfc4514_string())))
    if path[-1].subject != path[-1].issuer:  # a chain that ends in the middle of nowhere
        missing = missing or f"the issuer of {_told(path[-1])} is not known"
    until, who = min(ends, default=(None, ""))
    return Revocation(revoked=revoked, unknown=missing, until=None if missing else until, issuer=who)


def _current(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[x509.CertificateRevocationList],
    now: datetime,
) -> Iterator[x509.CertificateRevocationList]:
    """The lists that answer for `certificate` at `now`."""
    for one in lists:
        end = one.next_update_utc
        current = one.issuer == issuer.subject and end is not None and one.last_update_utc <= now <= end
        if current and _signed(one, issuer) and _covers(one, certificate):
            yield one


def _signed(one: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether `issuer` may sign lists (RFC 5280 §4.2.1.3) and signed this one."""
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    try:
        return one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # other key types raise
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def _covers(one: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether the list is complete for `certificate`: no delta, nothing critical that is not known, its own part."""
    try:
        extensions = one.extensions
    except PARSE_ERRORS:
        return False
    if any(found.critical and found.oid not in _KNOWN for found in extensions):
        return False
    if not any(isinstance(found.value, x509.CRLNumber) for found in extensions):
        return False  # RFC 5280 §5.2.3: without it nobody can tell a list from an older one
    parts = [found.value for found in extensions if isinstance(found.value, x509.IssuingDistributionPoint)]
    return all(_in_part(part, certificate) for part in parts)


def _in_part(part: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    """Whether `certificate` belongs to the part of all certificates for which the list is (RFC 5280 §5.2.5)."""
    if part.indirect_crl or part.only_some_reasons or part.only_contains_attribute_certs or part.relative_name:
        return False
    constraints = extension(certificate, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    if (part.only_contains_ca_certs and not is_ca) or (part.only_contains_user_certs and is_ca):
        return False
    return part.full_name is None or bool(set(part.full_name) & set(_points(certificate)))


def _points(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    """Where the certificate says its list is; only compared, never asked."""
    points = extension(certificate, x509.CRLDistributionPoints)
    for point in points or ():
        yield from point.full_name or ()


def _begins(one: x509.CertificateRevocationList) -> datetime:
    return one.last_update_utc


def _why_not(certificate: x509.Certificate, issuer: x509.Certificate, given: RevocationLists, now: datetime) -> str:
    """Why no list answers for `certificate`, as one clause."""
    own = [one for one in given.lists if one.issuer == issuer.subject]
    if not own:
        return given.problem or f"no list of {_told(issuer)} is configured"
    ended = [one.next_update_utc for one in own if one.next_update_utc and one.next_update_utc < now]
    if len(ended) == len(own):
        return f"the list of {_told(issuer)} ended {max(ended):%Y-%m-%dT%H:%M:%SZ}"
    return f"no usable list of {_told(issuer)} covers {_told(certificate)}"


def _told(certificate: x509.Certificate) -> str:
    """The whole subject, fit for a terminal."""
    return text(certificate.subject.rfc4514_string()) or f"serial {certificate.serial_number:x}"
