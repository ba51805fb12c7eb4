"""IAM's policy simulator, conditions and boundaries of users, through real boto3 over HTTP."""

import json

import pytest
from botocore.exceptions import ClientError

SECRETS = "arn:aws:secretsmanager:eu-north-1:111122223333:secret"
READ = {"Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": f"{SECRETS}:app/*"}
CLOSED = {"Effect": "Deny", "Action": "*", "Resource": f"{SECRETS}:app/closed-*"}


def policy(*statements) -> str:
    """A policy document as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def refused(call, **params) -> tuple[str, int]:
    """Code and HTTP status of the ClientError that `call` must raise."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def iam(admin):
    """IAM with a user who may do everything."""
    return admin("iam")


@pytest.fixture
def user(iam):
    """A user with one inline policy and one that his group has."""
    iam.create_user(UserName="svc")
    iam.put_user_policy(UserName="svc", PolicyName="read", PolicyDocument=policy(READ))
    iam.create_group(GroupName="ops")
    iam.add_user_to_group(GroupName="ops", UserName="svc")
    iam.put_group_policy(GroupName="ops", PolicyName="closed", PolicyDocument=policy(CLOSED))
    return iam.get_user(UserName="svc")["User"]["Arn"]


def decisions(result) -> dict[str, str]:
    """Resource → decision of one result."""
    return {r["EvalResourceName"]: r["EvalResourceDecision"] for r in result["ResourceSpecificResults"]}


def test_each_resource_has_its_own_decision(iam, user):
    """One result per action; it is as strict as its strictest resource, the single ones are told below it."""
    names = [f"{SECRETS}:app/open-1", f"{SECRETS}:app/closed-1", f"{SECRETS}:other-1"]
    found = iam.simulate_principal_policy(
        PolicySourceArn=user, ActionNames=["secretsmanager:GetSecretValue"], ResourceArns=names
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in found] == ["explicitDeny"]
    assert decisions(found[0]) == dict(zip(names, ("allowed", "explicitDeny", "implicitDeny"), strict=True))
    by_name = {r["EvalResourceName"]: r["MatchedStatements"] for r in found[0]["ResourceSpecificResults"]}
    assert by_name[names[0]] == [{"SourcePolicyId": "user_svc_read", "SourcePolicyType": "user"}]
    assert by_name[names[1]] == [{"SourcePolicyId": "group_ops_closed", "SourcePolicyType": "group"}]
    assert by_name[names[2]] == []


def test_without_resources_everything_is_asked(iam, user):
    """No ResourceArns means ``*``, which an Allow on some ARNs does not cover."""
    found = iam.simulate_principal_policy(PolicySourceArn=user, ActionNames=["secretsmanager:GetSecretValue"])
    (result,) = found["EvaluationResults"]
    assert (result["EvalResourceName"], result["EvalDecision"]) == ("*", "implicitDeny")
    assert "ResourceSpecificResults" not in result


