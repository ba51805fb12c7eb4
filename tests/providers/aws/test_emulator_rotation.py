"""Rotation in the emulator as Secrets Manager does it, through real boto3 over HTTP."""

import datetime as dt
import json
import uuid

import botocore.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.secretsmanager.models import FakeSecret

from nhisync.testing.clocks import CountingRandomness
from nhisync_aws.emulator import labels
from nhisync_aws.emulator.rotation_function import STEPS, TemplateFunction
from nhisync_aws.emulator.rotation_overlay import interval

DAY = dt.timedelta(days=1)
NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."
IN_PROGRESS = "A previous rotation isn't complete. That rotation will be reattempted."
UNREACHABLE = "Secrets Manager cannot invoke the specified Lambda function."


def refused(call, **params) -> tuple[str, str]:
    """Code and message of the ClientError that `call` must raise."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def sm(admin):
    """Secrets Manager with every right."""
    return admin("secretsmanager")


@pytest.fixture
def plain(aws, sm):
    """A secret with one value and no rotation."""
    aws.seed("secret", "app/k", source="admin", rotated=None, fields={"username": "app", "password": "old"})
    return "app/k"


@pytest.fixture
def function(aws, admin):
    """A factory of deployed functions; returns the ARN and the list of the steps that were begun."""

    def deploy(body=None, **options):
        begun = []
        work = body or TemplateFunction(CountingRandomness())

        def run(event, service):
            begun.append(event.step)
            work(event, service)

        return aws.world.rotation_function("backup", "admin", f"fn-{uuid.uuid4().hex[:6]}", run, **options), begun

    return deploy


def state(sm, name="app/k") -> dict:
    """DescribeSecret without what differs between two calls."""
    found = sm.describe_secret(SecretId=name)
    del found["ResponseMetadata"]
    return found


def value(sm, **which) -> dict:
    """The fields of one version."""
    return json.loads(sm.get_secret_value(SecretId="app/k", **which)["SecretString"])


def rotate(sm, **params) -> str:
    """RotateSecret; the id of the new version."""
    return sm.rotate_secret(SecretId="app/k", **params)["VersionId"]


def test_without_a_function_nothing_is_rotated(sm, plain):
    """RotateSecret of a secret that has no function and names none is refused, and nothing is written."""
    before = state(sm)
    rules = {"AutomaticallyAfterDays": 7}
    assert refused(sm.rotate_secret, SecretId=plain) == ("InvalidRequestException", NO_FUNCTION)
    assert refused(sm.rotate_secret, SecretId=plain, RotationRules=rules)[0] == "InvalidRequestException"
    assert state(sm) == before
    assert value(sm)["password"] == "old"


def test_an_unknown_function_is_refused_with_nothing_written(sm, plain):
    """The refusal is AWS's, and neither rules nor a pending version are left behind."""
    before = state(sm)
    nowhere = "arn:aws:lambda:eu-north-1:111122223333:function:nowhere"
    code, message = refused(
        sm.rotate_secret, SecretId=plain, RotationLambdaARN=nowhere, RotationRules={"AutomaticallyAfterDays": 7}
    )
    assert code == "AccessDeniedException"
    assert message.startswith(UNREACHABLE)
    assert state(sm) == before


def test_a_seeded_function_can_be_gone(aws, sm):
    """A secret whose function was deleted since cannot be rotated, and keeps its state."""
    aws.seed("secret", "app/k", source="admin", rotation={"every_days": 30, "function_gone": True})
    before = state(sm)
    assert refused(sm.rotate_secret, SecretId="app/k")[0] == "AccessDeniedException"
    assert state(sm) == before


