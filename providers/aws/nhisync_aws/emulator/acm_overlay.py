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
_UNISSUED = frozenset({"PENDING_VALIDATION", "VALIDATION_TIMED_OUT", "FAILED"})


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
    kept = [
        s
        for s in (summary(ctx, bundle) for bundle in bundles_of(ctx).values())
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
    """DescribeCertificate: the summary's facts and the issuer's; of one that is not issued only what was asked for."""
    bundle = find(ctx)
    facts = facts_of(ctx, bundle)
    detail = {
        **summary(ctx, bundle),
        "SubjectAlternativeNames": bundle.sans,
        "InUseBy": list(bundle.in_use_by),
        "RenewalSummary": facts.get("renewal_summary"),
        "CertificateAuthorityArn": bundle.cert_authority_arn,
        "DomainValidationOptions": facts.get("validations"),
        "Options": dict(bundle.cert_options),
    }
    if not is_issued(ctx, bundle):
        return {"Certificate": detail}
    parsed = parsed_of(bundle)
    issued = {
        "Subject": parsed.subject.rfc4514_string(),
        "Issuer": bundle.issuer_common_name or parsed.issuer.rfc4514_string(),
        "Serial": serial_of(parsed),
        "SignatureAlgorithm": (parsed.signature_algorithm_oid._name or "").upper(),  # noqa: SLF001
    }
    return {"Certificate": {**detail, **issued}}


def get_certificate(ctx: Context) -> dict[str, Any]:
    """GetCertificate: the public PEM and the chain that was imported with it."""
    bundle = find_issued(ctx)
    chain = facts_of(ctx, bundle).get("chain_pem")
    return {"Certificate": bundle.cert.decode(), "CertificateChain": chain}


def bundles_of(ctx: Context) -> dict[str, CertBundle]:
    """The certificates of the caller's account and region, by ARN."""
    return acm_backends[ctx.account.id][ctx.call.region]._certificates  # noqa: SLF001 - moto lists no other way


def find(ctx: Context) -> CertBundle:
    """The certificate that the call names.

    Raises:
        ApiError: ResourceNotFoundException.
    """
    arn = str(ctx.param("CertificateArn"))
    found = bundles_of(ctx).get(arn)
    if found is None:
        text = f"Could not find certificate {arn} in account {ctx.account.id}."
        raise ApiError("ResourceNotFoundException", text)
    return found


def find_issued(ctx: Context) -> CertBundle:
    """The certificate that the call names, once it is there.

    Raises:
        ApiError: ResourceNotFoundException, RequestInProgressException.
    """
    bundle = find(ctx)
    if not is_issued(ctx, bundle):
        text = "The certificate request is in process and the certificate in your account has not yet been issued."
        raise ApiError("RequestInProgressException", text)
    return bundle


def status_of(ctx: Context, bundle: CertBundle) -> str:
    """As it was seeded; else by the world's clock: a request is pending until its names have been validated."""
    facts = facts_of(ctx, bundle)
    if facts.get("validated", ctx.now) > ctx.now:
        return "PENDING_VALIDATION"
    return str(facts.get("status") or ("EXPIRED" if parsed_of(bundle).not_valid_after_utc <= ctx.now else "ISSUED"))


def is_issued(ctx: Context, bundle: CertBundle) -> bool:
    """Whether there is a certificate and not a mere request for one."""
    return status_of(ctx, bundle) not in _UNISSUED


def summary(ctx: Context, bundle: CertBundle) -> dict[str, Any]:
    """One row of ListCertificates; without dates while nothing is issued."""
    parsed, facts, issued = parsed_of(bundle), facts_of(ctx, bundle), is_issued(ctx, bundle)
    created = facts.get("created", ctx.now)
    imported = bundle.type == "IMPORTED"
    issued_at = facts.get("validated") or facts.get("imported", created + timedelta(minutes=1))
    default_origin = "CUSTOMER_PROVIDED" if imported else "AWS_MANAGED"
    return {
        "CertificateArn": bundle.arn,
        "DomainName": bundle.common_name,
        "SubjectAlternativeNameSummaries": bundle.sans[:_LISTED_NAMES],
        "HasAdditionalSubjectAlternativeNames": len(bundle.sans) > _LISTED_NAMES,
        "Status": status_of(ctx, bundle),
        "Type": bundle.type,
        "KeyAlgorithm": key_algorithm(parsed),
        "CertificateKeyPairOrigin": facts.get("origin", default_origin),
        "InUse": bool(bundle.in_use_by),
        "Exported": bool(facts.get("exported")),
        "ExportOption": bundle.cert_options["Export"],
        "RenewalEligibility": facts.get("renewal_eligibility", "ELIGIBLE" if facts.get("exported") else "INELIGIBLE"),
        "NotBefore": parsed.not_valid_before_utc if issued else None,
        "NotAfter": parsed.not_valid_after_utc if issued else None,
        "CreatedAt": created,
        "ImportedAt": facts.get("imported", created) if imported else None,
        "IssuedAt": issued_at if issued and not imported else None,
    }


def key_algorithm(certificate: x509.Certificate) -> str:
    """ACM's word for the key of a certificate."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, f"EC_{key.curve.name}")
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA_{key.key_size}"
    return "UNKNOWN"


def serial_of(certificate: x509.Certificate) -> str:
    """Colon-separated hex, as ACM prints serials."""
    raw = certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 8) // 8, "big").lstrip(b"\0")
    return raw.hex(":")


def parsed_of(bundle: CertBundle) -> x509.Certificate:
    """The certificate itself."""
    found: x509.Certificate = bundle._cert  # noqa: SLF001 - moto keeps the parsed certificate there
    return found


def facts_of(ctx: Context, bundle: CertBundle) -> dict[str, Any]:
    """What moto's bundle has no place for."""
    return ctx.account.certificate_facts.setdefault(bundle.arn, {})


HANDLERS: Mapping[str, Handler] = {
    "acm:ListCertificates": list_certificates,
    "acm:DescribeCertificate": describe_certificate,
    "acm:GetCertificate": get_certificate,
}
