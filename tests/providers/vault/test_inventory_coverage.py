"""What was seen and what was not: absences, denials, lost folders, sweeps, second runs, ten thousand items."""

from datetime import timedelta
from typing import Any

import pytest

from nhisync.spi import CoverageStatus, ErrorKind, InventoryRequest, Locator, Presence
from nhisync_vault.emulator.kv_store import Key, Version
from nhisync_vault.emulator.policy_store import put_policy

KV = Locator("vault", "kv", "secret/never")


@pytest.mark.requirement("R11")
def test_an_item_that_is_not_there_is_absent(site: Any) -> None:
    """A read on the active node, confirmed to be active afterwards, is an authoritative no."""
    site.seed("kv", "secret/other")
    for kind, name in (("db-static", "database/x"), ("approle", "approle/x"), ("transit", "transit/x")):
        site.seed(kind, name)
    missing = [
        KV,
        Locator("vault", "db-static", "database/none"),
        Locator("vault", "db-dynamic", "database/none"),
        Locator("vault", "approle", "approle/none"),
        Locator("vault", "transit", "transit/none"),
        Locator("vault", "token", "NoSuchAccessor"),
    ]
    seen = site.observe(*missing)
    assert {one: seen[one].presence for one in missing} == dict.fromkeys(missing, Presence.ABSENT)


def test_pki_items_that_are_not_there_are_absent(site: Any) -> None:
    """Neither issuer, nor serial, nor common name."""
    site.seed("pki", "pki/cn/a.example")
    missing = [Locator("vault", "pki", f"pki/{name}") for name in ("issuer/none", "cert/1a2b", "cn/none.example")]
    seen = site.observe(*missing)
    assert [seen[one].presence for one in missing] == [Presence.ABSENT] * 3


def test_a_missing_mount_is_not_a_missing_item(site: Any) -> None:
    """Without the mount nothing is proven about the item."""
    site.seed("kv", "secret/other")
    nowhere, wrong = Locator("vault", "kv", "nowhere/x"), Locator("vault", "transit", "secret/x")
    seen = site.observe(nowhere, wrong)
    assert [seen[one].presence for one in (nowhere, wrong)] == [Presence.UNKNOWN] * 2
    assert {seen[one].error.kind for one in (nowhere, wrong)} == {ErrorKind.SCOPE_MISSING.value}


@pytest.mark.parametrize(
    "name", ["secret", "secret/", "secret//x", "secret/a/../b", "secret/./x", "secret/a\tb", "secret/x\ufffd"]
)
def test_names_that_reach_elsewhere_are_refused_before_any_request(site: Any, name: str) -> None:
    """Dotted and empty segments, control characters and garbled names are never sent."""
    site.seed("kv", "secret/other")
    odd = Locator("vault", "kv", name)
    item = site.observe(odd)[odd]
    assert item.presence is Presence.UNKNOWN
    assert not [one for one in site.node.received if "metadata/" in one and "other" not in one]


def test_unknown_kinds_are_answered(site: Any) -> None:
    """A kind this provider does not have is a typed unknown, not silence."""
    odd = Locator("vault", "bucket", "x/y")
    assert site.observe(odd)[odd].error.kind == ErrorKind.MISCONFIGURED.value


@pytest.mark.requirement("R6")
def test_one_denied_item_ends_nothing(site: Any) -> None:
    """The denied item says which grant is missing; its neighbour is read."""
    hidden = site.seed("kv", "secret/pay/hidden", denied=True)
    shown = site.seed("kv", "secret/pay/shown")
    seen = site.observe(hidden, shown)
    assert seen[shown].presence is Presence.PRESENT
    assert seen[hidden].presence is Presence.DENIED
    assert seen[hidden].error.action == "read"
    assert seen[hidden].error.resource == "secret/metadata/pay/hidden"


