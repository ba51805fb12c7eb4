"""Seeds of kinds ``certificate``, ``cas-certificate`` and ``certificate-authority``."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from google.cloud.certificate_manager_v1 import types as manager
from google.cloud.security.privateca_v1 import types as cas

from nhisync_gcp.emulator import certificate_manager, private_ca
from nhisync_gcp.emulator.messages import copy, member, plain, timestamp
from nhisync_gcp.emulator.pki import Issuer, pem
from nhisync_gcp.emulator.plot import Planted, Plot, put_tags

_Certificate = plain(manager.Certificate)
_Managed = manager.Certificate.ManagedCertificate
_CasCertificate = plain(cas.Certificate)
_Pool = plain(cas.CaPool)
_Authority = plain(cas.CertificateAuthority)
CERTIFICATE_OPTIONS = ("attempt", "issue", "managed", "material", "names", "scope", "state", "used_by")
CAS_OPTIONS = ("authority", "client", "material", "names", "revoked")
AUTHORITY_OPTIONS = ("state",)
_DEFAULT = timedelta(days=60)
_LONG = timedelta(days=3650)


def seed_certificate(plot: Plot) -> Planted:
    """``certificate/LOCATION/ID``: managed and active, unless options say otherwise."""
    options = plot.options
    location, _, certificate_id = plot.seed.name.partition("/")
    names = list(options.get("names", (f"{certificate_id}.example",)))
    state = member(_Managed.State, options.get("state", "ACTIVE"))
    message = _Certificate(
        name=f"projects/{plot.project}/locations/{location}/certificates/{certificate_id}",
        create_time=timestamp(plot.created),
        update_time=timestamp(plot.changed),
        scope=member(manager.Certificate.Scope, options.get("scope", "DEFAULT")),
        san_dnsnames=names,
    )
    put_tags(message, plot.seed)
    for user in options.get("used_by", ()):
        message.used_by.add(name=user)
    if options.get("managed", True):
        _put_managed(message, plot, names, state)
    else:
        message.self_managed.SetInParent()
    if state == _Managed.State.ACTIVE:
        issuer = plot.cloud.issuer("emulated public CA", plot.now - _LONG, plot.now + _LONG)
        leaf = _leaf(plot, issuer, names, plot.changed, "")
        message.pem_certificate = pem(leaf) + pem(issuer.certificate)
        message.expire_time.CopyFrom(timestamp(leaf.not_valid_after_utc))
    _store(plot, certificate_manager.CERTIFICATES.key, message, plot.changed)
    return Planted(f"certificate/{plot.seed.name}", message.name)


def seed_cas_certificate(plot: Plot) -> Planted:
    """``cas-certificate/LOCATION/POOL/ID``, or ``…/POOL/cn/COMMON_NAME``: one for creation, one for the rotation."""
    location, pool, *rest = plot.seed.name.split("/", 2)
    name = rest[0].removeprefix("cn/")
    by_name = rest[0].startswith("cn/")
    parent = f"projects/{plot.project}/locations/{location}/caPools/{pool}"
    issuer_id = str(plot.options.get("authority", "root"))
    issuer = _the_authority(plot, parent, issuer_id)
    stem = f"crt-{hashlib.sha256(name.encode()).hexdigest()[:12]}" if by_name else name
    if plot.seed.rotated is not None:
        _issue(plot, parent, f"{stem}-1", name, issuer_id, issuer, plot.created, current=False)
    final = f"{stem}-2" if by_name and plot.seed.rotated is not None else stem
    made = _issue(plot, parent, final, name, issuer_id, issuer, plot.changed, current=True)
    return Planted(f"cas-certificate/{plot.seed.name}", made.name)


def seed_authority(plot: Plot) -> Planted:
    """``certificate-authority/LOCATION/POOL/ID``: an authority of a pool, with a state and an end."""
    options = plot.options
    location, pool, authority_id = plot.seed.name.split("/", 2)
    parent = f"projects/{plot.project}/locations/{location}/caPools/{pool}"
    state = member(cas.CertificateAuthority.State, options.get("state", "ENABLED"))
    _put_authority(plot, parent, authority_id, plot.end(_LONG), state)
    return Planted(f"certificate-authority/{plot.seed.name}", f"{parent}/certificateAuthorities/{authority_id}")


def _put_managed(message: Any, plot: Plot, names: list[str], state: int) -> None:
    options, managed = plot.options, message.managed
    managed.state = state
    managed.domains.extend(names)
    if options.get("issue"):
        managed.provisioning_issue.reason = member(_Managed.ProvisioningIssue.Reason, options["issue"])
    info = _Managed.AuthorizationAttemptInfo
    failure = options.get("attempt")
    for name in names:
        row = managed.authorization_attempt_info.add(domain=name)
        row.state = info.State.FAILED if failure else info.State.AUTHORIZED
        if failure:
            row.failure_reason = member(info.FailureReason, failure)


def _leaf(plot: Plot, issuer: Issuer, names: list[str], start: datetime, common_name: str) -> x509.Certificate:
    """The current generation's certificate; seeds of one `material` have one key."""
    options = plot.options
    key = plot.cloud.certificate_key(str(options.get("material", "")))
    end = plot.end(_DEFAULT)
    client = bool(options.get("client"))
    return issuer.leaf(
        names, min(start, end - timedelta(seconds=1)), end, key=key, common_name=common_name, client=client
    )


