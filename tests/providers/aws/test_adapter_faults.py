"""Every fault of the transport and of AWS: a typed answer, honest coverage, no traceback, nothing hanging."""

import datetime as dt
import logging
import threading

import pytest

from nhisync.spi import ErrorKind, InventoryRequest, ProviderError

DAY = dt.timedelta(days=1)
KINDS = "secret access-key role service-credential server-certificate certificate parameter"


@pytest.fixture
def stocked(aws, backup):
    """One item of each kind, and the adapter."""
    aws.seed("secret", "pay/a", kms={})
    aws.seed("access-key", "svc")
    aws.seed("role", "task")
    aws.seed("service-credential", "codecommit.amazonaws.com/svc-git")
    aws.seed("server-certificate", "old-elb")
    aws.seed("certificate", "api.example.com")
    aws.seed("parameter", "/pay/a")
    return backup


EVERYTHING = (
    "secret/pay/a",
    "access-key/svc",
    "role/task",
    "service-credential/codecommit.amazonaws.com/svc-git",
    "server-certificate/old-elb",
    "certificate/api.example.com",
    "parameter//pay/a",
)


def test_everything_is_seen_with_the_read_document_alone(stocked):
    """The adapter's own least-privilege document suffices for every kind, swept and named."""
    seen = stocked.see(*EVERYTHING, kinds=KINDS)
    assert {name: item.presence.value for name, item in seen.items.items() if name in EVERYTHING} == dict.fromkeys(
        EVERYTHING, "present"
    )
    assert set(seen.status.values()) == {"complete"}


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("fault", "status", "presence", "kind"),
    [
        ("denied", "denied", "denied", "denied"),
        ("throttled", "throttled", "throttled", "throttled"),
        ("error_500", "unreachable", "unreachable", "unreachable"),
        ("drop_reply", "unreachable", "unreachable", "unreachable"),
        ("refuse", "unreachable", "unreachable", "unreachable"),
        ("cut_body", "unreachable", "unknown", "malformed"),
        ("garbage", "unreachable", "unknown", "malformed"),
    ],
)
def test_fault_of_all_services_is_told_for_every_kind_and_item(stocked, aws, fault, status, presence, kind):
    """No kind is complete, no item is absent, every wanted item is answered with the reason, and the run ends."""
    aws.world.fault("backup", "aws", fault, operation="[aiks][!t]*")  # every service but sts
    seen = stocked.see(*EVERYTHING, kinds=KINDS)
    assert set(seen.status.values()) == {status}
    assert {c.error.kind for c in seen.coverage} == {kind}
    assert {name: item.presence.value for name, item in seen.items.items()} == dict.fromkeys(EVERYTHING, presence)
    assert {item.error.kind for item in seen.items.values()} == {kind}


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("fault", "kind"), [("throttled", "throttled"), ("cut_body", "malformed"), ("drop_reply", "unreachable")]
)
def test_one_lost_page_is_partial_never_complete(aws, backup, seen_of, fault, kind):
    """A page that fails in the middle of a list makes the sweep partial; what was read before stays true."""
    for number in range(250):
        aws.seed("secret", f"bulk/{number:03d}", rotated=None)
    provider = backup.provider()
    pages = []
    request = InventoryRequest(budget=backup.budget(), kinds=frozenset({"secret"}))
    for seen in provider.inventory(request):
        pages.append(seen)
        if len(pages) == 1:
            aws.world.fault("backup", "aws", fault, operation="secretsmanager:ListSecrets")
    found = seen_of(pages)
    assert 100 <= len(found.items) < 250
    assert found.status == {"secret": "partial"}
    assert found.coverage[0].error.kind == kind
    assert not found.coverage[0].authoritative


@pytest.mark.parametrize("same", [True, False])
def test_endless_paging_is_noticed(aws, backup, same):
    """A token that comes twice, or pages that never end, are no list; wanted items are still answered singly."""
    aws.seed("secret", "pay/a")
    aws.world.fault("backup", "aws", "endless_paging", same=same, operation="secretsmanager:ListSecrets")
    seen = backup.see("secret/pay/a", "secret/pay/none", kinds="secret")
    assert seen.status == {"secret": "partial"}
    assert "do not end" in seen.coverage[0].error.message
    assert seen["secret/pay/a"].presence == "present"
    assert seen["secret/pay/none"].presence == "absent"
    assert aws.world.calls()["secretsmanager:ListSecrets"] < 60


