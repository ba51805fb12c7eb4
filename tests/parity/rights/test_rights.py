"""Rights compared by meaning: the difference is what brute force over a small universe finds, and nothing else."""

import contextlib
import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.model import BOUNDARY, HELD, Effect, Limit, Right, Syntax
from nhisync.parity.rights import (
    Difference,
    Rights,
    TooManyError,
    UnreadableRightsError,
    compare,
    parse,
    render,
    unread,
)
from nhisync.parity.rights.effect import MOST_CONDITIONS
from nhisync.parity.rights.names import names_of
from nhisync.parity.rights.patterns import classes, matches, tokens

NOTHING = Difference()
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

ALPHABET = "abz"
UNIVERSE = ["".join(text) for size in range(1, 6) for text in itertools.product(ALPHABET, repeat=size)]
"""Every text of up to five letters; patterns hold at most three tokens of ``a``, ``b``, ``*``, ``?``, so ``z`` stands
for any other letter and two patterns that differ anywhere differ here."""

globs = st.lists(st.sampled_from("ab*?"), min_size=1, max_size=3).map("".join)
some = st.lists(globs, min_size=1, max_size=2).map(tuple)
statements = st.builds(
    Right,
    effect=st.sampled_from(Effect),
    actions=some,
    resources=some,
    but_actions=st.one_of(st.just(()), some),
    but_resources=st.one_of(st.just(()), some),
    conditions=st.sets(st.sampled_from(("mfa", "vpc")), max_size=1).map(tuple),
    layer=st.sampled_from((HELD, HELD, BOUNDARY)),
)
policies = st.lists(statements, max_size=4).map(tuple)
REQUESTS = list(itertools.product(UNIVERSE[:39], UNIVERSE[:39:3]))
TRUTHS = [frozenset(), frozenset({"mfa"}), frozenset({"vpc"}), frozenset({"mfa", "vpc"})]


def doc(rights: Iterable[Right], **more: object) -> Rights:
    """One side."""
    return Rights(at=0, scheme="aws", syntax=Syntax.GLOB, rights=tuple(rights))._replace(**more)


def diff(primary: Iterable[Right], backup: Iterable[Right]) -> Difference:
    """The difference of two sets of statements."""
    return compare(doc(primary), doc(backup))


def as_regex(pattern: str) -> str:
    """The same pattern in another engine's words."""
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)


def one_of(patterns: Iterable[str], text: str) -> bool:
    """Whether any pattern matches, asked of `re`."""
    return any(re.fullmatch(as_regex(pattern), text, re.DOTALL) for pattern in patterns)


def allowed(rights: Iterable[Right], action: str, resource: str, true: frozenset[str]) -> bool:
    """The definition, one statement after the other."""
    hits = [
        right
        for right in rights
        if one_of(right.actions, action)
        and one_of(right.resources, resource)
        and not one_of(right.but_actions, action)
        and not one_of(right.but_resources, resource)
        and set(right.conditions) <= true
    ]
    if any(right.effect is Effect.DENY for right in hits):
        return False
    limited = any(right.layer == BOUNDARY for right in rights)
    return any(r.layer == HELD for r in hits) and (not limited or any(r.layer == BOUNDARY for r in hits))


@PATIENT
@given(st.lists(globs, min_size=1, max_size=5))
def test_classes_are_what_texts_match(patterns: list[str]) -> None:
    """The classes of a set of patterns are those of all texts, and each witness belongs to its class."""
    found = classes([tokens(pattern, Syntax.GLOB) for pattern in patterns])
    seen = {sum(1 << i for i, p in enumerate(patterns) if one_of([p], text)) for text in UNIVERSE} - {0}
    assert set(found) == seen
    for mask, text in found.items():
        assert mask == sum(1 << i for i, p in enumerate(patterns) if one_of([p], text))
        assert mask == sum(1 << i for i, p in enumerate(patterns) if matches(tokens(p, Syntax.GLOB), text))


@pytest.mark.parametrize(
    ("pattern", "syntax", "yes", "no"),
    [
        ("secret/data/+/x", Syntax.PATH, "secret/data/a/x", "secret/data/a/b/x"),
        ("secret/+/*", Syntax.PATH, "secret/a/b/c", "secret/a"),
        ("a*b", Syntax.PATH, "a*b", "axb"),
        ("*", Syntax.EXACT, "anything", ""),
        ("a*", Syntax.EXACT, "a*", "ab"),
        ("a${*}${?}${$}", Syntax.GLOB, "a*?$", "abcd"),
        ("a?", Syntax.GLOB, "ab", "a"),
    ],
)
def test_each_syntax_has_its_wildcards(pattern: str, syntax: Syntax, yes: str, no: str) -> None:
    """What is a wildcard in one notation is a letter in another."""
    assert matches(tokens(pattern, syntax), yes)
    assert not no or not matches(tokens(pattern, syntax), no)


