"""Secrets Manager, SSM and KMS of the emulator, through real boto3 over HTTP."""

import datetime as dt
import json

import botocore.exceptions
import pytest

DAY = dt.timedelta(days=1)


def code_of(call, **params) -> str:
    """Error code of the ClientError that `call` must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def sm(aws):
    """Secrets Manager with the inventory role."""
    aws.source()
    return aws.client("secretsmanager", aws.session())


def test_list_pages_are_at_most_100_and_end(aws, sm):
    """250 secrets come in pages of 100, 100, 50; the last page has no token."""
    for number in range(250):
        aws.seed("secret", f"app/{number:03d}")
    sizes, token = [], {}
    while True:
        answer = sm.list_secrets(MaxResults=100, **token)
        sizes.append(len(answer["SecretList"]))
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert sizes == [100, 100, 50]


def test_small_pages_hold_each_item_once(aws, sm):
    """MaxResults is honoured and no item is lost or doubled over the pages."""
    names = {aws.seed("secret", f"app/{n}").partition("/")[2] for n in range(7)}
    pages = list(sm.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(p["SecretList"]) for p in pages] == [3, 3, 1]
    assert {s["Name"] for p in pages for s in p["SecretList"]} == names


@pytest.mark.parametrize("token", ["garbage", "TGlzdFNlY3JldHMA", "LTE="])
def test_foreign_token_is_refused(aws, sm, token):
    """A token that this list did not give out is an error, never the first page again."""
    assert code_of(sm.list_secrets, NextToken=token) == "InvalidNextTokenException"
    aws.seed("secret", "app/x")
    assert code_of(sm.list_secret_version_ids, SecretId="app/x", NextToken=token) == "InvalidNextTokenException"


def test_token_of_one_list_is_refused_by_another(aws, sm):
    """Tokens are bound to their list."""
    for number in range(3):
        aws.seed("secret", f"app/{number}")
    token = sm.list_secrets(MaxResults=1)["NextToken"]
    assert code_of(sm.list_secret_version_ids, SecretId="app/0", NextToken=token) == "InvalidNextTokenException"


def test_never_rotated_secret_has_no_rotation_members(aws, sm):
    """A secret without rotation shows neither RotationEnabled nor LastRotatedDate, and changed when it was created."""
    aws.seed("secret", "app/static", created=400 * DAY, rotated=None)
    found = sm.describe_secret(SecretId="app/static")
    assert "RotationEnabled" not in found
    assert "LastRotatedDate" not in found
    assert found["CreatedDate"] == found["LastChangedDate"] == aws.clock.now() - 400 * DAY


def test_schedule_expression_is_an_enabled_rotation(aws, sm):
    """Rotation by ScheduleExpression counts as enabled and shows expression, duration and next date."""
    aws.seed("secret", "app/k", rotation={"schedule": "cron(0 3 ? * SUN *)", "duration": "3h", "next": 2 * DAY})
    found = sm.list_secrets()["SecretList"][0]
    assert found["RotationEnabled"] is True
    assert found["RotationRules"] == {"ScheduleExpression": "cron(0 3 ? * SUN *)", "Duration": "3h"}
    assert found["NextRotationDate"] == aws.clock.now() + 2 * DAY


def test_stopped_schedule_keeps_its_rules(aws, sm):
    """After rotation was switched off the rules are still returned; only RotationEnabled tells."""
    aws.seed("secret", "app/k", rotation={"every_days": 30, "enabled": False})
    found = sm.describe_secret(SecretId="app/k")
    assert found["RotationEnabled"] is False
    assert found["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert "NextRotationDate" not in found


def test_overdue_rotation_shows_a_next_date_in_the_past(aws, sm):
    """Enabled, last rotated 120 days ago, next date past: what a failing rotation looks like."""
    aws.seed("secret", "app/k", created=300 * DAY, rotated=120 * DAY, rotation={"every_days": 30})
    found = sm.list_secrets()["SecretList"][0]
    assert found["LastRotatedDate"] == aws.clock.now() - 120 * DAY
    assert found["NextRotationDate"] == aws.clock.now() - 90 * DAY


@pytest.mark.parametrize("empty", [True, False])
def test_stuck_rotation_leaves_pending_on_another_version(aws, sm, empty):
    """AWSPENDING stands on a version that is not current; one without a value is described but not listed."""
    aws.seed("secret", "app/k", pending=9 * DAY, pending_empty=empty)
    stages = sm.describe_secret(SecretId="app/k")["VersionIdsToStages"]
    pending = [v for v, s in stages.items() if s == ["AWSPENDING"]]
    assert len(pending) == 1
    listed = {v["VersionId"]: v for v in sm.list_secret_version_ids(SecretId="app/k")["Versions"]}
    assert (pending[0] in listed) is not empty
    if not empty:
        assert listed[pending[0]]["CreatedDate"] == aws.clock.now() - 9 * DAY


def test_version_list_is_right(aws, sm):
    """ARN, dates, MaxResults and IncludeDeprecated of ListSecretVersionIds; no token on the last page."""
    aws.seed("secret", "app/k", created=90 * DAY, rotated=5 * DAY, deprecated_versions=3)
    whole = sm.list_secret_version_ids(SecretId="app/k")
    assert whole["ARN"].startswith("arn:aws:secretsmanager:eu-north-1:")
    assert "NextToken" not in whole
    dates = {v["VersionStages"][0]: v["CreatedDate"] for v in whole["Versions"]}
    now = aws.clock.now()
    assert dates == {"AWSPREVIOUS": now - 90 * DAY, "AWSCURRENT": now - 5 * DAY}
    every = sm.list_secret_version_ids(SecretId="app/k", IncludeDeprecated=True)
    assert len(every["Versions"]) == 5
    first = sm.list_secret_version_ids(SecretId="app/k", IncludeDeprecated=True, MaxResults=2)
    assert len(first["Versions"]) == 2
    assert first["NextToken"]


def test_unknown_secret_is_not_found(sm):
    """Describe and version list of a name that does not exist say ResourceNotFoundException."""
    assert code_of(sm.describe_secret, SecretId="nope") == "ResourceNotFoundException"
    assert code_of(sm.list_secret_version_ids, SecretId="nope") == "ResourceNotFoundException"


def test_planned_deletion_is_hidden_unless_asked(aws, sm):
    """A secret in its recovery window is listed only with IncludePlannedDeletion, with its date."""
    aws.seed("secret", "app/gone", deletion_in=6 * DAY)
    assert sm.list_secrets()["SecretList"] == []
    found = sm.list_secrets(IncludePlannedDeletion=True)["SecretList"][0]
    assert found["DeletedDate"] == aws.clock.now() + 6 * DAY


def test_replica_names_its_primary(aws, sm):
    """A replica carries PrimaryRegion; the same ARN but for the region."""
    aws.seed("secret", "app/r", replica_of="eu-west-1")
    found = sm.list_secrets()["SecretList"][0]
    assert found["PrimaryRegion"] == "eu-west-1"
    assert ":eu-north-1:" in found["ARN"]


def test_primary_lists_its_replicas_with_status(aws, sm):
    """InSync and Failed replicas show status, message and their own KMS key."""
    replicas = {
        "eu-west-1": {"status": "InSync", "kms": {"alias": "here"}},
        "us-east-1": {"status": "Failed", "message": "Secret name already exists in region us-east-1."},
    }
    aws.seed("secret", "app/r", replicas=replicas)
    found = {r["Region"]: r for r in sm.describe_secret(SecretId="app/r")["ReplicationStatus"]}
    assert found["eu-west-1"]["Status"] == "InSync"
    assert ":kms:eu-west-1:" in found["eu-west-1"]["KmsKeyId"]
    assert found["us-east-1"]["Status"] == "Failed"
    assert "already exists" in found["us-east-1"]["StatusMessage"]
    assert sm.list_secrets()["SecretList"][0]["PrimaryRegion"] == "eu-north-1"


def test_list_lags_until_switched_off(aws, sm):
    """While the list lags a new secret is missing from it but can be described; afterwards it is there."""
    aws.seed("secret", "app/old")
    aws.world.fault("backup", "aws", "list_lag")
    aws.seed("secret", "app/new")
    assert [s["Name"] for s in sm.list_secrets()["SecretList"]] == ["app/old"]
    assert sm.describe_secret(SecretId="app/new")["Name"] == "app/new"
    aws.world.fault("backup", "aws", "list_lag", off=True)
    assert len(sm.list_secrets()["SecretList"]) == 2


def test_filters_are_prefix_matches(aws, sm):
    """A name filter matches prefixes, and tags are seen by their keys."""
    aws.seed("secret", "pay/a", tags={"nhisync:name": "a"})
    aws.seed("secret", "other/b", owner=None)
    by_name = sm.list_secrets(Filters=[{"Key": "name", "Values": ["pay/"]}])["SecretList"]
    by_tag = sm.list_secrets(Filters=[{"Key": "tag-key", "Values": ["nhisync:name"]}])["SecretList"]
    assert [s["Name"] for s in by_name] == [s["Name"] for s in by_tag] == ["pay/a"]


def test_reading_a_value_marks_the_day(aws, admin):
    """LastAccessedDate appears after a read, with the resolution of a day."""
    aws.seed("secret", "app/k", source="admin", fields={"api_key": "v1"})
    client = admin("secretsmanager")
    assert "LastAccessedDate" not in client.describe_secret(SecretId="app/k")
    assert json.loads(client.get_secret_value(SecretId="app/k")["SecretString"]) == {"api_key": "v1"}
    used = client.describe_secret(SecretId="app/k")["LastAccessedDate"]
    assert used.astimezone(dt.UTC) == aws.clock.now().replace(hour=0, minute=0, second=0)


def test_last_access_can_be_seeded(aws, sm):
    """The option `accessed` sets LastAccessedDate."""
    aws.seed("secret", "app/k", accessed=40 * DAY)
    assert sm.list_secrets()["SecretList"][0]["LastAccessedDate"].astimezone(dt.UTC).date().isoformat() == "2026-10-14"


@pytest.mark.parametrize("kms", [{"state": "Disabled"}, {"state": "PendingDeletion"}, {"region": "eu-west-1"}], ids=str)
def test_value_under_an_unusable_key_is_not_decrypted(aws, admin, kms):
    """A disabled, dying or foreign key makes the value unreadable, with the service's own error."""
    aws.seed("secret", "app/k", source="admin", kms=kms)
    assert code_of(admin("secretsmanager").get_secret_value, SecretId="app/k") == "DecryptionFailure"


