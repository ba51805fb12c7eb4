"""Kinds service-account and service-account-key: accounts, generations of keys, and one key on both paths."""

import datetime as dt

import pytest

from .conftest import ACCOUNT

DAY = dt.timedelta(days=1)
PAY = ACCOUNT.format("payments")
KEY, SELF = f"service-account-key/{PAY}", f"service-account/{PAY}"


def ids(item, scheme):
    """Public ids of one scheme."""
    return {i.value for i in item.ids if i.scheme == scheme}


@pytest.mark.requirement("R11", "R12")
def test_an_account_is_an_identity_without_stored_credentials(gcp):
    """Its tokens end by themselves; a disabled one is out of force; its unique id is what it is."""
    gcp.seed("service-account", "payments", display_name="Payments")
    gcp.seed("service-account", "retired", disabled=True)
    seen = gcp.see(kinds="service-account")
    item = seen[SELF]
    assert (item.presence.value, item.state.value, item.lifecycle.value) == ("present", "active", "own")
    assert item.rotated.precision.value == "lower-bound"
    assert item.rotated.at == gcp.clock.now() - dt.timedelta(hours=12)
    assert len(ids(item, "service-account")) == 1
    assert item.owner is None
    assert dict(item.attributes)["display_name"] == "Payments"
    assert seen[f"service-account/{ACCOUNT.format('retired')}"].state.value == "suspended"
    assert seen.status == {"service-account": "complete"}


@pytest.mark.requirement("R18", "R29")
def test_the_newest_key_is_the_generation(gcp):
    """Made with the account, replaced later: age, state and version are those of the newest key that works."""
    gcp.seed("service-account-key", "payments", created=90 * DAY, rotated=5 * DAY, old="disabled")
    item = gcp.see(KEY)[KEY]
    now = gcp.clock.now()
    assert (item.state.value, item.lifecycle.value) == ("active", "own")
    assert (item.created.at, item.rotated.at) == (now - 90 * DAY, now - 5 * DAY)
    assert (item.expires, item.not_before) == (None, None)
    assert item.rotation.pending_since is None
    assert dict(item.attributes)["keys"] == "1 active of 2"
    assert len(ids(item, "spki-sha256")) == 2


def test_two_active_keys_are_an_unfinished_rotation(gcp):
    """Nobody disabled the first one: the overlap began with the newer key."""
    gcp.seed("service-account-key", "payments", created=90 * DAY, rotated=5 * DAY, old="kept")
    item = gcp.see(KEY)[KEY]
    assert item.rotation.pending_since == gcp.clock.now() - 5 * DAY
    assert item.rotation.pending_version == item.version
    assert item.rotation.mechanism == "two keys"


def test_a_key_with_an_end_has_a_window(gcp):
    """Organisations can let keys end; then the window judges, and an ended key is out of force."""
    gcp.seed("service-account-key", "payments", created=90 * DAY, rotated=5 * DAY, expires=20 * DAY)
    gcp.seed("service-account-key", "ended", created=90 * DAY, rotated=None, expires=-1 * DAY)
    seen = gcp.see(kinds="service-account-key")
    now = gcp.clock.now()
    assert (seen[KEY].not_before.at, seen[KEY].expires.at) == (now - 5 * DAY, now + 20 * DAY)
    ended = seen[f"service-account-key/{ACCOUNT.format('ended')}"]
    assert (ended.state.value, ended.expires.at) == ("deactivated", now - 1 * DAY)


@pytest.mark.parametrize("option", ["disabled", "account_disabled"])
def test_a_key_works_only_while_it_and_its_account_are_enabled(gcp, option):
    """A disabled account takes all its keys along."""
    gcp.seed("service-account-key", "payments", **{option: True})
    assert gcp.see(KEY)[KEY].state.value == "suspended"


@pytest.mark.requirement("R31", "R42")
@pytest.mark.parametrize("uploaded", [False, True])
def test_one_key_pair_on_two_accounts_is_found_without_values(make, uploaded):
    """The public half is equal wherever the key was copied or uploaded to; no private key is ever read."""
    one, other = make(), make()
    for world in (one, other):
        world.world.cloud.accounts = one.world.cloud.accounts
        world.seed("service-account-key", "payments", material="one-pair", uploaded=uploaded)
    items = [world.see(KEY)[KEY] for world in (one, other)]
    assert ids(items[0], "spki-sha256") == ids(items[1], "spki-sha256") != set()


def test_public_keys_are_fetched_once(gcp):
    """A key's id never changes its meaning: the second run lists keys and fetches none."""
    gcp.seed("service-account-key", "payments")
    first = gcp.see(KEY)
    assert gcp.calls()["IAM.GetServiceAccountKey"] >= 1
    gcp.forget()
    second = gcp.see(KEY, known=first.markers)
    assert second.unchanged == [KEY]
    assert "IAM.GetServiceAccountKey" not in gcp.calls()


def test_accounts_without_keys_have_no_item(gcp):
    """A sweep of keys shows accounts that have some; one that a pair names is answered in any case."""
    gcp.seed("service-account", "keyless")
    gcp.seed("service-account-key", "payments")
    keyless = f"service-account-key/{ACCOUNT.format('keyless')}"
    seen = gcp.see(kinds="service-account-key")
    assert keyless not in seen.items
    assert KEY in seen.items
    assert gcp.see(keyless)[keyless].presence.value == "absent"


def test_a_single_key_can_be_named(gcp):
    """EMAIL/KEY means that key alone, and an id that is not there is absent by its own read."""
    gcp.seed("service-account-key", "payments", created=90 * DAY, rotated=5 * DAY, old="kept")
    newest = gcp.see(KEY)[KEY].version
    one, none = f"{KEY}/{newest}", f"{KEY}/{'0' * 40}"
    seen = gcp.see(one, none)
    assert (seen[one].version, seen[one].rotation.pending_since) == (newest, None)
    assert seen[none].presence.value == "absent"


@pytest.mark.requirement("R6")
def test_absence_needs_the_accounts_own_answer(gcp):
    """A missing account is asked for by name in its own project; one elsewhere that we may not see is denied."""
    gone, foreign = ACCOUNT.format("none"), "x@someone-else.iam.gserviceaccount.com"
    names = [f"{kind}/{email}" for kind in ("service-account", "service-account-key") for email in (gone, foreign)]
    seen = gcp.see(*names)
    assert {name: item.presence.value for name, item in seen.items.items()} == {
        f"service-account/{gone}": "absent",
        f"service-account-key/{gone}": "absent",
        f"service-account/{foreign}": "denied",
        f"service-account-key/{foreign}": "denied",
    }


def test_a_list_that_lags_hides_no_key(gcp):
    """IAM's lists may be behind: the key is asked for by its id."""
    gcp.seed("service-account-key", "payments", created=90 * DAY, rotated=dt.timedelta(minutes=10))
    newest = gcp.see(KEY)[KEY].version
    gcp.world.cloud.knobs.list_lag = dt.timedelta(hours=1)
    one = f"{KEY}/{newest}"
    assert gcp.see(one)[one].presence.value == "present"


def test_both_kinds_share_one_list(gcp):
    """Accounts are listed once for both kinds."""
    gcp.seed("service-account-key", "payments")
    gcp.see(kinds="service-account service-account-key")
    assert gcp.calls()["IAM.ListServiceAccounts"] == 1


def test_private_keys_are_never_in_an_answer(gcp):
    """What IAM answers to an inventory holds no private key: nothing of one is in any item."""
    gcp.seed("service-account-key", "payments")
    seen = gcp.see(kinds="service-account-key")
    assert "PRIVATE" not in str(seen.items)
