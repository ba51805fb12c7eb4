"""ACM, Private CA and IAM's server certificates of the emulator, through real boto3 over HTTP."""

import datetime as dt

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from nhisync.testing.clocks import FakeClock
from nhisync_aws.emulator.authority import Authorities, Wish, pem, signed
from nhisync_aws.emulator.keypairs import key_text, new_key

DAY = dt.timedelta(days=1)
NOW = FakeClock().now()
ALL_TYPES = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
PENDING = "The certificate request is in process and the certificate in your account has not yet been issued."


def refused(call, **params) -> tuple[str, str]:
    """Code and message of the ClientError that `call` must raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def acm(admin):
    """ACM with a user who may do everything."""
    return admin("acm")


@pytest.fixture(scope="module")
def authorities():
    """Roots around the worlds' instant."""
    return Authorities(NOW)


@pytest.fixture(scope="module")
def material(authorities):
    """A function: a leaf of 90 days around the instant with its key and issuer, as ImportCertificate takes them."""
    wish = Wish(subject="issuing", start=NOW - 900 * DAY, end=NOW + 900 * DAY)
    issuer = authorities.issuing(wish, trusted=True)

    def make(start=NOW - DAY, end=NOW + 89 * DAY):
        key = new_key("EC_prime256v1")
        wish = Wish(subject="api.example.com", start=start, end=end, names=("api.example.com",))
        leaf = signed(wish, key.public_key(), issuer)
        return {"Certificate": pem(leaf), "PrivateKey": key_text(key), "CertificateChain": pem(issuer.certificate)}

    return make


def test_requested_certificate_is_not_there_before_it_is_validated(aws, acm):
    """Pending: listed without dates, and no PEM; a minute later it is issued, dated and there."""
    arn = acm.request_certificate(DomainName="www.example.com", ValidationMethod="DNS")["CertificateArn"]
    assert refused(acm.get_certificate, CertificateArn=arn) == ("RequestInProgressException", PENDING)
    pending = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert pending["Status"] == "PENDING_VALIDATION"
    assert not {"NotAfter", "Serial", "IssuedAt", "Issuer"} & pending.keys()
    assert pending["DomainValidationOptions"][0]["ResourceRecord"]["Type"] == "CNAME"
    aws.clock.advance(dt.timedelta(seconds=61))
    later = aws.client("acm", aws.keys("backup", "admin"))
    detail = later.describe_certificate(CertificateArn=arn)["Certificate"]
    leaf = x509.load_pem_x509_certificate(later.get_certificate(CertificateArn=arn)["Certificate"].encode())
    assert (detail["Status"], detail["NotAfter"]) == ("ISSUED", leaf.not_valid_after_utc)
    assert detail["NotAfter"] - aws.clock.now() > 390 * DAY
    assert int(detail["Serial"].replace(":", ""), 16) == leaf.serial_number


@pytest.mark.parametrize("algorithm", ["RSA_2048", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"])
def test_requested_key_type_is_the_one_that_is_told(acm, algorithm):
    """KeyAlgorithm of a request is honoured and shown by detail and list."""
    arn = acm.request_certificate(DomainName="www.example.com", KeyAlgorithm=algorithm)["CertificateArn"]
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["KeyAlgorithm"] == algorithm
    (row,) = acm.list_certificates(Includes={"keyTypes": [algorithm]})["CertificateSummaryList"]
    assert row["KeyAlgorithm"] == algorithm


def test_same_token_requests_once(aws, acm):
    """Within the hour the token names the certificate that it made; another name or a later hour makes another one."""
    asked = {"DomainName": "www.example.com", "IdempotencyToken": "once"}
    first = acm.request_certificate(**asked)["CertificateArn"]
    assert acm.request_certificate(**asked)["CertificateArn"] == first
    assert acm.request_certificate(**asked | {"DomainName": "api.example.com"})["CertificateArn"] != first
    aws.clock.advance(dt.timedelta(minutes=61))
    later = aws.client("acm", aws.keys("backup", "admin"))
    assert later.request_certificate(**asked)["CertificateArn"] != first


def test_import_to_the_same_arn_keeps_tags_and_creation(aws, acm, material):
    """A renewal by hand: serial and end are the new ones, ARN, tags and CreatedAt stay, ImportedAt moves."""
    first, second = material(), material(end=NOW + 300 * DAY)
    arn = acm.import_certificate(**first, Tags=[{"Key": "team", "Value": "pay"}])["CertificateArn"]
    aws.clock.advance(dt.timedelta(hours=2))
    later = aws.client("acm", aws.keys("backup", "admin"))
    assert later.import_certificate(**second, CertificateArn=arn)["CertificateArn"] == arn
    detail = later.describe_certificate(CertificateArn=arn)["Certificate"]
    leaf = x509.load_pem_x509_certificate(second["Certificate"].encode())
    assert int(detail["Serial"].replace(":", ""), 16) == leaf.serial_number
    assert (detail["CreatedAt"], detail["ImportedAt"]) == (NOW, NOW + dt.timedelta(hours=2))
    assert later.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "team", "Value": "pay"}]
    assert later.get_certificate(CertificateArn=arn)["CertificateChain"] == second["CertificateChain"]
    tagged = refused(later.import_certificate, **second, CertificateArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert tagged[0] == "ValidationException"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m, make: m | {"PrivateKey": make()["PrivateKey"]}, "does not match"),
        (lambda m, make: make(end=NOW - dt.timedelta(hours=1)), "The certificate has expired, is not valid."),
        (lambda m, make: make(start=NOW + DAY), "The certificate is not in effect yet, is not valid."),
        (lambda m, make: m | {"Certificate": "x"}, "The certificate is not PEM-encoded or is not valid."),
        (lambda m, make: m | {"PrivateKey": "x"}, "The private key is not PEM-encoded or is not valid."),
        (lambda m, make: m | {"CertificateChain": "x"}, "The certificate chain is not PEM-encoded or is not valid."),
        (
            lambda m, make: m | {"Certificate": m["Certificate"] + m["CertificateChain"]},
            "The certificate field contains more than one certificate. You can specify only one certificate in this",
        ),
        (
            lambda m, make: m | {"CertificateChain": make()["Certificate"]},
            "Could not validate the certificate with the certificate chain.",
        ),
        (
            lambda m, make: {name: m[name] for name in ("Certificate", "PrivateKey")},
            "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate",
        ),
    ],
    ids=["key", "expired", "early", "no-pem", "no-key", "no-chain-pem", "two", "wrong-chain", "no-chain"],
)
def test_what_does_not_fit_is_not_imported(acm, material, change, text):
    """A foreign key, wrong dates by the world's clock, broken or wrong PEM: refused, and nothing is kept."""
    code, told = refused(acm.import_certificate, **change(material(), material))
    assert code == "ValidationException"
    assert text in told
    assert acm.list_certificates(Includes={"keyTypes": ALL_TYPES})["CertificateSummaryList"] == []


