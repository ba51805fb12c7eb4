"""What many findings come to: never more than the worst of them, and nothing out of nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.model import App, Finding, Layer, Mode, Severity, Side, State, Verdict, Word
from nhisync.policy import BUILTIN
from nhisync.readiness.fold import BLOCK_LIMIT, Tally, blocks, fold

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
TIER = BUILTIN["critical"]
APP = App(name="payments", tier="critical")
RANK = {Word.NOT_READY: 0, Word.UNKNOWN: 1, Word.READY: 2}
BLOCK_WORDS = ("EXPIRED", "MISSING", "ROTATION_DRIFT", "REUSED", "AUTHZ", "CHAIN", "REGION_BOUND", "UNKNOWN", "STALE")

Judged = tuple[tuple[Finding, str], ...]


def finding(
    state: State = State.FAIL,
    severity: Severity = Severity.ERROR,
    *,
    code: str = "NHS101",
    pair: str = "stripe",
    side: Side = Side.BACKUP,
    layer: Layer = Layer.EXISTS,
) -> Finding:
    """A finding of payments."""
    return Finding(
        code=code, state=state, severity=severity, app="payments", pair=pair, title="x", side=side, layer=layer
    )


findings = st.builds(
    finding,
    st.sampled_from(State),
    st.sampled_from(Severity),
    code=st.sampled_from([f"NHS{number}" for number in (101, 201, 301, 401, 601, 701, 901)]),
    pair=st.sampled_from(["a", "b", "c", ""]),
    side=st.sampled_from(Side),
    layer=st.sampled_from(Layer),
)
pairs = st.lists(st.tuples(findings, st.sampled_from(BLOCK_WORDS)), max_size=4).map(tuple)
apps = st.lists(pairs, max_size=8)

FAILING: Judged = ((finding(), "MISSING"),)
UNKNOWN: Judged = ((finding(State.UNKNOWN), "UNKNOWN"),)
PASSING: Judged = ((finding(State.PASS), "MISSING"),)


def verdict(app: Sequence[Judged], *, expires: datetime | None = None) -> Verdict:
    """Fold an app of these pairs."""
    tally = Tally()
    for pair in app:
        tally.add([one for one, _ in pair], [word for _, word in pair])
    return fold(APP, "backup", TIER, tally, now=NOW, evidence_expires=expires)


def blocking(app: Sequence[Judged], state: State) -> bool:
    """Whether any finding of this state blocks."""
    return any(blocks(one) and one.state is state for pair in app for one, _ in pair)


@calm
@given(apps)
@pytest.mark.requirement("R6", "R34")
def test_ready_needs_pairs_and_nothing_that_blocks(app: list[Judged]) -> None:
    """READY exactly when something was judged and nothing blocks; a fail outranks an unknown."""
    expected = Word.READY if app else Word.UNKNOWN
    if blocking(app, State.UNKNOWN):
        expected = Word.UNKNOWN
    if blocking(app, State.FAIL):
        expected = Word.NOT_READY
    assert verdict(app).word is expected


@calm
@given(apps, st.integers(0, 8))
@pytest.mark.requirement("R6")
def test_unknown_never_rolls_up_to_ready(app: list[Judged], place: int) -> None:
    """One pair of which something that matters is not known keeps the whole app from READY, wherever it stands."""
    assert verdict([*app[:place], UNKNOWN, *app[place:]]).word is not Word.READY


@calm
@given(apps, st.integers(0, 8))
@pytest.mark.requirement("R34")
def test_a_failing_pair_never_improves_the_word(app: list[Judged], place: int) -> None:
    """Adding a failing pair gives NOT READY, whatever was there before."""
    assert verdict([*app[:place], FAILING, *app[place:]]).word is Word.NOT_READY


@calm
@given(st.lists(pairs, min_size=1, max_size=8), pairs)
@pytest.mark.requirement("R34")
def test_no_further_pair_improves_the_word(app: list[Judged], more: Judged) -> None:
    """Monotone: the more is judged, the worse or equal the word; only the first pair of all can improve it."""
    assert RANK[verdict([*app, more]).word] <= RANK[verdict(app).word]


@calm
@given(st.lists(pairs, min_size=1, max_size=8), st.data())
def test_no_further_finding_improves_the_word(app: list[Judged], data: st.DataObject) -> None:
    """The same for one more finding on a pair that is judged already."""
    place = data.draw(st.integers(0, len(app) - 1))
    extra = data.draw(st.tuples(findings, st.sampled_from(BLOCK_WORDS)))
    more = [*app[:place], (*app[place], extra), *app[place + 1 :]]
    assert RANK[verdict(more).word] <= RANK[verdict(app).word]


@calm
@given(apps, st.randoms(use_true_random=False))
def test_order_does_not_matter(app: list[Judged], shuffled: object) -> None:
    """Pairs stream by in any order, and the verdict is the same, reasons and block words included."""
    other = list(app)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    assert verdict(other) == verdict(app)


@calm
@given(apps)
def test_every_pair_is_counted_once(app: list[Judged]) -> None:
    """Passing, failing and unknown pairs add up to all pairs; 99 of 100 passing is told as 99, never rounded up."""
    found = verdict(app)
    assert found.passing + found.failing + found.unknown == found.pairs == len(app)
    assert found.failing == sum(blocking([pair], State.FAIL) for pair in app)
    assert min(found.passing, found.failing, found.unknown) >= 0


@calm
@given(apps)
def test_reasons_and_block_words_are_short_and_worst_first(app: list[Judged]) -> None:
    """A poller's body has room for five words; fails stand before unknowns, nothing twice."""
    found = verdict(app)
    assert len(found.blocks) <= BLOCK_LIMIT
    assert len(set(found.blocks)) == len(found.blocks)
    assert bool(found.reasons) == (blocking(app, State.FAIL) or blocking(app, State.UNKNOWN))
    states = {f"{o.code} {o.pair}".strip(): [] for pair in app for o, _ in pair if blocks(o)}
    for one, _ in (entry for pair in app for entry in pair if blocks(entry[0])):
        states[f"{one.code} {one.pair}".strip()].append(one.state)
    assert set(found.reasons) == set(states)
    ranks = [State.FAIL in states[reason] for reason in dict.fromkeys(found.reasons)]
    assert all(first or not second for first, second in pairwise(ranks))


