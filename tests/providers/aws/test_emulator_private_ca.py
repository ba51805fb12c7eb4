"""Private CA of the emulator, through real boto3 over HTTP."""

import datetime as dt
import json

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.testing.clocks import FakeClock

DAY = dt.timedelta(days=1)
NOW = FakeClock().now()


def refused(call, **params) -> tuple[str, str]:
    """Code and message of the ClientError that `call` must raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def request_for(name: str) -> bytes:
    """A certificate signing request for a name, as PEM."""
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM)


def order(ca: str, **changes) -> dict:
    """Parameters of an IssueCertificate."""
    usual = {
        "CertificateAuthorityArn": ca,
        "Csr": request_for("pay.internal"),
        "SigningAlgorithm": "SHA256WITHRSA",
        "Validity": {"Type": "DAYS", "Value": 7},
    }
    return usual | changes


def issued(pca, ca: str, arn: str) -> x509.Certificate:
    """An issued certificate."""
    text = pca.get_certificate(CertificateAuthorityArn=ca, CertificateArn=arn)["Certificate"]
    return x509.load_pem_x509_certificate(text.encode())


@pytest.mark.parametrize(
    ("validity", "days"),
    [
        ({"Type": "DAYS", "Value": 7}, 7),
        ({"Type": "MONTHS", "Value": 3}, 92),
        ({"Type": "YEARS", "Value": 1}, 365),
        ({"Type": "ABSOLUTE", "Value": int((NOW + 40 * DAY).timestamp())}, 40),
        ({"Type": "END_DATE", "Value": int(f"{NOW + 20 * DAY:%Y%m%d%H%M%S}")}, 20),
        ({"Type": "END_DATE", "Value": int(f"{NOW + 20 * DAY:%y%m%d%H%M%S}")}, 20),
    ],
    ids=str,
)
def test_private_ca_honours_the_validity(pca, ca, validity, days):
    """Days, months, years and both ways to name an end; the begin lies an hour back."""
    arn = pca.issue_certificate(**order(ca, Validity=validity))["CertificateArn"]
    leaf = issued(pca, ca, arn)
    assert round((leaf.not_valid_after_utc - NOW) / DAY) == days
    assert leaf.not_valid_before_utc == NOW.replace(microsecond=0) - dt.timedelta(hours=1)


@pytest.mark.parametrize(
    "validity",
    [{"Type": "YEARS", "Value": 11}, {"Type": "ABSOLUTE", "Value": 1}, {"Type": "END_DATE", "Value": 7}],
    ids=str,
)
def test_private_ca_refuses_a_validity_it_cannot_keep(pca, ca, validity):
    """Beyond the authority's own end, in the past, or no date."""
    assert refused(pca.issue_certificate, **order(ca, Validity=validity))[0] == "ValidationException"


def test_private_ca_issues_once_for_a_token(aws, pca, ca):
    """For five minutes; without a token and later each call issues anew."""
    asked = order(ca, IdempotencyToken="once")
    first = pca.issue_certificate(**asked)["CertificateArn"]
    assert pca.issue_certificate(**asked)["CertificateArn"] == first
    assert pca.issue_certificate(**order(ca))["CertificateArn"] != first
    aws.clock.advance(dt.timedelta(minutes=5, seconds=1))
    later = aws.client("acm-pca", aws.keys("backup", "admin"))
    assert later.issue_certificate(**asked)["CertificateArn"] != first


def test_private_ca_names_certificates_by_serial_and_revokes_once(pca, ca):
    """The ARN ends with the serial; a second revocation is told apart; a revoked one can still be fetched."""
    arn = pca.issue_certificate(**order(ca))["CertificateArn"]
    leaf = issued(pca, ca, arn)
    assert int(arn.rpartition("/")[2], 16) == leaf.serial_number
    leaf.verify_directly_issued_by(
        x509.load_pem_x509_certificate(
            pca.get_certificate_authority_certificate(CertificateAuthorityArn=ca)["Certificate"].encode()
        )
    )
    serial = leaf.serial_number.to_bytes(16, "big").hex(":")
    asked = {"CertificateAuthorityArn": ca, "CertificateSerial": serial, "RevocationReason": "SUPERSEDED"}
    pca.revoke_certificate(**asked)
    assert refused(pca.revoke_certificate, **asked)[0] == "RequestAlreadyProcessedException"
    assert issued(pca, ca, arn).serial_number == leaf.serial_number
    unknown = asked | {"CertificateSerial": "01:02"}
    assert refused(pca.revoke_certificate, **unknown)[0] == "ResourceNotFoundException"
    other = arn.rpartition("/")[0] + "/" + "0" * 32
    assert (
        refused(pca.get_certificate, CertificateAuthorityArn=ca, CertificateArn=other)[0] == "ResourceNotFoundException"
    )


