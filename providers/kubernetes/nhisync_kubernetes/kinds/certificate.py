"""Kind ``certificate``: cert-manager Certificates, judged by dates, renewal and failed attempts.

Ready stays True while a renewal hangs beyond the end (cert-manager#3941), and the backoff after a failure takes Issuing
back to False (``pkg/controller/certificates/issuing``), so neither says that the renewal works. Ready False is
believed where it says that nobody can serve what the Secret holds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256

from nhisync.spi import CredentialState, Item, Lifecycle, Moment, PublicId, Rotation, parse_duration
from nhisync.spi.x509 import Profile, Trust, chain_facts, is_root, public_ids, purpose_of
from nhisync_kubernetes.api import Object
from nhisync_kubernetes.issuance import Signed, condition_of, issuer, ready, signed
from nhisync_kubernetes.metadata import Meta, attributes, instant, mapping, number, short, word
from nhisync_kubernetes.run import Run
from nhisync_kubernetes.settings import KubernetesSettings

_DEFAULT_LIFETIME = timedelta(days=90)
_USABLE = frozenset({"Expired", "InvalidCertificateRequest", "RequestChanged", "WindowError"})
"""Reasons of Ready False that leave key and certificate of the Secret usable as far as their dates say; with others
(``DoesNotExist``, ``MissingData``, ``InvalidKeyPair``, ``InvalidCertificate``) nobody can serve it.
Source: cert-manager ``internal/controller/certificates/policies/policies.go``, ``NewReadinessPolicyChain``."""
EXPOSED = "the keystore's password stands in the Certificate itself"


@dataclass(frozen=True, slots=True)
class _Status:
    """A Certificate's status, typed.

    Attributes:
        begins: start of validity of what is in the Secret, None = nothing was issued.
        ends: its end.
        renewal: when cert-manager will renew, None = it will not.
        revision: in force, 0 = none yet.
        failures: failed attempts since the last success.
        failed: the last failure.
        issuing: since when an issuance runs, None = none does.
        unusable: cert-manager found that nobody can serve what the Secret holds.
    """

    begins: datetime | None
    ends: datetime | None
    renewal: datetime | None
    revision: int
    failures: int
    failed: datetime | None
    issuing: datetime | None
    unusable: bool

    @classmethod
    def of(cls, found: Mapping[str, Any], created: datetime | None) -> "_Status":
        raw = mapping(found.get("status"))
        begun = instant(condition_of(found, "Issuing").get("lastTransitionTime"))
        return cls(
            begins=instant(raw.get("notBefore")),
            ends=instant(raw.get("notAfter")),
            renewal=instant(raw.get("renewalTime")),
            revision=number(raw.get("revision")) or 0,
            failures=number(raw.get("failedIssuanceAttempts")) or 0,
            failed=instant(raw.get("lastFailureTime")),
            issuing=(begun or created) if ready(found, "Issuing") else None,
            unusable=ready(found) is False and word(condition_of(found, "Ready").get("reason")) not in _USABLE,
        )

    def state(self, now: datetime) -> CredentialState:
        """NIST SP 800-57 state of what is in the Secret."""
        if self.begins is None or self.ends is None or now < self.begins:
            return CredentialState.PRE_ACTIVATION
        if now > self.ends:
            return CredentialState.DEACTIVATED
        return CredentialState.SUSPENDED if self.unusable else CredentialState.ACTIVE

    def pending(self, created: datetime | None) -> datetime | None:
        """Since when an issuance is unfinished: it runs, or it failed and will be tried again.

        A first issuance began with the object, a renewal at its time, anything else not later than it failed.
        """
        if not self.failures and self.failed is None:
            return self.issuing
        first = created if self.ends is None else self.renewal
        known = [one for one in (self.issuing, self.failed) if one is not None]
        if first is not None and (not known or first <= min(known)):
            return first
        return min(known, default=None)


class CertificateKind:
    """Kind ``certificate``."""

    name = "certificate"
    metadata = False
    fans_out = True

    def fields(self, settings: KubernetesSettings) -> str:  # noqa: ARG002 - the protocol's
        """The whole collection."""
        return ""

    def marker(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> str:
        """Every change of the object, of its state by the clock, of its issuer, and of the roots that verify it."""
        if not meta.marker:
            return ""
        parts = [meta.marker, _Status.of(found, meta.created).state(run.now()).value]
        if deep:
            needed = issuer(run, meta.namespace, mapping(found.get("spec")))
            parts += [str(needed.usable), needed.detail, run.once("roots", lambda: _mark(run.trust))]
        return "/".join(parts)

    def item(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> Item:
        """Dates, renewal and, where a pair names it, issuer and chain."""
        spec, status = mapping(found.get("spec")), _Status.of(found, meta.created)
        chain = _chain(run, meta, status) if deep else Signed()
        pending = status.pending(meta.created)
        renewing = status.issuing is not None and not status.failures
        return run.item(
            self.name,
            meta,
            *_ids(chain),
            lifecycle=Lifecycle.OWN,
            state=CredentialState.DEACTIVATED if meta.deleting else status.state(run.now()),
            version=str(status.revision) if status.revision else None,
            rotated=_moment(status.begins) if status.revision > 1 else None,
            not_before=_moment(status.begins),
            expires=_moment(status.ends),
            next_rotation=None if renewing else _moment(status.renewal),
            rotation=Rotation(
                enabled=not _disabled(spec),
                interval=_interval(spec, status),
                mechanism="cert-manager",
                pending_since=pending,
                pending_version=str(status.revision + 1) if pending else None,
            ),
            dependencies=(issuer(run, meta.namespace, spec),) if deep else (),
            chain=_described(run, chain) if chain.chain else None,
            exposure=EXPOSED if _password_inside(spec) else "",
            marker=self.marker(run, found, meta, deep=deep),
            attributes=attributes(
                chain_not_read=chain.why,
                copied_into_annotation=meta.last_applied,
                failed_attempts=status.failures,
                issuing=short(condition_of(found, "Issuing").get("reason")),
                key_rotation=short(mapping(spec.get("privateKey")).get("rotationPolicy")),
                last_failure=status.failed,
                not_ready=short(condition_of(found, "Ready").get("reason")) if ready(found) is False else "",
                ready="no" if ready(found) is False else ready(found),
                secret=short(spec.get("secretName")),
                **_ari(found),
            ),
        )


def _chain(run: Run, meta: Meta, status: _Status) -> Signed:
    if status.ends is None or not status.revision:
        return Signed(why="nothing was issued yet")
    return signed(run, meta.namespace, meta.name, status.revision, status.ends)


def _mark(trust: Trust | None) -> str:
    """Changes with the configured roots and what else is known."""
    if trust is None:
        return ""
    prints = sorted(one.fingerprint(SHA256()).hex() for one in (*trust.roots, *trust.intermediates))
    return hashlib.sha256(" ".join((trust.profile.value, *prints)).encode()).hexdigest()[:16]


def _ids(found: Signed) -> tuple[PublicId, ...]:
    return public_ids(found.chain[0]) if found.chain else ()


def _described(run: Run, found: Signed) -> Any:
    """The chain as the Secret holds it; verified up to the configured roots, else up to the root the issuer names."""
    roots = tuple(one for one in found.signer if is_root(one))
    trust = run.trust or (Trust(roots=roots, profile=Profile.PRIVATE) if roots else None)
    return chain_facts(found.chain, trust, name="", now=run.now(), purpose=purpose_of(found.chain[0]))


def _disabled(spec: Mapping[str, Any]) -> bool:
    """cert-manager 1.21 and later: a Certificate that is never renewed."""
    return mapping(spec.get("renewal")).get("policy") == "Disabled"


def _interval(spec: Mapping[str, Any], status: _Status) -> timedelta:
    """From one issuance to the next; for one that is never renewed, what it would be by default.

    Source: cert-manager ``pkg/util/pki/renewaltime.go``.
    """
    if status.begins is not None and status.renewal is not None and status.renewal > status.begins:
        return status.renewal - status.begins
    lifetime = _span(spec.get("duration")) or _DEFAULT_LIFETIME
    if status.begins is not None and status.ends is not None and status.ends > status.begins:
        lifetime = status.ends - status.begins
    before, share = _span(spec.get("renewBefore")), number(spec.get("renewBeforePercentage"))
    if before is not None and timedelta(0) < before < lifetime:
        return lifetime - before
    return lifetime * (100 - share) / 100 if share and 0 < share < 100 else lifetime * 2 / 3


def _password_inside(spec: Mapping[str, Any]) -> bool:
    keystores = mapping(spec.get("keystores"))
    return any(mapping(keystores.get(form)).get("password") for form in ("jks", "pkcs12"))


def _ari(found: Object) -> dict[str, str]:
    """The renewal window that an ACME server suggests (RFC 9773), where cert-manager asks for it."""
    window = mapping(mapping(mapping(mapping(found.get("status")).get("acme")).get("ari")).get("suggestedWindow"))
    dates = [one.isoformat() for one in map(instant, (window.get("start"), window.get("end"))) if one is not None]
    return {"suggested_renewal": " to ".join(dates)} if dates else {}


def _span(raw: object) -> timedelta | None:
    """Go prints durations like ``2160h0m0s``."""
    try:
        return parse_duration(word(raw)) if raw else None
    except ValueError:
        return None


def _moment(found: datetime | None) -> Moment | None:
    return None if found is None else Moment(found)
