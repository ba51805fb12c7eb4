"""Probe and rotate documents: each call succeeds with the document and fails without its line; nothing more is open."""

import datetime as dt
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.acm.models import acm_backends

from nhisync.spi import AccessMode, CheckState, ProviderError
from nhisync.testing.clocks import FakeClock
from nhisync_aws.emulator import AwsWorld
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.secrets_overlay import store
from nhisync_aws.lifecycle import NEVER
from nhisync_aws.statements import VALUE_ACTIONS

from .conftest import REGION, Aws
from .exact_policy import CANARY, Place, lines, prints

ACTING = (AccessMode.PROBE, AccessMode.ROTATE)
TRIED = frozenset(
    {
        "acm:DescribeCertificate",
        "iam:GetAccessKeyLastUsed",
        "iam:GetRole",
        "iam:ListAccessKeys",
        "iam:ListServiceSpecificCredentials",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "ssm:DescribeParameters",
    }
)
"""What the doctor can try; it says of the rest that it cannot."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One world for all places of this module."""
    made = AwsWorld(clock=FakeClock(), directory=tmp_path_factory.mktemp("aws"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def place(world, tmp_path):
    """A function that makes a fresh place of a mode, because a rotation changes it."""
    aws = Aws(world, world._clock)
    made = []

    def get(mode):
        made.append(Place(aws, f"p{uuid.uuid4().hex[:8]}", tmp_path, mode, "named"))
        return made[-1]

    yield get
    for one in made:
        one.source.close()
    aws.close()


def account(place):
    """The place's account id."""
    return place.aws.world.account_of(place.path, "aws")


def key_of(place):
    """An access key of the planted user, as AWS has it."""
    return next(one.access_key_id for one in iam(account(place)).access_keys.values() if one.user_name == "svc")


def credential_of(place):
    """The planted service-specific credential."""
    (found,) = place.aws.world._running.cloud.account(account(place)).service_credentials.values()
    return found.id


def certificate_of(place):
    """ARN of the planted certificate."""
    (found,) = acm_backends[account(place)][REGION]._certificates
    return str(found)


def fresh_certificate():
    """A self-signed certificate and its key, as an import takes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.example.com")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"Certificate": built.public_bytes(form[0]), "PrivateKey": key.private_bytes(*form)}


def put(place):
    """A new version of a secret under a customer's key, pending."""
    value = {"SecretString": CANARY, "VersionStages": ["AWSPENDING"]}
    return place.call(
        "secretsmanager:PutSecretValue", SecretId="pay/hand", ClientRequestToken=str(uuid.uuid4()), **value
    )


def move(place):
    """The label that consumers read, put where it is already."""
    current = current_of(place)
    return place.call(
        "secretsmanager:UpdateSecretVersionStage",
        SecretId="pay/hand",
        VersionStage="AWSCURRENT",
        MoveToVersionId=current,
        RemoveFromVersionId=current,
    )


def assume(place):
    """A session of the planted role."""
    arn = f"arn:aws:iam::{account(place)}:role/task"
    return place.call("sts:AssumeRole", RoleArn=arn, RoleSessionName="nhisync-probe", DurationSeconds=900)


def current_of(place):
    """Version id that holds AWSCURRENT."""
    versions = store(account(place), REGION)["pay/hand"].versions
    return next(key for key, one in versions.items() if "AWSCURRENT" in one["version_stages"])


def write_parameter(place, tier):
    """A new version of the parameter under its customer's key."""
    facts = {"Type": "SecureString", "Overwrite": True, "Tier": tier}
    return place.call("ssm:PutParameter", Name="/pay/key", Value=CANARY, **facts)


USER = {"UserName": "svc"}
GIT_USER = {"UserName": "git", "ServiceName": "codecommit.amazonaws.com"}
CALLS = {
    "iam:GetRole": lambda p: p.call("iam:GetRole", RoleName="task"),
    "sts:AssumeRole": assume,
    "secretsmanager:GetSecretValue": lambda p: p.call("secretsmanager:GetSecretValue", SecretId="pay/wide"),
    "ssm:GetParameter": lambda p: p.call("ssm:GetParameter", Name="/pay/key", WithDecryption=True),
    "secretsmanager:DescribeSecret": lambda p: p.call("secretsmanager:DescribeSecret", SecretId="pay/hand"),
    "secretsmanager:PutSecretValue": put,
    "secretsmanager:UpdateSecretVersionStage": move,
    "secretsmanager:RotateSecret": lambda p: p.call(
        "secretsmanager:RotateSecret", SecretId="pay/wide", ClientRequestToken=str(uuid.uuid4())
    ),
    "iam:ListAccessKeys": lambda p: p.call("iam:ListAccessKeys", **USER),
    "iam:GetAccessKeyLastUsed": lambda p: p.call("iam:GetAccessKeyLastUsed", AccessKeyId=key_of(p)),
    "iam:UpdateAccessKey": lambda p: p.call("iam:UpdateAccessKey", AccessKeyId=key_of(p), Status="Inactive", **USER),
    "iam:DeleteAccessKey": lambda p: p.call("iam:DeleteAccessKey", AccessKeyId=key_of(p), **USER),
    "iam:CreateAccessKey": lambda p: p.call("iam:CreateAccessKey", **USER),
    "iam:ListServiceSpecificCredentials": lambda p: p.call("iam:ListServiceSpecificCredentials", UserName="git"),
    "iam:UpdateServiceSpecificCredential": lambda p: p.call(
        "iam:UpdateServiceSpecificCredential",
        UserName="git",
        ServiceSpecificCredentialId=credential_of(p),
        Status="Inactive",
    ),
    "iam:DeleteServiceSpecificCredential": lambda p: p.call(
        "iam:DeleteServiceSpecificCredential", UserName="git", ServiceSpecificCredentialId=credential_of(p)
    ),
    "iam:CreateServiceSpecificCredential": lambda p: p.call("iam:CreateServiceSpecificCredential", **GIT_USER),
    "acm:DescribeCertificate": lambda p: p.call("acm:DescribeCertificate", CertificateArn=certificate_of(p)),
    "acm:ImportCertificate": lambda p: p.call(
        "acm:ImportCertificate", CertificateArn=certificate_of(p), **fresh_certificate()
    ),
    "ssm:DescribeParameters": lambda p: p.call("ssm:DescribeParameters", MaxResults=10),
    "ssm:PutParameter": lambda p: write_parameter(p, "Standard"),
    "ssm:LabelParameterVersion": lambda p: p.call("ssm:LabelParameterVersion", Name="/pay/key", Labels=["current"]),
}
"""Action → the call it is there for, in an order in which all of them can follow each other."""

NESTED = {
    ("NhisyncDecrypt", "kms:Decrypt"): lambda p: p.call("secretsmanager:GetSecretValue", SecretId="pay/hand"),
    ("NhisyncEncryptSecret", "kms:Decrypt"): put,
    ("NhisyncEncryptSecret", "kms:GenerateDataKey"): put,
    ("NhisyncEncryptParameter", "kms:Encrypt"): CALLS["ssm:PutParameter"],
    ("NhisyncEncryptParameter", "kms:GenerateDataKey"): lambda p: write_parameter(p, "Advanced"),
    ("NhisyncRotationFunction", "lambda:InvokeFunction"): CALLS["secretsmanager:RotateSecret"],
}
"""Actions that a service uses on our behalf → the call behind which they stand."""


def call_of(sid, action):
    """The call that a line is there for."""
    return NESTED.get((sid, action)) or CALLS[action]


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("mode", ACTING)
def test_every_call_succeeds_with_the_document(place, mode):
    """All calls of the mode with nothing but the printed document, and the doctor fails nothing."""
    here = place(mode)
    here.apply(here.document)
    checks = here.checks()
    assert [one for one in checks if one.state is CheckState.FAILED] == []
    wanted = lines(mode, "named")
    unsure = {one.name.removeprefix("permission:") for one in checks if one.state is CheckState.WARNING}
    assert unsure == {action for _, action in wanted} - TRIED | {"permissions-surplus"}  # it may not read policies
    granted = {action for _, action in wanted}
    for action in [one for one in CALLS if one in granted]:
        CALLS[action](here)
    for line in [one for one in NESTED if one in wanted]:
        NESTED[line](here)
    assert granted <= {*CALLS, *(action for _, action in NESTED)}


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(("mode", "sid", "action"), [(m, *line) for m in ACTING for line in lines(m, "named")])
def test_every_call_is_refused_without_its_line(place, mode, sid, action):
    """One line less: AWS refuses the call, the error names the action, and the doctor prints it where it can try."""
    here = place(mode)
    here.apply(here.without(sid, action))
    with pytest.raises(ProviderError) as caught:
        call_of(sid, action)(here)
    assert caught.value.kind == "denied"
    assert action in caught.value.fact.action.split(",")
    if action in TRIED:
        assert prints(here, here.checks(), sid, action)


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("secretsmanager:GetSecretValue", {"SecretId": "pay/hand"}),
        ("ssm:GetParameter", {"Name": "/pay/key"}),
        ("ssm:GetParameterHistory", {"Name": "/pay/key"}),
        ("secretsmanager:DeleteSecret", {"SecretId": "pay/hand"}),
        ("secretsmanager:CancelRotateSecret", {"SecretId": "pay/wide"}),
        ("secretsmanager:PutSecretValue", {"SecretId": "pay/other", "SecretString": "x"}),
        ("iam:CreateAccessKey", {"UserName": "somebody"}),
        ("iam:DeleteUser", {"UserName": "svc"}),
        ("iam:CreateUser", {"UserName": "new"}),
        ("ssm:DeleteParameter", {"Name": "/pay/key"}),
        ("ssm:PutParameter", {"Name": "/pay/other", "Value": "x", "Type": "String"}),
        ("kms:DescribeKey", {"KeyId": "alias/x"}),
    ],
)
def test_rotation_opens_nothing_else(place, action, parameters):
    """No value, no other item, no purge, no new identity."""
    here = place(AccessMode.ROTATE)
    here.aws.seed("secret", "pay/other", path=here.path)
    here.apply(here.document)
    assert here.refusal(action, **parameters).kind == "denied"


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("secretsmanager:GetSecretValue", {"SecretId": "pay/other"}),
        ("secretsmanager:ListSecrets", {}),
        ("secretsmanager:PutSecretValue", {"SecretId": "pay/hand", "SecretString": "x"}),
        ("ssm:GetParametersByPath", {"Path": "/pay"}),
    ],
)
def test_probing_opens_nothing_else(place, action, parameters):
    """The named values and nothing beside them; nothing is listed or written."""
    here = place(AccessMode.PROBE)
    here.aws.seed("secret", "pay/other", path=here.path)
    here.apply(here.document)
    assert here.refusal(action, **parameters).kind == "denied"