@pytest.mark.requirement("R6")
def test_a_denied_listing_is_denied_coverage(site: Any) -> None:
    """Nothing listed and coverage denied is not parity; items named singly are still read."""
    secret = site.seed("kv", "secret/pay/a")
    site.fault("denied", paths=("secret/metadata/", "secret/detailed-metadata/"))
    seen = site.observe(secret, kinds=("kv",))
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.DENIED
    assert not seen.coverage["kv", "secret/"].authoritative
    assert seen[secret].presence is Presence.PRESENT


@pytest.mark.requirement("R6")
def test_a_denied_folder_is_a_gap_of_its_own(site: Any) -> None:
    """The rest of the mount is complete, the folder is denied."""
    site.seed("kv", "secret/open/a")
    site.seed("kv", "secret/shut/b")
    site.fault("denied", paths=("secret/metadata/shut/", "secret/detailed-metadata/shut/"))
    seen = site.observe(kinds=("kv",))
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.COMPLETE
    assert seen.coverage["kv", "secret/shut/"].status is CoverageStatus.DENIED
    assert [one.name for one in seen.items] == ["secret/open/a"]


def test_version_one_mounts_are_unsupported(site: Any) -> None:
    """KV version 1 has no metadata."""
    secret = site.seed("kv", "secret/a")
    site.world.source("primary", "vault").core.mounts["secret/"].options = {"version": "1"}
    seen = site.observe(secret, kinds=("kv",))
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.UNSUPPORTED
    assert seen[secret].presence is Presence.UNSUPPORTED


def test_a_sweep_lists_every_mount_of_the_kind(site: Any) -> None:
    """Folders are followed, and each mount has its own coverage."""
    names = ["secret/a", "secret/f/b", "secret/f/g/c", "team/d"]
    planted = {site.seed("kv", name) for name in names}
    seen = site.observe(kinds=("kv",))
    assert set(seen.items) == planted
    assert {scope: one.items for (_, scope), one in seen.coverage.items()} == {"secret/": 3, "team/": 1}
    assert all(one.authoritative for one in seen.coverage.values())


def test_prefixes_narrow_a_sweep(site: Any) -> None:
    """Only what begins with a prefix is listed, and coverage says so."""
    for name in ("secret/pay/a", "secret/pay/b", "secret/other/c", "team/d"):
        site.seed("kv", name)
    seen = site.observe(kinds=("kv",), prefixes={"kv": ("secret/pay/", "secret/pay/a")})
    assert sorted(one.name for one in seen.items) == ["secret/pay/a", "secret/pay/b"]
    assert list(seen.coverage) == [("kv", "secret/pay/")]
    assert not [one for one in site.node.received if "other" in one or "team/" in one]


def test_a_prefix_may_end_inside_a_name(site: Any) -> None:
    """A literal beginning of a name is no folder."""
    for name in ("secret/pay/stripe-a", "secret/pay/stripe-b/c", "secret/pay/visa"):
        site.seed("kv", name)
    seen = site.observe(kinds=("kv",), prefixes={"kv": ("secret/pay/stripe",)})
    assert sorted(one.name for one in seen.items) == ["secret/pay/stripe-a", "secret/pay/stripe-b/c"]


def test_kinds_without_a_mount_are_complete_and_empty(site: Any) -> None:
    """With the whole mount table read, no mount means no item."""
    seen = site.observe(kinds=("transit",))
    assert seen.coverage["transit", ""].status is CoverageStatus.COMPLETE
    assert seen.coverage["transit", ""].authoritative


def test_invisible_mounts_prove_nothing(site: Any) -> None:
    """When the mount table is denied, only reachable mounts are known, and emptiness is ignorance."""
    secret = site.seed("kv", "secret/a")
    site.fault("denied", paths=("sys/mounts", "sys/auth"))
    seen = site.observe(secret, kinds=("kv", "transit"))
    assert seen[secret].presence is Presence.PRESENT
    assert seen.coverage["transit", ""].status is CoverageStatus.DENIED


