"""Rows read in part are judged like whole ones: what is read decides how fast, never what is said."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.model import App, MatchRule
from nhisync.parity.book import JUDGED, AppTerms, app_terms, columns_of
from nhisync.parity.engine import FAR, Judged, Remembered, judge, reading, stamp
from nhisync.parity.row import Row, digest_of
from nhisync.parity.rule import PASS, PairView, Rule
from nhisync.parity.rules import BY_CODE, RULES
from nhisync.parity.stream import AHEAD, SHOWN, STAMPED, Stream, ordered
from nhisync.policy import BUILTIN, Waivers

from .builders import DAY, NOW, PRIMARY_DOMAIN, backup, primary
from .test_properties import hostile, plausible

THOROUGH = settings(max_examples=150, deadline=None)
KEY = "payments/stripe-api"

subsets = st.sets(st.sampled_from(Row._fields))
sides = st.one_of(st.none(), plausible, hostile)
moments = st.one_of(st.just(NOW), st.integers(NOW - 400 * DAY, NOW + 400 * DAY))


def book(rules: Collection[Rule] = RULES, tier: str = "critical", **app: Any) -> dict[str, AppTerms]:
    """One app that asks these rules."""
    terms = app_terms(
        App(name="payments", tier=tier, **app),
        BUILTIN[tier],
        rules,
        primary_domains=frozenset({PRIMARY_DOMAIN}),
        waivers=Waivers(),
    )
    return {"payments": terms}


def read(rows: list[Row], columns: Collection[str], told: Callable[[int], None] = lambda _: None) -> Stream:
    """The rows as a store streams them; `told` hears how many whole rows are read at once."""
    names = ordered(columns)

    def whole(key: str, most: int) -> list[Row]:
        found = [row for row in rows if row.key >= key][:most]
        told(len(found))
        return found

    return Stream(iter([tuple(getattr(row, name) for name in names) for row in rows]), names, whole)


def refused(_: int) -> None:
    """For streams of which no whole row may be read."""
    raise AssertionError("a whole row was read")


def past(row: Row) -> Row:
    """The row without times that lie ahead: such a row is always read whole."""
    times = (row.rotated, row.created, row.pending)
    return row._replace(rotated=None, created=None, pending=None) if max(t or 0 for t in times) > NOW else row


def said(found: Iterator[Judged]) -> list[tuple[Any, ...]]:
    """All that an engine says of pairs."""
    return [(j.key, j.outcomes, j.recheck, j.observed) for j in found]


def ask(p: Any, b: Any, terms: dict[str, AppTerms], now: int = NOW, remembered: Any = None) -> list[tuple[Any, ...]]:
    """What the engine says of all pairs."""
    return said(judge(p, b, terms, now=now, missing=lambda *_: "absent", remembered=remembered, passes=True))


@pytest.mark.requirement("R34")
@THOROUGH
@given(sides, sides, moments, subsets, subsets)
def test_judging_what_was_read_equals_judging_whole_rows(
    p: Row | None, b: Row | None, now: int, p_columns: set[str], b_columns: set[str]
) -> None:
    """Whatever columns are read of two rows, outcomes and `recheck` are those of the whole rows."""
    here, there = [p] if p else [], [b] if b else []
    whole = ask(iter(here), iter(there), book(), now)
    assert ask(read(here, p_columns), read(there, b_columns), book(), now) == whole


def sequence(key: Callable[[int], str] = lambda n: f"payments/{n:03}") -> st.SearchStrategy[list[tuple[Row, Row]]]:
    """Pairs in key order."""
    return st.lists(st.tuples(plausible, plausible), max_size=12).map(
        lambda pairs: [(p._replace(key=key(n)), b._replace(key=key(n))) for n, (p, b) in enumerate(pairs)]
    )


@pytest.mark.requirement("R5")
@THOROUGH
@given(sequence(), st.data())
def test_a_run_that_reads_stamps_says_what_one_that_reads_all_says(
    pairs: list[tuple[Row, Row]], data: st.DataObject
) -> None:
    """With memories of some pairs, right and wrong ones, stamps alone lead to the same answers as whole rows."""
    first = ask(iter([p for p, _ in pairs]), iter([b for _, b in pairs]), book())
    memories = [
        Remembered(key, stamp(p) + data.draw(st.sampled_from([0, 0, 1])), stamp(b), recheck)
        for (p, b), (key, _, recheck, _) in zip(pairs, first, strict=True)
        if data.draw(st.booleans())
    ]
    here = [p for p, _ in pairs if data.draw(st.integers(0, 5))]
    there = [b for _, b in pairs if data.draw(st.integers(0, 5))]
    whole = ask(iter(here), iter(there), book(), remembered=iter(memories))
    p_columns, b_columns, remembered = reading(book(), iter(memories), SHOWN)
    assert ask(read(here, p_columns), read(there, b_columns), book(), remembered=remembered) == whole


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.info.code)
@settings(max_examples=60, deadline=None)
@given(p=plausible, b=plausible)
def test_rules_declare_what_they_read_of_most_pairs(rule: Rule, p: Row, b: Row) -> None:
    """A rule that passes or does not apply to two present rows has read no more than it declares."""
    here, there = (past(row._replace(presence="present", observed=NOW - 60)) for row in (p, b))
    terms = book([rule])
    if all(outcome is PASS for _, outcomes, _, _ in ask(iter([here]), iter([there]), terms) for _, outcome in outcomes):
        p_columns, b_columns = columns_of(terms)
        ask(read([here], p_columns, refused), read([there], b_columns, refused), terms)


def test_a_healthy_pair_is_judged_on_what_is_read() -> None:
    """No whole row is read of a pair that every rule passes."""
    terms = book()
    p_columns, b_columns, _ = reading(terms, None)
    p, b = primary(key=KEY, expires=NOW + 300 * DAY), backup(key=KEY, expires=NOW + 300 * DAY)
    (found,) = ask(read([p], p_columns, refused), read([b], b_columns, refused), terms)
    assert {outcome for _, outcome in found[1]} == {PASS}


def test_only_columns_that_are_asked_for_are_read() -> None:
    """Columns follow from the rules: those of the backup alone are not read of the primary."""
    terms = book([BY_CODE["NHS401"], BY_CODE["NHS701"]])
    assert columns_of(terms) == (JUDGED | {"group"}, JUDGED | {"group", "domain"})
    assert reading(terms, None)[:2] == columns_of(terms)
    assert all(columns >= STAMPED | SHOWN for columns in reading(terms, iter(()), SHOWN)[:2])
    memory = Remembered(KEY, 1, 2, FAR)
    p_columns, b_columns, remembered = reading(terms, iter([memory]), SHOWN)
    assert (p_columns, b_columns) == (STAMPED, STAMPED)
    assert list(remembered or ()) == [memory]


def test_locators_are_read_where_templates_may_disagree() -> None:
    """With two templates every pair's locators are compared; with one they are not even read."""
    one = MatchRule(app="payments", kind="api_key", primary="vault:kv/a/{name}", backup="aws:secret/a/{name}")
    other = MatchRule(app="payments", kind="api_key", primary="vault:kv/b/{name}", backup="aws:secret/b/{name}")
    assert all("locator" not in columns for columns in columns_of(book((), matches=(one,))))
    both = book(RULES, matches=(one, other))
    p_columns, b_columns = columns_of(both)
    assert "locator" in p_columns & b_columns
    p, b = primary(key="payments/x", locator="vault:kv/a/x"), backup(key="payments/x", locator="aws:secret/b/x")
    found = ask(read([p], p_columns), read([b], b_columns), both)
    assert found == ask(iter([p]), iter([b]), both)
    assert "NHS904" in {rule.info.code for rule, outcome in found[0][1] if outcome is not PASS}


