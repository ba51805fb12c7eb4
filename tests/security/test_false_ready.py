"""No lie, gap, clock or policy makes a path ready that is not: each test is an attack that must fail."""

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from nhisync.model import CoverageStatus, CredentialState, Lifecycle, Moment, Word
from nhisync.spi import ErrorKind, Locator, ProviderError, Unchanged

if TYPE_CHECKING:
    from tests.security.conftest import Lab

TEMPLATE = """
    match:
      - {kind: secret, primary: "one:kv/{name}", backup: "one:kv/{name}"}
"""
PAIR = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
"""
POLICY = "version: 1\ntier: standard\ninherits: standard\n"

READY = Word.READY


def word(report: object) -> Word:
    """The only verdict's word."""
    (verdict,) = report.verdicts  # type: ignore[attr-defined]
    return verdict.word


def test_the_laboratory_can_be_ready(lab: "Lab") -> None:
    """The attacks below mean something only because an honest, healthy pair is ready, in diff and when served."""
    lab.see([lab.item("a"), lab.covered()], [lab.item("a"), lab.covered()])
    assert word(lab.diff()) is READY
    lab.sync()
    assert lab.served() is READY


INCOMPLETE = [
    CoverageStatus.PARTIAL,
    CoverageStatus.DENIED,
    CoverageStatus.THROTTLED,
    CoverageStatus.UNREACHABLE,
    CoverageStatus.UNSUPPORTED,
    CoverageStatus.STALE,
]


@pytest.mark.parametrize("status", INCOMPLETE)
@pytest.mark.requirement("R6", "R34")
def test_cut_primary_listing_hides_no_missing_backup(lab: "Lab", status: CoverageStatus) -> None:
    """A primary listing that lost `b` must not hide that the backup has no `b`: the set of pairs is not known."""
    lab.configure(TEMPLATE)
    lab.see([lab.item("a"), lab.covered(status)], [lab.item("a"), lab.covered()])
    assert word(lab.diff()) is not READY
    lab.sync()
    assert lab.served() is not READY


