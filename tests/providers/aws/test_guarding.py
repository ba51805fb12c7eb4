"""How secrets and parameters are guarded: their key, and whether a trail records their reads; asked only on demand."""

import datetime as dt
import json

import pytest

from nhisync.spi import GUARDED, AccessMode, Audited, KeyHolder, Locator, Protection
from nhisync_aws.emulator.auth import iam

EVERYWHERE = {"name": "org", "region": "us-east-1", "everywhere": True}
MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
WRITES = {"Field": "readOnly", "Equals": ["false"]}

ACTIONS = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "kms:GetKeyRotationStatus",
)


@pytest.fixture
def guarded(source_of):
    """A source that may read how its items are guarded."""

    def factory(**options):
        return source_of(**{"protection": True, "trails": [{}], **options})

    return factory


def told(source, kind="secret", **facts):
    """What is said of one planted item."""
    name = source.aws.seed(kind, "/pay/a" if kind == "parameter" else "pay/a", fields={"password": "canary"}, **facts)
    return source.see(name, protection=True)[name].protection


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(("kind", "key"), [("secret", "aws/secretsmanager"), ("parameter", "aws/ssm")])
def test_the_services_own_key_is_the_providers(guarded, kind, key):
    """No key named is a key that AWS manages: in hardware, replaced every year, and nobody's but theirs."""
    assert told(guarded(), kind) == Protection(
        holder=KeyHolder.PROVIDER,
        hardware=True,
        rotates=True,
        enabled=True,
        key=f"KMS key {key}, which AWS manages",
        audited=Audited.YES,
        audit="trail audit",
    )


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("kms", "expected"),
    [
        ({}, (KeyHolder.CUSTOMER, True, False, True)),
        ({"rotation_in": dt.timedelta(days=9)}, (KeyHolder.CUSTOMER, True, True, True)),
        ({"state": "Disabled"}, (KeyHolder.CUSTOMER, True, False, False)),
        ({"origin": "EXTERNAL"}, (KeyHolder.CUSTOMER, True, False, True)),
        ({"origin": "EXTERNAL_KEY_STORE"}, (KeyHolder.CUSTOMER, None, False, True)),
        ({"region": "eu-west-1"}, (None, None, None, None)),
    ],
)
@pytest.mark.parametrize("kind", ["secret", "parameter"])
def test_a_key_of_ones_own_is_described(guarded, kind, kms, expected):
    """Imported material and outside stores are never replaced by KMS; keys of other Regions are not asked there."""
    found = told(guarded(), kind, kms=kms)
    assert (found.holder, found.hardware, found.rotates, found.enabled) == expected
    assert found.key.startswith("KMS key ")


