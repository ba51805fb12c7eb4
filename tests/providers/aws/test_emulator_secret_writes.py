"""Writes, keys, replicas and lists of secrets in the emulator, through real boto3 over HTTP."""

import datetime as dt
import uuid

import botocore.exceptions
import pytest

DAY = dt.timedelta(days=1)
ELSEWHERE = "eu-west-1"


def code_of(call, **params) -> str:
    """Error code of the ClientError that `call` must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def sm(admin):
    """Secrets Manager with every right."""
    return admin("secretsmanager")


@pytest.fixture
def key(admin):
    """A factory of KMS keys in a state; returns the ARN."""

    def make(state="Enabled", region="eu-north-1"):
        kms = admin("kms", region)
        made = kms.create_key()["KeyMetadata"]
        change(kms, made["KeyId"], state)
        return made["Arn"]

    return make


def change(kms, key_id, state) -> None:
    """Bring a key into a state through KMS's own API."""
    if state == "Disabled":
        kms.disable_key(KeyId=key_id)
    elif state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)


def stages(sm, name="app/k") -> dict:
    """Version id to labels."""
    return sm.describe_secret(SecretId=name)["VersionIdsToStages"]


def test_writes_are_dated_by_the_world(aws, sm):
    """Created, changed and version dates are the world's instants, not the machine's."""
    first = sm.create_secret(Name="app/k", SecretString="one")["VersionId"]
    made = aws.clock.now()
    aws.clock.advance(5 * DAY)
    sm.put_secret_value(SecretId="app/k", SecretString="two")
    found = sm.describe_secret(SecretId="app/k")
    assert (found["CreatedDate"], found["LastChangedDate"]) == (made, aws.clock.now())
    dates = {one["VersionId"]: one["CreatedDate"] for one in sm.list_secret_version_ids(SecretId="app/k")["Versions"]}
    assert dates.pop(first) == made
    assert list(dates.values()) == [aws.clock.now()]


def test_a_put_after_a_move_leaves_one_current_version(sm):
    """AWSCURRENT moved back by hand, then a new value: one version is current, the one before is previous."""
    first = sm.create_secret(Name="app/k", SecretString="one")["VersionId"]
    second = sm.put_secret_value(SecretId="app/k", SecretString="two")["VersionId"]
    sm.update_secret_version_stage(
        SecretId="app/k", VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
    )
    assert stages(sm) == {first: ["AWSCURRENT"], second: ["AWSPREVIOUS"]}
    third = sm.put_secret_value(SecretId="app/k", SecretString="three")["VersionId"]
    assert stages(sm) == {third: ["AWSCURRENT"], first: ["AWSPREVIOUS"]}
    assert sm.get_secret_value(SecretId="app/k")["SecretString"] == "three"


def test_a_put_is_idempotent_by_its_token(sm):
    """Same token and value: nothing happens; same token and another value: refused."""
    sm.create_secret(Name="app/k", SecretString="one")
    put = {"SecretId": "app/k", "ClientRequestToken": str(uuid.uuid4())}
    answers = [sm.put_secret_value(SecretString="two", **put)["VersionId"] for _ in range(2)]
    assert answers == [put["ClientRequestToken"]] * 2
    assert len(stages(sm)) == 2
    assert code_of(sm.put_secret_value, SecretString="three", **put) == "ResourceExistsException"
    assert code_of(sm.put_secret_value, **put) == "InvalidRequestException"
    assert sm.get_secret_value(SecretId="app/k")["SecretString"] == "two"


def test_a_first_value_is_current_whatever_it_asks(sm):
    """A secret without a value gets AWSCURRENT with its first."""
    sm.create_secret(Name="app/k")
    assert code_of(sm.get_secret_value, SecretId="app/k") == "ResourceNotFoundException"
    put = sm.put_secret_value(SecretId="app/k", SecretString="one", VersionStages=["AWSPENDING"])
    assert put["VersionStages"] == ["AWSCURRENT", "AWSPENDING"]


def test_bytes_come_back_as_bytes(sm):
    """SecretBinary is what was written."""
    sm.create_secret(Name="app/k", SecretBinary=b"\x00\xff")
    assert sm.get_secret_value(SecretId="app/k")["SecretBinary"] == b"\x00\xff"


