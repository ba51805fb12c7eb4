"""Value reading, least-privilege documents and the doctor: what each mode may do, proven against the server."""

from datetime import timedelta
from typing import Any

import pytest

from nhisync.spi import AccessMode, CheckState, ErrorKind, FieldValue, Locator, Presence
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.hcl import parse_blocks

from .conftest import CANARY


def checks(
    site: Any, *wanted: Locator, mode: AccessMode = AccessMode.READ, kinds: tuple[str, ...] = (), **settings: Any
) -> dict[str, Any]:
    """Doctor's lines by name."""
    provider = site.provider(**settings)
    return {one.name: one for one in provider.examine(mode, wanted, frozenset(kinds), site.budget())}


def everything(site: Any) -> tuple[Locator, ...]:
    """One item of each kind."""
    return (
        site.seed("kv", "secret/pay/stripe"),
        site.seed("db-static", "database/ledger"),
        site.seed("db-dynamic", "database/app"),
        site.seed("approle", "approle/pay"),
        site.seed("pki", "pki/cn/api.example.com"),
        site.seed("transit", "transit/pay"),
        site.seed("ldap-static", "ldap/pay"),
        site.seed("token", "job", expires=timedelta(days=3)),
    )


def apply_policy(site: Any, text: str) -> None:
    """Make `text` the one policy of nhisync's identity."""
    place = site.world.source(site.path, "vault")
    put_policy(place.core.policies(), place.policy, text, now=site.clock.now())
    place.core.storage.commit()


@pytest.mark.requirement("R42")
def test_values_are_read_field_by_field(make_site: Any) -> None:
    """Every field of a KV secret, and the password of static accounts, in the type that does not show itself."""
    site = make_site(fingerprint=True)
    secret = site.seed("kv", "secret/pay", fields={"api_key": CANARY, "user": "u"})
    role = site.seed("db-static", "database/ledger")
    found = [one for one in site.provider().values((secret, role), site.budget()) if isinstance(one, FieldValue)]
    assert {(str(one.locator), one.field) for one in found} == {
        (str(secret), "api_key"),
        (str(secret), "user"),
        (str(role), "password"),
    }
    assert {one.value.reveal() for one in found} == {CANARY.encode(), b"u"}
    assert all(CANARY not in repr(one.value) for one in found)


@pytest.mark.requirement("R42")
def test_equal_values_on_two_clusters_have_equal_digests(make_site: Any) -> None:
    """The same value under another name digests the same under one key."""
    here, there = make_site("primary", fingerprint=True), make_site("backup", fingerprint=True, flavour="vault")
    a = here.seed("kv", "secret/a", fields={"key": CANARY})
    b = there.seed("kv", "secret/b", fields={"other": CANARY})
    one = next(iter(here.provider().values((a,), here.budget())))
    two = next(iter(there.provider().values((b,), there.budget())))
    assert one.value.digest(b"k" * 32, "d") == two.value.digest(b"k" * 32, "d")


def test_structured_values_have_one_spelling(make_site: Any) -> None:
    """Numbers and objects are canonical JSON, so that key order does not matter."""
    site = make_site(fingerprint=True)
    a = site.seed("kv", "secret/a", fields={"v": {"x": 1, "y": [True, None]}})
    b = site.seed("kv", "secret/b", fields={"v": {"y": [True, None], "x": 1}})
    one, two = (one.value.reveal() for one in site.provider().values((a, b), site.budget()))
    assert one == two == b'{"x":1,"y":[true,null]}'


def test_values_that_cannot_be_read_say_why(make_site: Any) -> None:
    """Deleted, missing, denied and valueless items are typed, one by one."""
    site = make_site(fingerprint=True)
    gone = site.seed("kv", "secret/gone", deleted=True)
    key = site.seed("transit", "transit/pay")
    nowhere = Locator("vault", "kv", "nowhere/x")
    missing = Locator("vault", "kv", "secret/never")
    found = dict(site.provider().values((gone, key, nowhere, missing), site.budget()))
    assert {locator: fact.kind for locator, fact in found.items()} == {
        gone: ErrorKind.NOT_FOUND.value,
        key: ErrorKind.UNSUPPORTED.value,
        nowhere: ErrorKind.SCOPE_MISSING.value,
        missing: ErrorKind.DENIED.value,
    }


@pytest.mark.requirement("R42")
def test_inventory_credentials_cannot_read_a_value(site: Any) -> None:
    """With the printed read policy the server itself refuses every value."""
    wanted = everything(site)
    text = site.provider().permissions(AccessMode.READ, wanted, frozenset())[0].text
    apply_policy(site, text)
    found = list(site.provider().values(wanted, site.budget()))
    assert not [one for one in found if isinstance(one, FieldValue)]


def test_the_read_policy_is_enough_for_the_named_items(site: Any) -> None:
    """Nothing but the printed policy, and every named item is read."""
    wanted = everything(site)
    apply_policy(site, site.provider().permissions(AccessMode.READ, wanted, frozenset())[0].text)
    seen = site.observe(*wanted)
    assert {str(one): seen[one].presence for one in wanted} == {str(one): Presence.PRESENT for one in wanted}
    assert seen[wanted[0]].fields


