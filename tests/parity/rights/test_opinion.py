"""Questions drawn from documents, and what follows when documents and services are confronted."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import BOUNDARY, TRUST, Effect, Question, Right, Said, Side, Syntax
from nhisync.parity.rights import Opinion, Rights, confront, decided, questions
from nhisync.parity.rights.opinion import MOST_QUESTIONS, STAND_IN

WEST, NORTH = (("mount", "west"),), (("mount", "north"),)
ACTIONS = ("read", "update", "list", "r*", "*")
PATHS = ("west/a", "west/a/*", "west/+/b", "north/a", "west/a/b/c", "*")
CONDITIONS = ((), ("x=1",), ("y=2", "x=1"))


@st.composite
def statements(draw: st.DrawFn) -> Right:
    """One statement over a small alphabet."""
    names = st.lists(st.sampled_from(PATHS), min_size=1, max_size=3, unique=True).map(tuple)
    words = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2, unique=True).map(tuple)
    return Right(
        draw(st.sampled_from(Effect)),
        draw(words),
        draw(names),
        draw(st.one_of(st.just(()), words)),
        draw(st.one_of(st.just(()), names)),
        draw(st.sampled_from(CONDITIONS)),
        draw(st.sampled_from(("held", BOUNDARY, TRUST))),
    )


def rights(found: Sequence[Right], names: tuple[tuple[str, str], ...] = WEST, **more: object) -> Rights:
    """A side."""
    return Rights(0, "vault", Syntax.PATH, tuple(found), names=names)._replace(**more)


SIDES = st.lists(statements(), max_size=4)


@pytest.mark.requirement("R20")
@given(SIDES, SIDES, st.randoms(use_true_random=False))
def test_questions_are_bounded_concrete_and_in_no_order(p: list[Right], b: list[Right], dice: object) -> None:
    """Whatever the documents: few questions, no wildcards, the same ones in another order of the statements."""
    asked = questions(rights(p), rights(b), ("read", "delete"))
    assert len(asked) == len(set(asked)) <= MOST_QUESTIONS
    assert not any("*" in one.action + one.resource or "+" in one.resource for twin in asked for one in twin)
    shuffle = dice.shuffle  # type: ignore[attr-defined]
    shuffle(p)
    shuffle(b)
    assert questions(rights(p), rights(b), ("delete", "read")) == asked


@pytest.mark.requirement("R20")
@given(SIDES, SIDES)
def test_a_service_that_does_what_documents_say_contradicts_nothing(p: list[Right], b: list[Right]) -> None:
    """And one that says the opposite of what they decide contradicts every one of these questions."""
    here, there = rights(p), rights(b, NORTH)
    asked = questions(here, there, ("read",))
    heard = [
        (side, [(own, decided(side, own)) for own in (twin[at] for twin in asked)])
        for at, side in enumerate((here, there))
    ]
    faithful = [side._replace(opinion=Opinion(0, tuple(answers))) for side, answers in heard]
    found = confront(*faithful)
    sure = sum(word is not Said.UNKNOWN for _, answers in heard for _, word in answers)
    assert found.contradicted == ()
    assert found.agreed == sure
    other = {Said.ALLOWED: Said.DENIED, Said.DENIED: Said.ALLOWED, Said.UNKNOWN: Said.UNKNOWN}
    liars = [
        side._replace(opinion=Opinion(0, tuple((q, other[word]) for q, word in answers))) for side, answers in heard
    ]
    assert (len(confront(*liars).contradicted), confront(*liars).agreed) == (sure, 0)


@given(SIDES, SIDES)
def test_refused_is_what_one_service_allows_and_the_other_denies(p: list[Right], b: list[Right]) -> None:
    """Documents have no part in it."""
    here, there = rights(p), rights(b, NORTH)
    asked = questions(here, there)
    yes = Opinion(0, tuple((mine, Said.ALLOWED) for mine, _ in asked))
    no = Opinion(0, tuple((mine, Said.DENIED) for _, mine in asked))
    found = confront(here._replace(opinion=yes), there._replace(opinion=no))
    assert set(found.refused) == {mine for _, mine in asked}
    assert confront(here._replace(opinion=no), there._replace(opinion=yes)).refused == ()


def test_questions_are_asked_in_each_sides_names() -> None:
    """The mount is another one on the backup."""
    here = rights((Right(Effect.ALLOW, ("read",), ("west/data/pay/*",)),))
    there = rights((Right(Effect.ALLOW, ("delete",), ("north/data/+/x",)),), NORTH)
    assert questions(here, there) == (
        (Question("read", f"west/data/pay/{STAND_IN}"), Question("read", f"north/data/pay/{STAND_IN}")),
        (Question("delete", f"west/data/{STAND_IN}/x"), Question("delete", f"north/data/{STAND_IN}/x")),
    )


def test_wildcards_become_arns_that_exist_in_form() -> None:
    """A stand-in is an account number, too; a star alone is everything; what a variable stands for is not asked."""
    texts = ("arn:aws:sqs:eu-west-1:*:pay-??", "*", "arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::a${*}b")
    here = Rights(0, "aws", Syntax.GLOB, (Right(Effect.ALLOW, ("sqs:SendMessage", "sqs:Get*"), texts),))
    asked = [own for own, _ in questions(here, here, ("sqs:GetQueueUrl", "s3:GetObject"))]
    assert {one.resource for one in asked} == {f"arn:aws:sqs:eu-west-1:{STAND_IN}:pay-00", "*"}
    assert {one.action for one in asked} == {"sqs:SendMessage", "sqs:GetQueueUrl"}
    exact = Rights(0, "pg", Syntax.EXACT, (Right(Effect.ALLOW, ("select",), ("*", "table a*")),))
    assert {own.resource for own, _ in questions(exact, exact)} == {STAND_IN, "table a*"}


def test_nothing_is_asked_where_documents_cannot_be_compared() -> None:
    """Gaps, errors and other words leave rights unknown by themselves."""
    one = rights((Right(Effect.ALLOW, ("read",), ("west/a",)),))
    for other in (one._replace(gaps=("x",)), one._replace(kind="denied"), one._replace(scheme="aws")):
        assert questions(one, other) == questions(other, one) == ()
    assert questions(rights(()), rights(())) == ()
    assert questions(one, rights((Right(Effect.ALLOW, ("login",), ("x",), layer=TRUST),))) != ()


def test_contradictions_name_their_side() -> None:
    """In the words of the side that is contradicted."""
    one = rights((Right(Effect.ALLOW, ("read",), ("west/a",)),))
    asked = Question("read", "west/a")
    denied = one._replace(opinion=Opinion(0, ((asked, Said.DENIED),)))
    ((side, question, documents, service),) = confront(denied, one).contradicted
    assert (side, question, documents, service) == (Side.PRIMARY, asked, Said.ALLOWED, Said.DENIED)
    assert confront(one, denied).contradicted[0].side is Side.BACKUP