def test_cut_answer_is_asked_again(aws, backup):
    """A read that was cut once is repeated; with attempts left the run does not even notice."""
    aws.seed("secret", "pay/a")
    aws.world.fault("backup", "aws", "cut_body", count=1, operation="secretsmanager:ListSecrets")
    seen = backup.see(kinds="secret", attempts=2)
    assert seen.status == {"secret": "complete"}
    assert aws.world.calls()["secretsmanager:ListSecrets"] == 2


def test_throttled_read_is_retried_and_counted(aws, backup):
    """Botocore's standard retries answer a throttle; each request on the wire is spent from the budget."""
    aws.seed("secret", "pay/a")
    aws.world.fault("backup", "aws", "throttled", count=1, operation="secretsmanager:ListSecrets")
    budget = backup.budget()
    assert backup.see(kinds="secret", attempts=2, budget=budget).status == {"secret": "complete"}
    assert budget.spent == aws.world.calls().total() == 3


def test_denial_carries_the_grant(aws, backup):
    """Action, resource, principal and reason are told, and the fix is a statement ready to paste."""
    aws.seed("secret", "pay/closed")
    aws.world.fault("backup", "aws", "denied", action="secretsmanager:*")
    item = backup.see("secret/pay/closed")["secret/pay/closed"]
    error = item.error
    assert (item.presence, error.action) == ("denied", "secretsmanager:DescribeSecret")
    assert error.resource.startswith("arn:aws:secretsmanager:eu-north-1:")
    assert error.principal.endswith(":assumed-role/nhisync-backup-aws/nhisync")
    assert error.reason == "no identity-based policy allows it"
    assert error.request_id
    with pytest.raises(ProviderError) as caught:
        backup.provider()._connection.call("secretsmanager", "DescribeSecret", backup.budget(), SecretId="pay/closed")
    assert '"Action": "secretsmanager:DescribeSecret"' in caught.value.fix


