"""AWS Private CA as AWS answers it: validity that is honoured, one certificate per token, one revocation, permissions.

Source: Private CA API reference and user guide. The authorities themselves are moto's; for audit reports see
`nhisync_aws.emulator.audit_reports`.
"""

import base64
import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from moto.acmpca.models import CertificateAuthority, acmpca_backends

from nhisync_aws.emulator.authority import pem
from nhisync_aws.emulator.authority_records import CaPermission
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.wire import ApiError

_ROOT = "template/RootCACertificate/"
_TOKENS_LIVE = timedelta(minutes=5)
_BACKDATED = timedelta(minutes=60)
_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[str, _Hash] = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
_PAGE = 1000
_SERIAL_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an authority is to sign.

    Attributes:
        csr: the request: subject, public key, alternative names.
        end: end of validity, aware.
        template: ARN of the template; "" = an end entity.
        algorithm: name of the signing algorithm, for example ``SHA256WITHRSA``.
    """

    csr: x509.CertificateSigningRequest = field(repr=False)
    end: datetime
    template: str = ""
    algorithm: str = "SHA256WITHRSA"


def authority_of(ctx: Context, named: str = "") -> CertificateAuthority:
    """The authority that the call names, or another one by its ARN.

    Raises:
        ApiError: ResourceNotFoundException.
    """
    arn = named or str(ctx.param("CertificateAuthorityArn"))
    found = acmpca_backends[ctx.account.id][ctx.call.region].certificate_authorities.get(arn)
    if found is None:
        raise ApiError("ResourceNotFoundException", f"Could not find Certificate Authority with ARN {arn}.")
    return found


def sign(ctx: Context, ca: CertificateAuthority, order: Order) -> str:
    """Issue a certificate and return its ARN, whose last part is the serial.

    Raises:
        ApiError: the authority does not sign now, or the certificate would outlive it.
    """
    own = None if _ROOT in order.template else _signing(ca, order, ctx.now)
    serial = int.from_bytes(bytes.fromhex(ctx.cloud.randomness.hex(_SERIAL_BYTES)), "big") | 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(order.csr.subject)
        .issuer_name(order.csr.subject if own is None else own.subject)
        .public_key(order.csr.public_key())
        .serial_number(serial)
        .not_valid_before(ctx.now - _BACKDATED)
        .not_valid_after(order.end)
    )
    for extension, critical in ca._x509_extensions(order.csr, order.template or None):  # noqa: SLF001 - built only there
        builder = builder.add_extension(extension, critical)
    made = builder.sign(ca.key, _HASHES[order.algorithm.partition("WITH")[0]])
    arn = f"{ca.arn}/certificate/{serial:0{2 * _SERIAL_BYTES}x}"
    ca.issued_certificates[arn] = pem(made).encode()
    if own is not None:
        ca.issued_certificates_certificate_chains[arn] = ca.certificate_bytes
    return arn


def issue_certificate(ctx: Context) -> dict[str, Any]:
    """IssueCertificate: a token that comes again within five minutes names the certificate that it made."""
    ca, token, made = authority_of(ctx), ctx.param("IdempotencyToken"), ctx.account.issued_by_token
    before = made.get((ca.arn, str(token))) if token is not None else None
    if before is not None and ctx.now - before[1] < _TOKENS_LIVE:
        return {"CertificateArn": before[0]}
    try:
        csr = x509.load_pem_x509_csr(base64.b64decode(str(ctx.param("Csr"))))
    except ValueError:
        raise ApiError("MalformedCSRException", "The certificate signing request is malformed.") from None
    template, algorithm = str(ctx.param("TemplateArn", "")), str(ctx.param("SigningAlgorithm"))
    end = _end(ctx.param("Validity", {}), ctx.now)
    arn = sign(ctx, ca, Order(csr=csr, end=end, template=template, algorithm=algorithm))
    if token is not None:
        made[ca.arn, str(token)] = (arn, ctx.now)
    return {"CertificateArn": arn}


def get_certificate(ctx: Context) -> dict[str, Any]:
    """GetCertificate: issued, expired and revoked ones alike."""
    ca, arn = authority_of(ctx), str(ctx.param("CertificateArn"))
    found = ca.issued_certificates.get(arn)
    if found is None:
        raise ApiError("ResourceNotFoundException", f"Could not find certificate with ARN {arn}.")
    chain = ca.issued_certificates_certificate_chains.get(arn)
    return {"Certificate": found.decode().strip(), "CertificateChain": chain.decode().strip() if chain else None}


def revoke_certificate(ctx: Context) -> dict[str, Any]:
    """RevokeCertificate: once, by serial, never the authority's own."""
    ca, given = authority_of(ctx), str(ctx.param("CertificateSerial")).replace(":", "").lower()
    serial = given.rjust(2 * _SERIAL_BYTES, "0")
    if ca.status != "ACTIVE":
        raise _bad_state(ca)
    arn = f"{ca.arn}/certificate/{serial}"
    if arn not in ca.issued_certificates:
        raise ApiError("ResourceNotFoundException", f"Could not find certificate with serial {serial}.")
    if arn not in ca.issued_certificates_certificate_chains:
        raise ApiError("InvalidRequestException", "A root CA certificate cannot be revoked.")
    if serial in ca.revoked_certificates:
        text = f"The certificate with serial {serial} has already been revoked."
        raise ApiError("RequestAlreadyProcessedException", text)
    fact = {"revocation_reason": str(ctx.param("RevocationReason")), "revocation_time": ctx.now.timestamp()}
    ca.revoked_certificates[serial] = fact
    return {}


