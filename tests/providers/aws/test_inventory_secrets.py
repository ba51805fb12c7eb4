"""What the adapter says about Secrets Manager secrets, over real HTTP, and how few calls it needs for it."""

import datetime as dt

import pytest

DAY = dt.timedelta(days=1)


@pytest.mark.requirement("R41")
def test_rotated_secret_has_its_generation_from_the_list(aws, backup):
    """Dates, schedule, version and owner of a rotated secret come from the list alone."""
    aws.seed("secret", "pay/stripe", created=90 * DAY, rotated=5 * DAY, tags={"nhisync:name": "stripe"})
    item = backup.see("secret/pay/stripe", kinds="secret")["secret/pay/stripe"]
    now = aws.clock.now()
    assert item.presence == "present"
    assert (item.created.at, item.rotated.at) == (now - 90 * DAY, now - 5 * DAY)
    assert (item.next_rotation.at, item.next_rotation.precision) == (now + 25 * DAY, "upper-bound")
    assert (item.rotation.enabled, item.rotation.interval, item.rotation.mechanism) == (True, 30 * DAY, "lambda")
    assert (item.lifecycle, item.state, item.owner, item.logical_name) == ("own", "active", "platform-oncall", "stripe")
    assert item.provider_id.startswith("arn:aws:secretsmanager:eu-north-1:")
    assert item.version
    assert item.fields is None
    assert aws.world.calls("backup", "aws") == {"sts:AssumeRole": 1, "secretsmanager:ListSecrets": 1}


@pytest.mark.requirement("R31")
@pytest.mark.parametrize("kind", ["secret", "parameter", "role"])
def test_an_item_is_itself_whoever_asks(aws, backup, kind):
    """Two sources that lead to one account and region see one item: its own name says so on both paths (NHS402)."""
    aws.seed(kind, "pay-stripe")
    item = backup.see(f"{kind}/pay-stripe")[f"{kind}/pay-stripe"]
    (found,) = [public for public in item.ids if public.scheme == "resource"]
    assert found.value == item.provider_id
    assert found.value.startswith("arn:aws:")


@pytest.mark.requirement("R12", "R41")
def test_never_rotated_secret_is_static(aws, backup):
    """No schedule and no change since creation: nobody rotates it; no single read is needed to say so."""
    aws.seed("secret", "pay/old", created=400 * DAY, rotated=None, owner=None)
    item = backup.see("secret/pay/old", kinds="secret")["secret/pay/old"]
    assert (item.rotated, item.lifecycle, item.rotation.enabled) == (None, "static", None)
    assert item.owner == ""
    assert "secretsmanager:ListSecretVersionIds" not in aws.world.calls()


def test_value_changed_by_hand_is_dated_by_its_version(aws, backup):
    """A wanted secret that changed after its creation is dated by the creation of its current version."""
    aws.seed("secret", "pay/hand", created=90 * DAY, rotated=7 * DAY, rotation=None)
    item = backup.see("secret/pay/hand", kinds="secret")["secret/pay/hand"]
    assert item.rotated.at == aws.clock.now() - 7 * DAY
    assert item.lifecycle == "static"  # a value that somebody puts by hand has no lifecycle of its own
    assert aws.world.calls()["secretsmanager:ListSecretVersionIds"] == 1


def test_edited_tag_does_not_look_like_a_rotation(aws, backup):
    """LastChangedDate moves with any edit: without the version's date no rotation is claimed, with it none is found."""
    aws.seed("secret", "pay/tagged", created=400 * DAY, rotated=None, changed=DAY)
    swept = backup.see(kinds="secret")["secret/pay/tagged"]
    assert (swept.rotated, swept.lifecycle) == (None, "static")
    assert dict(swept.attributes)["changed"].startswith("2026-11-22")
    wanted = backup.see("secret/pay/tagged", kinds="secret")["secret/pay/tagged"]
    assert (wanted.rotated, wanted.lifecycle) == (None, "static")


def test_version_dates_of_all_items_can_be_asked_for(aws, backup):
    """With version_dates: all, items that only a sweep reaches are dated exactly too."""
    aws.seed("secret", "pay/hand", created=90 * DAY, rotated=7 * DAY, rotation=None)
    assert backup.see(kinds="secret")["secret/pay/hand"].rotated is None
    exact = backup.see(kinds="secret", version_dates="all")["secret/pay/hand"]
    assert exact.rotated.at == aws.clock.now() - 7 * DAY


def test_overdue_although_enabled(aws, backup):
    """A schedule that runs and still missed its date: enabled, old generation, next rotation in the past."""
    aws.seed("secret", "pay/late", created=300 * DAY, rotated=120 * DAY, rotation={"every_days": 30})
    item = backup.see(kinds="secret")["secret/pay/late"]
    assert item.rotation.enabled is True
    assert item.rotated.at == aws.clock.now() - 120 * DAY
    assert item.next_rotation.at < aws.clock.now()