def test_rotation_is_under_way_after_the_answer_and_ends_later(aws, sm, plain, function):
    """The answer comes at once: pending without a value, the old value served; then four steps in order, and dates."""
    arn, begun = function(seconds=30)
    start = aws.clock.now()
    token = rotate(sm, RotationLambdaARN=arn, RotationRules={"AutomaticallyAfterDays": 30})
    under_way = state(sm)
    assert begun == []
    assert under_way["VersionIdsToStages"][token] == ["AWSPENDING"]
    assert under_way["RotationEnabled"] is True
    assert "LastRotatedDate" not in under_way
    assert token not in {one["VersionId"] for one in sm.list_secret_version_ids(SecretId=plain)["Versions"]}
    pending = refused(sm.get_secret_value, SecretId=plain, VersionStage="AWSPENDING")
    assert pending[0] == "ResourceNotFoundException"
    assert value(sm) == {"username": "app", "password": "old"}
    aws.clock.advance(dt.timedelta(seconds=30))
    done = state(sm)
    assert begun == list(STEPS)
    assert done["VersionIdsToStages"].pop(token) == ["AWSCURRENT", "AWSPENDING"]
    assert list(done["VersionIdsToStages"].values()) == [["AWSPREVIOUS"]]
    assert done["LastRotatedDate"] == start + dt.timedelta(seconds=30)
    assert done["NextRotationDate"] == start + dt.timedelta(seconds=30) + 30 * DAY
    fresh = value(sm)
    assert fresh["username"] == "app"
    assert fresh["password"] not in {"old", ""}
    assert value(sm, VersionStage="AWSPREVIOUS")["password"] == "old"


def test_the_second_rotation_remembers_its_function(sm, plain, function):
    """Without an ARN the stored one runs again, and never do two versions hold AWSCURRENT."""
    arn, begun = function()
    tokens = [rotate(sm, RotationLambdaARN=arn)]
    tokens += [rotate(sm) for _ in range(3)]
    found = state(sm)
    assert begun == list(STEPS) * 4
    assert found["RotationLambdaARN"] == arn
    stages = found["VersionIdsToStages"]
    assert [key for key, held in stages.items() if "AWSCURRENT" in held] == [tokens[-1]]
    assert [key for key, held in stages.items() if "AWSPREVIOUS" in held] == [tokens[-2]]
    assert value(sm)["password"].startswith("rotated-")


def test_a_dangling_pending_version_blocks(aws, sm):
    """AWSPENDING on a version that is not current: refused in AWS's words until the label is taken away."""
    aws.seed("secret", "app/k", source="admin", created=90 * DAY, rotated=40 * DAY, pending=9 * DAY)
    before = state(sm)
    assert refused(sm.rotate_secret, SecretId="app/k") == ("InvalidRequestException", IN_PROGRESS)
    assert state(sm) == before
    stuck = next(key for key, held in before["VersionIdsToStages"].items() if "AWSPENDING" in held)
    sm.update_secret_version_stage(SecretId="app/k", VersionStage="AWSPENDING", RemoveFromVersionId=stuck)
    token = rotate(sm)
    assert "AWSCURRENT" in state(sm)["VersionIdsToStages"][token]


def test_pending_on_the_current_version_does_not_block(sm, plain, function):
    """A finished rotation may leave AWSPENDING on the current version; the next one begins all the same."""
    arn, _ = function()
    first = rotate(sm, RotationLambdaARN=arn)
    assert state(sm)["VersionIdsToStages"][first] == ["AWSCURRENT", "AWSPENDING"]
    second = rotate(sm)
    assert state(sm)["VersionIdsToStages"] == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT", "AWSPENDING"]}


@pytest.mark.parametrize("step", STEPS)
def test_a_failing_step_stops_the_rest(aws, sm, function, step):
    """Labels, dates and the value that is served stay as they were, and the next rotation is refused."""
    arn, begun = function()
    aws.seed("secret", "app/k", source="admin", created=90 * DAY, rotated=40 * DAY, fields={"password": "old"})
    before = state(sm)
    aws.world.fault("backup", "admin", "failing_rotation", operation=step)
    token = rotate(sm, RotationLambdaARN=arn)
    found = state(sm)
    assert begun == list(STEPS[: STEPS.index(step)])
    stages = found["VersionIdsToStages"]
    assert stages.pop(token) == ["AWSPENDING"]
    assert stages == before["VersionIdsToStages"]
    assert found["LastRotatedDate"] == before["LastRotatedDate"]
    assert found["NextRotationDate"] == before["NextRotationDate"]
    assert value(sm)["password"] == "old"
    assert refused(sm.rotate_secret, SecretId="app/k") == ("InvalidRequestException", IN_PROGRESS)


def test_a_step_that_fails_after_its_work_leaves_the_work(aws, sm, plain, function):
    """FinishSecret moved the label and then failed: the new value is served, and the rotation is not dated."""
    arn, begun = function()
    aws.world.fault("backup", "admin", "failing_rotation", operation="finishSecret", after=True)
    token = rotate(sm, RotationLambdaARN=arn)
    found = state(sm)
    assert begun == list(STEPS)
    assert "AWSCURRENT" in found["VersionIdsToStages"][token]
    assert "LastRotatedDate" not in found