@pytest.mark.parametrize(
    ("move", "told"),
    [
        ({"MoveToVersionId": "second"}, "so you must explicitly reference that version in RemoveFromVersionId"),
        ({"RemoveFromVersionId": "first"}, "It can't be completely removed"),
        ({"RemoveFromVersionId": "second", "MoveToVersionId": "first"}, "not found in version"),
        ({"RemoveFromVersionId": "x" * 32, "MoveToVersionId": "second"}, "Not a valid version"),
        ({}, "You must provide"),
    ],
    ids=str,
)
def test_a_wrong_move_changes_no_label(sm, move, told):
    """Each wrong move is refused in the service's words and leaves all labels."""
    ids = {"first": sm.create_secret(Name="app/k", SecretString="one")["VersionId"]}
    ids["second"] = sm.put_secret_value(SecretId="app/k", SecretString="2", VersionStages=["AWSPENDING"])["VersionId"]
    before = stages(sm)
    given = {name: ids.get(version, version) for name, version in move.items()}
    with pytest.raises(botocore.exceptions.ClientError, match=told) as caught:
        sm.update_secret_version_stage(SecretId="app/k", VersionStage="AWSCURRENT", **given)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
    assert stages(sm) == before


def test_names_are_taken_until_they_are_gone(aws, sm):
    """The same creation again is answered again; another one, or that of a dying name, is refused."""
    made = {"Name": "app/k", "SecretString": "one", "ClientRequestToken": str(uuid.uuid4())}
    assert sm.create_secret(**made)["ARN"] == sm.create_secret(**made)["ARN"]
    assert code_of(sm.create_secret, Name="app/k", SecretString="one") == "ResourceExistsException"
    aws.seed("secret", "app/dying", source="admin", deletion_in=6 * DAY)
    assert code_of(sm.create_secret, Name="app/dying") == "InvalidRequestException"


def test_update_changes_what_is_given(sm, key):
    """Description, key and value; the labelled versions go under the new key."""
    first = sm.create_secret(Name="app/k", SecretString="one", Description="old")["VersionId"]
    changed = sm.update_secret(SecretId="app/k", KmsKeyId=key())
    assert "VersionId" not in changed
    found = sm.describe_secret(SecretId="app/k")
    assert found["Description"] == "old"
    (version,) = sm.list_secret_version_ids(SecretId="app/k")["Versions"]
    assert version["KmsKeyIds"] == [found["KmsKeyId"]]
    second = sm.update_secret(SecretId="app/k", SecretString="two", Description="new")["VersionId"]
    assert stages(sm) == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    assert sm.describe_secret(SecretId="app/k")["Description"] == "new"


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_an_unusable_key_stops_reads_and_writes(sm, admin, key, state):
    """A key that is switched off or dies: nothing is read, written, made or re-keyed; labels stay."""
    good = key()
    sm.create_secret(Name="app/k", SecretString="one", KmsKeyId=good)
    assert sm.get_secret_value(SecretId="app/k")["SecretString"] == "one"
    before = stages(sm)
    change(admin("kms"), good.rpartition("/")[2], state)
    assert code_of(sm.get_secret_value, SecretId="app/k") == "DecryptionFailure"
    assert code_of(sm.put_secret_value, SecretId="app/k", SecretString="two") == "EncryptionFailure"
    assert code_of(sm.update_secret, SecretId="app/k", SecretString="two") == "EncryptionFailure"
    assert code_of(sm.create_secret, Name="app/other", SecretString="x", KmsKeyId=good) == "EncryptionFailure"
    assert code_of(sm.describe_secret, SecretId="app/other") == "ResourceNotFoundException"
    assert stages(sm) == before
    batch = sm.batch_get_secret_value(SecretIdList=["app/k"])
    assert batch["SecretValues"] == []
    assert batch["Errors"][0]["ErrorCode"] == "DecryptionFailure"


def test_a_key_that_does_not_exist_is_no_key(sm):
    """A missing key refuses the write, and nothing is made."""
    nowhere = f"arn:aws:kms:eu-north-1:111122223333:key/{uuid.uuid4()}"
    assert code_of(sm.create_secret, Name="app/k", SecretString="x", KmsKeyId=nowhere) == "EncryptionFailure"
    sm.create_secret(Name="app/k", SecretString="x")
    assert code_of(sm.update_secret, SecretId="app/k", KmsKeyId=nowhere) == "EncryptionFailure"
    assert "KmsKeyId" not in sm.describe_secret(SecretId="app/k")


def test_a_version_says_on_which_day_it_was_read(aws, sm):
    """LastAccessedDate of the version that was read, and of no other."""
    first = sm.create_secret(Name="app/k", SecretString="one")["VersionId"]
    sm.get_secret_value(SecretId="app/k")
    second = sm.put_secret_value(SecretId="app/k", SecretString="two")["VersionId"]
    listed = {one["VersionId"]: one for one in sm.list_secret_version_ids(SecretId="app/k")["Versions"]}
    read = listed[first]["LastAccessedDate"].astimezone(dt.UTC)
    assert read == aws.clock.now().replace(hour=0, minute=0, second=0)
    assert "LastAccessedDate" not in listed[second]


