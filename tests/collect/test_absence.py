"""What coverage says of an item that has no row: absent is a claim that needs proof, everything else is ignorance."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.collect.absence import presence_of
from nhisync.model import Coverage, CoverageStatus, Locator, Presence

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

AT = datetime(2026, 11, 23, tzinfo=UTC)
ITEM = Locator("vault", "kv", "secret/payments/stripe")


def cover(
    status: CoverageStatus = CoverageStatus.COMPLETE,
    *,
    source: str = "vault",
    kind: str = "kv",
    scope: str = "",
    authoritative: bool = True,
) -> Coverage:
    """One entry."""
    return Coverage(source=source, kind=kind, scope=scope, status=status, as_of=AT, authoritative=authoritative)


@pytest.mark.parametrize(
    ("status", "presence"),
    [
        (CoverageStatus.COMPLETE, Presence.ABSENT),
        (CoverageStatus.PARTIAL, Presence.UNKNOWN),
        (CoverageStatus.DENIED, Presence.DENIED),
        (CoverageStatus.THROTTLED, Presence.THROTTLED),
        (CoverageStatus.UNREACHABLE, Presence.UNREACHABLE),
        (CoverageStatus.STALE, Presence.UNKNOWN),
        (CoverageStatus.UNSUPPORTED, Presence.UNSUPPORTED),
        (CoverageStatus.SHRUNK, Presence.UNKNOWN),
        (CoverageStatus.NOT_ASKED, Presence.UNSUPPORTED),
    ],
)
@pytest.mark.requirement("R6")
def test_each_status_has_its_word(status: CoverageStatus, presence: Presence) -> None:
    """Only a complete, authoritative listing proves absence; each other status says its own kind of ignorance."""
    assert presence_of(ITEM, [cover(status)]) is presence


def test_the_table_is_complete() -> None:
    """A new status without a word here would be an unseen claim."""
    assert len(CoverageStatus) == 9


@pytest.mark.requirement("R6")
def test_a_listing_that_lags_proves_nothing() -> None:
    """Complete but not authoritative: the item may have been made a minute ago."""
    assert presence_of(ITEM, [cover(authoritative=False)]) is Presence.UNKNOWN


@pytest.mark.requirement("R6")
def test_no_coverage_is_not_absence() -> None:
    """Nothing was looked at, or something else was."""
    assert presence_of(ITEM, []) is Presence.UNKNOWN
    assert presence_of(None, []) is Presence.UNKNOWN
    assert presence_of(ITEM, [cover(kind="transit"), cover(source="bao")]) is Presence.UNKNOWN


def test_only_the_scope_that_could_hold_it_matters() -> None:
    """A denied neighbour folder does not hide the item; its own denied folder does, under a complete mount."""
    mount, other = cover(scope="secret/"), cover(CoverageStatus.DENIED, scope="team/")
    own = cover(CoverageStatus.DENIED, scope="secret/payments/")
    assert presence_of(ITEM, [mount, other]) is Presence.ABSENT
    assert presence_of(ITEM, [mount, own, other]) is Presence.DENIED


def test_scopes_that_are_no_prefixes_all_matter() -> None:
    """Regions say nothing about names, so each of them could hold the item."""
    west, north = cover(scope="eu-west-1"), cover(CoverageStatus.THROTTLED, scope="eu-north-1")
    assert presence_of(ITEM, [west]) is Presence.ABSENT
    assert presence_of(ITEM, [west, north]) is Presence.THROTTLED


@pytest.mark.requirement("R6")
def test_an_item_that_could_stand_anywhere_is_never_absent() -> None:
    """Where only a tag could name it, complete listings say nothing: they list what templates need, not everything."""
    assert presence_of(None, [cover(), cover(kind="transit")]) is Presence.UNKNOWN
    assert presence_of(None, [cover(scope="secret/payments/")]) is Presence.UNKNOWN
    assert presence_of(None, [cover(), cover(CoverageStatus.DENIED, kind="transit")]) is Presence.DENIED


entries = st.lists(
    st.builds(
        cover,
        st.sampled_from(CoverageStatus),
        source=st.sampled_from(["vault", "bao"]),
        kind=st.sampled_from(["kv", "transit"]),
        scope=st.sampled_from(["", "secret/", "secret/payments/", "team/"]),
        authoritative=st.booleans(),
    ),
    max_size=6,
)


@calm
@given(entries, st.sampled_from([ITEM, None]))
@pytest.mark.requirement("R6")
def test_absence_rests_on_proof_alone(coverage: list[Coverage], missing: Locator | None) -> None:
    """Whatever was seen: ABSENT implies that something relevant was listed completely and with authority."""
    if presence_of(missing, coverage) is Presence.ABSENT:
        assert missing is not None
        kept = [one for one in coverage if (one.source, one.kind) == ("vault", "kv")]
        assert any(one.status is CoverageStatus.COMPLETE and one.authoritative for one in kept)
    assert presence_of(missing, coverage) is not Presence.PRESENT


@calm
@given(entries, st.sampled_from([status for status in CoverageStatus if status is not CoverageStatus.COMPLETE]))
@pytest.mark.requirement("R6")
def test_one_lost_listing_takes_absence_back(coverage: list[Coverage], status: CoverageStatus) -> None:
    """Adding a listing of the item's own folder that was lost never leaves it absent."""
    lost = cover(status, scope="secret/payments/")
    assert presence_of(ITEM, [*coverage, lost]) is not Presence.ABSENT