def test_explicit_deny_is_told_apart(source_of):
    """Against an explicit Deny no grant helps, and the fix says so."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"},
        ],
    }
    source = source_of(policy=policy)
    item = source.see("secret/pay/a")["secret/pay/a"]
    assert item.error.reason == "an explicit deny in its identity-based policy"
    with pytest.raises(ProviderError) as caught:
        source.provider()._connection.call("secretsmanager", "ListSecrets", source.budget())
    assert "no Allow can outrank it" in caught.value.fix


def test_one_denied_item_ends_nothing(aws, backup):
    """The item denied is denied, the item beside it is present, the sweep is complete."""
    aws.seed("secret", "pay/closed", denied=True)
    aws.seed("secret", "pay/open")
    seen = backup.see("secret/pay/closed", "secret/pay/open", kinds="secret")
    assert seen["secret/pay/closed"].presence == "denied"
    assert seen["secret/pay/closed"].error.action == "secretsmanager:DescribeSecret"
    assert seen["secret/pay/open"].presence == "present"
    assert seen.status == {"secret": "complete"}


def test_denied_detail_of_a_listed_item_keeps_it_present(aws, backup):
    """The list said that it is there; what the denied read would have said is missing, and the coverage says why."""
    aws.seed("secret", "pay/hand", created=90 * DAY, rotated=7 * DAY, rotation=None)
    aws.world.fault("backup", "aws", "denied", action="secretsmanager:ListSecretVersionIds")
    seen = backup.see("secret/pay/hand", kinds="secret")
    item = seen["secret/pay/hand"]
    assert (item.presence, item.rotated) == ("present", None)
    assert seen.status == {"secret": "partial"}
    assert seen.coverage[0].error.action == "secretsmanager:ListSecretVersionIds"


def test_slow_service_costs_only_its_own_answers(aws, backup):
    """Secrets Manager hangs, ACM answers: one is unreachable after the read timeout, the other complete."""
    aws.seed("certificate", "api.example.com")
    aws.world.fault("backup", "aws", "hang", operation="secretsmanager:*")
    seen = backup.see(
        "secret/pay/a", "secret/pay/b", "certificate/api.example.com", kinds="secret certificate", read_timeout="300ms"
    )
    assert seen.status == {"secret": "unreachable", "certificate": "complete"}
    assert seen["secret/pay/a"].error.message.startswith("no answer in time")
    assert aws.world.calls()["secretsmanager:ListSecrets"] == 1
    assert "secretsmanager:DescribeSecret" not in aws.world.calls()


def test_session_that_expired_early_is_renewed_once(aws, backup):
    """One ExpiredToken leads to a new session and the same call again; a second one is told."""
    aws.seed("secret", "pay/a")
    aws.world.fault("backup", "aws", "expired_token", count=1, operation="secretsmanager:*")
    assert backup.see(kinds="secret").status == {"secret": "complete"}
    assert aws.world.calls()["sts:AssumeRole"] == 2
    aws.world.fault("backup", "aws", "expired_token", operation="secretsmanager:*")
    seen = backup.see("secret/pay/a", kinds="secret")
    assert seen.status == {"secret": "denied"}
    assert (seen["secret/pay/a"].presence, seen["secret/pay/a"].error.kind) == ("denied", "auth_failed")


def test_session_is_renewed_before_it_ends(aws, backup):
    """One adapter that lives longer than its session makes a new one from its own clock."""
    aws.seed("secret", "pay/a")
    provider = backup.provider()
    provider.identify(backup.budget())
    aws.clock.advance(dt.timedelta(minutes=56))
    provider.identify(backup.budget())
    assert aws.world.calls()["sts:AssumeRole"] == 2


def test_budget_of_calls_ends_the_cycle_honestly(aws, backup):
    """When the calls are used up the rest is throttled, not absent."""
    for number in range(300):
        aws.seed("secret", f"bulk/{number:03d}", rotated=None)
    budget = backup.budget(calls=3)
    seen = backup.see("secret/bulk/299", kinds="secret", budget=budget)
    assert seen.status == {"secret": "partial"}
    assert seen["secret/bulk/299"].presence == "throttled"
    assert "budget of 3 calls" in seen["secret/bulk/299"].error.message


def test_deadline_ends_the_cycle_honestly(aws, backup):
    """When the time is over nothing more is asked, and all is told as throttled."""
    aws.seed("secret", "pay/a")
    budget = backup.budget(seconds=30)
    provider = backup.provider()
    provider.identify(budget)
    aws.clock.advance(dt.timedelta(seconds=31))
    with pytest.raises(ProviderError) as caught:
        list(backup.see("secret/pay/a", budget=budget).items)
    assert caught.value.kind is ErrorKind.THROTTLED


def test_cancelled_cycle_stops_asking(aws, backup):
    """Another thread may end the cycle; the adapter then closes without a call."""
    budget = backup.budget()
    provider = backup.provider()
    provider.identify(budget)
    budget.cancel()
    with pytest.raises(ProviderError) as caught:
        list(provider._connection.call("secretsmanager", "ListSecrets", budget))
    assert caught.value.kind is ErrorKind.THROTTLED


def test_consumer_that_stops_early_leaves_no_thread(aws, backup):
    """Closing the stream ends all readers."""
    for number in range(2_500):
        aws.seed("secret", f"bulk/{number:04d}", rotated=None)
    stream = backup.provider().inventory(
        InventoryRequest(budget=backup.budget(), kinds=frozenset({"secret", "certificate"}))
    )
    next(stream)
    stream.close()
    for thread in threading.enumerate():
        if thread.name == "nhisync-aws-read":
            thread.join(10)
            assert not thread.is_alive()


def test_closed_adapter_can_be_asked_again(aws, backup):
    """close() is no end: the next call opens anew."""
    aws.seed("secret", "pay/a")
    provider = backup.provider()
    provider.identify(backup.budget())
    provider.close()
    assert provider.identify(backup.budget()).authority.startswith("aws:")


@pytest.mark.requirement("R42")
def test_inventory_never_asks_for_a_value(stocked, aws, caplog, capsys):
    """With debug logging everywhere no value call is made, and no canary is in items, logs or output."""
    aws.seed("secret", "pay/canary", fields={"api_key": "CANARY-f00d-b1e55ed"})
    aws.seed("parameter", "/pay/canary", fields={"v": "CANARY-f00d-b1e55ed"})
    with caplog.at_level(logging.DEBUG):
        seen = stocked.see("secret/pay/canary", "parameter//pay/canary", *EVERYTHING, kinds=KINDS)
    closed = {
        "secretsmanager:GetSecretValue",
        "secretsmanager:BatchGetSecretValue",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "kms:Decrypt",
        "acm:ExportCertificate",
    }
    assert not closed & set(aws.world.calls())
    output = capsys.readouterr()
    records = " ".join(str(vars(record)) for record in caplog.records)
    assert "CANARY" not in f"{seen.items} {seen.coverage} {records} {output.out} {output.err}"
    keys = aws.keys()
    assert keys["aws_secret_access_key"] not in f"{records} {output.out} {output.err}"
    assert not [r for r in caplog.records if r.name.startswith(("botocore", "boto3", "urllib3")) and r.levelno < 30]