def create_permission(ctx: Context) -> dict[str, Any]:
    """CreatePermission: to ACM's service principal, once."""
    ca, principal = authority_of(ctx), str(ctx.param("Principal"))
    if (ca.arn, principal) in ctx.account.ca_permissions:
        text = "The permission has already been given to the principal."
        raise ApiError("PermissionAlreadyExistsException", text)
    actions = tuple(str(action) for action in ctx.param("Actions", []))
    source = str(ctx.param("SourceAccount", ctx.account.id))
    ctx.account.ca_permissions[ca.arn, principal] = CaPermission(ca.arn, principal, source, actions, ctx.now)
    return {}


def list_permissions(ctx: Context) -> dict[str, Any]:
    """ListPermissions of one authority, in pages."""
    ca = authority_of(ctx)
    rows = [
        {
            "CertificateAuthorityArn": ca.arn,
            "CreatedAt": one.created,
            "Principal": one.principal,
            "SourceAccount": one.source_account,
            "Actions": list(one.actions),
        }
        for one in ctx.account.ca_permissions.values()
        if one.ca == ca.arn
    ]
    size, token = int(ctx.param("MaxResults", _PAGE)), ctx.param("NextToken")
    bad = ApiError("InvalidNextTokenException", "The token specified in the NextToken argument is not valid.")
    found = page(rows, name="ListPermissions", token=token, size=size, bad_token=bad, endless=ctx.endless)
    return {"Permissions": list(found.items), "NextToken": found.token or None}


def delete_permission(ctx: Context) -> dict[str, Any]:
    """DeletePermission; one that is not there is none."""
    ctx.account.ca_permissions.pop((authority_of(ctx).arn, str(ctx.param("Principal"))), None)
    return {}


def _signing(ca: CertificateAuthority, order: Order, now: datetime) -> x509.Certificate:
    """The certificate under which the authority signs."""
    own = ca.certificate
    if ca.status != "ACTIVE" or own is None or own.not_valid_after_utc <= now:
        raise _bad_state(ca)
    if order.end > own.not_valid_after_utc:
        text = "The certificate validity specified exceeds the certificate authority validity."
        raise ApiError("ValidationException", text)
    return own


def _bad_state(ca: CertificateAuthority) -> ApiError:
    return ApiError(
        "InvalidStateException", f"The certificate authority {ca.arn} is not in a valid state: {ca.status}."
    )


def _end(validity: Mapping[str, Any], now: datetime) -> datetime:
    """End of a validity (API reference, Validity)."""
    kind, value = str(validity.get("Type")), int(validity.get("Value", 0))
    ends = {
        "DAYS": lambda: now + timedelta(days=value),
        "MONTHS": lambda: _months_on(now, value),
        "YEARS": lambda: _months_on(now, 12 * value),
        "ABSOLUTE": lambda: datetime.fromtimestamp(value, UTC),
        "END_DATE": lambda: datetime.strptime(str(value), _END_DATE[len(str(value))]).replace(tzinfo=UTC),
    }
    try:
        end = ends[kind]()
    except (KeyError, ValueError, OverflowError):
        raise ApiError("ValidationException", f"Invalid validity: {value} {kind}.") from None
    if end <= now:
        raise ApiError("ValidationException", "The certificate would end before it begins.")
    return end


def _months_on(now: datetime, months: int) -> datetime:
    year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


_END_DATE = {14: "%Y%m%d%H%M%S", 12: "%y%m%d%H%M%S"}

HANDLERS: Mapping[str, Handler] = {
    "acm-pca:IssueCertificate": issue_certificate,
    "acm-pca:GetCertificate": get_certificate,
    "acm-pca:RevokeCertificate": revoke_certificate,
    "acm-pca:CreatePermission": create_permission,
    "acm-pca:ListPermissions": list_permissions,
    "acm-pca:DeletePermission": delete_permission,
}