def test_stopped_schedule_keeps_its_interval(aws, backup):
    """Rules that stayed after the schedule was switched off: enabled False with an interval."""
    aws.seed("secret", "pay/stopped", rotation={"every_days": 30, "enabled": False})
    rotation = backup.see(kinds="secret")["secret/pay/stopped"].rotation
    assert (rotation.enabled, rotation.interval) == (False, 30 * DAY)


@pytest.mark.parametrize(
    ("schedule", "interval"),
    [("rate(12 hours)", dt.timedelta(hours=12)), ("rate(7 days)", 7 * DAY), ("cron(0 3 ? * SUN *)", 9 * DAY)],
)
def test_interval_of_schedule_expressions(aws, backup, schedule, interval):
    """Rates are read; a cron's interval is the distance between the last and the next rotation that AWS names."""
    aws.seed("secret", "pay/k", rotated=5 * DAY, rotation={"schedule": schedule, "next": 4 * DAY})
    item = backup.see(kinds="secret")["secret/pay/k"]
    assert item.rotation.interval == interval
    assert dict(item.attributes)["schedule"] == schedule


@pytest.mark.parametrize("empty", [False, True])
def test_stuck_rotation_has_an_age(aws, backup, empty):
    """AWSPENDING beside the current version: begun with its version, or at the last change when that is empty."""
    aws.seed("secret", "pay/stuck", created=90 * DAY, rotated=40 * DAY, pending=9 * DAY, pending_empty=empty)
    rotation = backup.see(kinds="secret")["secret/pay/stuck"].rotation
    assert rotation.pending_since == aws.clock.now() - 9 * DAY
    assert rotation.pending_version


@pytest.mark.requirement("R44")
def test_replica_is_a_copy_bound_to_its_primary(aws, backup):
    """A replica's lifecycle belongs to the primary region, on which it depends; no single read is needed."""
    aws.seed("secret", "pay/r", replica_of="eu-west-1")
    item = backup.see("secret/pay/r", kinds="secret")["secret/pay/r"]
    assert item.lifecycle == "replica"
    source = next(d for d in item.dependencies if d.kind == "replica-source")
    assert (source.region, source.multi_region) == ("eu-west-1", False)
    assert ":secretsmanager:eu-west-1:" in source.id
    assert "secretsmanager:DescribeSecret" not in aws.world.calls()


def test_primary_tells_the_state_of_its_replicas(aws, backup):
    """A wanted primary is described each time, because a replica fails without a trace in the list."""
    aws.seed("secret", "pay/p", replicas={"eu-west-1": {}, "us-east-1": {"status": "Failed", "message": "clash"}})
    first = backup.see("secret/pay/p", kinds="secret")
    item = first["secret/pay/p"]
    assert dict(item.attributes)["replicas"] == "eu-west-1 InSync, us-east-1 Failed"
    assert "clash" not in str(item)
    again = backup.see("secret/pay/p", kinds="secret", known=first.markers)
    assert again["secret/pay/p"]
    assert aws.world.calls()["secretsmanager:DescribeSecret"] == 2


@pytest.mark.requirement("R39")
@pytest.mark.parametrize(
    ("kms", "usable", "multi_region", "region", "detail"),
    [
        ({}, True, False, "eu-north-1", ""),
        ({"multi_region": True}, True, True, "eu-north-1", ""),
        ({"state": "Disabled"}, False, False, "eu-north-1", "key state Disabled"),
        ({"region": "eu-west-1"}, None, False, "eu-west-1", ""),
        ({"region": "eu-west-1", "multi_region": True}, None, True, "eu-west-1", ""),
    ],
)
def test_kms_key_is_a_dependency(aws, backup, kms, usable, multi_region, region, detail):
    """State, reach and region of the key; a key of another region is named but cannot be asked for from here."""
    aws.seed("secret", "pay/k", kms=kms)
    item = backup.see("secret/pay/k", kinds="secret")["secret/pay/k"]
    key = next(d for d in item.dependencies if d.kind == "kms-key")
    assert (key.usable, key.multi_region, key.region, key.detail) == (usable, multi_region, region, detail)