def test_what_was_not_read_is_no_attribute() -> None:
    """A column that was not read raises; it is never None, which would say that the provider has no such fact."""
    stream = read([primary(key=KEY)], {"presence"})
    row = stream.read(next(stream.cells))
    assert (row.key, row.presence) == (KEY, "present")
    with pytest.raises(AttributeError):
        _ = row.expires
    with pytest.raises(KeyError, match="colour"):
        ordered({"colour"})


def test_a_mistake_in_a_rule_is_not_taken_for_a_column_that_was_not_read() -> None:
    """An AttributeError that whole rows do not heal is raised."""

    def broken(view: PairView) -> None:
        _ = view.primary.colour  # type: ignore[union-attr]

    terms = book([Rule(BY_CODE["NHS101"].info, broken)])
    with pytest.raises(AttributeError, match="colour"):
        ask(read([primary(key=KEY)], ()), read([backup(key=KEY)], ()), terms)


def whole_rows(step: int) -> tuple[int, list[int]]:
    """Ask for every `step`-th of 2,000 rows; returns how many that were, and how many were read at once each time."""
    rows = [primary(key=f"payments/{n:04}") for n in range(2_000)]
    blocks: list[int] = []
    stream = read(rows, STAMPED, blocks.append)
    asked = [(cells, row) for n, (cells, row) in enumerate(zip(stream.cells, rows, strict=True)) if n % step == 0]
    assert all(stream.row(cells) == row for cells, row in asked)
    return len(asked), blocks


def test_where_every_pair_changed_whole_rows_are_read_in_blocks() -> None:
    """The denser the questions, the more rows are read at once, up to a limit that keeps memory constant."""
    asked, blocks = whole_rows(1)
    assert max(blocks) == AHEAD
    assert len(blocks) < asked / AHEAD + 10


def test_where_few_pairs_changed_hardly_a_row_is_read_in_vain() -> None:
    """Rows that nobody asks for are not read ahead."""
    asked, blocks = whole_rows(100)
    assert len(blocks) == asked
    assert sum(blocks) <= 3 * asked


def test_rows_that_changed_are_judged_anew_among_those_that_did_not() -> None:
    """A run over stamps reads the changed pair whole, and no other."""
    keys = [f"payments/{n:03}" for n in range(50)]
    here, there = [primary(key=key) for key in keys], [backup(key=key) for key in keys]
    memories = [Remembered(p.key, stamp(p), stamp(b), FAR) for p, b in zip(here, there, strict=True)]
    late = there[20]._replace(rotated=NOW - 200 * DAY)
    there[20] = late._replace(digest=digest_of(late))
    blocks: list[int] = []
    p_columns, b_columns, remembered = reading(book(), iter(memories), SHOWN)
    streams = read(here, p_columns, blocks.append), read(there, b_columns, blocks.append)
    found = list(judge(*streams, book(), now=NOW, missing=lambda *_: "absent", remembered=remembered))
    assert [j.key for j in found if j.outcomes is not None] == ["payments/020"]
    assert found[20].backup == there[20]
    assert blocks == [1, 1]
