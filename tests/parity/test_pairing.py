"""Counterparts are found by explicit pairs, templates and tags, and never by guessing."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import App, Item, Locator, MatchRule, Pair
from nhisync.parity.pairing import Claim, Pairing, Template, aligned_of, role_of

AT = datetime(2026, 11, 23, tzinfo=UTC)


def pair(name: str, primary: str, backup: str) -> Pair:
    """An explicit pair of the app payments."""
    return Pair(app="payments", name=name, kind="secret", primary=Locator.parse(primary), backup=Locator.parse(backup))


def app(*pairs: Pair, matches: tuple[MatchRule, ...] = ()) -> App:
    """The app payments."""
    return App(name="payments", tier="critical", pairs=pairs, matches=matches)


def match(primary: str = "vault:kv/secret/payments/{name}", backup: str = "aws:secret/payments/{name}") -> MatchRule:
    """A template of the app payments."""
    return MatchRule(app="payments", kind="secret", primary=primary, backup=backup)


def item(locator: str, logical_name: str | None = None) -> Item:
    """A present item."""
    return Item(locator=Locator.parse(locator), observed_at=AT, logical_name=logical_name)


def test_explicit_pair_wins_over_template_and_tag() -> None:
    """An item that an explicit pair names stands for that pair only."""
    explicit = pair("stripe-api", "vault:kv/secret/payments/stripe#api_key", "aws:secret/payments/stripe-api")
    pairing = Pairing("primary", [app(explicit, matches=(match(),))])
    assert pairing.claims(item("vault:kv/secret/payments/stripe", "payments/other")) == (Claim("payments/stripe-api"),)


def test_two_fields_of_one_item_are_two_pairs() -> None:
    """One secret may carry the credentials of two pairs."""
    one = pair("a", "vault:kv/s/x#a", "aws:secret/a")
    two = pair("b", "vault:kv/s/x#b", "aws:secret/b")
    keys = Pairing("primary", [app(one, two)]).claims(item("vault:kv/s/x"))
    assert keys == (Claim("payments/a"), Claim("payments/b"))


def test_templates_pair_by_name_on_both_sides() -> None:
    """The same name gives the same key on both paths, and each side knows where its counterpart should stand."""
    here, there = (Pairing(path, [app(matches=(match(),))]) for path in ("primary", "backup"))
    assert here.claims(item("vault:kv/secret/payments/fx")) == (Claim("payments/fx"),)
    assert there.claims(item("aws:secret/payments/fx")) == (Claim("payments/fx"),)
    assert here.counterpart("payments/fx", "vault:kv/secret/payments/fx") == Locator.parse("aws:secret/payments/fx")
    assert there.counterpart("payments/fx", "aws:secret/payments/fx") == Locator.parse("vault:kv/secret/payments/fx")


@pytest.mark.requirement("R6")
def test_disagreeing_templates_are_ambiguous() -> None:
    """An item to which templates give two names is ambiguous under both, never one of them by luck."""
    rules = (match(), match("vault:kv/secret/{name}", "aws:secret/all/{name}"))
    claims = Pairing("primary", [app(matches=rules)]).claims(item("vault:kv/secret/payments/fx"))
    assert set(claims) == {Claim("payments/fx", ambiguous=True), Claim("payments/payments/fx", ambiguous=True)}


def test_tags_name_pairs_of_known_apps_only() -> None:
    """A tag pairs an item that nothing else names; a tag of an unknown app says nothing."""
    pairing = Pairing("backup", [app()])
    assert pairing.claims(item("aws:secret/x", "payments/fx")) == (Claim("payments/fx"),)
    assert pairing.claims(item("aws:secret/x", "other/fx")) == ()
    assert pairing.claims(item("aws:secret/x", "payments")) == ()


def test_opposite_roles() -> None:
    """An app with opposite roles reads the templates from its own side."""
    turned = App(
        name="search",
        tier="high",
        primary="backup",
        backups=("primary",),
        matches=(MatchRule(app="search", kind="secret", primary="aws:secret/{name}", backup="vault:kv/secret/{name}"),),
    )
    assert Pairing("primary", [turned]).claims(item("vault:kv/secret/fx")) == (Claim("search/fx"),)
    assert role_of(turned, "elsewhere") is None


def test_swept_kinds_and_prefixes() -> None:
    """Templates say which kinds must be listed and under which literal prefix."""
    pairing = Pairing("primary", [app(matches=(match(),))])
    assert pairing.swept == {"vault": frozenset({"kv"})}
    assert pairing.prefixes("vault") == {"kv": ("secret/payments/",)}


def test_tags_alone_pair_what_is_listed() -> None:
    """A template that looks for tags has kinds and prefixes listed, and gives no item a name of its own."""
    rule = replace(match("vault:kv/secret/{name}", "aws:secret/prod/{name}"), tagged=True)
    pairing = Pairing("backup", [app(matches=(rule,))])
    assert pairing.swept == {"aws": frozenset({"secret"})}
    assert pairing.prefixes("aws") == {"secret": ("prod/",)}
    assert pairing.claims(item("aws:secret/prod/x", "payments/fx")) == (Claim("payments/fx"),)
    assert pairing.claims(item("aws:secret/prod/fx")) == ()
    assert pairing.counterpart("payments/fx", "aws:secret/prod/fx") is None
    assert aligned_of(app(matches=(rule, match()))) is None


@pytest.mark.parametrize("text", ["vault:kv/x", "vault:kv/{name}/{name}", "vault:kv/{other}/{name}", "{name}"])
def test_bad_templates_are_refused(text: str) -> None:
    """A template needs exactly one {name} inside a locator."""
    with pytest.raises(ValueError, match=r"template|locator"):
        Template.parse(text)


@given(
    st.text(min_size=1).filter(lambda t: "#" not in t), st.text(max_size=5).filter(lambda t: not set(t) & set("{}#"))
)
def test_template_round_trip(name: str, suffix: str) -> None:
    """Filling a template and reading the name back gives the same name."""
    template = Template(prefix="vault:kv/secret/", suffix=suffix)
    assert template.name_in(str(template.fill(name))) == name
