"""Sessions that are minted for one probe: let in, unable to do anything, and over soon."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Presented
from nhisync.probes.order import Patience
from nhisync.spi import AccessMode, ErrorKind, ProviderError
from nhisync.testing.world import Seed
from nhisync_aws.emulator.auth import iam
from nhisync_aws.emulator.seed_iam import account_root

from .conftest import ADMIN, REGION, Aws, Source

FIELDS = {"access_key_id", "secret_access_key", "session_token"}


def trust(account: str) -> Mapping[str, Any]:
    """Everybody in the account who may."""
    statement = {"Effect": "Allow", "Principal": {"AWS": account_root(account)}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture
def role(aws: Aws, backup: Source) -> Callable[..., Any]:
    """A function that plants a role and gives nhisync exactly what mode probe prints for it."""

    def plant(**facts: Any) -> Any:
        account = aws.world.account_of("backup", "aws")
        facts.setdefault("trust", trust(account))
        seed = Seed(kind="role", name="task", options={"policies": {"all": dict(ADMIN)}, **facts})
        locator = backup.locator(aws.world.seed("backup", "aws", seed))
        (document,) = backup.provider().permissions(AccessMode.PROBE, [locator], frozenset())
        own = iam(account).get_role("nhisync-backup-aws")
        own.policies.clear()
        own.put_policy("nhisync", document.text)
        return locator

    return plant


def minted(source: Source, locator: Any, **settings: Any) -> dict[str, str]:
    """Fields of a new session."""
    return {
        one.field: one.value.reveal().decode() for one in source.provider(**settings).issue(locator, source.budget())
    }


def refused(source: Source, locator: Any, **settings: Any) -> ErrorKind:
    """Why there is no session."""
    with pytest.raises(ProviderError) as told:
        list(source.provider(**settings).issue(locator, source.budget()))
    return told.value.kind


@pytest.mark.requirement("R48", "R22")
@pytest.mark.parametrize("path", ["/", "/team/"])
def test_a_session_is_minted_and_seen_as_the_role(
    aws: Aws, backup: Source, role: Callable[..., Any], path: str
) -> None:
    """STS mints it and STS lets it in, under the printed document alone."""
    found = {one.field: one.value for one in backup.provider().issue(role(path=path), backup.budget())}
    assert set(found) == FIELDS
    order = Order(target=aws.world.endpoint, auth="login", region=REGION)
    access = found["access_key_id"].reveal().decode()
    presented = Presented(access, found["secret_access_key"], token=found["session_token"])
    shown = KINDS["aws-sts"](order, presented, Patience(SystemClock(), 10))
    assert (shown.depth, shown.accepted, shown.error) == ("auth", True, None)
    assert shown.seen_as.endswith(":assumed-role/task/nhisync-probe")
    assert found["secret_access_key"].reveal().decode() not in repr(found)


@pytest.mark.requirement("R48")
def test_a_session_can_do_nothing_and_ends_after_a_quarter_of_an_hour(
    aws: Aws, backup: Source, role: Callable[..., Any]
) -> None:
    """The role may do everything; what is minted for a probe of it may not, and nobody can use it later."""
    found = minted(backup, role())
    keys = {f"aws_{field}": value for field, value in found.items()}
    with pytest.raises(ClientError, match="session policy"):
        aws.client("secretsmanager", keys).list_secrets()
    assert aws.client("sts", keys).get_caller_identity()["Arn"].endswith("nhisync-probe")
    aws.clock.advance(timedelta(seconds=901))
    with pytest.raises(ClientError, match="ExpiredToken"):
        aws.client("sts", keys).get_caller_identity()


def test_a_role_that_does_not_trust_us_mints_nothing(backup: Source, role: Callable[..., Any]) -> None:
    """Its trust policy names a service: the very thing a failover would find out."""
    service = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert refused(backup, role(trust={"Version": "2012-10-17", "Statement": [service]})) is ErrorKind.DENIED


def test_without_the_document_nothing_is_minted(aws: Aws, backup: Source) -> None:
    """Under the read document the missing action is named."""
    account = aws.world.account_of("backup", "aws")
    locator = backup.locator(aws.seed("role", "task", trust=trust(account)))
    with pytest.raises(ProviderError) as told:
        list(backup.provider().issue(locator, backup.budget()))
    assert (told.value.kind, told.value.fact.action) == (ErrorKind.DENIED, "sts:AssumeRole")


def test_a_role_that_is_gone_is_not_found(backup: Source, role: Callable[..., Any]) -> None:
    """Absent, and not refused: the document grants asking for it by name."""
    locator = role()
    roles = iam(backup.aws.world.account_of("backup", "aws")).roles
    roles.pop(next(key for key, one in roles.items() if one.name == "task"))
    assert refused(backup, locator) is ErrorKind.NOT_FOUND


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("throttled", ErrorKind.THROTTLED), ("refuse", ErrorKind.UNREACHABLE), ("cut_body", ErrorKind.MALFORMED)],
)
def test_an_issuer_that_fails_says_how(
    aws: Aws, backup: Source, role: Callable[..., Any], fault: str, kind: ErrorKind
) -> None:
    """Limits, faults and cut answers are none of the role's."""
    locator = role()
    aws.world.fault("backup", "aws", fault, operation="sts:AssumeRole")
    assert refused(backup, locator) is kind