def test_a_deprecated_version_has_no_labels(aws, sm):
    """It is in no map of labels, and listed without the member when asked for."""
    aws.seed("secret", "app/k", source="admin", rotated=None, deprecated_versions=2)
    assert list(stages(sm).values()) == [["AWSCURRENT"]]
    listed = sm.list_secret_version_ids(SecretId="app/k", IncludeDeprecated=True)["Versions"]
    assert [one.get("VersionStages") for one in listed] == [None, None, ["AWSCURRENT"]]


def test_an_unknown_version_list_is_a_refusal_of_the_client(sm):
    """HTTP 400, not a failure of the server."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        sm.list_secret_version_ids(SecretId="nope")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_version_and_stage_must_agree(sm):
    """A VersionId with a label of another version is refused; an unknown version is not found."""
    first = sm.create_secret(Name="app/k", SecretString="one")["VersionId"]
    sm.put_secret_value(SecretId="app/k", SecretString="two")
    wrong = {"VersionId": first, "VersionStage": "AWSCURRENT"}
    assert code_of(sm.get_secret_value, SecretId="app/k", **wrong) == "InvalidRequestException"
    assert code_of(sm.get_secret_value, SecretId="app/k", VersionId="x" * 32) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ({}, "bac"),
        ({"SortOrder": "asc"}, "bac"),
        ({"SortOrder": "desc"}, "cab"),
        ({"SortBy": "name"}, "abc"),
        ({"SortBy": "last-changed-date", "SortOrder": "desc"}, "bca"),
        ({"SortBy": "last-accessed-date"}, "cba"),
    ],
    ids=str,
)
def test_lists_are_sorted(aws, sm, order, names):
    """By creation unless another key is named, over all pages."""
    aws.seed("secret", "a", source="admin", created=20 * DAY, rotated=None, accessed=2 * DAY)
    aws.seed("secret", "b", source="admin", created=30 * DAY, rotated=None, changed=1 * DAY, accessed=9 * DAY)
    aws.seed("secret", "c", source="admin", created=10 * DAY, rotated=None)
    found, token = [], {}
    while True:
        page = sm.list_secrets(MaxResults=2, **order, **token)
        found += [one["Name"] for one in page["SecretList"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert "".join(found) == names


def test_a_batch_by_filters_has_pages_and_errors(aws, sm):
    """MaxResults and NextToken of BatchGetSecretValue; a secret that cannot be read is named, not raised."""
    for number in range(3):
        aws.seed("secret", f"app/{number}", source="admin", kms={"state": "Disabled"} if number == 1 else None)
    aws.seed("secret", "other", source="admin")
    asked = {"Filters": [{"Key": "name", "Values": ["app/"]}], "MaxResults": 2}
    first = sm.batch_get_secret_value(**asked)
    assert [one["Name"] for one in first["SecretValues"]] == ["app/0"]
    assert [one["ErrorCode"] for one in first["Errors"]] == ["DecryptionFailure"]
    second = sm.batch_get_secret_value(NextToken=first["NextToken"], **asked)
    assert [one["Name"] for one in second["SecretValues"]] == ["app/2"]
    assert "NextToken" not in second
    assert code_of(sm.batch_get_secret_value, NextToken="made up", **asked) == "InvalidNextTokenException"
    assert code_of(sm.batch_get_secret_value, SecretIdList=["other"], MaxResults=2) == "InvalidParameterException"
    assert code_of(sm.batch_get_secret_value, SecretIdList=["x"], Filters=asked["Filters"]) == (
        "InvalidParameterException"
    )


def replicas(sm) -> dict:
    """Region to status entry."""
    return {one["Region"]: one for one in sm.describe_secret(SecretId="app/k").get("ReplicationStatus", [])}


def test_a_replica_keeps_its_key_and_follows(sm, admin, key):
    """The call answers InProgress; then InSync under the key of its region, with the values of the primary."""
    there = key(region=ELSEWHERE)
    wanted = [{"Region": ELSEWHERE, "KmsKeyId": there}, {"Region": "us-east-1"}]
    made = sm.create_secret(Name="app/k", SecretString="one", AddReplicaRegions=wanted)
    assert {one["Status"] for one in made["ReplicationStatus"]} == {"InProgress"}
    found = replicas(sm)
    assert {one["Status"] for one in found.values()} == {"InSync"}
    assert found[ELSEWHERE]["KmsKeyId"] == there
    assert found["us-east-1"]["KmsKeyId"] == "alias/aws/secretsmanager"
    other = admin("secretsmanager", ELSEWHERE)
    sm.put_secret_value(SecretId="app/k", SecretString="two")
    assert other.get_secret_value(SecretId="app/k")["SecretString"] == "two"
    assert other.describe_secret(SecretId="app/k")["KmsKeyId"] == there
    assert "LastAccessedDate" in replicas(sm)[ELSEWHERE]
    assert "LastAccessedDate" not in sm.describe_secret(SecretId="app/k")
    assert code_of(other.put_secret_value, SecretId="app/k", SecretString="x") == "InvalidParameterException"


def test_replicas_fail_without_failing_the_call(aws, sm, admin, key):
    """A key that cannot be used and a name that is taken are a status with a message; the rest goes on."""
    admin("secretsmanager", "us-east-1").create_secret(Name="app/k", SecretString="mine")
    sm.create_secret(Name="app/k", SecretString="one")
    wanted = [
        {"Region": ELSEWHERE, "KmsKeyId": key("Disabled", ELSEWHERE)},
        {"Region": "us-east-1"},
        {"Region": "us-west-2"},
    ]
    sm.replicate_secret_to_regions(SecretId="app/k", AddReplicaRegions=wanted)
    found = replicas(sm)
    assert {region: one["Status"] for region, one in found.items()} == {
        ELSEWHERE: "Failed",
        "us-east-1": "Failed",
        "us-west-2": "InSync",
    }
    assert "Secret name app/k already exists in region us-east-1." in found["us-east-1"]["StatusMessage"]
    assert "KMS key" in found[ELSEWHERE]["StatusMessage"]
    assert code_of(admin("secretsmanager", ELSEWHERE).describe_secret, SecretId="app/k") == "ResourceNotFoundException"
    assert admin("secretsmanager", "us-east-1").get_secret_value(SecretId="app/k")["SecretString"] == "mine"


def test_a_replica_fails_when_its_key_goes_and_returns_with_it(sm, admin, key):
    """The next write shows it, both ways; a failed replica's value cannot be read."""
    there = key(region=ELSEWHERE)
    sm.create_secret(Name="app/k", SecretString="1", AddReplicaRegions=[{"Region": ELSEWHERE, "KmsKeyId": there}])
    kms, other = admin("kms", ELSEWHERE), admin("secretsmanager", ELSEWHERE)
    kms.disable_key(KeyId=there.rpartition("/")[2])
    sm.put_secret_value(SecretId="app/k", SecretString="2")
    assert replicas(sm)[ELSEWHERE]["Status"] == "Failed"
    assert code_of(other.get_secret_value, SecretId="app/k") == "DecryptionFailure"
    kms.enable_key(KeyId=there.rpartition("/")[2])
    sm.put_secret_value(SecretId="app/k", SecretString="3")
    assert replicas(sm)[ELSEWHERE]["Status"] == "InSync"
    assert other.get_secret_value(SecretId="app/k")["SecretString"] == "3"


