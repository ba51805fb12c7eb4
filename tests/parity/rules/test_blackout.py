"""Family 3, blackout clock: what nobody renews ends at its own end, and an end that is not known is never "none"."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.model import App, Dependency, Side, State
from nhisync.parity.book import app_terms, columns_of
from nhisync.parity.engine import judge
from nhisync.parity.lifetimes import ENDLESS, MINTED, NEVER
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, PairView
from nhisync.parity.rules import BY_CODE, RULES
from nhisync.parity.rules.blackout import READS, ending
from nhisync.parity.thresholds import thresholds_of
from nhisync.policy import BUILTIN, BlackoutLimits, Waivers
from nhisync.registry import Registry

from .builders import (
    DAY,
    NOW,
    PRIMARY_DOMAIN,
    Case,
    backup,
    certificate,
    chained,
    changes_at,
    facts,
    primary,
    unseen,
    view,
)
from .test_properties import hostile, plausible

THOROUGH = settings(max_examples=150, deadline=None)
BACKUP = Side.BACKUP
TIER = replace(
    BUILTIN["high"],
    name="asked",
    blackout=BlackoutLimits(ask=True, rto=timedelta(days=3), longest_stay=timedelta(days=3), margin=timedelta(days=1)),
)
WEEK = 7 * DAY
KEY = {"locator": "aws:access-key/svc"}
ROLE = {"locator": "aws:role/task"}


def asked(*, now: int = NOW, declared: int | None = None, row: Row | None = None, **changes: Any) -> PairView:
    """A pair in a tier that asks for seven days; the changes are the backup's."""
    made = view(primary(), backup(**changes) if row is None else row, now=now, declared_end=declared)
    made.thresholds = thresholds_of(TIER)
    return made


def issuer(name: str = "https://idp.example") -> Dependency:
    """Who signs what the identity shows."""
    return Dependency(kind="issuer", id=name)


ROOT_FIRST = chained(anchor_not_after=certificate(ends=NOW + 5 * DAY).not_after)
ISSUER_FIRST = chained(
    certificates=(certificate(), certificate(subject="CN=Old CA", issuer="CN=Root", ends=NOW + 6 * DAY))
)
NO_ROOT = chained(anchor="", anchor_not_after=None)
LOGIN = facts(dependencies=(Dependency(kind="identity-provider", id="okta"),))

CASES = [
    Case("NHS307", "nobody asks", view(primary(), backup(expires=NOW + DAY)), None),
    Case("NHS307", "backup not there", asked(row=unseen("absent")), None),
    Case("NHS307", "outlives it", asked(expires=NOW + WEEK), "pass"),
    Case("NHS307", "one second short", asked(expires=NOW + WEEK - 1), "fail", BACKUP, "the credential ends 2026-11-3"),
    Case("NHS307", "no end recorded", asked(), "unknown", BACKUP, "nobody recorded when it ends"),
    Case("NHS307", "of a kind that has none", asked(**KEY), "pass"),
    Case("NHS307", "the provider knows why it has none", asked(**facts(endless="legacy token")), "pass"),
    Case("NHS307", "region not known, so not which kind", asked(domain=None, **KEY), "unknown", BACKUP),
    Case("NHS307", "owner states none", asked(declared=NEVER), "pass"),
    Case("NHS307", "owner states an end", asked(declared=NOW + DAY), "fail", BACKUP, "as the configuration states"),
    Case("NHS307", "owner cannot outbid the provider", asked(declared=NEVER, expires=NOW + DAY), "fail", BACKUP),
    Case("NHS307", "root ends first", asked(expires=NOW + 90 * DAY, **ROOT_FIRST), "fail", BACKUP, "CN=Root ends"),
    Case("NHS307", "issuer ends first", asked(expires=NOW + 90 * DAY, **ISSUER_FIRST), "fail", BACKUP, "CN=Old CA"),
    Case("NHS307", "whole chain lives", asked(expires=NOW + 90 * DAY, **chained()), "pass"),
    Case("NHS307", "root not known", asked(expires=NOW + 90 * DAY, **NO_ROOT), "unknown", BACKUP, "its root"),
    Case("NHS307", "not known, but surely too short", asked(expires=NOW + DAY, **NO_ROOT), "fail", BACKUP),
    Case("NHS307", "role sessions", asked(**ROLE), "fail", BACKUP, "role sessions in hand end within 12h"),
    Case(
        "NHS307",
        "role sessions of an issuer",
        asked(**ROLE, **facts(dependencies=(issuer(),))),
        "fail",
        BACKUP,
        "of https://idp.example",
    ),
    Case(
        "NHS307",
        "minted without a limit",
        asked(locator="bao:db-dynamic/database/app", domain="vault/eu-north-1", declared=NEVER),
        "unknown",
        BACKUP,
        "how long those in hand still live is not known",
    ),
    Case("NHS307", "every login needs the provider", asked(**KEY, **LOGIN), "fail", BACKUP, "at every login"),
    Case("NHS307", "deactivated", asked(state="deactivated", **KEY), "fail", BACKUP, "is deactivated"),
    Case("NHS307", "not in force yet", asked(not_before=NOW + DAY, **KEY), "fail", BACKUP, "not in force yet"),
]


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case: Case) -> None:
    """The rule says what the table says."""
    case.hold()