def test_who_we_are_needs_no_line(place):
    """sts:GetCallerIdentity answers a role with nothing at all, which is what a probe of AWS keys rests on."""
    here = place(AccessMode.PROBE)
    here.apply({"Version": "2012-10-17", "Statement": []})
    assert here.call("sts:GetCallerIdentity")["Account"] == account(here)


def test_rotation_denies_what_it_must_never_do(place):
    """Values and the calls that end a lifecycle, against any other policy; decryption stays open to the writing."""
    here = place(AccessMode.ROTATE)
    (denial,) = [one for one in here.document["Statement"] if one["Effect"] == "Deny"]
    assert set(denial["Action"]) == {*VALUE_ACTIONS, *NEVER} - {"kms:Decrypt"}
    assert denial["Resource"] == "*"
    open_ended = [one["Sid"] for one in here.document["Statement"] if one.get("Resource") == ["*"]]
    assert open_ended == ["NhisyncFindParameter"]


@pytest.mark.parametrize("mode", ACTING)
def test_a_mode_without_work_has_no_document(place, mode):
    """A certificate kept in IAM is neither presented nor replaced: no document, and the doctor says so."""
    here = place(mode)
    provider = here.source.provider()
    kept = [here.source.locator("server-certificate/old")]
    assert provider.permissions(mode, kept, frozenset({"server-certificate"})) == ()
    found = {one.name: one for one in provider.examine(mode, kept, frozenset(), here.source.budget())}
    assert "nothing to do" in found["permissions"].observed


def test_the_doctor_warns_when_a_rotating_identity_could_read_values(place):
    """The named values too: rotation has no use for them."""
    here = place(AccessMode.ROTATE)
    kept = [one for one in here.document["Statement"] if one["Effect"] == "Allow"]
    reads = {"Sid": "More", "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    here.apply({**here.document, "Statement": [*kept, reads]})
    (check,) = [one for one in here.checks() if one.name == "values-closed"]
    assert check.state is CheckState.WARNING
    assert "--mode rotate" in check.fix
