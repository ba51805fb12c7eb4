"""The emulator's authentication and authorization, through real boto3 over HTTP."""

import datetime as dt
from typing import Any

import botocore.exceptions
import pytest

ALLOW_ONE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "secretsmanager:Describe*",
            "Resource": "arn:aws:secretsmanager:*:*:secret:app/*",
        },
        {"Effect": "Deny", "Action": "secretsmanager:DescribeSecret", "Resource": "*:secret:app/closed-*"},
    ],
}


def refused(call: Any, **params: Any) -> tuple[str, str, int]:
    """Code, message and HTTP status of the ClientError that `call` must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )


def test_role_of_another_account_is_assumed(aws):
    """The base user lives in nhisync's own account, the role in the source's; the session acts in the latter."""
    document = aws.source()
    role_account = document["auth"]["role_arn"].split(":")[4]
    base = aws.client("sts", aws.keys()).get_caller_identity()
    acting = aws.client("sts", aws.session()).get_caller_identity()
    assert base["Account"] != role_account
    assert acting["Account"] == role_account == aws.world.account_of("backup", "aws")
    assert acting["Arn"].endswith(":assumed-role/nhisync-backup-aws/test")


def test_role_is_not_assumed_against_its_trust(aws):
    """A user whom the trust policy does not name is refused although his own policy would allow it."""
    aws.source("backup", "aws")
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    aws.source("other", "aws", auth="keys_file", policy=allow)
    sts = aws.client("sts", aws.keys("other", "aws"))
    role = aws.documents["backup", "aws"]["auth"]["role_arn"]
    code, message, status = refused(sts.assume_role, RoleArn=role, RoleSessionName="test")
    assert (code, status) == ("AccessDenied", 403)
    assert f"is not authorized to perform: sts:AssumeRole on resource: {role}" in message


ASSUME = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}


def trusting(principal, **more):
    """A trust policy that names one principal."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    "trust",
    [
        trusting({"Service": "ec2.amazonaws.com"}),
        trusting({"Federated": "arn:aws:iam::111122223333:oidc-provider/x"}),
        trusting({"AWS": "arn:aws:iam::999988887777:root"}),
        trusting({"AWS": "*"}, Condition={"StringEquals": {"sts:ExternalId": "tenant-7"}}),
        trusting({"AWS": "*"}, Condition={"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}),
    ],
    ids=["service", "federated", "account", "external-id", "condition"],
)
def test_trust_that_does_not_fit_is_a_denial(aws, trust):
    """A role for services, for others, or under a condition that does not hold: AccessDenied, never a server fault."""
    aws.source("other", "aws", auth="keys_file", policy=ASSUME)
    aws.seed("role", "task", path="other", trust=trust)
    role = f"arn:aws:iam::{aws.world.account_of('other', 'aws')}:role/task"
    sts = aws.client("sts", aws.keys("other", "aws"))
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="test")[::2] == ("AccessDenied", 403)


def test_role_is_trusted_through_its_sessions(aws):
    """A trust policy that names a role lets its sessions in, and those of no other role."""
    aws.source("other", "aws", auth="keys_file", policy=ASSUME)
    account = aws.world.account_of("other", "aws")
    first, second = (f"arn:aws:iam::{account}:role/{name}" for name in ("first", "second"))
    aws.seed("role", "first", path="other", trust=trusting({"AWS": "*"}), policies={"chain": ASSUME})
    aws.seed("role", "odd", path="other", trust=trusting({"AWS": "*"}), policies={"chain": ASSUME})
    aws.seed("role", "second", path="other", trust=trusting({"AWS": first}))
    sts = aws.client("sts", aws.keys("other", "aws"))

    def session(name):
        found = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{name}", RoleSessionName="one")["Credentials"]
        names = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key"}
        keys = {names[member]: found[member] for member in names}
        return aws.client("sts", {**keys, "aws_session_token": found["SessionToken"]})

    chained = session("first").assume_role(RoleArn=second, RoleSessionName="two")
    assert chained["AssumedRoleUser"]["Arn"].endswith(":assumed-role/second/two")
    assert refused(session("odd").assume_role, RoleArn=second, RoleSessionName="two")[0] == "AccessDenied"