def test_configured_mounts_limit_what_is_read(site: Any) -> None:
    """Mounts named in the settings are the only ones of their kind that are touched."""
    site.seed("kv", "secret/a")
    site.seed("kv", "team/b")
    seen = site.observe(kinds=("kv",), provider=site.provider(mounts={"kv": ["team"]}))
    assert [one.name for one in seen.items] == ["team/b"]


@pytest.mark.requirement("R4b")
def test_a_second_run_asks_for_nothing_that_did_not_change(make_site: Any) -> None:
    """Where the listing carries the metadata, unchanged secrets cost no request of their own."""
    site = make_site()
    wanted = [site.seed("kv", f"secret/app/s{n:02d}") for n in range(40)]
    first = site.observe(*wanted)
    second = site.observe(*wanted, known=first.markers())
    assert second.unchanged == set(wanted)
    assert first.calls >= 40
    assert second.calls <= 8


def test_a_change_is_seen_in_the_second_run(site: Any) -> None:
    """A new version, a deletion or other metadata is another marker."""
    secret, still = site.seed("kv", "secret/a"), site.seed("kv", "secret/b")
    first = site.observe(secret, still)
    site.seed("kv", "secret/a", rotated=timedelta(hours=1))
    second = site.observe(secret, still, known=first.markers())
    assert second.unchanged == {still}
    assert second[secret].rotated.at > first[secret].rotated.at


def test_a_sweep_marks_known_items_unchanged(make_site: Any) -> None:
    """A swept and wanted item with its old marker is not read again."""
    site = make_site()
    secret = site.seed("kv", "secret/a")
    first = site.observe(secret, kinds=("kv",))
    second = site.observe(secret, kinds=("kv",), known=first.markers())
    assert second.unchanged == {secret}
    assert not [one for one in site.node.received if "subkeys" in one][1:]


@pytest.mark.requirement("R4b")
def test_ten_thousand_items(make_site: Any) -> None:
    """A large folder is paged and streamed in a few dozen calls."""
    site = make_site()
    site.seed("kv", "secret/seed")
    core = site.world.source("primary", "vault").core
    view = core.view(core.mounts["secret/"])
    now = site.clock.now()
    version = Version(created=now, data={"k": "v"})
    for number in range(10_000):
        view.put(f"key/bulk/{number:05d}", Key(created=now, updated=now, current=1, versions={1: version}))
    core.storage.commit()
    seen = site.observe(kinds=("kv",))
    assert len(seen.items) == 10_001
    assert seen.coverage["kv", "secret/"].items == 10_001
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.COMPLETE
    assert seen.calls < 30


def test_ten_thousand_names_where_the_server_does_not_page(make_site: Any) -> None:
    """Vault answers everything at once; nothing is read singly for it."""
    site = make_site(flavour="vault")
    site.seed("kv", "secret/seed")
    core = site.world.source("primary", "vault").core
    view, now = core.view(core.mounts["secret/"]), site.clock.now()
    for number in range(10_000):
        view.put(f"key/bulk/{number:05d}", Key(created=now, updated=now))
    core.storage.commit()
    seen = site.observe(kinds=("kv",))
    assert len(seen.items) == 10_001
    assert seen.calls < 15


def test_a_pages_length_by_accident_of_the_page_size(make_site: Any) -> None:
    """A full last page is followed by an empty one, and a server that ignores paging is not read twice."""
    for flavour, path in (("openbao", "primary"), ("vault", "backup")):
        site = make_site(path, flavour=flavour)
        planted = {site.seed("kv", f"secret/k{n}") for n in range(6)}
        seen = site.observe(kinds=("kv",), provider=site.provider(page_size=3))
        assert set(seen.items) == planted
        seen = site.observe(kinds=("kv",), provider=site.provider(page_size=6))
        assert set(seen.items) == planted