@pytest.mark.requirement("R33")
@pytest.mark.parametrize(
    ("trails", "audited", "said"),
    [
        ([], Audited.NO, "no trail logs in eu-north-1"),
        ([{"region": "us-east-1"}], Audited.NO, "no trail logs in eu-north-1"),
        ([EVERYWHERE], Audited.YES, "trail org"),
        ([{"logging": False}], Audited.NO, "no trail logs in eu-north-1"),
        ([{"failing": True}], Audited.PARTLY, "the last delivery of trail audit failed"),
        ([{"failing": True}, EVERYWHERE], Audited.YES, "trail org"),
        ([{"basic": [{"ReadWriteType": "WriteOnly"}]}], Audited.NO, "no trail logs in eu-north-1"),
        ([{"basic": [{"ReadWriteType": "ReadOnly"}]}], Audited.YES, "trail audit"),
        (
            [{"basic": [{"ReadWriteType": "All", "IncludeManagementEvents": False}]}],
            Audited.NO,
            "no trail logs in eu-north-1",
        ),
        (
            [{"basic": [{"ReadWriteType": "All", "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]}],
            Audited.YES,
            "trail audit",
        ),
        ([{"advanced": [{"FieldSelectors": [MANAGEMENT]}]}], Audited.YES, "trail audit"),
        ([{"advanced": [{"FieldSelectors": [MANAGEMENT, WRITES]}]}], Audited.NO, "no trail logs in eu-north-1"),
        (
            [{"advanced": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]}],
            Audited.NO,
            "no trail logs in eu-north-1",
        ),
        (
            [{"advanced": [{"FieldSelectors": [MANAGEMENT, {"Field": "userIdentity.arn", "StartsWith": ["x"]}]}]}],
            None,
            "the event selectors of trail audit are of no known form",
        ),
    ],
)
def test_trails_are_judged(guarded, trails, audited, said):
    """One that logs here, delivers and takes read events is enough; what is not understood is not known."""
    found = told(guarded(trails=trails))
    assert (found.audited, found.audit) == (audited, said)


@pytest.mark.requirement("R33", "R42")
@pytest.mark.parametrize("action", ACTIONS)
def test_every_line_is_missed_by_name(guarded, action):
    """One action less: unknown, never "not audited"; a note names it, and items and listings stand as they are."""
    source = guarded(trails=[{"basic": [{"ReadWriteType": "All"}]}])
    name = source.aws.seed("secret", "pay/a", kms={}, fields={"password": "canary"})
    account = source.aws.world.account_of(source.path, source.source)
    with source.aws.world._running.cloud.lock:
        role = iam(account).get_role(f"nhisync-{source.path}-{source.source}")
        document = json.loads(role.policies["nhisync"])
        (statement,) = [one for one in document["Statement"] if action in one["Action"]]
        statement["Action"].remove(action)
        role.put_policy("nhisync", json.dumps(document))
    seen = source.see(name, kinds="secret", protection=True)
    found = seen[name].protection
    lost = (found.rotates, found.key) if action.startswith("kms") else (found.audited, found.audit)
    assert lost[0] is None
    assert f"denied ({action})" in lost[1]
    assert seen.status == {"secret": "complete", f"{GUARDED}:{action}": "denied"}
    (note,) = [one for one in seen.coverage if one.kind == GUARDED]
    assert (note.error.action, note.authoritative) == (action, False)
    assert action in note.error.fix


@pytest.mark.requirement("R33", "R42")
def test_the_printed_lines_suffice(guarded):
    """With them nothing is refused; they stand beside the READ document, and kinds without a value need none."""
    source = guarded(trails=[{"basic": [{"ReadWriteType": "All"}]}])
    name = source.aws.seed("secret", "pay/a", kms={}, fields={"password": "canary"})
    wanted = [source.locator(name)]
    (document,) = source.provider().protection_permissions(wanted, frozenset())
    assert document.actions == ACTIONS
    (read,) = source.provider().permissions(AccessMode.READ, wanted, frozenset())
    assert not set(document.actions) & set(read.actions)
    assert not [one.error for one in source.see(name, protection=True).coverage if one.error]
    assert source.provider().protection_permissions([Locator.parse("aws:role/x")], frozenset()) == ()


@pytest.mark.requirement("R33")
def test_calls_are_for_the_source_not_for_the_item(guarded):
    """A hundred secrets under one key cost as many calls more as one; nothing is called unless asked."""
    source = guarded()
    names = [source.aws.seed("secret", f"pay/{n}", fields={"password": "canary"}) for n in range(100)]
    counts = []
    for protection in (False, True):
        source.aws.world.reset_calls()
        source.see(*names, kinds="secret", protection=protection)
        counts.append(source.aws.world.calls())
    assert counts[1] - counts[0] == {"cloudtrail:DescribeTrails": 1, "cloudtrail:GetTrailStatus": 1}
    assert not [name for name in counts[0] if name.startswith("cloudtrail")]


@pytest.mark.requirement("R33")
def test_a_trail_that_stops_is_seen_although_nothing_else_changed(guarded):
    """An item is unchanged only while what guards it is."""
    source = guarded()
    names = [source.aws.seed("secret", f"pay/{n}", kms={}, fields={"password": "canary"}) for n in range(3)]
    names.append(source.aws.seed("role", "task", trust={"Version": "2012-10-17", "Statement": []}))
    first = source.see(*names, protection=True)
    markers = {locator: text for locator, text in first.markers.items() if locator.kind == "secret"}
    assert len(source.see(*names, known=markers, protection=True).unchanged) == 3
    assert source.see(*names, known=markers).unchanged == []
    account = source.aws.world.account_of(source.path, source.source)
    with source.aws.world._running.cloud.lock:
        source.aws.world._running.cloud.account(account).trails[0].logging = False
    after = source.see(*names, known=markers, protection=True)
    assert after.unchanged == []
    assert {one.protection.audited for one in after.items.values() if one.protection} == {Audited.NO}
    assert [name for name, one in after.items.items() if one.protection is None] == ["role/task"]


@pytest.mark.requirement("R33")
def test_a_service_that_breaks_leaves_the_record_unknown(guarded):
    """No answer of CloudTrail is neither yes nor no, and costs no item."""
    source = guarded()
    name = source.aws.seed("secret", "pay/a", fields={"password": "canary"})
    source.aws.world.fault(source.path, source.source, "error_500", operation="cloudtrail:DescribeTrails")
    found = source.see(name, protection=True)[name].protection
    assert (found.holder, found.audited) == (KeyHolder.PROVIDER, None)
    assert found.audit.startswith("not known whether a trail logs: ")