def test_batch_names_what_failed(aws, admin):
    """BatchGetSecretValue gives the good values and an error entry for the rest."""
    aws.seed("secret", "app/good", source="admin", fields={"k": "v"})
    aws.seed("secret", "app/dying", source="admin", deletion_in=6 * DAY)
    answer = admin("secretsmanager").batch_get_secret_value(SecretIdList=["app/good", "app/dying", "app/none"])
    assert [v["Name"] for v in answer["SecretValues"]] == ["app/good"]
    assert {e["SecretId"]: e["ErrorCode"] for e in answer["Errors"]} == {
        "app/dying": "InvalidRequestException",
        "app/none": "ResourceNotFoundException",
    }


def test_binary_and_plain_values_come_back_as_planted(aws, admin):
    """A plain value is the text itself, a binary one is bytes."""
    aws.seed("secret", "app/plain", source="admin", fields={"v": "just text"}, plain=True)
    aws.seed("secret", "app/bin", source="admin", fields={"v": "x"}, binary=True)
    client = admin("secretsmanager")
    assert client.get_secret_value(SecretId="app/plain")["SecretString"] == "just text"
    assert json.loads(client.get_secret_value(SecretId="app/bin")["SecretBinary"]) == {"v": "x"}


def test_writes_go_through_moto(aws, admin):
    """Create, put and stage moves still work beside the overlay, and the overlay sees them."""
    client = admin("secretsmanager")
    arn = client.create_secret(Name="made", SecretString="one")["ARN"]
    client.put_secret_value(SecretId=arn, SecretString="two", VersionStages=["AWSPENDING"])
    stages = sorted(s for v in client.describe_secret(SecretId="made")["VersionIdsToStages"].values() for s in v)
    assert stages == ["AWSCURRENT", "AWSPENDING"]
    client.delete_secret(SecretId="made", ForceDeleteWithoutRecovery=True)
    assert code_of(client.describe_secret, SecretId=arn) == "ResourceNotFoundException"