def test_simulation_agrees_with_the_call_itself(aws, admin):
    """What the simulator says of a user's own keys is what the same keys meet."""
    iam = admin("iam")
    aws.seed("secret", "app/open", source="admin")
    arn = admin("secretsmanager").describe_secret(SecretId="app/open")["ARN"]
    iam.create_user(UserName="svc")
    only = {"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}
    statement = {"Effect": "Allow", "Action": "secretsmanager:Describe*", "Resource": arn, "Condition": only}
    iam.put_user_policy(UserName="svc", PolicyName="p", PolicyDocument=policy(statement))
    pair = iam.create_access_key(UserName="svc")["AccessKey"]
    keys = {"aws_access_key_id": pair["AccessKeyId"], "aws_secret_access_key": pair["SecretAccessKey"]}
    sm = aws.client("secretsmanager", keys)
    assert sm.describe_secret(SecretId=arn)["Name"] == "app/open"
    assert refused(sm.get_secret_value, SecretId=arn)[0] == "AccessDeniedException"
    region = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["eu-north-1"], "ContextKeyType": "string"}
    found = iam.simulate_principal_policy(
        PolicySourceArn=iam.get_user(UserName="svc")["User"]["Arn"],
        ActionNames=["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        ResourceArns=[arn],
        ContextEntries=[region],
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in found] == ["allowed", "implicitDeny"]


def test_context_that_is_not_given_is_named(iam):
    """Without the key the Allow does not match, and the answer names the key; with the wrong value it names none."""
    within = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    document = policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": within})
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"] == ["aws:SourceVpc"]
    asked = {"PolicyInputList": [document], "ActionNames": ["s3:GetObject"]}
    (without,) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert (without["EvalDecision"], without["MissingContextValues"]) == ("implicitDeny", ["aws:SourceVpc"])
    (there,) = iam.simulate_custom_policy(**asked, ResourceArns=["arn:aws:s3:::b/x"])["EvaluationResults"]
    assert there["MissingContextValues"] == []
    assert there["ResourceSpecificResults"][0]["MissingContextValues"] == ["aws:SourceVpc"]
    for value, decision in (("vpc-1", "allowed"), ("vpc-2", "implicitDeny")):
        entry = {"ContextKeyName": "aws:SourceVpc", "ContextKeyValues": [value], "ContextKeyType": "string"}
        (given,) = iam.simulate_custom_policy(**asked, ContextEntries=[entry])["EvaluationResults"]
        assert (given["EvalDecision"], given["MissingContextValues"]) == (decision, [])


def test_principal_keys_are_those_of_all_his_policies(iam, user):
    """Attached, inherited and given policies are read for context keys."""
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    more = policy({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": mfa})
    tag = {"StringLike": {"aws:RequestTag/team": "*"}}
    wide = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": tag}
    iam.put_group_policy(GroupName="ops", PolicyName="tag", PolicyDocument=policy(wide))
    found = iam.get_context_keys_for_principal_policy(PolicySourceArn=user, PolicyInputList=[more])
    assert found["ContextKeyNames"] == ["aws:MultiFactorAuthPresent", "aws:RequestTag/team"]


def test_boundary_is_told_apart(iam):
    """What a boundary lacks is denied although the policy allows it, and the answer says which of the two it was."""
    wide = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    limit = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    found = iam.simulate_custom_policy(
        PolicyInputList=[wide],
        PermissionsBoundaryPolicyInputList=[limit],
        ActionNames=["s3:GetObject", "iam:CreateAccessKey"],
    )["EvaluationResults"]
    told = [
        (one["EvalDecision"], one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]) for one in found
    ]
    assert told == [("allowed", True), ("implicitDeny", False)]
    (plain,) = iam.simulate_custom_policy(PolicyInputList=[wide], ActionNames=["s3:GetObject"])["EvaluationResults"]
    assert "PermissionsBoundaryDecisionDetail" not in plain


def test_role_is_simulated_with_its_boundary(aws, iam):
    """A role's managed and inline policies count, and its own boundary unless the call gives another one."""
    limit = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}]}
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    aws.seed("role", "task", source="admin", boundary=limit, policies={"wide": wide})
    arn = iam.get_role(RoleName="task")["Role"]["Arn"]
    asked = {"PolicySourceArn": arn, "ActionNames": ["acm:ListCertificates", "s3:GetObject"]}
    own = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert [one["EvalDecision"] for one in own] == ["allowed", "implicitDeny"]
    other = iam.simulate_principal_policy(**asked, PermissionsBoundaryPolicyInputList=[json.dumps(wide)])
    assert [one["EvalDecision"] for one in other["EvaluationResults"]] == ["allowed", "allowed"]