@calm
@given(apps, st.timedeltas(timedelta(days=-2), timedelta(days=2)) | st.none())
@pytest.mark.requirement("R5")
def test_a_verdict_ends_with_its_evidence(app: list[Judged], left: timedelta | None) -> None:
    """It is valid for the tier's time at most, never beyond its evidence, and never ends before it began."""
    expires = None if left is None else NOW + left
    found = verdict(app, expires=expires)
    latest = NOW + TIER.evaluate.entry_max_age
    assert NOW <= found.valid_until <= latest
    if expires is None:
        assert found.valid_until == latest
    elif expires > NOW:
        assert found.valid_until <= expires
    else:
        assert found.valid_until == NOW


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.INFO])
@pytest.mark.parametrize("state", list(State))
def test_only_errors_block(state: State, severity: Severity) -> None:
    """A warning is told and does not gate."""
    found = verdict([((finding(state, severity), "MISSING"),)])
    assert (found.word, found.blocks, found.reasons) == (Word.READY, (), ())


@pytest.mark.parametrize("state", [State.PASS, State.WAIVED])
def test_what_passed_or_was_accepted_does_not_block(state: State) -> None:
    """A waived fail is accepted by a person who answers for it."""
    assert verdict([((finding(state), "MISSING"),)]).word is Word.READY


def test_an_unknown_cannot_hide_behind_a_waiver_of_another_rule() -> None:
    """The waived finding beside it does not make the unknown one known."""
    pair = ((finding(State.WAIVED), "MISSING"), (finding(State.UNKNOWN, code="NHS901"), "UNKNOWN"))
    assert verdict([pair]).word is Word.UNKNOWN


@pytest.mark.requirement("R1")
def test_a_fail_of_the_primary_alone_lets_traffic_in() -> None:
    """An expired certificate of the primary is why somebody fails over; not knowing the primary still blocks."""
    primary = finding(side=Side.PRIMARY)
    assert verdict([((primary, "EXPIRED"),)]).word is Word.READY
    assert verdict([((replace(primary, state=State.UNKNOWN), "UNKNOWN"),)]).word is Word.UNKNOWN
    shared = replace(primary, layer=Layer.INDEPENDENT)
    assert verdict([((shared, "REUSED"),)]).word is Word.NOT_READY


def test_a_finding_about_the_app_blocks_without_a_failing_pair() -> None:
    """An app-level unknown (a shrunk sweep) is a blocker of its own, though no pair carries it."""
    tally = Tally()
    tally.add([finding(State.PASS)], ["MISSING"])
    tally.blockers.append((1, "NHS906", "", "UNKNOWN"))
    found = fold(APP, "backup", TIER, tally, now=NOW, evidence_expires=None)
    assert (found.word, found.reasons, found.blocks) == (Word.UNKNOWN, ("NHS906",), ("UNKNOWN",))


def test_the_verdict_says_who_judged_what() -> None:
    """App, path, tier, mode, instant and the digest of the policy are in it."""
    found = fold(replace(APP, mode=Mode.OBSERVE), "dr", TIER, Tally(), now=NOW, evidence_expires=None)
    assert (found.app, found.path, found.tier, found.mode) == ("payments", "dr", "critical", Mode.OBSERVE)
    assert (found.evaluated_at, found.policy_digest) == (NOW, TIER.digest)


def test_a_rule_without_its_block_word_is_a_bug() -> None:
    """Findings and words come in pairs; a missing one is not swallowed."""
    with pytest.raises(ValueError, match="zip"):
        Tally().add([finding()], [])