@pytest.mark.requirement("R6", "R34")
def test_primary_without_coverage_is_no_complete_listing(lab: "Lab") -> None:
    """An adapter that says nothing about how far it looked has not looked everywhere."""
    lab.configure(TEMPLATE)
    lab.see([lab.item("a")], [lab.item("a"), lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R6")
def test_outage_of_the_primary_keeps_the_last_complete_listing(lab: "Lab") -> None:
    """The outage case decides the design: after one complete sweep a primary that is gone still leaves a reference."""
    lab.configure(TEMPLATE)
    lab.see([lab.item("a"), lab.covered()], [lab.item("a"), lab.covered()])
    lab.sync()
    lab.clock.advance(timedelta(seconds=30))

    def gone() -> list[object]:
        raise ProviderError(ErrorKind.UNREACHABLE, "gone")

    lab.see(gone, lambda: [lab.item("a"), lab.covered()])  # type: ignore[arg-type]
    assert word(lab.sync()) is READY
    lab.clock.advance(timedelta(hours=13))
    assert word(lab.sync()) is not READY


@pytest.mark.parametrize("code", ["NHS902", "NHS903", "NHS905", "NHS908", "NHS901", "NHS904"])
@pytest.mark.parametrize("how", ["off: [{code}]", "severities: {{{code}: warning}}", "severities: {{{code}: info}}"])
@pytest.mark.requirement("R6")
def test_no_policy_makes_ignorance_ready(lab: "Lab", code: str, how: str) -> None:
    """Whatever a tier switches off or lowers, denied, unreachable, uncovered and stale never become ready (law 3)."""
    lab.configure(
        '\n    pairs:\n      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}\n',
        tier="standard",
        policies=POLICY + how.format(code=code) + "\n",
    )
    from nhisync.model import ErrorFact, Presence

    old = timedelta(hours=5)
    lies = {
        "NHS902": lab.item("a", presence=Presence.DENIED, error=ErrorFact(kind="denied", message="no")),
        "NHS903": lab.item("a", presence=Presence.UNREACHABLE, error=ErrorFact(kind="unreachable", message="no")),
        "NHS904": lab.item("a", presence=Presence.AMBIGUOUS),
        "NHS905": lab.item("a", presence=Presence.UNKNOWN),
        "NHS908": lab.item("a", presence=Presence.THROTTLED, error=ErrorFact(kind="throttled", message="no")),
        "NHS901": lab.item("a", observed_at=lab.now - old),
    }
    lab.see([lab.item("a"), lab.covered()], [lies[code], lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R6")
def test_absent_backup_with_its_rule_off_is_not_ready(lab: "Lab") -> None:
    """When a tier does not ask whether the backup exists, an absent one is at least not known to be fine."""
    lab.configure(
        '\n    pairs:\n      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}\n',
        tier="standard",
        policies=POLICY + "off: [NHS101]\n",
    )
    lab.see([lab.item("a"), lab.covered()], [lab.absent("a"), lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.parametrize("code", ["NHS906", "NHS907"])
@pytest.mark.requirement("R6")
def test_no_policy_makes_an_empty_or_shrunken_app_ready(lab: "Lab", code: str) -> None:
    """No pairs and an unbelievable sweep block, whatever the tier says about their rules."""
    lab.configure(TEMPLATE, tier="standard", policies=POLICY + f"severities: {{{code}: info}}\n")
    many = [lab.item(f"n{i}") for i in range(10)]
    lab.see([*many, lab.covered(items=10)], [*many, lab.covered(items=10)])
    lab.sync()
    few = [] if code == "NHS906" else many[:1]
    lab.see([*few, lab.covered(items=len(few))], [*few, lab.covered(items=len(few))])
    assert word(lab.sync()) is not READY


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(days=365)])
@pytest.mark.requirement("R5", "R6")
def test_observation_from_the_future_does_not_stay_fresh(lab: "Lab", ahead: timedelta) -> None:
    """An observation dated ahead (a lie, or a clock that came back) is no evidence: it would never age."""
    lab.see([lab.item("a"), lab.covered()], [lab.item("a", observed_at=lab.now + ahead), lab.covered()])
    assert word(lab.diff()) is not READY
    lab.sync()
    assert lab.served() is not READY


@pytest.mark.parametrize("ahead", [timedelta(seconds=31), timedelta(days=2), timedelta(days=3650)])
@pytest.mark.parametrize("name", ["rotated", "created"])
@pytest.mark.parametrize("how", ["", "off: [NHS201]", "severities: {NHS201: info}"])
@pytest.mark.requirement("R5", "R18")
def test_rotation_of_the_future_is_not_fresh(lab: "Lab", ahead: timedelta, name: str, how: str) -> None:
    """A backup whose rotation is dated ahead was perhaps never rotated; no tier makes that ready."""
    lab.configure(PAIR, tier="standard", policies=POLICY + how + "\n")
    times = {"rotated": None, "created": None, name: Moment(lab.now + ahead)}
    lab.see([lab.item("a"), lab.covered()], [lab.item("a", **times), lab.covered()])
    assert word(lab.diff()) is not READY
    lab.sync()
    assert lab.served() is not READY


@pytest.mark.requirement("R5", "R6")
def test_clock_that_came_back_leaves_no_evergreen_row(lab: "Lab") -> None:
    """Rows stored under a clock that was a year ahead do not vouch for a backup that gives no answer any more."""
    lab.clock.jump(timedelta(days=30))
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    lab.sync()
    lab.clock.jump(timedelta(days=-30))

    def gone() -> list[object]:
        raise ProviderError(ErrorKind.UNREACHABLE, "gone")

    lab.see(lambda: [lab.item("a"), lab.covered()], gone)  # type: ignore[arg-type]
    lab.clock.advance(timedelta(hours=1))
    assert word(lab.sync()) is not READY
    assert lab.served() is not READY


@pytest.mark.requirement("R5")
def test_result_remembered_under_a_later_clock_is_judged_again(lab: "Lab") -> None:
    """A credential that begins next week passed while the clock was a month ahead; with the right clock it fails."""
    begins = lab.now + timedelta(days=7)

    def seen() -> list[object]:
        starts = Moment(begins), Moment(begins + timedelta(days=900))
        return [lab.item("a", not_before=starts[0], expires=starts[1]), lab.covered()]

    lab.see(seen, seen)  # type: ignore[arg-type]
    lab.clock.jump(timedelta(days=30))
    assert word(lab.sync()) is READY
    lab.clock.jump(timedelta(days=-30))
    lab.clock.advance(timedelta(seconds=30))
    assert word(lab.sync()) is Word.NOT_READY


@pytest.mark.requirement("R5")
@pytest.mark.parametrize("side", ["primary", "backup"])
def test_older_observation_of_an_unchanged_item_is_judged_again(lab: "Lab", side: str) -> None:
    """The digest leaves out the observation's age, so a remembered result must not hide that it became too old."""
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    assert word(lab.sync()) is READY
    lab.clock.advance(timedelta(seconds=30))

    def old() -> list[object]:
        return [lab.item("a", source_as_of=lab.now - timedelta(days=3)), lab.covered()]

    fresh = lambda: [lab.item("a"), lab.covered()]  # noqa: E731
    lab.see(old if side == "primary" else fresh, old if side == "backup" else fresh)  # type: ignore[arg-type]
    assert word(lab.sync()) is not READY


WAIVER = (
    'waivers: [{pair: payments/a, code: NHS405, until: 2026-12-15, approved_by: sec, ticket: X-1, reason: "migration"}]'
)


@pytest.mark.requirement("R5")
def test_old_memory_does_not_bring_back_a_pass(lab: "Lab") -> None:
    """A result that is not remembered (it rests on a waiver) also ends what was remembered of the pair before.

    Otherwise: fails (remembered), waived (not remembered, its findings stored), fails again: the first memory holds
    and the waived findings stand for it.
    """
    pair = '\n    pairs:\n      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}\n'
    lab.configure(pair, tail=WAIVER)
    suspended = lambda: [lab.item("a", state=CredentialState.SUSPENDED), lab.covered()]  # noqa: E731
    waived = lambda: [lab.item("a", lifecycle=Lifecycle.STATIC), lab.covered()]  # noqa: E731
    fine = lambda: [lab.item("a"), lab.covered()]  # noqa: E731
    lab.see(fine, suspended)
    assert word(lab.sync()) is Word.NOT_READY
    lab.clock.advance(timedelta(seconds=10))
    lab.see(fine, waived)
    assert word(lab.sync()) is READY
    lab.clock.advance(timedelta(seconds=10))
    lab.see(fine, suspended)
    assert word(lab.sync()) is Word.NOT_READY


@pytest.mark.requirement("R6")
def test_templates_do_not_pair_across_rules(lab: "Lab") -> None:
    """`x/db` of one template and `y/db` of another share a name and nothing else: they are no pair."""
    lab.configure(
        """
    match:
      - {kind: secret, primary: "one:kv/x/{name}", backup: "one:kv/x/{name}"}
      - {kind: secret, primary: "one:kv/y/{name}", backup: "one:kv/y/{name}"}
"""
    )
    lab.see([lab.item("x/db"), lab.covered()], [lab.item("y/db"), lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R6")
def test_template_with_a_field_still_makes_pairs(lab: "Lab") -> None:
    """A template that names a field matches items, which have none in their address; its pairs are judged."""
    lab.configure(
        """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
    match:
      - {kind: secret, primary: "one:kv/many/{name}#key", backup: "one:kv/many/{name}#key"}
"""
    )
    lab.see([lab.item("a"), lab.item("many/b"), lab.covered()], [lab.item("a"), lab.covered()])
    report = lab.diff()
    assert word(report) is not READY
    assert "NHS101" in {f.code for f in report.findings}


@pytest.mark.requirement("R6")
def test_name_with_a_hash_is_not_addressable(lab: "Lab") -> None:
    """An item whose name reads as a field of another item is ambiguous, never a silent pair."""
    lab.configure(TEMPLATE)
    both = [lab.item("a#b"), lab.covered()]
    lab.see(both, both)
    assert word(lab.diff()) is not READY


@pytest.mark.parametrize(
    ("primary", "backup"), [("caf\u00e9", "cafe\u0301"), ("DB", "db"), ("a", "a "), ("x/../a", "a"), ("a", "a\u200b")]
)
@pytest.mark.requirement("R6")
def test_names_that_look_alike_do_not_pair(lab: "Lab", primary: str, backup: str) -> None:
    """Case, normalisation, blanks and dots are never smoothed over: other bytes are another item."""
    lab.configure(TEMPLATE)
    lab.see([lab.item(primary), lab.covered()], [lab.item(backup), lab.covered()])
    assert word(lab.diff()) is Word.NOT_READY


@pytest.mark.requirement("R6")
def test_source_cannot_vouch_for_another_source(lab: "Lab") -> None:
    """A source that answers about items of its neighbour is not believed; the neighbour was denied."""
    lab.configure(
        '\n    pairs:\n      - {name: a, kind: secret, primary: "one:kv/a", backup: "two:kv/a"}\n'
        '      - {name: c, kind: secret, primary: "one:kv/c", backup: "one:kv/c"}\n'
    )
    lie = lab.item("a", source="two")
    lab.see([lab.item("a"), lab.item("c"), lab.covered()], [lab.item("c"), lie, lab.covered()])

    def denied() -> list[object]:
        raise ProviderError(ErrorKind.UNREACHABLE, "no answer")

    lab.see([], denied, source="two")  # type: ignore[arg-type]
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R6")
def test_source_cannot_speak_of_its_neighbours_coverage(lab: "Lab") -> None:
    """A source that claims a complete empty listing of its neighbour does not make the neighbour's pairs vanish."""
    lab.configure(
        """
    match:
      - {kind: secret, primary: "one:kv/{name}", backup: "one:kv/{name}"}
      - {kind: secret, primary: "two:kv/t/{name}", backup: "two:kv/t/{name}"}
"""
    )
    one = lambda: [lab.item("a"), lab.covered()]  # noqa: E731
    two = lambda: [lab.item("t/b", source="two"), lab.covered(source="two")]  # noqa: E731
    lab.see(one, one)
    lab.see(two, two, source="two")
    assert word(lab.sync()) is READY
    lab.clock.advance(timedelta(seconds=30))
    lying = lambda: [lab.item("a"), lab.covered(), lab.covered(source="two", items=1)]  # noqa: E731

    def gone() -> list[object]:
        raise ProviderError(ErrorKind.UNREACHABLE, "gone")

    lab.see(lying, lying)
    lab.see(gone, gone, source="two")  # type: ignore[arg-type]
    lab.clock.advance(timedelta(minutes=10))
    assert word(lab.sync()) is not READY


@pytest.mark.requirement("R6")
def test_unchanged_of_an_unknown_item_is_no_evidence(lab: "Lab") -> None:
    """The mark "unchanged" about an item that was never stored says nothing about it, on either side."""
    unchanged = Unchanged(locator=Locator("one", "kv", "a"), observed_at=lab.now)
    lab.see([unchanged, lab.covered()], [unchanged, lab.covered()])
    assert word(lab.diff()) is not READY
    lab.see([lab.item("a"), lab.covered()], [unchanged, lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R5")
def test_unchanged_from_the_future_is_no_evidence(lab: "Lab") -> None:
    """An "unchanged" dated ahead does not keep a stored row fresh for ever."""
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    lab.sync()
    late = Unchanged(locator=Locator("one", "kv", "a"), observed_at=lab.now + timedelta(days=9))
    lab.see(lambda: [lab.item("a"), lab.covered()], [late, lab.covered()])
    assert word(lab.sync()) is not READY


@pytest.mark.parametrize("hours", [-11, 11])
def test_naive_observation_is_refused(lab: "Lab", hours: int) -> None:
    """An adapter that yields a naive instant is broken: nothing it says becomes ready evidence."""
    naive = datetime.now(timezone(timedelta(hours=hours))).replace(tzinfo=None)
    lab.see([lab.item("a"), lab.covered()], [lab.item("a", observed_at=naive), lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R6")
def test_app_of_exempt_pairs_only_is_not_ready(lab: "Lab") -> None:
    """Exempt pairs are not judged; an app in which nothing was judged is unknown, as one without pairs."""
    lab.configure(
        """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a", class: exempt, owner: x, until: 2026-12-31,
         reason: later}
"""
    )
    lab.see([lab.item("a"), lab.covered()], [lab.absent("a"), lab.covered()])
    assert word(lab.diff()) is not READY


@pytest.mark.requirement("R6")
def test_vanished_scope_is_not_a_deletion(lab: "Lab") -> None:
    """A folder (mount, region) that the sweep does not mention any more was not looked at; its pairs do not vanish."""
    lab.configure(TEMPLATE)
    scopes = ("t1/", "t2/")
    both = lambda: [  # noqa: E731
        *(lab.item(f"{scope}a") for scope in scopes),
        *(lab.covered(scope=scope) for scope in scopes),
    ]
    lab.see(both, both)
    assert word(lab.sync()) is READY
    lab.clock.advance(timedelta(seconds=30))
    one = lambda: [lab.item("t1/a"), lab.covered(scope="t1/")]  # noqa: E731
    lab.see(one, one)
    assert word(lab.sync()) is not READY


@pytest.mark.requirement("R6")
def test_empty_complete_listing_is_no_pairs(lab: "Lab") -> None:
    """COMPLETE with nothing in it on both sides leaves an app without pairs: unknown."""
    lab.configure(TEMPLATE)
    lab.see([lab.covered(items=0)], [lab.covered(items=0)])
    assert word(lab.diff()) is Word.UNKNOWN