def test_the_answer_changes_in_the_second_in_which_too_little_is_left() -> None:
    """Ready needs horizon >= what is asked; one second less fails, and `recheck` announces it."""
    end = NOW + 30 * DAY
    passes, fails = State.PASS, State.FAIL
    changes_at("NHS307", lambda now: asked(now=now, expires=end), end - WEEK + 1, before=passes, after=fails)
    early = NOW + DAY
    changes_at("NHS307", lambda now: asked(now=now, not_before=early, **KEY), early, before=fails, after=passes)


@pytest.mark.requirement("R6")
@THOROUGH
@given(st.one_of(hostile, plausible), st.integers(NOW, NOW + 400 * DAY), st.sampled_from([None, NEVER, NOW + DAY]))
def test_only_a_known_reason_makes_an_identity_endless(row: Row, now: int, declared: int | None) -> None:
    """No end is told only of kinds that have none, by the provider's own word, or by the owner's; and never minted."""
    found = ending(row, now, declared)
    if not found.endless:
        return
    place = (row.domain or "").partition("/")[0], row.locator.partition(":")[2].partition("/")[0]
    assert row.presence == "present"
    assert row.expires is None
    assert place not in MINTED
    assert declared == NEVER or place in ENDLESS or (row.detail and '"endless"' in row.detail)


@THOROUGH
@given(plausible, st.integers(NOW, NOW + 400 * DAY))
def test_nothing_outlives_what_stands_above_it(row: Row, now: int) -> None:
    """The end is never later than the credential's own, and a later beginning of the blackout gives no earlier end."""
    found, later = ending(row, now), ending(row, now + DAY)
    if found.end is not None and row.expires is not None and not found.moving:
        assert found.end <= row.expires
    if found.end is not None and later.end is not None and not found.moving and not later.moving:
        assert later.end == found.end


@THOROUGH
@given(plausible, plausible, st.integers(0, 120 * DAY))
def test_outcomes_hold_until_recheck(p: Row, b: Row, later: int) -> None:
    """Where the clock is asked, a remembered result stands until `recheck`, text included."""

    def judged(now: int) -> Any:
        app = App(name="payments", tier="asked")
        terms = app_terms(
            app, TIER, [BY_CODE["NHS307"]], primary_domains=frozenset({PRIMARY_DOMAIN}), waivers=Waivers()
        )
        book = {"payments": terms}
        (found,) = judge(iter([p]), iter([b]), book, now=now, missing=lambda *_: "denied", passes=True)
        return found

    first = judged(NOW)
    if first.recheck <= NOW:  # nothing is remembered, and no earlier instant is asked about
        return
    for then in {min(NOW + later, first.recheck - 1), first.recheck - 1 if first.recheck < NOW + 10**9 else NOW}:
        assert judged(then).outcomes == first.outcomes


@THOROUGH
@given(st.one_of(hostile, plausible), st.sampled_from([None, NEVER, NOW]))
def test_the_rule_is_total(b: Row, declared: int | None) -> None:
    """On any row the rule passes or says something printable on one line."""
    outcome = BY_CODE["NHS307"].check(asked(row=b, declared=declared))
    if outcome is not None and outcome is not PASS:
        assert outcome.observed
        assert outcome.observed.isprintable()
        assert len(outcome.observed) < 1000


@pytest.mark.parametrize("kept", [ENDLESS, MINTED], ids=["endless", "minted"])
def test_kinds_of_the_tables_exist(kept: Any) -> None:
    """A provider that renames a kind would silently leave the table."""
    registry = Registry()
    for provider, kind in kept:
        assert kind in {known.name for known in registry.load(provider).info.kinds}, (provider, kind)


def test_tiers_that_do_not_ask_read_nothing_for_it() -> None:
    """The rule is not even in the list of a tier that does not ask, so that its columns are not read for nothing."""

    def terms(tier: Any) -> Any:
        return app_terms(App(name="a", tier="x"), tier, RULES, primary_domains=frozenset(), waivers=Waivers())

    assert BY_CODE["NHS307"] not in terms(BUILTIN["critical"]).rules
    assert BY_CODE["NHS307"] in terms(TIER).rules
    assert columns_of({"a": terms(TIER)})[1] >= set(READS)