def _the_authority(plot: Plot, parent: str, authority_id: str) -> Issuer:
    """The issuer behind an authority; pool and authority are made when they are new."""
    if plot.cloud.catalogue.get(private_ca.AUTHORITIES.key, f"{parent}/certificateAuthorities/{authority_id}") is None:
        _put_authority(plot, parent, authority_id, plot.now + _LONG, cas.CertificateAuthority.State.ENABLED)
    return plot.cloud.issuers[f"{parent}/{authority_id}"]


def _put_authority(plot: Plot, parent: str, authority_id: str, end: datetime, state: int) -> None:
    if plot.cloud.catalogue.get(private_ca.POOLS.key, parent) is None:
        _store(plot, private_ca.POOLS.key, _Pool(name=parent, tier=cas.CaPool.Tier.ENTERPRISE), plot.created)
    start = min(plot.now - _LONG, end - timedelta(days=1))
    place = f"{parent}/{authority_id}"
    if place not in plot.cloud.issuers:  # one that is planted again changes its state, not its key
        plot.cloud.issuers[place] = Issuer.root(f"{authority_id} of {parent.rpartition('/')[2]}", start, end)
    issuer = plot.cloud.issuers[place]
    message = _Authority(
        name=f"{parent}/certificateAuthorities/{authority_id}",
        type_=cas.CertificateAuthority.Type.SELF_SIGNED,
        tier=cas.CaPool.Tier.ENTERPRISE,
        state=state,
        pem_ca_certificates=[pem(each) for each in issuer.chain],
        create_time=timestamp(start),
        update_time=timestamp(start),
        expire_time=timestamp(end),
    )
    _store(plot, private_ca.AUTHORITIES.key, message, plot.created)


def _issue(
    plot: Plot,
    parent: str,
    certificate_id: str,
    name: str,
    issuer_id: str,
    issuer: Issuer,
    at: datetime,
    *,
    current: bool,
) -> Any:
    options = plot.options
    names = list(options.get("names", (name,)))
    leaf = _leaf(plot, issuer, names, at, name)
    message = _CasCertificate(
        name=f"{parent}/certificates/{certificate_id}",
        issuer_certificate_authority=f"{parent}/certificateAuthorities/{issuer_id}",
        pem_certificate=pem(leaf),
        pem_certificate_chain=[pem(each) for each in issuer.chain],
        create_time=timestamp(at),
        update_time=timestamp(at),
    )
    message.lifetime.FromTimedelta(leaf.not_valid_after_utc - leaf.not_valid_before_utc)
    _describe(message.certificate_description, leaf, name, names)
    put_tags(message, plot.seed)
    if current and options.get("revoked"):
        message.revocation_details.revocation_state = member(cas.RevocationReason, options["revoked"])
        message.revocation_details.revocation_time.CopyFrom(timestamp(plot.now))
    _store(plot, private_ca.CERTIFICATES.key, message, at)
    return message


def _describe(description: Any, leaf: x509.Certificate, name: str, names: list[str]) -> None:
    """What the service reads out of the certificate."""
    subject = description.subject_description
    subject.subject.common_name = name
    subject.subject_alt_name.dns_names.extend(names)
    subject.hex_serial_number = f"{leaf.serial_number:x}"
    subject.not_before_time.CopyFrom(timestamp(leaf.not_valid_before_utc))
    subject.not_after_time.CopyFrom(timestamp(leaf.not_valid_after_utc))
    description.cert_fingerprint.sha256_hash = leaf.fingerprint(hashes.SHA256()).hex()


def _store(plot: Plot, collection: str, message: Any, at: datetime) -> None:
    plot.cloud.catalogue.put(collection, copy(message), at, plot.cloud.secrets.next_serial())
