"""Policies on secrets in the emulator: they grant, deny, and open a secret to another account; over real boto3."""

import json

import botocore.exceptions
import pytest

GET = "secretsmanager:GetSecretValue"


def refused(call, **params) -> tuple[str, str]:
    """Code and message of the ClientError that `call` must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def policy(effect, principal, action=GET, **rest) -> str:
    """A document of one statement."""
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*", **rest}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allowed(*actions) -> dict:
    """An identity's document."""
    statements = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}] if actions else []
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.fixture
def sm(admin):
    """Secrets Manager with every right, and one secret in it."""
    client = admin("secretsmanager")
    client.create_secret(Name="app/k", SecretString="one")
    return client


@pytest.fixture
def other(aws, admin):
    """A factory of identities with the given actions: a role's session in the admin's account, or a user of another."""

    def make(*actions, foreign=False, auth="assume_role"):
        account = {} if foreign else {"account": aws.world.account_of("backup", "admin")}
        path = f"other{len(aws.documents)}"
        aws.source(path, "aws", policy=allowed(*actions), auth=auth, **account)
        credentials = aws.session(path) if auth == "assume_role" else aws.keys(path)
        role = aws.documents[path, "aws"]["auth"].get("role_arn")
        return aws.client("secretsmanager", credentials), role or aws.client("sts", credentials).get_caller_identity()[
            "Arn"
        ]

    return make


@pytest.mark.parametrize("named", ["role", "session", "everybody"])
def test_a_policy_grants_what_no_identity_has(sm, other, aws, named):
    """Within the account the secret's policy is enough, for the role, its session or everybody; of that action only."""
    client, role = other()
    assert refused(client.get_secret_value, SecretId="app/k")[0] == "AccessDeniedException"
    account, name = role.split(":")[4], role.rpartition("/")[2]
    principals = {
        "role": {"AWS": role},
        "session": {"AWS": f"arn:aws:sts::{account}:assumed-role/{name}/test"},
        "everybody": "*",
    }
    sm.put_resource_policy(SecretId="app/k", ResourcePolicy=policy("Allow", principals[named]))
    assert client.get_secret_value(SecretId="app/k")["SecretString"] == "one"
    assert refused(client.describe_secret, SecretId="app/k")[0] == "AccessDeniedException"
    sm.delete_resource_policy(SecretId="app/k")
    assert refused(client.get_secret_value, SecretId="app/k")[0] == "AccessDeniedException"


def test_a_grant_to_the_account_grants_no_identity_by_itself(sm, other):
    """The account as principal leaves the decision to the account's own policies."""
    client, role = other()
    root = f"arn:aws:iam::{role.split(':')[4]}:root"
    sm.put_resource_policy(SecretId="app/k", ResourcePolicy=policy("Allow", {"AWS": root}))
    assert refused(client.get_secret_value, SecretId="app/k")[0] == "AccessDeniedException"


@pytest.mark.parametrize("by", ["Principal", "NotPrincipal"])
def test_a_policy_denies_whatever_else_allows(sm, other, by):
    """An explicit deny on the secret wins, in single and in batch, and says where it stands."""
    client, role = other("secretsmanager:*")
    document = json.loads(policy("Deny", {"AWS": role}))
    if by == "NotPrincipal":
        del document["Statement"][0]["Principal"]
        document["Statement"][0]["NotPrincipal"] = {"AWS": "arn:aws:iam::111122223333:role/somebody"}
    sm.put_resource_policy(SecretId="app/k", ResourcePolicy=json.dumps(document))
    code, message = refused(client.get_secret_value, SecretId="app/k")
    assert code == "AccessDeniedException"
    assert message.endswith("with an explicit deny in a resource-based policy")
    batch = client.batch_get_secret_value(SecretIdList=["app/k"])
    assert batch["SecretValues"] == []
    assert [one["ErrorCode"] for one in batch["Errors"]] == ["AccessDeniedException"]
    assert client.describe_secret(SecretId="app/k")["Name"] == "app/k"


def test_a_condition_of_the_policy_is_asked(sm, other):
    """A deny outside a region does not hit inside it, one of another role not this one; one of this role does."""
    client, role = other("secretsmanager:*")
    outside = {"StringNotEquals": {"aws:RequestedRegion": "eu-north-1"}}
    somebody = {"ArnEquals": {"aws:PrincipalArn": f"{role}-not"}}
    for condition in (outside, somebody):
        sm.put_resource_policy(SecretId="app/k", ResourcePolicy=policy("Deny", "*", Condition=condition))
        assert client.get_secret_value(SecretId="app/k")["SecretString"] == "one"
    hit = policy("Deny", "*", Condition={"ArnEquals": {"aws:PrincipalArn": role}})
    sm.put_resource_policy(SecretId="app/k", ResourcePolicy=hit)
    assert refused(client.get_secret_value, SecretId="app/k")[0] == "AccessDeniedException"