def test_a_function_that_raises_is_a_failing_step(sm, plain, function):
    """Any exception of the function's code ends the rotation, and never reaches a client."""

    def broken(event, service):
        if event.step == "setSecret":
            raise RuntimeError("the target is away")

    arn, begun = function(broken)
    token = rotate(sm, RotationLambdaARN=arn)
    assert state(sm)["VersionIdsToStages"][token] == ["AWSPENDING"]
    assert begun == ["createSecret", "setSecret"]
    assert value(sm)["password"] == "old"


def test_a_function_that_moves_no_label_has_not_rotated(sm, plain, function):
    """Four steps without an error but without a new AWSCURRENT are no successful rotation."""
    arn, begun = function(lambda event, service: None)
    rotate(sm, RotationLambdaARN=arn)
    assert "LastRotatedDate" not in state(sm)
    assert begun == list(STEPS)


def test_later_rotation_only_tests_the_function(sm, plain, function):
    """RotateImmediately=False: testSecret alone, on a pending version that is gone afterwards; the schedule stands."""
    arn, begun = function()
    before = state(sm)["VersionIdsToStages"]
    rules = {"ScheduleExpression": "rate(10 days)"}
    rotate(sm, RotationLambdaARN=arn, RotationRules=rules, RotateImmediately=False)
    found = state(sm)
    assert begun == ["testSecret"]
    assert found["VersionIdsToStages"] == before
    assert found["RotationEnabled"] is True
    assert "LastRotatedDate" not in found
    assert value(sm)["password"] == "old"


@pytest.mark.parametrize(
    ("rules", "next_in"),
    [
        ({"AutomaticallyAfterDays": 7}, 7 * DAY),
        ({"ScheduleExpression": "rate(12 hours)"}, DAY / 2),
        ({"ScheduleExpression": "rate(10 days)", "Duration": "3h"}, 10 * DAY),
        ({"ScheduleExpression": "cron(0 3 ? * SUN *)"}, None),
    ],
    ids=str,
)
def test_every_form_of_schedule_enables(aws, sm, plain, function, rules, next_in):
    """Days, rate and cron turn rotation on, are shown as given, and date the next rotation where it can be reckoned."""
    arn, _ = function()
    rotate(sm, RotationLambdaARN=arn, RotationRules=rules)
    found = state(sm)
    assert found["RotationEnabled"] is True
    assert found["RotationRules"] == rules
    assert found.get("NextRotationDate") == (None if next_in is None else aws.clock.now() + next_in)


@pytest.mark.parametrize(
    "rules",
    [
        {"AutomaticallyAfterDays": 7, "ScheduleExpression": "rate(7 days)"},
        {"AutomaticallyAfterDays": 1001},
        {"ScheduleExpression": "sometimes"},
        {"AutomaticallyAfterDays": 7, "Duration": "abh"},
    ],
    ids=str,
)
def test_bad_rules_are_refused_with_nothing_written(sm, plain, function, rules):
    """Two schedules, one out of bounds and one in no known form."""
    arn, begun = function()
    before = state(sm)
    assert refused(sm.rotate_secret, SecretId=plain, RotationLambdaARN=arn, RotationRules=rules)[0] == (
        "InvalidParameterException"
    )
    assert state(sm) == before
    assert begun == []


def test_managed_rotation_needs_no_function(aws, sm):
    """A secret that a service owns is rotated by it."""
    seeded = {"every_days": 30, "managed": "rds"}
    aws.seed("secret", "app/k", source="admin", created=90 * DAY, rotated=9 * DAY, rotation=seeded)
    old = value(sm)
    token = rotate(sm)
    found = state(sm)
    assert "AWSCURRENT" in found["VersionIdsToStages"][token]
    assert (found["OwningService"], found["LastRotatedDate"]) == ("rds", aws.clock.now())
    assert "RotationLambdaARN" not in found
    assert value(sm) != old


def test_a_lost_answer_is_asked_for_again(aws, sm, plain, function):
    """The same token again is the same rotation: one run, one new version."""
    arn, begun = function()
    token = str(uuid.uuid4())
    aws.world.fault("backup", "admin", "drop_reply", count=1, operation="secretsmanager:RotateSecret")
    with pytest.raises(botocore.exceptions.BotoCoreError):
        rotate(sm, RotationLambdaARN=arn, ClientRequestToken=token)
    assert rotate(sm, RotationLambdaARN=arn, ClientRequestToken=token) == token
    assert "AWSCURRENT" in state(sm)["VersionIdsToStages"][token]
    assert len(state(sm)["VersionIdsToStages"]) == 2
    assert begun == list(STEPS)