def test_each_key_is_described_once_for_wanted_items_only(aws, backup):
    """Ten wanted secrets under one key need one DescribeKey; swept secrets need none."""
    aws.seed("secret", "pay/0", kms={"alias": "pay"})
    key = backup.see("secret/pay/0")["secret/pay/0"].dependencies[0].id
    store = aws.world.account_of("backup", "aws")
    from nhisync_aws.emulator.secrets_overlay import store as secrets_of

    for number in range(1, 12):
        aws.seed("secret", f"pay/{number}")
        secrets_of(store, "eu-north-1")[f"pay/{number}"].kms_key_id = key
    aws.world.reset_calls()
    backup.see(*[f"secret/pay/{n}" for n in range(10)], kinds="secret")
    assert aws.world.calls()["kms:DescribeKey"] == 1
    aws.world.reset_calls()
    backup.see(kinds="secret")
    assert "kms:DescribeKey" not in aws.world.calls()


def test_denied_key_is_not_known_rather_than_fine(aws, backup):
    """Without kms:DescribeKey the key's state is not known, and the dependency says which permission is missing."""
    aws.seed("secret", "pay/k", kms={})
    aws.world.fault("backup", "aws", "denied", action="kms:DescribeKey")
    key = backup.see("secret/pay/k")["secret/pay/k"].dependencies[0]
    assert key.usable is None
    assert key.detail == "not read: denied (kms:DescribeKey)"


@pytest.mark.requirement("R39")
def test_rotation_function_of_another_region_is_a_bound_dependency(aws, backup):
    """A rotation function that lives elsewhere binds the secret to that region."""
    aws.seed("secret", "pay/k", rotation={"function_region": "eu-west-1"})
    item = backup.see(kinds="secret")["secret/pay/k"]
    function = next(d for d in item.dependencies if d.kind == "rotation-function")
    assert (function.region, function.multi_region) == ("eu-west-1", False)


def test_secret_in_its_recovery_window_is_deactivated(aws, backup):
    """Planned deletion is present but dying: state, and the date as its end."""
    aws.seed("secret", "pay/gone", deletion_in=6 * DAY)
    item = backup.see("secret/pay/gone", kinds="secret")["secret/pay/gone"]
    assert (item.presence, item.state) == ("present", "deactivated")
    assert item.expires.at == aws.clock.now() + 6 * DAY


def test_last_use_has_the_precision_of_a_day(aws, backup):
    """LastAccessedDate is a day, not an instant."""
    aws.seed("secret", "pay/k", accessed=3 * DAY)
    assert backup.see(kinds="secret")["secret/pay/k"].last_used.precision == "day"


@pytest.mark.requirement("R18")
def test_absence_is_proven_by_a_single_read(aws, backup):
    """A wanted secret that no list shows is described; only ResourceNotFoundException makes it absent."""
    item = backup.see("secret/pay/none", kinds="secret")["secret/pay/none"]
    assert (item.presence, item.error) == ("absent", None)
    assert aws.world.calls()["secretsmanager:DescribeSecret"] == 1


@pytest.mark.requirement("R18")
def test_lagging_list_does_not_make_a_new_secret_absent(aws, backup):
    """The list may be minutes behind: a secret that is only found by name is present, with all its facts."""
    aws.world.fault("backup", "aws", "list_lag")
    aws.seed("secret", "pay/new", created=90 * DAY, rotated=5 * DAY)
    item = backup.see("secret/pay/new", kinds="secret")["secret/pay/new"]
    assert item.presence == "present"
    assert item.rotated.at == aws.clock.now() - 5 * DAY
    assert item.version


def test_second_run_needs_lists_only(aws, backup):
    """What did not change is answered Unchanged from the list pages; what changed is read again."""
    for number in range(12):
        aws.seed("secret", f"pay/{number}", created=90 * DAY, rotated=7 * DAY, rotation=None)
    names = [f"secret/pay/{n}" for n in range(12)]
    first = backup.see(*names, kinds="secret")
    assert aws.world.calls()["secretsmanager:ListSecretVersionIds"] == 12
    aws.world.reset_calls()
    aws.clock.advance(dt.timedelta(minutes=1))
    second = backup.see(*names, kinds="secret", known=first.markers)
    assert sorted(second.unchanged) == sorted(names)
    assert second.items == {}
    assert aws.world.calls() == {"sts:AssumeRole": 1, "secretsmanager:ListSecrets": 1}
    from nhisync_aws.emulator.secrets_overlay import store

    secret = store(aws.world.account_of("backup", "aws"), "eu-north-1")["pay/3"]
    secret.last_changed_date = int(aws.clock.now().timestamp())
    third = backup.see(*names, kinds="secret", known=first.markers)
    assert list(third.items) == ["secret/pay/3"]
    assert len(third.unchanged) == 11