def test_private_ca_does_not_revoke_itself(pca, ca):
    """The serial of a root's own certificate is refused."""
    text = pca.get_certificate_authority_certificate(CertificateAuthorityArn=ca)["Certificate"]
    serial = x509.load_pem_x509_certificate(text.encode()).serial_number.to_bytes(16, "big").hex(":")
    asked = {"CertificateAuthorityArn": ca, "CertificateSerial": serial, "RevocationReason": "KEY_COMPROMISE"}
    assert refused(pca.revoke_certificate, **asked)[0] == "InvalidRequestException"


def test_private_ca_that_is_off_issues_nothing(pca, ca):
    """A disabled authority neither issues nor revokes; a request that is no CSR is malformed."""
    assert refused(pca.issue_certificate, **order(ca, Csr=b"x"))[0] == "MalformedCSRException"
    pca.update_certificate_authority(CertificateAuthorityArn=ca, Status="DISABLED")
    assert refused(pca.issue_certificate, **order(ca))[0] == "InvalidStateException"


def test_private_ca_lists_what_acm_may_do(pca, ca):
    """Given once, listed with its actions, taken away again."""
    asked = {"CertificateAuthorityArn": ca, "Principal": "acm.amazonaws.com"}
    pca.create_permission(**asked, Actions=["IssueCertificate", "GetCertificate"])
    again = refused(pca.create_permission, **asked, Actions=["IssueCertificate"])
    assert again[0] == "PermissionAlreadyExistsException"
    (row,) = pca.list_permissions(CertificateAuthorityArn=ca)["Permissions"]
    assert (row["Principal"], row["Actions"], row["CreatedAt"]) == (
        "acm.amazonaws.com",
        ["IssueCertificate", "GetCertificate"],
        NOW,
    )
    pca.delete_permission(**asked)
    assert pca.list_permissions(CertificateAuthorityArn=ca)["Permissions"] == []


def test_private_ca_is_authorized_on_its_arn(aws, pca, ca):
    """A policy that names one authority lets no other one be asked."""
    statement = {"Effect": "Allow", "Action": "acm-pca:IssueCertificate", "Resource": ca}
    aws.source("backup", "narrow", auth="keys_file", policy={"Statement": [statement]}, account=ca.split(":")[4])
    narrow = aws.client("acm-pca", aws.keys("backup", "narrow"))
    assert narrow.issue_certificate(**order(ca))["CertificateArn"].startswith(ca)
    assert refused(narrow.issue_certificate, **order(ca[:-4] + "0000"))[0] == "AccessDeniedException"


def test_private_ca_reports_what_it_signed(aws, pca, ca):
    """Into a bucket that is there, at most twice an hour: each certificate, and what became of it."""
    arn = pca.issue_certificate(**order(ca))["CertificateArn"]
    serial = issued(pca, ca, arn).serial_number.to_bytes(16, "big").hex(":")
    asked = {"CertificateAuthorityArn": ca, "CertificateSerial": serial, "RevocationReason": "SUPERSEDED"}
    pca.revoke_certificate(**asked)
    wanted = {"CertificateAuthorityArn": ca, "S3BucketName": "audits", "AuditReportResponseFormat": "JSON"}
    report = pca.create_certificate_authority_audit_report
    assert refused(report, **wanted)[0] == "InvalidArgsException"
    bucket = aws.world.bucket(ca.split(":")[4], "audits")
    made = report(**wanted)
    entries = {one["certificateArn"]: one for one in json.loads(bucket[made["S3Key"]])}
    assert (entries[arn]["serial"], entries[arn]["revocationReason"]) == (serial, "SUPERSEDED")
    named = {"CertificateAuthorityArn": ca, "AuditReportId": made["AuditReportId"]}
    told = pca.describe_certificate_authority_audit_report(**named)
    assert (told["AuditReportStatus"], told["CreatedAt"], told["S3Key"]) == ("SUCCESS", NOW, made["S3Key"])
    assert refused(report, **wanted)[0] == "RequestInProgressException"
    aws.clock.advance(dt.timedelta(minutes=31))
    table = bucket[report(**wanted | {"AuditReportResponseFormat": "CSV"})["S3Key"]].decode()
    assert arn in table
    unknown = named | {"AuditReportId": "0" * 8 + "-0000-0000-0000-" + "0" * 12}
    assert refused(pca.describe_certificate_authority_audit_report, **unknown)[0] == "ResourceNotFoundException"