def test_external_id_is_demanded(aws):
    """A trust policy with sts:ExternalId refuses a call without it and accepts one with it."""
    document = aws.source(external_id="tenant-7")
    sts = aws.client("sts", aws.keys())
    role = document["auth"]["role_arn"]
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="test")[0] == "AccessDenied"
    assert sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="tenant-7")["Credentials"]


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("secretsmanager", "list_secrets", "UnrecognizedClientException", 400),
    ],
)
def test_inactive_key_does_not_authenticate(aws, admin, service, call, code, status):
    """A key set Inactive is refused exactly like an unknown one, in the words of each protocol."""
    iam = admin("iam")
    iam.create_user(UserName="svc")
    pair = iam.create_access_key(UserName="svc")["AccessKey"]
    keys = {"aws_access_key_id": pair["AccessKeyId"], "aws_secret_access_key": pair["SecretAccessKey"]}
    assert aws.client("sts", keys).get_caller_identity()["Arn"].endswith("user/svc")
    iam.update_access_key(UserName="svc", AccessKeyId=pair["AccessKeyId"], Status="Inactive")
    assert refused(getattr(aws.client(service, keys), call))[::2] == (code, status)


def test_wrong_secret_is_told_apart_from_unknown_key(aws):
    """A wrong signing key gives the signature error, not the unknown-key error."""
    aws.source()
    keys = {**aws.keys(), "aws_secret_access_key": "wrong"}
    assert refused(aws.client("sts", keys).get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert refused(aws.client("secretsmanager", keys).list_secrets)[0] == "InvalidSignatureException"


def test_session_expires_by_the_worlds_clock(aws):
    """After its hour a session is refused as expired, not as unknown."""
    aws.source()
    session = aws.session()
    assert aws.client("sts", session).get_caller_identity()
    aws.clock.advance(dt.timedelta(hours=1, seconds=1))
    assert refused(aws.client("sts", session).get_caller_identity)[0] == "ExpiredToken"
    assert refused(aws.client("secretsmanager", session).list_secrets)[0] == "ExpiredTokenException"


def test_allow_is_scoped_to_its_resource(aws):
    """An Allow on one name prefix lets that prefix through and nothing else; the text says that no policy allows it."""
    aws.source(auth="keys_file", policy=ALLOW_ONE)
    aws.seed("secret", "app/open")
    aws.seed("secret", "other/thing")
    client = aws.client("secretsmanager", aws.keys())
    assert client.describe_secret(SecretId="app/open")["Name"] == "app/open"
    code, message, status = refused(client.describe_secret, SecretId="other/thing")
    assert (code, status) == ("AccessDeniedException", 400)
    assert message.startswith("User: arn:aws:iam::")
    assert "is not authorized to perform: secretsmanager:DescribeSecret on resource: arn:aws:secretsmanager:" in message
    assert message.endswith("because no identity-based policy allows the secretsmanager:DescribeSecret action")


def test_explicit_deny_outranks_allow(aws):
    """A Deny on one item wins over the Allow that covers it, and the text says so."""
    aws.source(auth="keys_file", policy=ALLOW_ONE)
    aws.seed("secret", "app/closed")
    message = refused(aws.client("secretsmanager", aws.keys()).describe_secret, SecretId="app/closed")[1]
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_boundary_limits_a_role(aws):
    """A permissions boundary that lacks an action denies it although the role's own policy allows it."""
    aws.source()
    boundary = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}]}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    aws.seed("role", "bounded", boundary=boundary, trust=trust, policies={"wide": wide})
    account = aws.world.account_of("backup", "aws")
    hub = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    aws.source("hub", "aws", auth="keys_file", policy=hub)
    sts = aws.client("sts", aws.keys("hub", "aws"))
    found = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/bounded", RoleSessionName="test")["Credentials"]
    keys = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }
    assert aws.client("acm", keys).list_certificates()["CertificateSummaryList"] == []
    message = refused(aws.client("secretsmanager", keys).list_secrets)[1]
    assert message.endswith("because no permissions boundary allows the secretsmanager:ListSecrets action")


