"""Path building (RFC 5280 §6) with `cryptography.x509.verification`, asked so that each answer means one thing.

The library says only "no path"; its error text is not an API and is never read. Why there is no path is found by
asking again with one thing changed: more intermediates, another instant, a laxer profile.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

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

from nhisync.spi.x509.facts import PARSE_ERRORS, extension, text


class Profile(StrEnum):
    """Which certificates a path may consist of."""

    WEB = "web"  # CA/Browser Forum rules, as browsers and public clients enforce them
    PRIVATE = "private"  # RFC 5280 basics only: many private roots lack key usage or critical constraints


class Purpose(StrEnum):
    """What the leaf is wanted for."""

    SERVER = "server"
    CLIENT = "client"


_USAGE = MappingProxyType(
    {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a path may end in and pass through.

    Attributes:
        roots: trust anchors. Nothing else may stand here: any certificate in the verifier's store ends a path, so an
            intermediate among them would hide that it is not served.
        intermediates: authorities known beside the served ones.
        profile: rules for the certificates.
        public: the roots are those that the operating system ships, hence of public authorities.
    """

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    profile: Profile = Profile.WEB
    public: bool = False


def build(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    trust: Trust,
    now: datetime,
    purpose: Purpose = Purpose.SERVER,
) -> tuple[x509.Certificate, ...]:
    """The path from `leaf` over `others` to a root, leaf first, root last; empty when there is none at `now`.

    A server's name is left out of the question: the path is built for a name of the leaf itself (`covers` asks the
    rest). Clients need no name (RFC 5280 demands one only for an empty subject).
    """
    subject = _own_subject(leaf) if purpose is Purpose.SERVER else None
    if not trust.roots or (purpose is Purpose.SERVER and subject is None):
        return ()
    return _verify(leaf, others, trust.roots, now, subject, _policies(trust.profile, purpose))


def covers(leaf: x509.Certificate, name: str) -> bool | None:
    """Whether `leaf` is for `name` (RFC 9525); None = its extensions do not let the verifier decide.

    The library matches names only while verifying, so the leaf is verified as its own anchor.
    """
    subject, own = subject_of(name), _own_subject(leaf)
    if subject is None or own is None:
        return False
    policies, instant = _policies(Profile.PRIVATE, Purpose.SERVER, judge_usage=False), leaf.not_valid_before_utc
    if _verify(leaf, (), (leaf,), instant, subject, policies):
        return True
    return False if _verify(leaf, (), (leaf,), instant, own, policies) else None


def purpose_of(leaf: x509.Certificate) -> Purpose:
    """What a stored certificate is for: a server's names a server and admits it, everything else that may, a client."""
    usages = extension(leaf, x509.ExtendedKeyUsage)
    if _own_subject(leaf) is not None and _admits(usages, Purpose.SERVER):
        return Purpose.SERVER
    return Purpose.CLIENT if _admits(usages, Purpose.CLIENT) else Purpose.SERVER


def explain(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    trust: Trust,
    now: datetime,
    purpose: Purpose = Purpose.SERVER,
) -> str:
    """Why `build` found no path from the served certificates, as one clause in our words."""
    if not trust.roots:
        return "no root is configured"
    if purpose is Purpose.SERVER and _own_subject(leaf) is None:
        return "the leaf names no server in a subject alternative name"
    known = (*others, *trust.intermediates)
    if trust.intermediates and build(leaf, known, trust, now, purpose):
        return "an intermediate is not served (it is known here)"
    if not_now := _wrong_time(leaf, known, trust, now, purpose):
        return not_now
    lax = Trust(roots=trust.roots, profile=Profile.PRIVATE)
    if trust.profile is Profile.WEB and build(leaf, known, lax, now, purpose):
        return "the path builds only under the profile private (it breaks rules of public authorities)"
    return _shape_of(leaf, (*known, *trust.roots), trust, purpose)


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


_Policies = tuple[ExtensionPolicy, ExtensionPolicy]
"""Rules for authorities, rules for the leaf."""