def test_the_read_policy_is_enough_for_a_sweep(site: Any) -> None:
    """Swept kinds whose mounts are not known are granted for any one-segment mount."""
    everything(site)
    kinds = ("kv", "db-static", "db-dynamic", "approle", "pki", "transit", "ldap-static")
    apply_policy(site, site.provider().permissions(AccessMode.READ, (), frozenset(kinds))[0].text)
    seen = site.observe(kinds=kinds)
    assert {one.status.value for one in seen.coverage.values()} == {"complete"}
    assert len(seen.items) >= 7


def test_the_fingerprint_policy_opens_exactly_the_named_values(site: Any) -> None:
    """The named secret can be read; its neighbour in the same folder cannot."""
    secret, neighbour = site.seed("kv", "secret/pay/a"), site.seed("kv", "secret/pay/b")
    apply_policy(site, site.provider().permissions(AccessMode.FINGERPRINT, (secret,), frozenset())[0].text)
    found = list(site.provider().values((secret, neighbour), site.budget()))
    assert {str(one.locator) for one in found if isinstance(one, FieldValue)} == {str(secret)}
    assert [one[1].kind for one in found if isinstance(one, tuple)] == [ErrorKind.DENIED.value]


def test_documents_are_hcl_and_list_their_actions(site: Any) -> None:
    """Each block parses, and actions repeat them one by one."""
    document = site.provider().permissions(AccessMode.READ, everything(site), frozenset({"kv"}))[0]
    blocks = parse_blocks(document.text)
    assert document.language == "hcl"
    assert len(blocks) == len(document.actions) == len({label for _, label, _ in blocks})
    assert "deny +/data/*" in document.actions
    assert "deny transit/export/*" in document.actions
    assert site.provider().permissions(AccessMode.ROTATE, (), frozenset()) == ()


def test_configured_mounts_shape_the_policy(site: Any) -> None:
    """A mount with slashes is known from the settings, without asking the server."""
    provider = site.provider(mounts={"kv": ["team/a/kv"]})
    wanted = (Locator("vault", "kv", "team/a/kv/app/x"),)
    assert 'path "team/a/kv/metadata/app/x"' in provider.permissions(AccessMode.READ, wanted, frozenset())[0].text


def test_a_healthy_source_passes_the_doctor(site: Any) -> None:
    """Reachability, TLS, active node, clock, identity and permissions are all fine."""
    secret = site.seed("kv", "secret/pay")
    found = checks(site, secret)
    assert {one.state for one in found.values()} == {CheckState.OK}
    assert list(found)[:5] == ["reachable", "tls", "active-node", "clock", "identity"]
    assert "permission:read secret/metadata/pay" in found
    assert found["least-privilege"].state is CheckState.OK


def test_the_doctor_shows_the_missing_grant(site: Any) -> None:
    """Have / missing, and the block to paste."""
    secret = site.seed("kv", "secret/pay")
    site.fault("denied", paths=("secret/metadata/pay",))
    check = checks(site, secret)["permission:read secret/metadata/pay"]
    assert check.state is CheckState.FAILED
    assert check.fix == 'path "secret/metadata/pay" { capabilities = ["read"] }'


def test_the_doctor_warns_of_too_much(make_site: Any) -> None:
    """A token that can read values is broader than an inventory needs; so is a root token."""
    site = make_site(root=True)
    secret = site.seed("kv", "secret/pay")
    found = checks(site, secret)
    assert found["least-privilege"].state is CheckState.WARNING
    assert found["identity:root"].state is CheckState.WARNING


@pytest.mark.parametrize(
    ("fault", "name"), [("unreachable", "reachable"), ("sealed", "reachable"), ("login-refused", "identity")]
)
def test_the_doctor_stops_where_nothing_more_can_be_asked(site: Any, fault: str, name: str) -> None:
    """The failing check carries the typed error and a next step; nothing is raised."""
    site.seed("kv", "secret/pay")
    site.fault(fault)
    found = checks(site)
    assert found[name].state is CheckState.FAILED
    assert found[name].fix
    assert found[name].error is not None


def test_the_doctor_sees_a_lonely_standby(make_site: Any) -> None:
    """A standby whose leader is not configured cannot prove absences."""
    site = make_site(standby_lag=3)
    site.seed("kv", "secret/pay")
    assert checks(site, nodes=[])["active-node"].state is CheckState.FAILED


def test_the_doctor_compares_clocks(site: Any) -> None:
    """Ages are meaningless between clocks that disagree."""
    site.seed("kv", "secret/pay")
    provider = site.provider()
    from nhisync.testing.clocks import FakeClock

    ahead = FakeClock(site.clock.now() + timedelta(minutes=10))
    object.__setattr__(provider._source._context, "clock", ahead)
    from nhisync.spi import Budget

    found = {one.name: one for one in provider.examine(AccessMode.READ, (), frozenset(), Budget(ahead, seconds=60))}
    assert found["clock"].state is CheckState.FAILED


def test_the_doctor_looks_at_credential_files(make_site: Any) -> None:
    """A secret id that others can read is a shared identity."""
    site = make_site()
    from pathlib import Path

    Path(site.document["auth"]["secret_id_file"]).chmod(0o644)
    assert checks(site)["credential-file"].state is CheckState.WARNING


def test_the_doctor_tells_when_a_given_token_ends(make_site: Any, clock: Any) -> None:
    """A token from a file that ends within a day needs somebody."""
    site = make_site(auth="token")
    clock.advance(timedelta(days=29, hours=12))
    assert checks(site)["identity:expiry"].state is CheckState.WARNING
