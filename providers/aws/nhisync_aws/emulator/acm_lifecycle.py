"""How ACM issues, exports and renews certificates, by the world's clock.

Source: ACM API reference, RequestCertificate, ExportCertificate, RenewCertificate; the words of refusals as users
report them. A requested name counts as validated after one minute, as moto has it, because there is no DNS here in
which its record could be looked up.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from moto.acm.models import CertBundle

from nhisync_aws.emulator.acm_overlay import (
    SeededBundle,
    bundles_of,
    facts_of,
    find_issued,
    key_algorithm,
    parsed_of,
)
from nhisync_aws.emulator.authority import Wish, pem, signed
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.keypairs import PrivateKey, key_text, new_key
from nhisync_aws.emulator.private_ca_overlay import Order, authority_of, sign
from nhisync_aws.emulator.wire import ApiError

_ACM = "acm.amazonaws.com"
_VALIDATION = timedelta(minutes=1)
_TOKENS_LIVE = timedelta(hours=1)
_LIFETIME = timedelta(days=395)
_SHORTEST_PASSPHRASE = 4


def request_certificate(ctx: Context) -> dict[str, Any]:
    """RequestCertificate: pending until the names are validated; of a private authority it is issued at once."""
    domain, said = str(ctx.param("DomainName")), ctx.param("IdempotencyToken")
    token = (ctx.call.region, str(said), domain)
    before = ctx.account.requested_by_token.get(token)
    if said is not None and before is not None and ctx.now - before[1] < _TOKENS_LIVE:
        return {"CertificateArn": before[0]}
    names = list(dict.fromkeys([domain, *(str(name) for name in ctx.param("SubjectAlternativeNames", []))]))
    authority = ctx.param("CertificateAuthorityArn")
    bundle = _issue(ctx, names, str(ctx.param("KeyAlgorithm", "RSA_2048")), str(authority or ""))
    bundle.cert_options |= ctx.param("Options", {})
    bundle.tags.update({str(tag["Key"]): tag.get("Value") for tag in ctx.param("Tags", [])})
    facts = facts_of(ctx, bundle)
    facts["created"] = ctx.now
    if not authority:
        method = str(ctx.param("ValidationMethod", "EMAIL"))
        facts |= {"validated": ctx.now + _VALIDATION, "validations": _validations(bundle.arn, names, method)}
    ctx.account.requested_by_token[token] = (bundle.arn, ctx.now)
    return {"CertificateArn": bundle.arn}


def export_certificate(ctx: Context) -> dict[str, Any]:
    """ExportCertificate: of a private or exportable one, the key under the passphrase."""
    bundle, passphrase = find_issued(ctx), base64.b64decode(str(ctx.param("Passphrase")))
    if bundle.type != "PRIVATE" and bundle.cert_options["Export"] != "ENABLED":
        raise ApiError("ValidationException", f"Certificate ARN: {bundle.arn} is not a private certificate")
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        text = "Value at 'passphrase' failed to satisfy constraint: Member must have length greater than or equal to"
        raise ApiError("ValidationException", f"{text} {_SHORTEST_PASSPHRASE}")
    facts = facts_of(ctx, bundle)
    facts["exported"] = True
    chain, key = facts.get("chain_pem"), bundle.serialize_pk(passphrase)
    return {"Certificate": bundle.cert.decode(), "CertificateChain": chain, "PrivateKey": key}


def renew_certificate(ctx: Context) -> dict[str, Any]:
    """RenewCertificate: of an exported one only; a private authority must have let ACM issue in its name."""
    bundle = find_issued(ctx)
    facts = facts_of(ctx, bundle)
    if not facts.get("exported"):
        text = f"Certificate ARN: {bundle.arn} has not been exported so it is not eligible for the"
        raise ApiError("ValidationException", f"{text} Renew Certificate API.")
    authority = bundle.cert_authority_arn or ""
    if authority and not _may_issue(ctx, authority):
        why = {"RenewalStatus": "FAILED", "RenewalStatusReason": "PCA_ACCESS_DENIED"}
        facts["renewal_summary"] = {**why, "UpdatedAt": ctx.now}
        return {}
    fresh = _issue(ctx, bundle.sans, key_algorithm(parsed_of(bundle)), authority, arn=bundle.arn)
    fresh.tags, fresh.in_use_by, fresh.cert_options = bundle.tags, bundle.in_use_by, bundle.cert_options
    facts.pop("validated", None)
    facts["renewal_summary"] = {"RenewalStatus": "SUCCESS", "UpdatedAt": ctx.now}
    return {}


def _issue(ctx: Context, names: Sequence[str], algorithm: str, authority: str, *, arn: str | None = None) -> CertBundle:
    """A new certificate with a new key, kept under `arn` or a new one."""
    try:
        key = new_key(algorithm)
    except KeyError:
        raise ApiError("ValidationException", f"Key algorithm {algorithm} is not supported.") from None
    leaf, chain = _private(ctx, names, key, authority) if authority else _public(ctx, names, key)
    bundle = SeededBundle(
        ctx.account.id,
        leaf.encode(),
        key_text(key).encode(),
        region=ctx.call.region,
        arn=arn,
        cert_type="PRIVATE" if authority else "AMAZON_ISSUED",
        cert_authority_arn=authority or None,
    )
    bundles_of(ctx)[bundle.arn] = bundle
    facts = facts_of(ctx, bundle)
    facts |= {"imported": ctx.now, "chain_pem": chain}
    return bundle


def _public(ctx: Context, names: Sequence[str], key: PrivateKey) -> tuple[str, str]:
    start, end = ctx.now, ctx.now + _LIFETIME
    authorities = ctx.cloud.authorities
    above = Wish(subject="nhisync test issuing CA", start=start - _LIFETIME, end=end + _LIFETIME)
    issuer = authorities.issuing(above, trusted=True)
    leaf = signed(Wish(subject=names[0], start=start, end=end, names=tuple(names)), key.public_key(), issuer)
    return pem(leaf), pem(issuer.certificate, authorities.older_form)


def _private(ctx: Context, names: Sequence[str], key: PrivateKey, authority: str) -> tuple[str, str]:
    ca = authority_of(ctx, authority)
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    arn = sign(ctx, ca, Order(csr=csr, end=ctx.now + _LIFETIME))
    return ca.issued_certificates[arn].decode(), ca.certificate_bytes.decode()


def _may_issue(ctx: Context, authority: str) -> bool:
    given = ctx.account.ca_permissions.get((authority, _ACM))
    return given is not None and {"IssueCertificate", "GetCertificate"} <= set(given.actions)


def _validations(arn: str, names: Sequence[str], method: str) -> list[dict[str, Any]]:
    """What must be done about each name; the same request always asks for the same records."""
    rows = []
    for name in names:
        row: dict[str, Any] = {"DomainName": name, "ValidationDomain": name, "ValidationMethod": method}
        if method == "DNS":
            left, right = (hashlib.sha256(f"{end}{arn}{name}".encode()).hexdigest()[:32] for end in ("name", "value"))
            record = {"Name": f"_{left}.{name.removeprefix('*.')}.", "Value": f"_{right}.acm-validations.aws."}
            row["ResourceRecord"] = {**record, "Type": "CNAME"}
        rows.append(row)
    return rows


HANDLERS: Mapping[str, Handler] = {
    "acm:RequestCertificate": request_certificate,
    "acm:ExportCertificate": export_certificate,
    "acm:RenewCertificate": renew_certificate,
}