def _verify(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
    subject: x509.DNSName | x509.IPAddress | None,
    policies: _Policies,
) -> tuple[x509.Certificate, ...]:
    """One call of the library, for a server when there is a subject; every refusal is an empty path."""
    builder = PolicyBuilder().store(Store(list(anchors))).time(now)
    builder = builder.extension_policies(ca_policy=policies[0], ee_policy=policies[1])
    try:
        if subject is None:
            return tuple(builder.build_client_verifier().verify(leaf, list(others)).chain)
        return tuple(builder.build_server_verifier(subject).verify(leaf, list(others)))
    except (VerificationError, *PARSE_ERRORS):
        return ()


def _policies(profile: Profile, purpose: Purpose, *, judge_usage: bool = True) -> _Policies:
    """Extension rules of a profile: the library's own for the web, a short list for private authorities."""
    if profile is Profile.PRIVATE:
        return _private_policies(purpose, judge_usage=judge_usage)
    authority, end = ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.webpki_defaults_ee()
    return authority, _nameless(end) if purpose is Purpose.CLIENT else end


def _nameless(policy: ExtensionPolicy) -> ExtensionPolicy:
    """Clients may have no subject alternative name; the library's defaults want one of everybody."""
    return policy.may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)


def _private_policies(purpose: Purpose, *, judge_usage: bool) -> _Policies:
    """What even a private path must hold: CA flag, certificate signing and purpose when usages are given, names."""

    def must_admit(_: Policy, __: x509.Certificate, usages: x509.ExtendedKeyUsage | None) -> None:
        """Validator: extended key usage, when present, must admit the purpose (RFC 5280 §4.2.1.12)."""
        if not _admits(usages, purpose):
            raise ValueError("not for this purpose")

    authority = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _must_sign)
    )
    end = ExtensionPolicy.permit_all()
    if purpose is Purpose.CLIENT:
        end = _nameless(end)
    else:
        end = end.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    if judge_usage:
        authority = authority.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, must_admit)
        end = end.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, must_admit)
    return authority, end


def _must_sign(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    """Validator: an authority with key usage needs certificate signing (RFC 5280 §4.2.1.3)."""
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("no certificate signing")


def _admits(usages: x509.ExtendedKeyUsage | None, purpose: Purpose) -> bool:
    """Whether usages admit the purpose; no extension, and anyExtendedKeyUsage, admit all."""
    return usages is None or bool({_USAGE[purpose], ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages))


def _shape_of(leaf: x509.Certificate, authorities: Sequence[x509.Certificate], trust: Trust, purpose: Purpose) -> str:
    """What about the certificates themselves keeps a path from building, whatever the instant."""
    if not _admits(extension(leaf, x509.ExtendedKeyUsage), purpose):
        return f"the leaf is not for {purpose.value}s (extended key usage)"
    if any(map(_constrains_otherwise, authorities)):
        return "an authority has name constraints of a kind that is not judged here (only DNS names and addresses are)"
    if leaf.subject == leaf.issuer and leaf not in trust.roots:
        return "self-signed, and not a configured root"
    return "no path to a configured root"


def _constrains_otherwise(authority: x509.Certificate) -> bool:
    """Whether it constrains other names than DNS names and addresses; the library refuses what it cannot judge."""
    constraints = extension(authority, x509.NameConstraints)
    if constraints is None:
        return False
    trees = (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ()))
    return any(not isinstance(tree, x509.DNSName | x509.IPAddress) for tree in trees)


def _wrong_time(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, now: datetime, purpose: Purpose
) -> str:
    """Which certificate is outside its validity, when the path would build at another instant; else ""."""
    instants = {
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
        max(c.not_valid_before_utc for c in (leaf, *others)),
        min(c.not_valid_after_utc for c in (leaf, *others)),
    }
    path = next((found for at in sorted(instants) if (found := build(leaf, others, trust, at, purpose))), ())
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