def test_kms_describes_state_and_reach(aws, admin):
    """Disabled, multi-Region and alias look-ups; a key of another region is not answered for."""
    aws.seed("secret", "app/a", source="admin", kms={"state": "Disabled"})
    aws.seed("secret", "app/b", source="admin", kms={"multi_region": True, "alias": "shared"})
    aws.seed("secret", "app/c", source="admin", kms={"region": "eu-west-1"})
    listed = {s["Name"]: s["KmsKeyId"] for s in admin("secretsmanager").list_secrets()["SecretList"]}
    kms = admin("kms")
    disabled = kms.describe_key(KeyId=listed["app/a"])["KeyMetadata"]
    assert (disabled["KeyState"], disabled["Enabled"], disabled["MultiRegion"]) == ("Disabled", False, False)
    many = kms.describe_key(KeyId="alias/shared")["KeyMetadata"]
    assert many["Arn"] == listed["app/b"]
    assert many["MultiRegion"]
    assert many["KeyId"].startswith("mrk-")
    assert code_of(kms.describe_key, KeyId=listed["app/c"]) == "NotFoundException"


def test_kms_says_when_it_rotates_next(aws, admin):
    """GetKeyRotationStatus carries NextRotationDate."""
    aws.seed("secret", "app/k", source="admin", kms={"rotation_in": 20 * DAY})
    key = admin("secretsmanager").describe_secret(SecretId="app/k")["KmsKeyId"]
    status = admin("kms").get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"]
    assert status["NextRotationDate"] == aws.clock.now() + 20 * DAY


def test_parameters_come_in_pages_with_policies(aws):
    """DescribeParameters honours MaxResults up to 50, shows expiration policies, and never a value."""
    aws.source()
    for number in range(60):
        aws.seed("parameter", f"/app/{number:02d}", fields={"v": "CANARY"}, expires=30 * DAY if number == 0 else None)
    ssm = aws.client("ssm", aws.session())
    pages = list(ssm.get_paginator("describe_parameters").paginate(PaginationConfig={"PageSize": 50}))
    assert [len(p["Parameters"]) for p in pages] == [50, 10]
    first = pages[0]["Parameters"][0]
    assert first["Policies"][0]["PolicyType"] == "Expiration"
    assert "CANARY" not in json.dumps(pages, default=str)