def test_unchanged_secret_under_a_key_that_was_disabled_is_read_again(aws, backup):
    """The marker covers the key's state: a key that died behind an unchanged list entry is noticed."""
    from moto.kms.models import kms_backends

    aws.seed("secret", "pay/k", kms={})
    first = backup.see("secret/pay/k", kinds="secret")
    for key in kms_backends[aws.world.account_of("backup", "aws")]["eu-north-1"].keys.values():
        key.key_state = "Disabled"
    second = backup.see("secret/pay/k", kinds="secret", known=first.markers)
    assert second["secret/pay/k"].dependencies[0].usable is False


def test_prefixes_narrow_the_sweep_on_the_server(aws, backup):
    """Templates need only their prefixes: the list is filtered, and coverage names each prefix."""
    for name in ("pay/a", "pay/b", "other/c"):
        aws.seed("secret", name)
    seen = backup.see(kinds="secret", prefixes={"secret": ("pay/",)})
    assert set(seen.items) == {"secret/pay/a", "secret/pay/b"}
    assert [(c.scope, c.items, c.status, c.authoritative) for c in seen.coverage] == [("pay/", 2, "complete", False)]


def test_wanted_items_outside_the_prefixes_are_answered(aws, backup):
    """A named pair beside templates is found by its own filter, without sweeping everything."""
    for name in ("pay/a", "other/c", "noise/d"):
        aws.seed("secret", name)
    seen = backup.see("secret/other/c", "secret/none/x", kinds="secret", prefixes={"secret": ("pay/",)})
    assert seen["secret/other/c"].presence == "present"
    assert seen["secret/none/x"].presence == "absent"
    assert "secret/noise/d" not in seen.items


def test_named_pairs_without_a_sweep_cost_a_tenth_of_a_list_each(aws, backup):
    """25 named secrets of an unswept kind are found by three filtered lists; no coverage is claimed."""
    for number in range(40):
        aws.seed("secret", f"pay/{number:02d}")
    seen = backup.see(*[f"secret/pay/{n:02d}" for n in range(25)])
    assert len(seen.items) == 25
    assert seen.coverage == []
    assert aws.world.calls()["secretsmanager:ListSecrets"] == 3


def test_secret_can_be_named_by_its_arn(aws, backup):
    """A locator that holds a full ARN is answered under that locator."""
    aws.seed("secret", "pay/k")
    arn = backup.see(kinds="secret")["secret/pay/k"].provider_id
    assert backup.see(f"secret/{arn}", kinds="secret")[f"secret/{arn}"].presence == "present"
    assert backup.see(f"secret/{arn}")[f"secret/{arn}"].presence == "present"


@pytest.mark.parametrize("name", ["a b", "übung", "x" * 700, "!neg", "a/../b", "%2e", "-", "a\nb"])
def test_odd_names_are_answered_and_end_nothing(aws, backup, name):
    """Names that AWS cannot have get a typed answer, and the items beside them are still seen."""
    aws.seed("secret", "pay/k")
    seen = backup.see(f"secret/{name}", "secret/pay/k", kinds="secret")
    assert seen["secret/pay/k"].presence == "present"
    assert seen[f"secret/{name}"].presence in {"absent", "unknown"}


def test_odd_but_legal_names_are_found(aws, backup):
    """Every character that Secrets Manager allows in a name survives the way through locator and filter."""
    name = "pay/_+=.@-!x/Ünot".replace("Ünot", "end").replace("!", "")
    aws.seed("secret", name)
    assert backup.see(f"secret/{name}")[f"secret/{name}"].presence == "present"


@pytest.mark.requirement("R4b")
def test_ten_thousand_secrets_are_a_hundred_calls(aws, backup):
    """A sweep of 10,000 secrets needs its 100 pages and nothing else."""
    for number in range(10_000):
        aws.seed("secret", f"bulk/{number:05d}", rotated=None)
    seen = backup.see(kinds="secret")
    assert len(seen.items) == 10_000
    assert seen.coverage[0].items == 10_000
    assert aws.world.calls() == {"sts:AssumeRole": 1, "secretsmanager:ListSecrets": 100}


@pytest.mark.requirement("R39")
def test_a_service_that_rotates_is_a_dependency_where_the_first_replica_stands(aws, backup):
    """It keeps the credential it rotates with; a secret of a function of one's own rests on that function alone."""
    aws.seed("secret", "pay/rds", rotation={"managed": "rds"})
    aws.seed("secret", "pay/own")
    seen = backup.see("secret/pay/rds", "secret/pay/own", kinds="secret")
    found = {name: [one.kind for one in seen[name].dependencies] for name in ("secret/pay/rds", "secret/pay/own")}
    assert found["secret/pay/own"] == ["rotation-function"]
    (rotator,) = (one for one in seen["secret/pay/rds"].dependencies if one.kind == "managed-rotation")
    assert (rotator.id, rotator.region, rotator.multi_region) == ("rds", "eu-north-1", False)