def test_across_accounts_both_sides_must_allow(sm, other, admin):
    """Another account's identity needs its own right, the secret's policy, the full ARN and a key of the customer."""
    key = admin("kms").create_key()["KeyMetadata"]["Arn"]
    arn = sm.create_secret(Name="app/shared", SecretString="two", KmsKeyId=key)["ARN"]
    default = sm.describe_secret(SecretId="app/k")["ARN"]
    able, name = other("secretsmanager:*", "kms:*", foreign=True)
    unable, unable_name = other(foreign=True)
    code, message = refused(able.get_secret_value, SecretId=arn)
    assert code == "AccessDeniedException"
    assert message.endswith(f"because no resource-based policy allows the {GET} action")
    for secret in (arn, default):
        open_to = policy("Allow", {"AWS": [name, unable_name]})
        sm.put_resource_policy(SecretId=secret, ResourcePolicy=open_to)
    assert able.get_secret_value(SecretId=arn)["SecretString"] == "two"
    assert refused(unable.get_secret_value, SecretId=arn)[0] == "AccessDeniedException"
    assert refused(able.get_secret_value, SecretId="app/shared")[0] == "ResourceNotFoundException"
    assert refused(able.get_secret_value, SecretId=default)[0] == "InvalidRequestException"
    assert refused(able.delete_secret, SecretId=arn)[0] == "AccessDeniedException"
    assert sm.describe_secret(SecretId=arn)["Name"] == "app/shared"


def test_a_replica_has_the_policy_of_its_primary(sm, other, admin, aws):
    """It can be read there, enforces there, and is changed at the primary only."""
    sm.replicate_secret_to_regions(SecretId="app/k", AddReplicaRegions=[{"Region": "eu-west-1"}])
    text = policy("Deny", "*", action=[GET])
    sm.put_resource_policy(SecretId="app/k", ResourcePolicy=text)
    there = admin("secretsmanager", "eu-west-1")
    assert there.get_resource_policy(SecretId="app/k")["ResourcePolicy"] == text
    assert refused(there.get_secret_value, SecretId="app/k")[0] == "AccessDeniedException"
    put = refused(there.put_resource_policy, SecretId="app/k", ResourcePolicy=text)
    assert put[0] == "InvalidParameterException"


def test_no_policy_is_no_member(sm):
    """GetResourcePolicy of a secret without a policy names the secret and nothing more."""
    found = sm.get_resource_policy(SecretId="app/k")
    assert found["Name"] == "app/k"
    assert "ResourcePolicy" not in found


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"Statement": []}', '{"Statement": [{"Effect": "Allow"}]}'])
def test_what_is_no_policy_is_refused(sm, text):
    """Put refuses it, and validation names the syntax."""
    assert refused(sm.put_resource_policy, SecretId="app/k", ResourcePolicy=text)[0] == (
        "MalformedPolicyDocumentException"
    )
    found = sm.validate_resource_policy(SecretId="app/k", ResourcePolicy=text)
    assert found["PolicyValidationPassed"] is False
    assert [one["CheckName"] for one in found["ValidationErrors"]] == ["SYNTAX"]


def test_public_policies_are_refused_when_asked(sm):
    """BlockPublicPolicy refuses a grant to everybody; a condition makes it none."""
    public = {"SecretId": "app/k", "ResourcePolicy": policy("Allow", "*"), "BlockPublicPolicy": True}
    assert refused(sm.put_resource_policy, **public)[0] == "PublicPolicyException"
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId="app/k")
    bound = policy("Allow", "*", Condition={"StringEquals": {"aws:PrincipalAccount": "111122223333"}})
    sm.put_resource_policy(**{**public, "ResourcePolicy": bound})
    assert sm.get_resource_policy(SecretId="app/k")["ResourcePolicy"] == bound


@pytest.mark.parametrize(
    ("document", "checks"),
    [
        (policy("Allow", {"AWS": "arn:aws:iam::111122223333:root"}), []),
        (policy("Allow", "*"), ["ZELKOVA"]),
        (policy("Deny", "*", action="secretsmanager:*"), ["LOCKOUT"]),
    ],
    ids=["good", "public", "lockout"],
)
def test_validation_makes_its_three_checks(sm, document, checks):
    """A good policy passes; a public one and one that locks the caller out do not; nothing is attached."""
    found = sm.validate_resource_policy(SecretId="app/k", ResourcePolicy=document)
    assert found["PolicyValidationPassed"] is (checks == [])
    assert [one["CheckName"] for one in found.get("ValidationErrors", [])] == checks
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId="app/k")
    assert sm.validate_resource_policy(ResourcePolicy=document)["PolicyValidationPassed"] is (checks == [])
    gone = refused(sm.validate_resource_policy, SecretId="none", ResourcePolicy=document)
    assert gone[0] == "ResourceNotFoundException"
