"""IAM and ACM of the emulator, through real boto3 over HTTP."""

import csv
import datetime as dt
import io

import botocore.exceptions
import pytest
from cryptography import x509

from .conftest import ADMIN

DAY = dt.timedelta(days=1)
ALL_TYPES = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]


def code_of(call, **params) -> str:
    """Error code of the ClientError that `call` must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def iam(aws):
    """IAM with the inventory role."""
    aws.source()
    return aws.client("iam", aws.session())


@pytest.fixture
def acm(aws):
    """ACM with a role that may do everything: the inventory itself never describes a certificate."""
    aws.source(policy=ADMIN)
    return aws.client("acm", aws.session())


def report_rows(iam) -> list[dict[str, str]]:
    """The credential report's rows."""
    iam.generate_credential_report()
    text = iam.get_credential_report()["Content"].decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_keys_show_age_status_and_last_use(aws, iam):
    """Two keys of one user: one active and used, one inactive and never used."""
    keys = [
        {"age": 200 * DAY, "status": "Inactive"},
        {"age": 3 * DAY, "used": dt.timedelta(hours=2), "service": "s3", "region": "eu-north-1"},
    ]
    aws.seed("access-key", "svc", created=300 * DAY, keys=keys)
    old, new = iam.list_access_keys(UserName="svc")["AccessKeyMetadata"]
    assert (old["Status"], new["Status"]) == ("Inactive", "Active")
    assert old["CreateDate"] == aws.clock.now() - 200 * DAY
    never = iam.get_access_key_last_used(AccessKeyId=old["AccessKeyId"])["AccessKeyLastUsed"]
    assert never == {"ServiceName": "N/A", "Region": "N/A"}
    used = iam.get_access_key_last_used(AccessKeyId=new["AccessKeyId"])["AccessKeyLastUsed"]
    assert used["LastUsedDate"] == aws.clock.now() - dt.timedelta(hours=2)


def test_key_id_can_be_chosen(aws, iam):
    """The option `id` fixes an access key id."""
    aws.seed("access-key", "svc", keys=[{"age": DAY, "id": "AKIAFIXEDFIXEDFIXED1"}])
    assert iam.list_access_keys(UserName="svc")["AccessKeyMetadata"][0]["AccessKeyId"] == "AKIAFIXEDFIXEDFIXED1"


def test_same_account_in_two_regions_shows_the_same_key(aws):
    """IAM is global: two sources of one account see one user with one access key id."""
    first = aws.source("primary", "aws", region="eu-west-1")
    account = first["auth"]["role_arn"].split(":")[4]
    aws.source("backup", "aws", account=account)
    ids = set()
    for path in ("primary", "backup"):
        aws.seed("access-key", "svc", path=path)
        client = aws.client("iam", aws.session(path))
        ids.add(client.list_access_keys(UserName="svc")["AccessKeyMetadata"][0]["AccessKeyId"])
    assert len(ids) == 1


def test_key_that_was_made_is_dated_and_its_use_is_seen(aws, admin):
    """CreateDate is the world's instant; GetCallerIdentity is a use, and so is a refused call; no third key."""
    iam = admin("iam")
    iam.create_user(UserName="svc")
    pair = iam.create_access_key(UserName="svc")["AccessKey"]
    assert pair["CreateDate"] == aws.clock.now()
    asked = {"AccessKeyId": pair["AccessKeyId"]}
    assert iam.get_access_key_last_used(**asked)["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    keys = {"aws_access_key_id": pair["AccessKeyId"], "aws_secret_access_key": pair["SecretAccessKey"]}
    aws.clock.advance(dt.timedelta(minutes=3))
    aws.client("sts", keys).get_caller_identity()
    used = admin("iam").get_access_key_last_used(**asked)["AccessKeyLastUsed"]
    assert used == {"LastUsedDate": aws.clock.now(), "ServiceName": "sts", "Region": "eu-north-1"}
    aws.clock.advance(dt.timedelta(minutes=1))
    assert code_of(aws.client("acm", keys).list_certificates) == "AccessDeniedException"
    later = admin("iam")
    assert later.get_access_key_last_used(**asked)["AccessKeyLastUsed"]["LastUsedDate"] == aws.clock.now()
    later.create_access_key(UserName="svc")
    assert code_of(later.create_access_key, UserName="svc") == "LimitExceeded"


def test_unknown_user_is_no_such_entity(iam):
    """ListAccessKeys of a name that does not exist says NoSuchEntity."""
    assert code_of(iam.list_access_keys, UserName="nobody") == "NoSuchEntity"


def test_users_and_details_come_in_pages(aws, admin):
    """ListUsers and GetAccountAuthorizationDetails honour MaxItems and end."""
    for number in range(25):
        aws.seed("access-key", f"svc-{number:02d}", source="admin")
    iam = admin("iam")
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 10}))
    assert [len(p["Users"]) for p in pages] == [10, 10, 6]  # the admin himself is the 26th
    details = list(
        iam.get_paginator("get_account_authorization_details").paginate(
            Filter=["User"], PaginationConfig={"PageSize": 20}
        )
    )
    assert [len(p["UserDetailList"]) for p in details] == [20, 6]
    tags = {u["UserName"]: u["Tags"] for p in details for u in p["UserDetailList"]}
    assert tags["svc-03"] == [{"Key": "owner", "Value": "platform-oncall"}]