def test_resource_policy_counts_for_users_only(aws, iam, user):
    """In one account the resource's own Allow suffices, in another both must allow; for a role it is refused."""
    open_to_all = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "s3:GetObject", "Resource": "*"}
    asked = {
        "PolicySourceArn": user,
        "ActionNames": ["s3:GetObject"],
        "ResourceArns": ["arn:aws:s3:::b/x"],
        "ResourcePolicy": policy(open_to_all),
    }
    (here,) = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert here["EvalDecision"] == "allowed"
    (abroad,) = iam.simulate_principal_policy(**asked, ResourceOwner="arn:aws:iam::999988887777:root")[
        "EvaluationResults"
    ]
    assert abroad["EvalDecision"] == "implicitDeny"
    aws.seed("role", "task", source="admin")
    arn = iam.get_role(RoleName="task")["Role"]["Arn"]
    assert refused(iam.simulate_principal_policy, **{**asked, "PolicySourceArn": arn}) == ("InvalidInput", 400)


def test_results_come_in_pages(iam, user):
    """MaxItems counts actions; markers are checked."""
    actions = [f"s3:Action{number}" for number in range(5)]
    pages = list(
        iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=user, ActionNames=actions, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["EvaluationResults"]) for page in pages] == [2, 2, 1]
    assert [one["EvalActionName"] for page in pages for one in page["EvaluationResults"]] == actions
    code = refused(iam.simulate_principal_policy, PolicySourceArn=user, ActionNames=actions, Marker="odd")[0]
    assert code == "ValidationError"


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"PolicySourceArn": "arn:aws:iam::111122223333:user/nobody"}, ("NoSuchEntity", 404)),
        ({"PolicySourceArn": "arn:aws:s3:::some-bucket-name"}, ("InvalidInput", 400)),
        ({"ActionNames": ["GetObject"]}, ("InvalidInput", 400)),
        ({"PolicyInputList": ["{"]}, ("InvalidInput", 400)),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_refused(iam, user, change, answer):
    """Unknown principals, ARNs of something else, actions without a service and broken documents."""
    asked = {"PolicySourceArn": user, "ActionNames": ["s3:GetObject"], **change}
    assert refused(iam.simulate_principal_policy, **asked) == answer


