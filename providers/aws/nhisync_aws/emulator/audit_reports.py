"""Private CA's audit reports: one entry for each certificate that an authority signed, written to a bucket.

Source: Private CA API reference and user guide ("Using audit reports with your private CA"). Buckets are those of
`Account.buckets`; there is no S3 API, so that a test looks into them.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from moto.acmpca.models import CertificateAuthority

from nhisync_aws.emulator.authority_records import AuditReport
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.private_ca_overlay import authority_of
from nhisync_aws.emulator.wire import ApiError

_EVERY: Final = timedelta(minutes=30)
_FORMATS: Final = frozenset({"JSON", "CSV"})
_COLUMNS: Final = (
    "awsAccountId",
    "certificateArn",
    "serial",
    "subject",
    "notBefore",
    "notAfter",
    "issuedAt",
    "revokedAt",
    "revocationReason",
)


def create_report(ctx: Context) -> dict[str, Any]:
    """CreateCertificateAuthorityAuditReport: at most one in half an hour, into a bucket that is there."""
    ca, bucket, kind = authority_of(ctx), str(ctx.param("S3BucketName")), str(ctx.param("AuditReportResponseFormat"))
    if ca.status != "ACTIVE":
        text = f"The certificate authority {ca.arn} is not in a valid state: {ca.status}."
        raise ApiError("InvalidStateException", text)
    if kind not in _FORMATS:
        raise ApiError("InvalidArgsException", f"{kind} is no format of audit reports.")
    made = [one for one in ctx.account.audit_reports.values() if one.ca == ca.arn]
    if any(ctx.now - one.created < _EVERY for one in made):
        raise ApiError("RequestInProgressException", "An audit report was requested within the last 30 minutes.")
    stored = ctx.account.buckets.get(bucket)
    if stored is None:
        raise ApiError("InvalidArgsException", f"The bucket {bucket} is not there, or may not be written.")
    text = ctx.cloud.randomness.hex(16)
    number = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    key = f"audit-report/{ca.arn.rpartition('/')[2]}/{number}.{kind.lower()}"
    stored[key] = _written(list(_entries(ca, ctx.account.id)), kind)
    ctx.account.audit_reports[number] = AuditReport(ca=ca.arn, bucket=bucket, key=key, created=ctx.now)
    return {"AuditReportId": number, "S3Key": key}


def describe_report(ctx: Context) -> dict[str, Any]:
    """DescribeCertificateAuthorityAuditReport of the same authority."""
    ca, number = authority_of(ctx), str(ctx.param("AuditReportId"))
    found = ctx.account.audit_reports.get(number)
    if found is None or found.ca != ca.arn:
        raise ApiError("ResourceNotFoundException", f"Could not find audit report {number}.")
    told = {"S3BucketName": found.bucket, "S3Key": found.key, "CreatedAt": found.created}
    return {"AuditReportStatus": "SUCCESS", **told}


def _entries(ca: CertificateAuthority, account: str) -> Iterator[dict[str, str]]:
    for arn, text in ca.issued_certificates.items():
        certificate = x509.load_pem_x509_certificate(text)
        serial = arn.rpartition("/")[2]
        entry = {
            "awsAccountId": account,
            "certificateArn": arn,
            "serial": ":".join(serial[at : at + 2] for at in range(0, len(serial), 2)),
            "subject": certificate.subject.rfc4514_string(),
            "notBefore": _when(certificate.not_valid_before_utc),
            "notAfter": _when(certificate.not_valid_after_utc),
            "issuedAt": _when(certificate.not_valid_before_utc + timedelta(hours=1)),
        }
        revoked = ca.revoked_certificates.get(serial)
        if revoked is not None:
            entry["revokedAt"] = _when(datetime.fromtimestamp(float(revoked["revocation_time"]), UTC))
            entry["revocationReason"] = str(revoked["revocation_reason"])
        yield entry


def _written(entries: list[dict[str, str]], kind: str) -> bytes:
    if kind == "JSON":
        return json.dumps(entries).encode()
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, _COLUMNS, restval="")
    table.writeheader()
    table.writerows(entries)
    return text.getvalue().encode()


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S+0000}"


HANDLERS: Mapping[str, Handler] = {
    "acm-pca:CreateCertificateAuthorityAuditReport": create_report,
    "acm-pca:DescribeCertificateAuthorityAuditReport": describe_report,
}