def test_marker_of_another_list_is_refused(aws, admin):
    """Markers are checked."""
    assert code_of(admin("iam").list_users, Marker="nonsense") == "ValidationError"


def test_report_starts_completes_and_ages(aws, iam):
    """No report: 410; STARTED, then COMPLETE; the same report for four hours; then expired."""
    aws.seed("access-key", "svc")
    assert code_of(iam.get_credential_report) == "ReportNotPresent"
    assert iam.generate_credential_report()["State"] == "STARTED"
    first = iam.get_credential_report()
    assert first["GeneratedTime"] == aws.clock.now()
    aws.clock.advance(dt.timedelta(hours=3))
    aws.seed("access-key", "younger")
    session = aws.client("iam", aws.session())
    assert session.generate_credential_report()["State"] == "COMPLETE"
    again = session.get_credential_report()
    assert again["GeneratedTime"] == first["GeneratedTime"]
    assert b"younger" not in again["Content"]
    aws.clock.advance(dt.timedelta(hours=1))
    renewed = aws.client("iam", aws.session())
    assert code_of(renewed.get_credential_report) == "ReportExpired"
    assert renewed.generate_credential_report()["State"] == "STARTED"
    assert b"younger" in renewed.get_credential_report()["Content"]


def test_report_in_progress_says_so(aws, iam):
    """While the report is made the download says ReportInProgress."""
    aws.world.fault("backup", "aws", "slow_report", seconds=10)
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert code_of(iam.get_credential_report) == "ReportInProgress"
    assert iam.generate_credential_report()["State"] == "INPROGRESS"
    aws.clock.advance(dt.timedelta(seconds=11))
    assert iam.get_credential_report()["Content"]


def test_report_has_slots_but_no_key_ids(aws, iam):
    """Rows carry activity, age and last use of both slots, and no access key id anywhere."""
    aws.seed("access-key", "svc", keys=[{"age": 200 * DAY, "used": DAY}, {"age": DAY, "status": "Inactive"}])
    ids = [k["AccessKeyId"] for k in iam.list_access_keys(UserName="svc")["AccessKeyMetadata"]]
    rows = {r["user"]: r for r in report_rows(iam)}
    assert "<root_account>" in rows
    row = rows["svc"]
    assert (row["access_key_1_active"], row["access_key_2_active"]) == ("true", "false")
    age = aws.clock.now() - dt.datetime.fromisoformat(row["access_key_1_last_rotated"])
    assert age == 200 * DAY
    assert not any(key in value for key in ids for value in row.values())


def test_role_detail_has_what_the_list_leaves_out(aws, admin):
    """GetRole shows last use, boundary and tags; ListRoles shows none of them; the trust policy is decoded by boto3."""
    boundary = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    aws.seed("role", "app", source="admin", boundary=boundary, used=4 * DAY, max_session=7200)
    iam = admin("iam")
    role = iam.get_role(RoleName="app")["Role"]
    assert role["RoleLastUsed"]["LastUsedDate"] == aws.clock.now() - 4 * DAY
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("policy/app-boundary")
    assert role["Tags"] == [{"Key": "owner", "Value": "platform-oncall"}]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    listed = next(r for r in iam.list_roles()["Roles"] if r["RoleName"] == "app")
    assert listed["MaxSessionDuration"] == 7200
    assert not {"RoleLastUsed", "Tags", "PermissionsBoundary"} & listed.keys()