def test_cancelling_stops_what_is_under_way(aws, sm, plain, function):
    """The schedule is off, the steps never run, the label stays and blocks, as the API warns."""
    arn, begun = function(seconds=60)
    token = rotate(sm, RotationLambdaARN=arn)
    assert sm.cancel_rotate_secret(SecretId=plain)["VersionId"] == token
    aws.clock.advance(dt.timedelta(hours=1))
    found = state(sm)
    assert begun == []
    assert found["RotationEnabled"] is False
    assert found["VersionIdsToStages"][token] == ["AWSPENDING"]
    assert refused(sm.rotate_secret, SecretId=plain) == ("InvalidRequestException", IN_PROGRESS)


def test_only_what_has_a_function_can_be_cancelled(sm, plain):
    """CancelRotateSecret of a secret without rotation is refused."""
    assert refused(sm.cancel_rotate_secret, SecretId=plain)[0] == "InvalidRequestException"


def test_replicas_and_dying_secrets_are_not_rotated(aws, sm):
    """Both refusals are the service's own."""
    aws.seed("secret", "app/r", source="admin", replica_of="eu-west-1")
    aws.seed("secret", "app/d", source="admin", deletion_in=6 * DAY)
    assert refused(sm.rotate_secret, SecretId="app/r")[0] == "InvalidParameterException"
    assert refused(sm.rotate_secret, SecretId="app/d")[0] == "InvalidRequestException"
    assert refused(sm.rotate_secret, SecretId="app/none")[0] == "ResourceNotFoundException"


def test_a_disabled_key_stops_the_first_step(aws, sm, admin):
    """The function cannot read the current value, so the pending version stays empty."""
    aws.seed("secret", "app/k", source="admin", kms={}, rotation={})
    before = state(sm)
    admin("kms").disable_key(KeyId=before["KmsKeyId"].rpartition("/")[2])
    token = rotate(sm)
    assert state(sm)["VersionIdsToStages"][token] == ["AWSPENDING"]
    assert token not in {one["VersionId"] for one in sm.list_secret_version_ids(SecretId="app/k")["Versions"]}
    assert state(sm)["LastRotatedDate"] == before["LastRotatedDate"]


def test_a_call_without_a_token_is_refused(sm, plain):
    """The SDK fills the token in; a raw call without it gets the service's refusal."""

    def bare(params, **_):
        params["body"] = json.dumps({"SecretId": plain}).encode()

    sm.meta.events.register("before-call.secretsmanager.RotateSecret", bare)
    code, message = refused(sm.rotate_secret, SecretId=plain)
    assert code == "InvalidParameterException"
    assert message == "You must provide a ClientRequestToken value. We recommend a UUID-type value."


MOVES = st.lists(st.tuples(st.sampled_from(["AWSCURRENT", "AWSPENDING", "one"]), st.sampled_from("abc")), max_size=12)


@given(MOVES)
def test_no_label_is_ever_on_two_versions(moves):
    """After any moves each label is on one version at most, and AWSPREVIOUS never on the current one."""
    secret = FakeSecret("1", "eu-north-1", "x", {}, "")
    for version in "abc":
        labels.new_version(secret, version, 0.0)
    for label, version in moves:
        labels.attach(secret, label, version)
        held = [one for found in secret.versions.values() for one in found["version_stages"]]
        assert len(held) == len(set(held))
        assert labels.holder(secret, label) == version
        assert labels.holder(secret, "AWSCURRENT") == secret.default_version_id
    current, previous = labels.holder(secret, "AWSCURRENT"), labels.holder(secret, "AWSPREVIOUS")
    assert current is None or current != previous


@given(st.integers(1, 999), st.sampled_from(["hour", "hours", "day", "days"]))
def test_rates_are_reckoned(number, unit):
    """``rate(n hours)`` and ``rate(n days)`` are that long; days given as a number come first."""
    assert interval(0, f"rate({number} {unit})") == dt.timedelta(**{f"{unit.rstrip('s')}s": number})
    assert interval(number, f"rate(1 {unit})") == dt.timedelta(days=number)