def test_a_policy_that_limits_pages_is_obeyed(make_site: Any) -> None:
    """Above pagination_limit the server answers 403; then its own page size is used to the end."""
    site = make_site()
    planted = {site.seed("kv", f"secret/k{n}") for n in range(7)}
    core = site.world.source("primary", "vault").core
    name = site.world.source("primary", "vault").policy
    text = core.policies().get(name).text
    limited = text.replace(
        'path "secret/detailed-metadata/*" { capabilities = ["list"] }',
        'path "secret/detailed-metadata/*" {\n capabilities = ["list"]\n pagination_limit = 2\n}',
    )
    put_policy(core.policies(), name, limited, now=site.clock.now())
    core.storage.commit()
    seen = site.observe(kinds=("kv",))
    assert set(seen.items) == planted
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.COMPLETE


def test_a_name_that_is_no_utf8_is_told_not_guessed(site: Any) -> None:
    """The listing's garbled name is an item of which nothing more can be known."""
    site.seed("kv", "secret/good")
    core = site.world.source("primary", "vault").core
    core.view(core.mounts["secret/"]).put("key/bad\udcff", Key(created=site.clock.now(), updated=site.clock.now()))
    core.storage.commit()
    odd = Locator("vault", "kv", "secret/bad\ufffd")
    seen = site.observe(odd, kinds=("kv",))
    assert seen.coverage["kv", "secret/"].items == 2
    assert seen[odd].presence is Presence.UNKNOWN


def test_names_with_blanks_percent_signs_and_unicode(site: Any) -> None:
    """Odd but legal names are listed and read as they are."""
    names = [
        "secret/a b",
        "secret/50%",
        "secret/a=b&c",
        "secret/café/ü",
        "secret/trailing ",
        "secret/100%25",
        "secret/a#b",
    ]
    wanted = [site.seed("kv", name) for name in names[:-1]]
    seen = site.observe(*wanted, kinds=("kv",))
    assert all(seen[one].presence is Presence.PRESENT and seen[one].fields for one in wanted)


@pytest.mark.requirement("R5")
def test_a_cycle_out_of_budget_publishes_what_it_has(site: Any) -> None:
    """Items read before the end are items; the rest is throttled, and so is the coverage."""
    wanted = [site.seed("transit", f"transit/k{n:02d}") for n in range(30)]
    seen = site.observe(*wanted, budget=site.budget(calls=15))
    words = {seen[one].presence for one in wanted}
    assert words == {Presence.PRESENT, Presence.THROTTLED}


def test_a_token_census_is_opt_in_and_capped(make_site: Any) -> None:
    """Without it tokens are not listed; with it the cap is told."""
    site = make_site(census=True)
    for number in range(5):
        site.seed("token", f"t{number}", expires=timedelta(days=1))
    without = site.observe(kinds=("token",))
    assert without.coverage["token", ""].status is CoverageStatus.UNSUPPORTED
    every = site.observe(kinds=("token",), provider=site.provider(token_census={"limit": 100}))
    assert every.coverage["token", ""].status is CoverageStatus.COMPLETE
    assert len(every.items) >= 6
    capped = site.observe(kinds=("token",), provider=site.provider(token_census={"limit": 2}))
    assert capped.coverage["token", ""].status is CoverageStatus.THROTTLED
    assert len(capped.items) == 2


def test_a_census_without_sudo_is_denied(make_site: Any) -> None:
    """The coverage names what is missing."""
    site = make_site()
    seen = site.observe(kinds=("token",), provider=site.provider(token_census={"limit": 10}))
    assert seen.coverage["token", ""].status is CoverageStatus.DENIED


def test_closing_the_iterator_early_leaves_nothing_behind(site: Any) -> None:
    """A consumer that stops after one item gets no error and leaves no thread reading."""
    wanted = tuple(site.seed("transit", f"transit/k{n:02d}") for n in range(20))
    stream = site.provider().inventory(InventoryRequest(budget=site.budget(), wanted=wanted))
    next(stream)
    stream.close()