@pytest.mark.requirement("R42")
def test_inventory_role_cannot_read_a_value(aws):
    """The adapter's own read document denies every value read, even one that another policy would allow."""
    aws.source()
    aws.seed("secret", "app/key", fields={"api_key": "CANARY-1"})
    aws.seed("parameter", "/app/key", fields={"v": "CANARY-2"})
    session = aws.session()
    sm, ssm = aws.client("secretsmanager", session), aws.client("ssm", session)
    for call, params in (
        (sm.get_secret_value, {"SecretId": "app/key"}),
        (sm.batch_get_secret_value, {"SecretIdList": ["app/key"]}),
        (ssm.get_parameter, {"Name": "/app/key", "WithDecryption": True}),
    ):
        code, message, _ = refused(call, **params)
        assert code == "AccessDeniedException"
        assert message.endswith("with an explicit deny in an identity-based policy")
        assert "CANARY" not in message


def test_caller_identity_needs_no_permission(aws):
    """GetCallerIdentity answers a principal with no policy at all."""
    aws.source(auth="keys_file", policy={"Version": "2012-10-17", "Statement": []})
    assert aws.client("sts", aws.keys()).get_caller_identity()["Account"]


def test_web_identity_token_is_the_proof(aws):
    """The known token gives a session of the role; another token gives none."""
    document = aws.source(auth="web_identity")
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    sts = aws.client("sts", keys)
    role, file = document["auth"]["role_arn"], document["auth"]["token_file"]
    with open(file, encoding="utf-8") as handle:
        token = handle.read()
    found = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="test", WebIdentityToken=token)
    assert found["AssumedRoleUser"]["Arn"].endswith("/test")
    code = refused(
        sts.assume_role_with_web_identity, RoleArn=role, RoleSessionName="test", WebIdentityToken="forged-token"
    )[0]
    assert code == "InvalidIdentityToken"


def test_denied_seed_is_denied_to_its_source(aws):
    """An item seeded as denied is in no list and denied singly, in the words of a missing grant."""
    aws.source()
    aws.seed("secret", "app/closed", denied=True)
    client = aws.client("secretsmanager", aws.session())
    assert client.list_secrets()["SecretList"] == []
    message = refused(client.describe_secret, SecretId="app/closed")[1]
    assert message.endswith("because no identity-based policy allows the secretsmanager:DescribeSecret action")


def test_two_worlds_do_not_see_each_other(aws, tmp_path):
    """Moto's state is one per process; accounts of two worlds differ and keys of one mean nothing in the other."""
    from nhisync.testing.clocks import FakeClock
    from nhisync_aws.emulator import AwsWorld

    aws.source()
    other = AwsWorld(clock=FakeClock(), directory=tmp_path / "other")
    other.start()
    try:
        other.add_source("backup", "aws", region="eu-north-1", options={})
        assert other.account_of("backup", "aws") != aws.world.account_of("backup", "aws")
        import boto3

        foreign = boto3.session.Session(**aws.keys()).client(
            "sts", region_name="eu-north-1", endpoint_url=other.endpoint
        )
        try:
            assert refused(foreign.get_caller_identity)[0] == "InvalidClientTokenId"
        finally:
            foreign.close()
    finally:
        other.stop()


def test_unsupported_operation_is_an_error_and_no_traceback(admin):
    """What neither the overlay nor moto implements is answered as AWS answers an operation that it does not have."""
    found = refused(admin("iam").get_organizations_access_report, JobId="0" * 36)
    told = "Could not find operation GetOrganizationsAccessReport for version 2010-05-08"
    assert found == ("InvalidAction", told, 400)
    assert refused(admin("ssm").list_nodes)[::2] == ("UnknownOperationException", 404)
    code, _, status = refused(admin("iam").list_service_specific_credentials, AllUsers=True, Marker="bogus")
    assert (code, status) == ("ValidationError", 400)