def test_simulating_is_a_right_on_the_principal(aws, iam, user):
    """SimulatePrincipalPolicy discloses another one's rights, so that it is authorized on his ARN."""
    mine = {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": user}
    aws.source("backup", "narrow", auth="keys_file", policy=json.loads(policy(mine)), account=user.split(":")[4])
    narrow = aws.client("iam", aws.keys("backup", "narrow"))
    asked = {"PolicySourceArn": user, "ActionNames": ["s3:GetObject"]}
    assert narrow.simulate_principal_policy(**asked)["EvaluationResults"]
    other = {**asked, "PolicySourceArn": user.replace("user/svc", "user/other")}
    assert refused(narrow.simulate_principal_policy, **other) == ("AccessDenied", 403)


def test_boundary_of_a_user_is_put_shown_enforced_and_taken_away(aws, iam, user):
    """PutUserPermissionsBoundary limits what the user's keys may do until DeleteUserPermissionsBoundary."""
    wide = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_user_policy(UserName="svc", PolicyName="wide", PolicyDocument=wide)
    limit = policy({"Effect": "Allow", "Action": "acm:*", "Resource": "*"})
    arn = iam.create_policy(PolicyName="limit", PolicyDocument=limit)["Policy"]["Arn"]
    pair = iam.create_access_key(UserName="svc")["AccessKey"]
    keys = {"aws_access_key_id": pair["AccessKeyId"], "aws_secret_access_key": pair["SecretAccessKey"]}
    sm = aws.client("secretsmanager", keys)
    assert sm.list_secrets()["SecretList"] == []
    missing = arn.replace("limit", "nothing")
    assert refused(iam.put_user_permissions_boundary, UserName="svc", PermissionsBoundary=missing)[0] == "NoSuchEntity"
    iam.put_user_permissions_boundary(UserName="svc", PermissionsBoundary=arn)
    shown = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert iam.get_user(UserName="svc")["User"]["PermissionsBoundary"] == shown
    details = iam.get_account_authorization_details(Filter=["User"])["UserDetailList"]
    assert {u["UserName"]: u.get("PermissionsBoundary") for u in details}["svc"] == shown
    with pytest.raises(ClientError, match="because no permissions boundary allows the secretsmanager:ListSecrets"):
        sm.list_secrets()
    assert aws.client("acm", keys).list_certificates()["CertificateSummaryList"] == []
    iam.delete_user_permissions_boundary(UserName="svc")
    assert sm.list_secrets()["SecretList"] == []
    assert refused(iam.delete_user_permissions_boundary, UserName="svc") == ("NoSuchEntity", 404)


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}, True),
        ({"StringNotEquals": {"aws:RequestedRegion": ["eu-north-1", "eu-west-1"]}}, False),
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"StringEquals": {"aws:username": "svc"}, "StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/s*"}}, True),
        ({"StringEquals": {"aws:PrincipalType": "AssumedRole"}}, False),
        ({"Null": {"aws:SourceVpce": "false"}}, False),
    ],
    ids=str,
)
def test_conditions_decide_real_calls(aws, iam, user, condition, allowed):
    """The condition of an Allow decides whether the user's own call goes through."""
    statement = {"Effect": "Allow", "Action": "acm:ListCertificates", "Resource": "*", "Condition": condition}
    iam.put_user_policy(UserName="svc", PolicyName="p", PolicyDocument=policy(statement))
    pair = iam.create_access_key(UserName="svc")["AccessKey"]
    keys = {"aws_access_key_id": pair["AccessKeyId"], "aws_secret_access_key": pair["SecretAccessKey"]}
    acm = aws.client("acm", keys)
    if allowed:
        assert acm.list_certificates()["CertificateSummaryList"] == []
    else:
        assert refused(acm.list_certificates) == ("AccessDeniedException", 400)


def test_last_accessed_report_names_open_services_and_their_last_call(aws, iam, user):
    """Services that policies open are listed, called or not; what was called has its instant, who and where."""
    wide = {"Effect": "Allow", "Action": ["acm:*", "kms:DescribeKey", "s3:GetObject"], "Resource": "*"}
    iam.put_user_policy(UserName="svc", PolicyName="wide", PolicyDocument=policy(wide))
    pair = iam.create_access_key(UserName="svc")["AccessKey"]
    keys = {"aws_access_key_id": pair["AccessKeyId"], "aws_secret_access_key": pair["SecretAccessKey"]}
    aws.client("acm", keys).list_certificates()
    job = iam.generate_service_last_accessed_details(Arn=user, Granularity="ACTION_LEVEL")["JobId"]
    report = iam.get_service_last_accessed_details(JobId=job)
    assert (report["JobStatus"], report["JobCreationDate"]) == ("COMPLETED", aws.clock.now())
    rows = {row["ServiceNamespace"]: row for row in report["ServicesLastAccessed"]}
    assert sorted(rows) == ["acm", "kms", "s3", "secretsmanager"]
    assert (rows["acm"]["LastAuthenticated"], rows["acm"]["LastAuthenticatedEntity"]) == (aws.clock.now(), user)
    assert rows["acm"]["ServiceName"] == "AWS Certificate Manager"
    assert [one["ActionName"] for one in rows["acm"]["TrackedActionsLastAccessed"]] == ["ListCertificates"]
    assert "LastAuthenticated" not in rows["kms"]
    group = iam.generate_service_last_accessed_details(Arn=user.replace("user/svc", "group/ops"))["JobId"]
    assert iam.get_service_last_accessed_details(JobId=group)["ServicesLastAccessed"] == []
    assert refused(iam.get_service_last_accessed_details, JobId="0" * 36) == ("NoSuchEntity", 404)
