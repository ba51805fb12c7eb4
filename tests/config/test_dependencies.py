"""What a pair says that its identities need: by side, with a place each."""

from collections.abc import Callable

import pytest

from nhisync.config import Configuration
from nhisync.errors import Problem
from nhisync.model import Needed, Side

from .conftest import SMALL

Load = Callable[..., Configuration]
Problems = Callable[..., tuple[Problem, ...]]


def with_needs(text: str) -> str:
    """A small configuration whose pair needs this."""
    assert SMALL.count("kind:") == 1
    return SMALL.replace("kind:", f"depends_on: {text}, kind:")


@pytest.mark.requirement("R39")
def test_needs_stand_by_side(load_text: Load) -> None:
    """In the order of the file; what exists everywhere has no place."""
    text = (
        "{backup: [{kind: master-secret, name: rds/admin, fault_domain: aws/eu-north-1},"
        " {kind: identity-provider, name: login.example, fault_domain: everywhere}],"
        " primary: [{kind: queue, name: rotate, fault_domain: dc/lulea}]}"
    )
    (pair,) = load_text(with_needs(text)).apps[0].pairs
    assert pair.needs == (
        Needed(side=Side.PRIMARY, kind="queue", name="rotate", domain="dc/lulea"),
        Needed(side=Side.BACKUP, kind="master-secret", name="rds/admin", domain="aws/eu-north-1"),
        Needed(side=Side.BACKUP, kind="identity-provider", name="login.example"),
    )
    (silent,) = load_text(SMALL).apps[0].pairs
    assert silent.needs == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{backup: [{kind: secret, name: x, fault_domain: a/b}]}", "depends_on.backup[0].kind"),
        ("{backup: [{kind: queue, name: x}]}", "depends_on.backup[0]"),
        ("{backup: [{kind: queue, name: x, fault_domain: nowhere}]}", "depends_on.backup[0].fault_domain"),
        ("{backup: [{kind: queue, name: '', fault_domain: a/b}]}", "depends_on.backup[0].name"),
        ("{both: []}", "depends_on"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(problems_of: Problems, text: str, place: str) -> None:
    """A kind that nobody knows, a thing without a place, a side that there is not."""
    found = problems_of(with_needs(text))
    assert any(place in problem.where for problem in found), [problem.where for problem in found]