@pytest.mark.parametrize("fault", ["drop_reply", "throttled", "cut_body"])
def test_a_mint_is_never_repeated(aws: Aws, backup: Source, role: Callable[..., Any], fault: str) -> None:
    """A session that was made and whose answer was lost is not made again, however many attempts a read has."""
    locator, provider = role(), backup.provider(attempts=4)
    provider.identify(backup.budget())  # its own login is an AssumeRole, too
    before = aws.world.calls()["sts:AssumeRole"]
    aws.world.fault("backup", "aws", fault, operation="sts:AssumeRole")
    with pytest.raises(ProviderError):
        list(provider.issue(locator, backup.budget()))
    assert aws.world.calls()["sts:AssumeRole"] - before == 1


def test_a_session_of_ours_that_ended_is_replaced_once(aws: Aws, backup: Source, role: Callable[..., Any]) -> None:
    """With it nothing was made, so that asking again makes one session and not two."""
    locator, provider = role(), backup.provider(attempts=4)
    provider.identify(backup.budget())
    aws.world.fault("backup", "aws", "expired_token", count=1, operation="iam:GetRole")
    assert {one.field for one in provider.issue(locator, backup.budget())} == FIELDS
    before = aws.world.calls()["sts:AssumeRole"]
    aws.world.fault("backup", "aws", "expired_token", count=1, operation="sts:AssumeRole")
    assert {one.field for one in provider.issue(locator, backup.budget())} == FIELDS
    assert aws.world.calls()["sts:AssumeRole"] - before == 3  # refused, our own login, the one that was made


def test_a_document_asks_for_the_named_role_alone(aws: Aws, backup: Source, role: Callable[..., Any]) -> None:
    """A name that only ends like the role's is another role."""
    (document,) = backup.provider().permissions(AccessMode.PROBE, [role()], frozenset())
    statement, denial = json.loads(document.text)["Statement"]
    assert {arn.partition("::")[2].partition(":")[2] for arn in statement["Resource"]} == {"role/task", "role/*/task"}
    assert denial["Effect"] == "Deny"
    assert "secretsmanager:GetSecretValue" in denial["Action"]
    aws.seed("role", "other-task", trust=trust(aws.world.account_of("backup", "aws")))
    assert refused(backup, backup.locator("role/other-task")) is ErrorKind.DENIED


def test_other_kinds_mint_nothing(backup: Source) -> None:
    """A stored secret is read, not issued."""
    assert refused(backup, backup.locator("secret/pay")) is ErrorKind.UNSUPPORTED