def test_import_goes_nowhere_else(acm, material):
    """An ARN that is not there, and one that ACM issued itself, are refused."""
    asked = acm.request_certificate(DomainName="www.example.com")["CertificateArn"]
    assert refused(acm.import_certificate, **material(), CertificateArn=asked)[0] == "ValidationException"
    gone = asked[:-12] + "0" * 12
    assert refused(acm.import_certificate, **material(), CertificateArn=gone)[0] == "ResourceNotFoundException"


def test_only_exported_certificates_are_renewed_by_call(aws, acm, pca, ca, material):
    """Imported and unexported ones are refused; an exported one gets a new serial and key under its ARN."""
    imported = acm.import_certificate(**material())["CertificateArn"]
    private = acm.request_certificate(DomainName="pay.internal", CertificateAuthorityArn=ca)["CertificateArn"]
    for arn in (imported, private):
        told = f"Certificate ARN: {arn} has not been exported so it is not eligible for the Renew Certificate API."
        assert refused(acm.renew_certificate, CertificateArn=arn) == ("ValidationException", told)
    assert refused(acm.export_certificate, CertificateArn=imported, Passphrase=b"pass")[0] == "ValidationException"
    before = acm.export_certificate(CertificateArn=private, Passphrase=b"passphrase")
    key = serialization.load_pem_private_key(before["PrivateKey"].encode(), b"passphrase")
    leaf = x509.load_pem_x509_certificate(before["Certificate"].encode())
    assert key.public_key() == leaf.public_key()
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(before["CertificateChain"].encode()))
    assert acm.describe_certificate(CertificateArn=private)["Certificate"]["RenewalEligibility"] == "ELIGIBLE"
    acm.renew_certificate(CertificateArn=private)
    failed = acm.describe_certificate(CertificateArn=private)["Certificate"]
    assert failed["RenewalSummary"]["RenewalStatusReason"] == "PCA_ACCESS_DENIED"
    assert int(failed["Serial"].replace(":", ""), 16) == leaf.serial_number
    actions = ["IssueCertificate", "GetCertificate", "ListPermissions"]
    pca.create_permission(CertificateAuthorityArn=ca, Principal="acm.amazonaws.com", Actions=actions)
    acm.renew_certificate(CertificateArn=private)
    fresh = acm.describe_certificate(CertificateArn=private)["Certificate"]
    assert fresh["RenewalSummary"] == {"RenewalStatus": "SUCCESS", "UpdatedAt": NOW}
    assert int(fresh["Serial"].replace(":", ""), 16) != leaf.serial_number


def test_pending_request_is_neither_exported_nor_renewed(acm):
    """Both wait for the certificate."""
    arn = acm.request_certificate(DomainName="www.example.com", Options={"Export": "ENABLED"})["CertificateArn"]
    assert refused(acm.renew_certificate, CertificateArn=arn) == ("RequestInProgressException", PENDING)
    assert refused(acm.export_certificate, CertificateArn=arn, Passphrase=b"pass")[0] == "RequestInProgressException"


