"""Counters, delay and fault switches of the emulator, and its clean end."""

import threading
import time
from datetime import timedelta
from pathlib import Path

import botocore.exceptions
import pytest

from nhisync.testing.clocks import FakeClock
from nhisync_aws.emulator import AwsWorld
from nhisync_aws.emulator.faults import FAULTS


def outcome(call, **params) -> str:
    """``ok``, an error code, or the name of the exception."""
    try:
        call(**params)
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    except botocore.exceptions.BotoCoreError as error:
        return type(error).__name__
    return "ok"


@pytest.fixture
def sm(aws):
    """Secrets Manager with the inventory role and one secret."""
    aws.source()
    aws.seed("secret", "app/k")
    client = aws.client("secretsmanager", aws.session())
    aws.world.reset_calls()
    return client


def test_calls_are_counted_by_source_and_operation(aws, sm):
    """Counters tell sources apart and start again at zero."""
    aws.source("primary", "aws", region="eu-west-1")
    other = aws.client("secretsmanager", aws.session("primary"), "eu-west-1")
    aws.world.reset_calls()
    sm.list_secrets()
    sm.describe_secret(SecretId="app/k")
    other.list_secrets()
    assert aws.world.calls("backup", "aws") == {"secretsmanager:ListSecrets": 1, "secretsmanager:DescribeSecret": 1}
    assert aws.world.calls("primary", "aws") == {"secretsmanager:ListSecrets": 1}
    assert aws.world.calls()["secretsmanager:ListSecrets"] == 2
    aws.world.reset_calls()
    assert aws.world.calls().total() == 0


def test_delay_is_per_call(aws, sm):
    """Every call takes at least the delay."""
    aws.world.delay(0.05)
    start = time.perf_counter()
    sm.list_secrets()
    assert time.perf_counter() - start >= 0.05


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [(0, "ok"), (300, "ok"), (-300, "ok"), (301, "InvalidSignatureException"), (-301, "InvalidSignatureException")],
)
def test_a_skewed_clock_shows_and_refuses(aws, sm, seconds, seen):
    """Answers carry the cloud's time; a signature more than five minutes away is refused in AWS's words."""
    aws.world.fault("backup", "aws", "clock_skew", seconds=seconds)
    told = []
    sm.meta.events.register("before-parse", lambda response_dict, **_: told.append(response_dict["headers"]["date"]))
    assert outcome(sm.list_secrets) == seen
    assert told == [f"{aws.clock.now() + timedelta(seconds=seconds):%a, %d %b %Y %H:%M:%S} GMT"]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("denied", "AccessDeniedException"),
        ("throttled", "ThrottlingException"),
        ("error_500", "500"),
        ("drop_reply", "ConnectionClosedError"),
        ("refuse", "ConnectionClosedError"),
        ("expired_token", "ExpiredTokenException"),
        ("cut_body", "ok"),
        ("garbage", "ok"),
    ],
)
def test_fault_shows_and_ends(aws, sm, fault, seen):
    """Each fault has its own face and ends after its count; cut and garbled JSON look fine to botocore."""
    aws.world.fault("backup", "aws", fault, count=1, operation="secretsmanager:ListSecrets")
    assert outcome(sm.list_secrets) == seen
    assert sm.list_secrets()["SecretList"]


def test_cut_body_makes_botocore_see_nothing(aws, sm):
    """The hazard that adapters must catch: a cut 200 is an empty dict without an error."""
    aws.world.fault("backup", "aws", "cut_body", count=1)
    answer = sm.list_secrets()
    assert "SecretList" not in answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_fault_meets_only_its_operation_and_source(aws, sm):
    """A fault on one operation of one source leaves all others alone."""
    aws.source("primary", "aws", region="eu-west-1")
    other = aws.client("secretsmanager", aws.session("primary"), "eu-west-1")
    aws.world.fault("backup", "aws", "denied", action="secretsmanager:DescribeSecret")
    assert outcome(sm.describe_secret, SecretId="app/k") == "AccessDeniedException"
    assert outcome(sm.list_secrets) == "ok"
    assert outcome(other.list_secrets) == "ok"
    aws.world.fault("backup", "aws", "denied", off=True)
    assert outcome(sm.describe_secret, SecretId="app/k") == "ok"


def test_denied_fault_can_name_a_resource(aws, sm):
    """Only the named resource is denied."""
    aws.seed("secret", "app/other")
    aws.world.fault("backup", "aws", "denied", action="secretsmanager:*", resource="*:secret:app/k-*")
    assert outcome(sm.describe_secret, SecretId="app/k") == "AccessDeniedException"
    assert outcome(sm.describe_secret, SecretId="app/other") == "ok"


