"""From apps to inventories: only what is wanted is asked, one identity is refused, absences are looked at twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nhisync.app import gather as module
from nhisync.app.gather import (
    Scope,
    confirm,
    gather,
    missing_of,
    plans_of,
    refuse_one_identity,
    scope_of,
    unconfirmed,
)
from nhisync.app.session import Session
from nhisync.errors import GuardError
from nhisync.model import Coverage, CoverageStatus, Item, Locator, Presence
from nhisync.parity.row import Row, row_of
from nhisync.spi import InventoryRequest, Observation, SourceIdentity
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import IDENTITIES, SCRIPTS

from .scripted import session

AT = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _scripts() -> Iterator[None]:
    """No script of another test answers here."""
    before, who = dict(SCRIPTS), dict(IDENTITIES)
    yield
    SCRIPTS.clear()
    SCRIPTS.update(before)
    IDENTITIES.clear()
    IDENTITIES.update(who)


def opened(folder: Path, *apps: str) -> tuple[Session, Scope]:
    """A session and the scope of judging these apps on all paths."""
    made = session(folder)
    return made, scope_of(made.apps(apps), ("primary", "backup", "attic"))


def cover(kind: str, status: CoverageStatus = CoverageStatus.COMPLETE, *, authoritative: bool = True) -> Coverage:
    """One entry of source `one`."""
    return Coverage(source="one", kind=kind, scope="", status=status, as_of=AT, authoritative=authoritative)


def row(key: str, text: str) -> Row:
    """A present row."""
    return row_of(Item(locator=Locator.parse(text), observed_at=AT), key=key, domain=None)


def test_sources_nobody_needs_are_not_contacted(tmp_path: Path) -> None:
    """A plan for each source of which a pair or a template wants something, and for no other."""
    made, scope = opened(tmp_path, "payments")
    assert {(plan.path, plan.name) for plan in plans_of(made, scope, {})} == {("primary", "one"), ("backup", "one")}


def test_a_plan_asks_for_exactly_what_the_apps_need(tmp_path: Path) -> None:
    """Named items once and without field, kinds and literal prefixes of templates, and what is known already."""
    made, scope = opened(tmp_path, "payments")
    known = {("backup", "one"): {Locator("one", "kv", "a"): "m1"}}
    plans = {plan.path: plan for plan in plans_of(made, scope, known)}
    assert plans["primary"].wanted == (Locator("one", "kv", "a"),)
    assert plans["backup"].wanted == (Locator("one", "kv", "a"), Locator("one", "kv", "b"))
    assert plans["primary"].kinds == plans["backup"].kinds == {"listed"}
    assert plans["primary"].prefixes == {"listed": ("payments/",)}
    assert plans["backup"].prefixes == {"listed": ("pay/",)}
    assert plans["backup"].known == {Locator("one", "kv", "a"): "m1"}
    assert plans["primary"].known == {}
    assert (plans["backup"].budget.remaining, plans["backup"].identify) == (30, True)


def test_kinds_that_somebody_looks_at_are_swept_whole(tmp_path: Path) -> None:
    """`inventory` and `discover` want everything: no prefix narrows it, and sources without pairs are asked, too."""
    made, _ = opened(tmp_path)
    scope = Scope(
        pairings=scope_of(made.apps(["payments"]), ("primary",)).pairings,
        unmapped=True,
        kinds={("primary", "idle"): frozenset({"kv"}), ("primary", "one"): frozenset({"listed", "kv"})},
    )
    plans = {plan.name: plan for plan in plans_of(made, scope, {})}
    assert plans["one"].kinds == {"kv", "listed"}
    assert plans["one"].prefixes == {}
    assert plans["idle"].kinds == {"kv"}
    assert plans["idle"].unmapped


IDENTITY = SourceIdentity(authority="aws:111122223333", principal="role/nhisync", endpoint="a")


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        (SourceIdentity(authority="aws:111122223333", principal="role/nhisync", endpoint="b"), True),
        (SourceIdentity(authority="aws:111122223333", principal="role/other", endpoint="a"), False),
        (SourceIdentity(authority="aws:444455556666", principal="role/nhisync", endpoint="a"), False),
    ],
)
@pytest.mark.requirement("R32")
def test_one_identity_on_both_paths_is_refused(other: SourceIdentity, refused: bool) -> None:
    """Same realm and same principal: what fails for one would fail for both, unseen. The endpoint does not matter."""
    both = {("primary", "aws"): IDENTITY, ("backup", "aws"): other}
    if not refused:
        refuse_one_identity(both)
        return
    with pytest.raises(GuardError, match="backup/aws and primary/aws are one identity") as caught:
        refuse_one_identity(both)
    assert caught.value.guard == "same-identity"
    assert "auth:" in caught.value.fix


@pytest.mark.requirement("R32")
def test_one_cluster_on_both_paths_is_refused() -> None:
    """Two identities and namespaces of one cluster: its end is the end of both paths. On one path it may be so."""
    here = SourceIdentity(authority="vault:c1/a", principal="one", endpoint="a", cluster="vault:c1")
    there = SourceIdentity(authority="vault:c1/b", principal="two", endpoint="b", cluster="vault:c1")
    with pytest.raises(GuardError, match="backup/vault and primary/vault are one cluster: vault:c1") as caught:
        refuse_one_identity({("primary", "vault"): here, ("backup", "vault"): there})
    assert caught.value.guard == "same-cluster"
    refuse_one_identity({("primary", "a"): here, ("primary", "b"): there})
    elsewhere = SourceIdentity(authority="vault:c2/b", principal="two", endpoint="b", cluster="vault:c2")
    refuse_one_identity({("primary", "vault"): here, ("backup", "vault"): elsewhere})
    unknown = SourceIdentity(authority="vault:/b", principal="two", endpoint="b")
    refuse_one_identity({("primary", "vault"): unknown, ("backup", "vault"): replace(unknown, principal="one")})


def test_two_sources_of_one_path_may_share_an_identity() -> None:
    """Two regions of one account on one path are read by one role, as they should."""
    refuse_one_identity({("primary", "west"): IDENTITY, ("primary", "north"): IDENTITY})


@pytest.mark.requirement("R32")
def test_gathering_ends_when_both_paths_are_one(tmp_path: Path) -> None:
    """The guard stands behind the inventories: nothing of them is judged."""
    made, scope = opened(tmp_path, "payments")
    for script in ("p-one", "b-one"):
        SCRIPTS[script] = lambda _request: iter(())
        IDENTITIES[script] = IDENTITY
    desk = MemoryDesk()
    sinks = {path: desk.sink(path, pairing, 0.2) for path, pairing in scope.pairings.items()}
    with pytest.raises(GuardError):
        gather(made, scope, sinks)


@pytest.mark.requirement("R6", "R11")
def test_a_side_without_a_row_is_what_its_coverage_says(tmp_path: Path) -> None:
    """The counterpart's own listing decides: complete and authoritative, denied, or one that proves nothing."""
    _, scope = opened(tmp_path, "payments")
    here = row("payments/x", "one:listed/payments/x")
    for coverage, word in (
        (cover("listed"), "absent"),
        (cover("listed", authoritative=False), "unknown"),
        (cover("listed", CoverageStatus.DENIED), "denied"),
        (cover("kv"), "unknown"),
    ):
        missing = missing_of(scope, "primary", "backup", {"backup": (coverage,), "primary": ()})
        assert missing("backup", "payments/x", here) == word
    back = row("payments/x", "one:listed/pay/x")
    missing = missing_of(scope, "primary", "backup", {"primary": (cover("listed"),), "backup": ()})
    assert missing("primary", "payments/x", back) == "absent"