def test_regions_are_added_once_and_removed(sm, admin):
    """The own region and a second replica in one are refused; a removed replica is gone in its region."""
    sm.create_secret(Name="app/k", SecretString="one", AddReplicaRegions=[{"Region": ELSEWHERE}])
    for region in ("eu-north-1", ELSEWHERE):
        again = [{"Region": region}]
        refused = code_of(sm.replicate_secret_to_regions, SecretId="app/k", AddReplicaRegions=again)
        assert refused == "InvalidParameterException"
    sm.remove_regions_from_replication(SecretId="app/k", RemoveReplicaRegions=[ELSEWHERE])
    assert replicas(sm) == {}
    assert code_of(admin("secretsmanager", ELSEWHERE).describe_secret, SecretId="app/k") == "ResourceNotFoundException"


def test_a_promoted_replica_is_a_secret_of_its_own(aws, sm, admin, key):
    """Same ARN, own values from then on, own key, no rotation; the primary no longer lists it."""
    there = key(region=ELSEWHERE)
    arn = aws.world.rotation_function("backup", "admin", "fn")
    sm.create_secret(Name="app/k", SecretString="one", AddReplicaRegions=[{"Region": ELSEWHERE, "KmsKeyId": there}])
    sm.rotate_secret(SecretId="app/k", RotationLambdaARN=arn, RotationRules={"AutomaticallyAfterDays": 9})
    other = admin("secretsmanager", ELSEWHERE)
    before = other.describe_secret(SecretId="app/k")
    assert before["PrimaryRegion"] == "eu-north-1"
    assert other.stop_replication_to_replica(SecretId="app/k")["ARN"] == before["ARN"]
    sm.put_secret_value(SecretId="app/k", SecretString="primary only")
    other.put_secret_value(SecretId=before["ARN"], SecretString="mine")
    assert other.get_secret_value(SecretId="app/k")["SecretString"] == "mine"
    assert sm.get_secret_value(SecretId="app/k")["SecretString"] == "primary only"
    after = other.describe_secret(SecretId="app/k")
    assert (after["ARN"], after["KmsKeyId"]) == (before["ARN"], there)
    assert not {"PrimaryRegion", "RotationEnabled"} & set(after)
    assert replicas(sm) == {}
    assert code_of(other.stop_replication_to_replica, SecretId="app/k") == "InvalidParameterException"
    assert code_of(other.stop_replication_to_replica, SecretId="none") == "ResourceNotFoundException"