def test_dropped_reply_took_effect(aws, admin):
    """The write whose reply is lost has happened; the write whose request is refused has not."""
    iam = admin("iam")
    iam.create_user(UserName="svc")
    aws.world.fault("backup", "admin", "drop_reply", count=1, operation="iam:CreateAccessKey")
    assert outcome(iam.create_access_key, UserName="svc") == "ConnectionClosedError"
    assert len(iam.list_access_keys(UserName="svc")["AccessKeyMetadata"]) == 1
    aws.world.fault("backup", "admin", "refuse", count=1, operation="iam:CreateAccessKey")
    assert outcome(iam.create_access_key, UserName="svc") == "ConnectionClosedError"
    assert len(iam.list_access_keys(UserName="svc")["AccessKeyMetadata"]) == 1


def test_throttling_can_carry_retry_after(aws, sm):
    """The answer holds the header that was asked for."""
    aws.world.fault("backup", "aws", "throttled", count=1, retry_after=7)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        sm.list_secrets()
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"


@pytest.mark.parametrize("same", [True, False])
def test_endless_paging_never_gives_the_last_page(aws, sm, same):
    """Ten pages on there is still a token: the same one, or ever new ones."""
    aws.world.fault("backup", "aws", "endless_paging", same=same)
    tokens, token = [], {}
    for _ in range(10):
        answer = sm.list_secrets(**token)
        tokens.append(answer["NextToken"])
        token = {"NextToken": answer["NextToken"]}
    assert len(set(tokens)) == (1 if same else 10)


def test_unknown_fault_is_an_error(aws, sm):
    """A misspelt fault must not pass silently; the message lists the known ones."""
    with pytest.raises(ValueError, match="cut_body"):
        aws.world.fault("backup", "aws", "cut-body")
    assert "list_lag" in FAULTS


def test_many_threads_get_right_answers(aws, sm):
    """Eight clients at once: no error, no mixed answers (moto alone is not thread safe)."""
    for number in range(40):
        aws.seed("secret", f"t/{number}")
    wrong: list[str] = []

    def work(part: int) -> None:
        for number in range(part, 40, 8):
            name = sm.describe_secret(SecretId=f"t/{number}")["Name"]
            if name != f"t/{number}":
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert aws.world.calls()["secretsmanager:DescribeSecret"] == 40


def test_stop_leaves_nothing_behind(tmp_path):
    """After stop, even with a client waiting on a hanging call, no thread lives and the port is closed; stop twice."""
    import boto3

    before = set(threading.enumerate())
    world = AwsWorld(clock=FakeClock(), directory=tmp_path / "w")
    world.start()
    document = world.add_source("backup", "aws", region="eu-north-1", options={"auth": "keys_file"})
    text = Path(document["auth"]["file"]).read_text(encoding="utf-8").split()
    keys = {"aws_access_key_id": text[3], "aws_secret_access_key": text[6]}
    client = boto3.session.Session(**keys).client("sts", region_name="eu-north-1", endpoint_url=world.endpoint)
    client.get_caller_identity()
    world.fault("backup", "aws", "hang")
    waiting = threading.Thread(target=lambda: outcome(client.get_caller_identity))
    waiting.start()
    while not world.calls("backup", "aws")["sts:GetCallerIdentity"] > 1:
        time.sleep(0.01)
    world.stop()
    world.stop()
    client.close()
    waiting.join(20)
    assert set(threading.enumerate()) <= before


def test_world_needs_no_moto_before_it_starts():
    """Importing the world and making one imports neither moto nor boto3."""
    import subprocess
    import sys

    code = (
        "import sys, pathlib\n"
        "from nhisync.testing.clocks import FakeClock\n"
        "from nhisync_aws.emulator import AwsWorld\n"
        "AwsWorld(clock=FakeClock(), directory=pathlib.Path('unused'))\n"
        "print(sorted(m for m in ('moto', 'boto3', 'botocore') if m in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_wrong_names_are_errors(aws):
    """An unknown source or kind, and a doubled source, are refused with a message."""
    aws.source()
    with pytest.raises(ValueError, match="already"):
        aws.source()
    with pytest.raises(ValueError, match="no source"):
        aws.seed("secret", "x", source="nope")
    with pytest.raises(ValueError, match="no kind"):
        aws.seed("kv", "x")