def named(name: str, operator: str = "EQUALS") -> dict:
    """A filter on an alternative name."""
    wanted = {"DnsName": {"Value": name, "ComparisonOperator": operator}}
    return {"Filter": {"X509AttributeFilter": {"SubjectAlternativeName": wanted}}}


def owned(**wanted) -> dict:
    """A filter on ACM's own facts."""
    return {"Filter": {"AcmCertificateMetadataFilter": wanted}}


@pytest.fixture
def stock(aws, acm):
    """Four certificates of different key, origin, type, use and end."""
    aws.seed("certificate", "a.example.com", source="admin", key_type="RSA_2048", expires=30 * DAY)
    aws.seed("certificate", "b.example.com", source="admin", origin="ACME", expires=60 * DAY)
    aws.seed("certificate", "c.example.org", source="admin", type="AMAZON_ISSUED", in_use_by=["x"], expires=90 * DAY)
    aws.seed("certificate", "d.example.org", source="admin", key_type="EC_secp384r1", expires=-DAY)
    return acm


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (None, "abcd"),
        (named("a.example.com"), "a"),
        (named("EXAMPLE.org", "CONTAINS"), "cd"),
        (owned(Type="AMAZON_ISSUED"), "c"),
        (owned(Status="EXPIRED"), "d"),
        (owned(InUse=False), "abd"),
        (owned(CertificateKeyPairOrigin="ACME"), "b"),
        ({"Not": owned(Type="IMPORTED")}, "c"),
        ({"And": [named("org", "CONTAINS"), owned(Type="IMPORTED"), {"Not": owned(InUse=True)}]}, "d"),
        ({"Or": [named("a.example.com"), owned(InUse=True)]}, "ac"),
        ({"Filter": {"X509AttributeFilter": {"KeyAlgorithm": "EC_secp384r1"}}}, "d"),
        ({"Filter": {"X509AttributeFilter": {"NotAfter": {"Start": NOW + 30 * DAY, "End": NOW + 61 * DAY}}}}, "ab"),
        ({"Filter": {"X509AttributeFilter": {"ExtendedKeyUsage": "TLS_WEB_SERVER_AUTHENTICATION"}}}, "abcd"),
        ({"Filter": {"X509AttributeFilter": {"KeyUsage": "CERTIFICATE_SIGNING"}}}, ""),
    ],
    ids=str,
)
def test_search_finds_by_statement(stock, statement, found):
    """Filters and their combinations; without one every key type and origin is shown."""
    asked = {"FilterStatement": statement} if statement else {}
    rows = stock.search_certificates(**asked, SortBy="COMMON_NAME", SortOrder="ASCENDING")["Results"]
    assert "".join(row["X509Attributes"]["Subject"]["CommonName"][0] for row in rows) == found


def test_search_sorts_and_comes_in_pages(stock):
    """By end of validity, newest first, two a page; a token of another list is refused."""
    asked = {"SortBy": "NOT_AFTER", "SortOrder": "DESCENDING", "MaxResults": 3}
    first = stock.search_certificates(**asked)
    second = stock.search_certificates(**asked, NextToken=first["NextToken"])
    rows = first["Results"] + second["Results"]
    assert "NextToken" not in second
    assert [row["X509Attributes"]["Subject"]["CommonName"][0] for row in rows] == ["c", "b", "a", "d"]
    metadata = rows[0]["CertificateMetadata"]["AcmCertificateMetadata"]
    assert (metadata["Type"], metadata["InUse"], metadata["CertificateKeyPairOrigin"]) == (
        "AMAZON_ISSUED",
        True,
        "AWS_MANAGED",
    )
    other = stock.list_certificates(MaxItems=1, Includes={"keyTypes": ALL_TYPES})["NextToken"]
    assert refused(stock.search_certificates, NextToken=other)[0] == "ValidationException"


def test_uploaded_server_certificate_keeps_its_dates(aws, admin, material):
    """UploadDate stays that of the upload, Expiration is the certificate's; no foreign key, no taken name."""
    iam, files = admin("iam"), material()
    upload = {
        "ServerCertificateName": "balancer",
        "CertificateBody": files["Certificate"],
        "PrivateKey": files["PrivateKey"],
        "CertificateChain": files["CertificateChain"],
    }
    foreign = upload | {"PrivateKey": material()["PrivateKey"]}
    assert refused(iam.upload_server_certificate, **foreign)[0] == "KeyPairMismatch"
    iam.upload_server_certificate(**upload)
    aws.clock.advance(3 * DAY)
    later = aws.client("iam", aws.keys("backup", "admin"))
    (row,) = later.list_server_certificates()["ServerCertificateMetadataList"]
    leaf = x509.load_pem_x509_certificate(files["Certificate"].encode())
    assert (row["UploadDate"], row["Expiration"]) == (NOW, leaf.not_valid_after_utc)
    assert refused(later.upload_server_certificate, **upload)[0] == "EntityAlreadyExists"
    later.delete_server_certificate(ServerCertificateName="balancer")
    assert later.list_server_certificates()["ServerCertificateMetadataList"] == []
