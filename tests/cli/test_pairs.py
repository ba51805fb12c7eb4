"""Suggesting pairs and writing them: by words, never by guessing, into any layout or not at all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nhisync.app.discover import Suggestion, suggest
from nhisync.app.inventory import Held
from nhisync.app.pairs_file import add_pairs, pair_name, with_pairs
from nhisync.errors import UsageError
from nhisync.model import App, Item, Locator
from nhisync.parity.row import row_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PAYMENTS = App(name="payments", tier="critical")
SEARCH = App(name="search", tier="critical")


def held(name: str, source: str = "one") -> Held:
    """An unmapped item."""
    item = Item(locator=Locator(source, "kv", name), observed_at=NOW)
    return Held(row=row_of(item, key=f"~{item.locator}", domain=None))


def names(primary: list[str], backup: list[str], *apps: App) -> list[tuple[str, str, str]]:
    """(app, primary, backup) of what is suggested."""
    found = suggest([held(n) for n in primary], [held(n) for n in backup], apps)
    return [(s.app, s.primary.name, s.backup.name) for s in found]


@pytest.mark.parametrize(
    ("primary", "backup", "expected"),
    [
        (
            ["prod/payments/stripe-key"],
            ["payments/dr/stripe_key"],
            [("prod/payments/stripe-key", "payments/dr/stripe_key")],
        ),
        (["payments/stripe"], ["payments/ledger"], []),
        (["a/twin"], ["b/twin", "c/twin"], []),
        (["x/mail-relay", "x/mail"], ["y/relay-mail"], [("x/mail-relay", "y/relay-mail")]),
        (["payments"], ["payments"], [("payments", "payments")]),
        ([], ["a"], []),
    ],
)
def test_suggestions_rest_on_words(primary: list[str], backup: list[str], expected: list[tuple[str, str]]) -> None:
    """Order, separators and words for roles do not matter; two equally good candidates are none."""
    found = [(p, b) for _, p, b in names(primary, backup, PAYMENTS)]
    assert found == expected


def test_app_is_never_guessed() -> None:
    """With several apps only one that both names carry is taken; otherwise it is left open."""
    found = names(["payments/stripe", "ledger"], ["x/payments/stripe", "y/ledger"], PAYMENTS, SEARCH)
    assert {(app, p) for app, p, _ in found} == {("payments", "payments/stripe"), ("", "ledger")}


def test_common_words_do_not_make_it_slow() -> None:
    """Thousands of items that share a word are matched by their telling words, each exactly once."""
    ours, theirs = [f"app/secret-key-{n}x" for n in range(3000)], [f"dr/key-secret-{n}x" for n in range(3000)]
    found = names(ours, theirs, PAYMENTS)
    assert len(found) == 3000
    assert all(p.split("-")[-1] == b.split("-")[-1] for _, p, b in found)


@given(
    st.lists(st.text("ab-/", min_size=1, max_size=6), unique=True),
    st.lists(st.text("ab-/", min_size=1, max_size=6), unique=True),
)
def test_each_item_is_suggested_once(primary: list[str], backup: list[str]) -> None:
    """Suggestions are one to one, whatever the names."""
    found = names(primary, backup, PAYMENTS)
    assert len({p for _, p, _ in found}) == len({b for _, _, b in found}) == len(found)


def suggestion(app: str = "payments", name: str = "new") -> Suggestion:
    """A suggestion with text that YAML could misread."""
    return Suggestion(
        app=app,
        name=name,
        kind="secret",
        primary=Locator.parse('one:kv/a: "b" # c'),
        backup=Locator.parse("one:kv/é, {d}"),
        score=1.0,
    )


LAYOUTS = {
    "indented": "apps:\n  payments:\n    pairs:\n      - {name: a, primary: x, backup: y}\n      # last\n\n# end\n",
    "flush": "apps:\n  payments:\n    pairs:\n    - name: a\n      primary: x\n    tier: high\n",
    "no pairs": "apps:\n  payments:\n    tier: high   # comment\n  search:\n    tier: high\n",
    "no newline": "apps:\n  payments:\n    tier: high",
    "wide": "apps:\n      payments:\n            pairs:\n                  -   name: a\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_gets_its_lines(layout: str) -> None:
    """New pairs stand last in the app's list; every old line stays as it was, comments included."""
    before = LAYOUTS[layout]
    after = with_pairs(before, [suggestion(), suggestion(name="a")])
    kept = [line for line in after.splitlines() if "é, {d}" not in line and line.strip() != "pairs:"]
    assert kept == [line for line in before.splitlines() if line.strip() != "pairs:"]
    pairs: Any = YAML(typ="safe").load(after)["apps"]["payments"]["pairs"]
    assert [entry["name"] for entry in pairs][-2:] == (["new", "a"] if "no" in layout else ["new", "a-2"])
    assert pairs[-1]["primary"] == 'one:kv/a: "b" # c'
    assert pairs[-1]["backup"] == "one:kv/é, {d}"


@pytest.mark.parametrize(
    "text",
    [
        "apps: {payments: {tier: high}}\n",
        "apps:\n  payments:\n    pairs: [{name: a}]\n",
        "apps:\n  search:\n    tier: x\n",
        "",
    ],
)
def test_layouts_without_a_place_are_refused(text: str) -> None:
    """Where no line can be added safely, it is said and nothing is written."""
    with pytest.raises(UsageError, match="payments"):
        with_pairs(text, [suggestion()])


def test_file_that_would_not_load_stays(tmp_path: Path) -> None:
    """When the result is no valid configuration, the file stays byte for byte and no draft is left."""
    file = tmp_path / "nhisync.yaml"
    text = "version: 1\npaths:\n  primary: {sources: {}}\napps:\n  payments:\n    tier: high\n"
    file.write_text(text)
    with pytest.raises(UsageError, match="do not fit"):
        add_pairs(file, [suggestion()])
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_nothing_to_add_touches_nothing(tmp_path: Path) -> None:
    """Suggestions without an app are left to a person."""
    assert add_pairs(tmp_path / "missing.yaml", [suggestion(app="")]) == 0


@pytest.mark.parametrize(
    ("wanted", "taken", "name"),
    [("Stripe Key", (), "stripe-key"), ("a", ("a", "a-2"), "a-3"), ("---", (), "pair"), ("é", (), "pair")],
)
def test_pair_names_are_valid_and_free(wanted: str, taken: tuple[str, ...], name: str) -> None:
    """A proposed name is made valid and never collides."""
    assert pair_name(wanted, taken) == name