@pytest.mark.requirement("R6")
def test_only_absences_that_no_listing_proves_are_looked_at_again(tmp_path: Path) -> None:
    """Items of a kind whose listing lags; not those of `kv`, whose listing proves it, nor pairs with both sides."""
    made, scope = opened(tmp_path, "payments")
    primary = [
        row("payments/a", "one:kv/a"),
        row("payments/both", "one:listed/payments/both"),
        row("payments/late", "one:listed/payments/late"),
    ]
    backup = [row("payments/both", "one:listed/pay/both"), row("payments/new", "one:listed/pay/new")]
    doubtful = unconfirmed(made, scope, ("primary", iter(primary)), ("backup", iter(backup)))
    assert doubtful == {
        ("backup", "one"): [Locator("one", "listed", "pay/late")],
        ("primary", "one"): [Locator("one", "listed", "payments/new")],
    }


def test_confirmations_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that lost everything is not asked for a million items one by one; the rest stays unknown."""
    monkeypatch.setattr(module, "CONFIRMATIONS", 3)
    made, scope = opened(tmp_path, "payments")
    rows = [row(f"payments/{n}", f"one:listed/payments/{n}") for n in range(9)]
    doubtful = unconfirmed(made, scope, ("primary", iter(rows)), ("backup", iter(())))
    assert len(doubtful["backup", "one"]) == 3


def test_a_second_look_keeps_rows_and_forgets_its_coverage(tmp_path: Path) -> None:
    """Single reads say something of their items, and nothing of a sweep; nobody is asked who we are again."""
    made, scope = opened(tmp_path, "payments")
    late, gone = Locator("one", "listed", "pay/late"), Locator("one", "listed", "pay/gone")
    asked: list[InventoryRequest] = []

    def answers(request: InventoryRequest) -> Iterator[Observation]:
        asked.append(request)
        yield Item(locator=late, observed_at=AT)
        yield Item(locator=gone, observed_at=AT, presence=Presence.ABSENT)
        yield cover("listed")

    SCRIPTS["b-one"] = answers
    desk = MemoryDesk()
    sinks = {path: desk.sink(path, pairing, 0.2) for path, pairing in scope.pairings.items()}
    confirm(made, scope, {("backup", "one"): [late, gone]}, sinks)
    assert (asked[0].wanted, asked[0].kinds) == ((late, gone), frozenset())
    assert asked[0].budget.spent == 1
    assert {r.key: r.presence for r in desk.rows("backup")} == {"payments/late": "present", "payments/gone": "absent"}
    assert desk.coverage("backup") == ()


def test_nothing_doubtful_asks_nobody(tmp_path: Path) -> None:
    """Without a doubt no source is made."""
    made, scope = opened(tmp_path, "payments")
    confirm(made, scope, {}, {})


@pytest.mark.requirement("R4b")
def test_all_passes_of_a_cycle_share_one_budget(tmp_path: Path) -> None:
    """The second look has the time and the calls that the sweep left, and the next cycle has all of them again."""
    made, scope = opened(tmp_path, "payments")
    late = Locator("one", "listed", "pay/late")
    rest: list[tuple[float, int]] = []

    def answers(request: InventoryRequest) -> Iterator[Observation]:
        made.clock.sleep(12.0)
        request.budget.spend()
        rest.append((request.budget.remaining, request.budget.remainder.calls))
        yield from ()

    SCRIPTS["b-one"] = answers
    SCRIPTS["p-one"] = lambda _request: iter(())
    desk = MemoryDesk()
    sinks = {path: desk.sink(path, pairing, 0.2) for path, pairing in scope.pairings.items()}
    gather(made, scope, sinks)
    confirm(made, scope, {("backup", "one"): [late]}, sinks)
    assert rest == [(18.0, 4), (6.0, 2)]  # of 30 s and 7 calls
    made.begin()
    assert (made.budget("backup", "one").remaining, made.budget("backup", "one").spent) == (30.0, 0)


@pytest.mark.requirement("R4b")
def test_a_source_that_was_left_behind_is_not_asked_again(tmp_path: Path) -> None:
    """It would hang again; that its sweep did not end is known already."""
    made, scope = opened(tmp_path, "payments")
    made.budget("backup", "one").cancel()
    rows = [row("payments/late", "one:listed/payments/late")]
    assert unconfirmed(made, scope, ("primary", iter(rows)), ("backup", iter(()))) == {}
