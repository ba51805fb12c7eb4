"""ACM as AWS answers it: what ListCertificates hides unless asked, true key types and dates, the world's clock."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.acm.models import CertBundle, acm_backends

from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.wire import ApiError

_MAX_ITEMS = 1000
_DEFAULT_ITEMS = 100
_DEFAULT_KEY_TYPES = ("RSA_1024", "RSA_2048")  # botocore acm model, Filters.keyTypes
_DEFAULT_ORIGINS = ("AWS_MANAGED", "CUSTOMER_PROVIDED")  # botocore acm model, CertificateKeyPairOrigins
_CURVES = {"secp256r1": "EC_prime256v1", "secp384r1": "EC_secp384r1", "secp521r1": "EC_secp521r1"}
_LISTED_NAMES = 100


class SeededBundle(CertBundle):
    """A certificate as it stands in an account: moto imports no expired one, but certificates expire after import."""

    def validate_certificate(self) -> x509.Certificate:
        """Parse only."""
        return x509.load_pem_x509_certificate(self.cert)


def list_certificates(ctx: Context) -> dict[str, Any]:
    """ListCertificates: without keyTypes only RSA_1024 and RSA_2048, without origins no ACME-born ones."""
    includes: Mapping[str, Any] = ctx.param("Includes", {})
    key_types = includes.get("keyTypes") or _DEFAULT_KEY_TYPES
    origins = ctx.param("CertificateKeyPairOrigins") or _DEFAULT_ORIGINS
    statuses: Sequence[str] = ctx.param("CertificateStatuses", [])
    bundles = acm_backends[ctx.account.id][ctx.call.region]._certificates  # noqa: SLF001 - moto lists no other way
    summaries = [_summary(ctx, bundle) for bundle in bundles.values()]
    kept = [
        s
        for s in summaries
        if s["KeyAlgorithm"] in key_types
        and s["CertificateKeyPairOrigin"] in origins
        and (not statuses or s["Status"] in statuses)
    ]
    size = int(ctx.param("MaxItems", _DEFAULT_ITEMS))
    if not 1 <= size <= _MAX_ITEMS:
        raise ApiError("ValidationException", f"MaxItems must be between 1 and {_MAX_ITEMS}.")
    bad = ApiError("ValidationException", "The NextToken is invalid.")
    token = ctx.param("NextToken")
    found = page(kept, name="ListCertificates", token=token, size=size, bad_token=bad, endless=ctx.endless)
    result: dict[str, Any] = {"CertificateSummaryList": list(found.items)}
    return {**result, "NextToken": found.token} if found.token else result


def describe_certificate(ctx: Context) -> dict[str, Any]:
    """DescribeCertificate: the summary's facts and the issuer's."""
    bundle = _find(ctx)
    summary = _summary(ctx, bundle)
    parsed = bundle._cert  # noqa: SLF001 - moto keeps the parsed certificate there
    detail = {
        **summary,
        "SubjectAlternativeNames": bundle.sans,
        "Subject": parsed.subject.rfc4514_string(),
        "Issuer": bundle.issuer_common_name or parsed.issuer.rfc4514_string(),
        "Serial": _serial(parsed),
        "SignatureAlgorithm": (parsed.signature_algorithm_oid._name or "").upper(),  # noqa: SLF001
        "InUseBy": list(bundle.in_use_by),
        "RenewalSummary": _facts(ctx, bundle).get("renewal_summary"),
    }
    return {"Certificate": detail}


def get_certificate(ctx: Context) -> dict[str, Any]:
    """GetCertificate: the public PEM and the chain that was imported with it."""
    bundle = _find(ctx)
    chain = _facts(ctx, bundle).get("chain_pem")
    return {"Certificate": bundle.cert.decode(), "CertificateChain": chain}


def _find(ctx: Context) -> CertBundle:
    arn = str(ctx.param("CertificateArn"))
    found = acm_backends[ctx.account.id][ctx.call.region]._certificates.get(arn)  # noqa: SLF001
    if found is None:
        text = f"Could not find certificate {arn} in account {ctx.account.id}."
        raise ApiError("ResourceNotFoundException", text)
    return found


def _summary(ctx: Context, bundle: CertBundle) -> dict[str, Any]:
    parsed = bundle._cert  # noqa: SLF001
    facts = _facts(ctx, bundle)
    created = facts.get("created", ctx.now)
    imported = bundle.type == "IMPORTED"
    status = facts.get("status") or ("EXPIRED" if parsed.not_valid_after_utc <= ctx.now else "ISSUED")
    default_origin = "CUSTOMER_PROVIDED" if imported else "AWS_MANAGED"
    return {
        "CertificateArn": bundle.arn,
        "DomainName": bundle.common_name,
        "SubjectAlternativeNameSummaries": bundle.sans[:_LISTED_NAMES],
        "HasAdditionalSubjectAlternativeNames": len(bundle.sans) > _LISTED_NAMES,
        "Status": status,
        "Type": bundle.type,
        "KeyAlgorithm": key_algorithm(parsed),
        "CertificateKeyPairOrigin": facts.get("origin", default_origin),
        "InUse": bool(bundle.in_use_by),
        "Exported": False,
        "RenewalEligibility": facts.get("renewal_eligibility", "INELIGIBLE"),
        "NotBefore": parsed.not_valid_before_utc,
        "NotAfter": parsed.not_valid_after_utc,
        "CreatedAt": created,
        "ImportedAt": facts.get("imported", created) if imported else None,
        "IssuedAt": None if imported else facts.get("imported", created + timedelta(minutes=1)),
    }


def key_algorithm(certificate: x509.Certificate) -> str:
    """ACM's word for the key of a certificate."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, f"EC_{key.curve.name}")
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA_{key.key_size}"
    return "UNKNOWN"


def _serial(certificate: x509.Certificate) -> str:
    """Colon-separated hex, as ACM prints serials."""
    raw = certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 8) // 8, "big").lstrip(b"\0")
    return raw.hex(":")


def _facts(ctx: Context, bundle: CertBundle) -> dict[str, Any]:
    return ctx.account.certificate_facts.get(bundle.arn, {})


HANDLERS: Mapping[str, Handler] = {
    "acm:ListCertificates": list_certificates,
    "acm:DescribeCertificate": describe_certificate,
    "acm:GetCertificate": get_certificate,
}
