"""The engine joins, judges and remembers exactly."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import App, Consequence, Layer, Severity, Side, State
from nhisync.parity.book import AppTerms, app_terms
from nhisync.parity.engine import FAR, Judged, Remembered, join, judge, stamp, worst
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.policy import BUILTIN, Waivers
from nhisync.testing.rows import NOW, row

KEYS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6), unique=True)


def info(code: str) -> RuleInfo:
    """A rule declaration for tests."""
    return RuleInfo(
        code=code,
        title="test rule",
        severity=Severity.ERROR,
        layer=Layer.EXISTS,
        consequence=Consequence.OUTAGE,
        block="MISSING",
        compared="",
        hurts="",
        false_alarm="",
        remediation={"*": "look"},
    )


def missing_rule(view: PairView) -> Outcome | None:
    """Fails when the backup is absent, unknown when it was not seen."""
    if view.primary is None or view.backup is not None:
        return None
    return fail(Side.BACKUP, "missing") if view.missing_backup == "absent" else unknown(Side.BACKUP, "not seen")


def expired_rule(view: PairView) -> Outcome | None:
    """Fails when the backup's expiry is over."""
    if view.backup is None or view.backup.expires is None:
        return None
    return fail(Side.BACKUP, "expired") if view.passed(view.backup.expires) else PASS


RULES = (Rule(info("NHS101"), missing_rule), Rule(info("NHS301"), expired_rule))


def book(*names: str) -> dict[str, AppTerms]:
    """Apps without explicit pairs in tier critical."""
    terms = {}
    for name in names:
        app = App(name=name, tier="critical")
        terms[name] = app_terms(app, BUILTIN["critical"], RULES, primary_domains=frozenset(), waivers=Waivers())
    return terms


def run(primary: list[Row], backup: list[Row], **more: object) -> list[Judged]:
    """Judge lists."""
    found: Iterator[Judged] = judge(
        iter(primary),
        iter(backup),
        book("a", "b"),
        now=int(str(more.pop("now", NOW))),
        missing=lambda _role, _key, _row: str(more.get("absence", "absent")),
        remembered=more.get("remembered"),  # type: ignore[arg-type]
    )
    return list(found)


@given(KEYS, KEYS)
def test_join_equals_a_dictionary(left: list[str], right: list[str]) -> None:
    """The merge join yields each key of either side exactly once, in byte order, with the right partners."""
    p = sorted((row(k) for k in left), key=lambda r: r.key.encode())
    b = sorted((row(k) for k in right), key=lambda r: r.key.encode())
    got = list(join(iter(p), iter(b)))
    assert [k for k, _, _ in got] == sorted(set(left) | set(right), key=str.encode)
    assert all((x is not None) == (k in left) and (y is not None) == (k in right) for k, x, y in got)


@pytest.mark.requirement("R6")
def test_absence_needs_proof() -> None:
    """A primary row without a backup row fails only when coverage proves the absence; else it is unknown."""
    proven = run([row("a/x")], [])[0]
    assert [o.state for _, o in proven.outcomes or ()] == [State.FAIL]
    doubtful = run([row("a/x")], [], absence="denied")[0]
    assert [o.state for _, o in doubtful.outcomes or ()] == [State.UNKNOWN]
    assert worst(doubtful.outcomes or []) is State.UNKNOWN


def test_other_apps_are_passed_over() -> None:
    """Pairs of apps that are not in the book are not judged, also when their names share a prefix."""
    assert [j.key for j in run([row("a/x"), row("ab/x"), row("b/x")], [])] == ["a/x", "b/x"]


def test_waiting_rules_set_the_recheck_instant() -> None:
    """`recheck` is the earliest instant at which an answer may change by itself."""
    judged = run([row("a/x")], [row("a/x", expires=NOW + 50)])[0]
    assert judged.recheck == NOW + 50
    assert run([row("a/x")], [row("a/x")])[0].recheck == FAR


@given(st.integers(-100, 100), st.integers(0, 200))
def test_outcomes_hold_until_recheck(expires: int, later: int) -> None:
    """For the same rows, outcomes at any instant before `recheck` equal those of the judged instant."""
    b = row("a/x", expires=NOW + expires)
    first = run([row("a/x")], [b])[0]
    again = run([row("a/x")], [b], now=NOW + later)[0]
    if NOW + later < first.recheck:
        assert again.outcomes == first.outcomes


def test_unchanged_pairs_are_skipped_and_changed_ones_are_not() -> None:
    """A remembered pair is skipped only for equal rows, before its recheck, and with the same value class."""
    p, b = row("a/x"), row("a/x", expires=NOW + 50)
    memory = Remembered("a/x", stamp(p), stamp(b), NOW + 50)
    assert run([p], [b], remembered=iter([memory]))[0].outcomes is None
    assert run([p], [b], remembered=iter([memory]), now=NOW + 50)[0].outcomes is not None
    assert run([p], [b._replace(group="g")], remembered=iter([memory]))[0].outcomes is not None
    assert run([p], [row("a/x", expires=NOW + 51)], remembered=iter([memory]))[0].outcomes is not None
    assert run([p], [], remembered=iter([memory]))[0].outcomes is not None


def test_memory_is_merged_by_key() -> None:
    """Remembered pairs that no longer exist are stepped over without losing the following ones."""
    p, b = row("a/z"), row("a/z")
    memories = [Remembered("a/gone", 1, 2, FAR), Remembered("a/z", stamp(p), stamp(b), FAR)]
    assert run([row("a/y"), p], [row("a/y"), b], remembered=iter(memories))[1].outcomes is None


def dated_rule(view: PairView) -> Outcome | None:
    """Tells what times a rule gets to see of the backup."""
    b = view.backup
    return None if b is None else unknown(Side.BACKUP, f"{b.created} {b.rotated} {b.pending} {view.ahead_backup}")


@pytest.mark.parametrize("name", ["created", "rotated", "pending"])
@pytest.mark.parametrize(("ahead", "believed"), [(-1, True), (0, True), (30, True), (31, False), (10**9, False)])
def test_rules_never_see_a_past_that_is_to_come(name: str, ahead: int, believed: bool) -> None:
    """Beyond the permitted skew the side has no past at all, until the moment at which it is believed."""
    terms = book("a")["a"]
    dated = app_terms(
        App(name="a", tier="critical"),
        BUILTIN["critical"],
        (Rule(info("NHS201"), dated_rule),),
        primary_domains=terms.primary_domains,
        waivers=Waivers(),
    )
    b = row("a/x", **{"created": 5, "rotated": 6, "pending": None, name: NOW + ahead})
    (judged,) = judge(iter([row("a/x")]), iter([b]), {"a": dated}, now=NOW, missing=lambda *_: "absent")
    seen = f"{b.created} {b.rotated} {b.pending} None" if believed else f"None None None {NOW + ahead}"
    assert [outcome.observed for _, outcome in judged.outcomes or ()] == [seen]
    assert judged.recheck == (FAR if believed else NOW + ahead - 30)
    assert judged.backup == b, "the stored row stays what it is, and so does its stamp"