def test_service_credentials_are_listed_and_limited(aws, admin):
    """Per service over all users, per user, and never more than two of one service."""
    aws.seed("service-credential", "codecommit.amazonaws.com/git", source="admin", count=2, created=99 * DAY)
    aws.seed("service-credential", "cassandra.amazonaws.com/git", source="admin", expires=9 * DAY)
    iam = admin("iam")
    git = iam.list_service_specific_credentials(AllUsers=True, ServiceName="codecommit.amazonaws.com")
    assert len(git["ServiceSpecificCredentials"]) == 2
    mine = iam.list_service_specific_credentials(UserName="git")["ServiceSpecificCredentials"]
    assert len(mine) == 3
    ends = [c.get("ExpirationDate") for c in mine]
    assert aws.clock.now() + 9 * DAY in ends
    code = code_of(iam.create_service_specific_credential, UserName="git", ServiceName="codecommit.amazonaws.com")
    assert code == "LimitExceeded"


def test_server_certificate_has_its_own_dates(aws, iam):
    """Upload date and expiry come from the seed, not from constants; the PEM parses."""
    aws.seed("server-certificate", "old-elb", created=80 * DAY, rotated=None, expires=11 * DAY)
    found = iam.list_server_certificates()["ServerCertificateMetadataList"][0]
    assert found["UploadDate"] == aws.clock.now() - 80 * DAY
    assert found["Expiration"] == aws.clock.now() + 11 * DAY
    body = iam.get_server_certificate(ServerCertificateName="old-elb")["ServerCertificate"]
    assert x509.load_pem_x509_certificate(body["CertificateBody"].encode())


@pytest.mark.parametrize("key_type", ALL_TYPES)
def test_key_algorithm_is_true_and_default_list_hides_the_rest(aws, acm, key_type):
    """Each of the seven key types is reported as it is; without keyTypes only two of them are listed."""
    aws.seed("certificate", "api.example.com", key_type=key_type, expires=12 * DAY)
    found = acm.list_certificates(Includes={"keyTypes": ALL_TYPES})["CertificateSummaryList"]
    assert [c["KeyAlgorithm"] for c in found] == [key_type]
    assert found[0]["NotAfter"] == aws.clock.now() + 12 * DAY
    shown = bool(acm.list_certificates()["CertificateSummaryList"])
    assert shown is (key_type in {"RSA_1024", "RSA_2048"})


def test_acme_born_certificates_are_hidden_unless_asked(aws, acm):
    """Origin ACME shows only when CertificateKeyPairOrigins names it."""
    aws.seed("certificate", "api.example.com", key_type="RSA_2048", origin="ACME")
    assert acm.list_certificates()["CertificateSummaryList"] == []
    origins = ["AWS_MANAGED", "ACME", "CUSTOMER_PROVIDED"]
    assert len(acm.list_certificates(CertificateKeyPairOrigins=origins)["CertificateSummaryList"]) == 1


def test_certificates_come_in_pages(aws, acm):
    """MaxItems is honoured."""
    for number in range(5):
        aws.seed("certificate", f"h{number}.example.com")
    pages = list(
        acm.get_paginator("list_certificates").paginate(
            Includes={"keyTypes": ALL_TYPES}, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(p["CertificateSummaryList"]) for p in pages] == [2, 2, 1]


def test_expired_certificate_is_listed_as_expired(aws, acm):
    """A certificate past its end stands in the account with status EXPIRED."""
    aws.seed("certificate", "old.example.com", expires=-2 * DAY)
    found = acm.list_certificates(Includes={"keyTypes": ALL_TYPES})["CertificateSummaryList"][0]
    assert found["Status"] == "EXPIRED"


def test_certificate_detail_agrees_with_its_pem(aws):
    """Serial and dates of DescribeCertificate are those of the PEM of GetCertificate; the chain is the issuer's."""
    aws.source(policy={"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}]})
    acm = aws.client("acm", aws.session())
    aws.seed("certificate", "api.example.com", names=["api.example.com", "www.example.com"], tags={"team": "x"})
    arn = acm.list_certificates(Includes={"keyTypes": ALL_TYPES})["CertificateSummaryList"][0]["CertificateArn"]
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    pem = acm.get_certificate(CertificateArn=arn)
    leaf = x509.load_pem_x509_certificate(pem["Certificate"].encode())
    issuer = x509.load_pem_x509_certificate(pem["CertificateChain"].encode())
    leaf.verify_directly_issued_by(issuer)
    assert int(detail["Serial"].replace(":", ""), 16) == leaf.serial_number
    assert sorted(detail["SubjectAlternativeNames"]) == ["api.example.com", "www.example.com"]
    tags = {t["Key"]: t["Value"] for t in acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}
    assert tags == {"team": "x", "owner": "platform-oncall"}