@pytest.mark.requirement("R20")
@PATIENT
@given(policies, policies)
def test_the_difference_is_what_brute_force_finds(primary: tuple[Right, ...], backup: tuple[Right, ...]) -> None:
    """What one side alone may do under any circumstance, in both directions; the rest is equal or conditions."""
    lacks = surplus = changed = False
    for action, resource in REQUESTS:
        here = [allowed(primary, action, resource, true) for true in TRUTHS]
        there = [allowed(backup, action, resource, true) for true in TRUTHS]
        lacks |= any(here) and not any(there)
        surplus |= any(there) and not any(here)
        changed |= any(here) and any(there) and here != there
    found = diff(primary, backup)
    assert lacks <= bool(found.lacks)
    assert surplus <= bool(found.surplus)
    assert changed <= bool(found.changed)
    assert not found.undecided


@PATIENT
@given(policies)
def test_nothing_differs_from_itself(rights: tuple[Right, ...]) -> None:
    """Also in another order, repeated, and after a journey through the store."""
    assert diff(rights, rights) == NOTHING
    assert diff(rights, (*rights[::-1], *rights)) == NOTHING
    text = render(doc(rights))
    assert text == render(doc((*rights[::-1], *rights)))
    assert compare(doc(rights), parse(text)) == NOTHING


@PATIENT
@given(policies, policies, statements)
def test_an_allow_never_takes_anything_away(primary: tuple[Right, ...], backup: tuple[Right, ...], more: Right) -> None:
    """One allow more on the backup: it lacks nothing that it did not lack before, and the other way round."""
    added = Right(Effect.ALLOW, more.actions, more.resources, more.but_actions, more.but_resources, (), HELD)
    if not diff(primary, backup).lacks:
        assert not diff(primary, (*backup, added)).lacks
    if not diff(primary, backup).surplus:
        assert not diff((*primary, added), backup).surplus


@PATIENT
@given(policies, policies)
def test_both_directions_mirror_each_other(primary: tuple[Right, ...], backup: tuple[Right, ...]) -> None:
    """What the backup lacks is what the primary has too much, seen from the other side."""
    one, other = diff(primary, backup), diff(backup, primary)
    assert {right.words for right in one.lacks} == {right.words for right in other.surplus}
    assert {right.words for right in one.surplus} == {right.words for right in other.lacks}


def test_wildcards_cover_and_are_named_as_written() -> None:
    """``s3:*`` covers ``s3:GetObject`` in any letter case; the words are the holder's own."""
    wide, narrow = Right(Effect.ALLOW, ("s3:*",), ("*",)), Right(Effect.ALLOW, ("S3:GetObject",), ("arn:x",))
    assert diff([narrow], [wide]).lacks == ()
    assert [(one.words, one.part) for one in diff([wide], [narrow]).lacks] == [("s3:* on *", True)]


def test_names_stand_for_values_between_separators_only() -> None:
    """A value inside a word is no value; the longer one goes first; names of one path do nothing."""
    names = names_of((("m", "secret"), ("k", "secret/data"), ("only", "x")), (("m", "kv"), ("k", "kv/v2")))
    assert names.primary("secret/data/my-secret") == names.backup("kv/v2/my-secret")
    assert names.primary("secret/x") == names.backup("kv/x")
    assert names.primary("my-secret") == "my-secret"
    assert names.primary("arn:secret*") == names.backup("arn:kv*")
    assert names.across("secret/data/a", backup=False) == "kv/v2/a"
    quoted = names.primary("StringEquals 'secret' or 'secrets'")
    assert names.backup("StringEquals 'kv' or 'secrets'") == quoted != "StringEquals 'secret' or 'secrets'"


def test_too_much_is_said_and_not_guessed() -> None:
    """Too many states or conditions are no result."""
    with pytest.raises(TooManyError):
        classes([tokens(f"*{'a' * (i % 7)}*{chr(98 + i)}*", Syntax.GLOB) for i in range(14)], most=500)
    few_states = [
        tokens("*" + "*".join("abcdefghijklmnop"[(i * k) % 16] for i in range(400)), Syntax.GLOB) for k in (1, 3, 5)
    ]
    with pytest.raises(TooManyError):  # long patterns of a hostile policy: what a state costs counts, too
        classes(few_states, most=10**9)
    words = tuple(f"c{i}" for i in range(MOST_CONDITIONS + 1))
    many = Right(Effect.ALLOW, ("a",), ("b",), conditions=words)
    assert diff([many], [many]) == NOTHING
    assert diff([many], [Right(Effect.ALLOW, ("a",), ("b",))]).undecided == ("a on b depends on too many conditions",)


@PATIENT
@given(st.text(max_size=200))
def test_a_foreign_text_is_no_document(text: str) -> None:
    """Whatever stands in the column, it is rights or an error, never a crash."""
    with contextlib.suppress(UnreadableRightsError):
        assert parse(text) == parse(text)


def test_a_document_is_bounded() -> None:
    """Too many statements are told as too many; what is not known keeps its reason."""
    huge = render(doc(Right(Effect.ALLOW, (f"a{i}",), ("b",)) for i in range(2001)))
    assert parse(huge).kind == "malformed"
    assert parse(unread(5, "denied", "no")) == Rights(at=5, kind="denied", reason="no")
    limits = (Limit("ttl", "60"),)
    assert parse(render(doc((), limits=limits, gaps=("x",)))).limits == limits
