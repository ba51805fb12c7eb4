"""Path building (RFC 5280 §6) with `cryptography.x509.verification`, asked so that each answer means one thing.

The library says only "no path"; its error text is not an API and is never read. Why there is no path is found by
asking again with one thing changed: more intermediates, another instant, a laxer profile.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from .facts import PARSE_ERRORS, extension, text

_SECOND = timedelta(seconds=1)
_MOST_BREAKS = 8


class Profile(StrEnum):
    """Which certificates a path may consist of."""

    WEB = "web"  # CA/Browser Forum rules, as browsers and public clients enforce them
    PRIVATE = "private"  # RFC 5280 basics only: many private roots lack key usage or critical constraints


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a path may end in and pass through.

    Attributes:
        roots: trust anchors. Nothing else may stand here: any certificate in the verifier's store ends a path, so an
            intermediate among them would hide that it is not served.
        intermediates: authorities known beside the served ones.
        profile: rules for the certificates.
    """

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    profile: Profile = Profile.WEB


def build(
    leaf: x509.Certificate, others: Iterable[x509.Certificate], trust: Trust, now: datetime
) -> tuple[x509.Certificate, ...]:
    """The path from `leaf` over `others` to a root, leaf first, root last; empty when there is none at `now`.

    The name is left out of the question: the path is built for a name of the leaf itself (`covers` asks the rest).
    """
    subject = _own_subject(leaf)
    if subject is None or not trust.roots:
        return ()
    return _verify(leaf, others, trust.roots, trust.profile, now, subject)


def covers(leaf: x509.Certificate, name: str) -> bool | None:
    """Whether `leaf` is for `name` (RFC 9525); None = its extensions do not let the verifier decide.

    The library matches names only while verifying, so the leaf is verified as its own anchor.
    """
    subject, own = subject_of(name), _own_subject(leaf)
    if subject is None or own is None:
        return False
    instant = leaf.not_valid_before_utc
    if _verify(leaf, (), (leaf,), Profile.PRIVATE, instant, subject, judge_usage=False):
        return True
    judged = _verify(leaf, (), (leaf,), Profile.PRIVATE, instant, own, judge_usage=False)
    return False if judged else None


def holds_until(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, now: datetime
) -> tuple[datetime, x509.Certificate] | None:
    """The last instant at which the path still builds, and the certificate that ends it; None = it does not build now.

    When a certificate of the path ends, another path (a cross-signed one) may take over; that is followed.
    """
    instant, ending = now, None
    for _ in range(_MOST_BREAKS):
        path = build(leaf, others, trust, instant)
        if not path:
            break
        ending = min(path, key=lambda certificate: certificate.not_valid_after_utc)
        instant = ending.not_valid_after_utc + _SECOND
    return None if ending is None else (ending.not_valid_after_utc, ending)


def explain(leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, now: datetime) -> str:
    """Why `build` found no path from the served certificates, as one clause in our words."""
    if not trust.roots:
        return "no root is configured"
    if _own_subject(leaf) is None:
        return "the leaf names no server in a subject alternative name"
    known = (*others, *trust.intermediates)
    if trust.intermediates and build(leaf, known, trust, now):
        return "an intermediate is not served (it is known here)"
    if not_now := _wrong_time(leaf, known, trust, now):
        return not_now
    lax = Trust(roots=trust.roots, profile=Profile.PRIVATE)
    if trust.profile is Profile.WEB and build(leaf, known, lax, now):
        return "the path builds only under the profile private (it breaks rules of public authorities)"
    if not _for_servers(leaf):
        return "the leaf is not for servers (extended key usage)"
    if leaf.subject == leaf.issuer and leaf not in trust.roots:
        return "self-signed, and not a configured root"
    return "no path to a configured root"


def subject_of(name: str) -> x509.DNSName | x509.IPAddress | None:
    """`name` as the verifier wants it; None when it is no name for a server."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        return None


def _own_subject(leaf: x509.Certificate) -> x509.DNSName | x509.IPAddress | None:
    """A name that `leaf` itself claims; a wildcard stands for one made-up label."""
    names = extension(leaf, x509.SubjectAlternativeName)
    if names is None:
        return None
    for name in names.get_values_for_type(x509.DNSName):
        subject = subject_of(f"nhisync{name[1:]}" if name.startswith("*.") else name)
        if subject is not None:
            return subject
    addresses = names.get_values_for_type(x509.IPAddress)
    return subject_of(str(addresses[0])) if addresses else None


def _verify(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    profile: Profile,
    now: datetime,
    subject: x509.DNSName | x509.IPAddress,
    *,
    judge_usage: bool = True,
) -> tuple[x509.Certificate, ...]:
    """One call of the library; every refusal is an empty path."""
    builder = PolicyBuilder().store(Store(list(anchors))).time(now)
    if profile is Profile.PRIVATE:
        authority, end = _private_policies(judge_usage=judge_usage)
        builder = builder.extension_policies(ca_policy=authority, ee_policy=end)
    try:
        return tuple(builder.build_server_verifier(subject).verify(leaf, list(others)))
    except (VerificationError, *PARSE_ERRORS):
        return ()


def _private_policies(*, judge_usage: bool) -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """What even a private path must hold: CA flag, certificate signing when usages are given, server usage, names."""
    authority = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _must_sign)
    )
    end = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    if judge_usage:
        authority = authority.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _must_serve)
        end = end.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _must_serve)
    return authority, end


def _must_sign(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    """Validator: an authority with key usage needs certificate signing (RFC 5280 §4.2.1.3)."""
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("no certificate signing")


def _must_serve(_: Policy, __: x509.Certificate, usages: x509.ExtendedKeyUsage | None) -> None:
    """Validator: extended key usage, when present, must admit servers (RFC 5280 §4.2.1.12)."""
    if usages is not None and not _admits_servers(usages):
        raise ValueError("not for servers")


def _admits_servers(usages: x509.ExtendedKeyUsage) -> bool:
    return bool({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages))


def _for_servers(leaf: x509.Certificate) -> bool:
    usages = extension(leaf, x509.ExtendedKeyUsage)
    return usages is None or _admits_servers(usages)


def _wrong_time(leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, now: datetime) -> str:
    """Which certificate is outside its validity, when the path would build at another instant; else ""."""
    instants = {
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
        max(c.not_valid_before_utc for c in (leaf, *others)),
        min(c.not_valid_after_utc for c in (leaf, *others)),
    }
    path = next((found for at in sorted(instants) if (found := build(leaf, others, trust, at))), ())
    clauses = [clause for certificate in path if (clause := _validity(certificate, now))]
    return "; ".join(clauses)


def _validity(certificate: x509.Certificate, now: datetime) -> str:
    """``expired …`` or ``not valid before …`` with the certificate's common name, or "" when it is valid."""
    if certificate.not_valid_after_utc < now:
        return f"{_short(certificate)} expired {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    if certificate.not_valid_before_utc > now:
        return f"{_short(certificate)} is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def _short(certificate: x509.Certificate) -> str:
    """The common name, or the whole subject when there is none."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return text(str(names[0].value) if names else certificate.subject.rfc4514_string())
