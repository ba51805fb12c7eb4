"""Family 7, what rotates: what the pair says that its backup needs, and what both paths have in common."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.model import Dependency, Needed, Severity, Side
from nhisync.parity.rule import PASS, Outcome
from nhisync.parity.rules import BY_CODE
from nhisync.parity.rules.rotators import ROTATORS

from .builders import BACKUP_DOMAIN, NOW, PRIMARY_DOMAIN, Case, backup, facts, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR


def need(
    domain: str = BACKUP_DOMAIN, side: Side = BACKUP, kind: str = "master-secret", name: str = "rds/admin"
) -> Needed:
    """What the configuration says that a side needs."""
    return Needed(side=side, kind=kind, name=name, domain=domain)


def said(*needs: Needed, **changes: Any) -> Any:
    """A healthy pair that says so."""
    return view(primary(), backup(), needs=needs, **changes)


def rotated(kind: str, name: str) -> dict[str, Any]:
    """The columns of a row that this makes new generations of."""
    return facts(dependencies=(Dependency(kind=kind, id=name, region="eu-north-1"),))


def by(here: tuple[str, str], there: tuple[str, str], **changes: Any) -> Any:
    """A pair whose sides are rotated so, by what providers tell."""
    return view(primary(**rotated(*here)), backup(**rotated(*there)), **changes)


TOPIC = ("rotation-topic", "projects/one/topics/rotate")
MASTER = ("master-secret", "vaultadmin at db.example")

CASES = [
    Case("NHS707", "the pair does not say", said(), None),
    Case("NHS707", "only of the primary", said(need(PRIMARY_DOMAIN, PRIMARY)), None),
    Case("NHS707", "at home", said(need()), "pass"),
    Case("NHS707", "everywhere", said(need("")), "pass"),
    Case(
        "NHS707", "with the primary", said(need(PRIMARY_DOMAIN)), "fail", BACKUP, "master-secret rds/admin in vault/eu"
    ),
    Case("NHS707", "one of two", said(need(), need(PRIMARY_DOMAIN, kind="queue", name="q")), "fail", BACKUP, "queue q"),
    Case(
        "NHS707", "a word of its own", said(need("dc/lulea"), primary_domains=frozenset({"dc/lulea"})), "fail", BACKUP
    ),
    Case("NHS707", "primary names no domain", said(need(PRIMARY_DOMAIN), primary_domains=frozenset()), None),
    Case(
        "NHS707",
        "the item was not seen",
        view(primary(), unseen("denied"), needs=(need(PRIMARY_DOMAIN),)),
        "fail",
        BACKUP,
    ),
    Case("NHS708", "nothing rotates", said(), None),
    Case("NHS708", "one side only", view(primary(), backup(**rotated(*TOPIC))), None),
    Case("NHS708", "one topic", by(TOPIC, TOPIC), "fail", PAIR, "rotation-topic projects/one/topics/rotate"),
    Case("NHS708", "one login of one database", by(MASTER, MASTER), "fail", PAIR, "vaultadmin at db.example"),
    Case("NHS708", "a topic each", by(TOPIC, (TOPIC[0], "projects/two/topics/rotate")), "pass"),
    Case("NHS708", "equal names of other kinds", by(("queue", "x"), ("rotation-topic", "x")), "pass"),
    Case("NHS708", "one issuer is another rule's", by(("issuer", "x"), ("issuer", "x")), None),
    Case("NHS708", "shared by design", by(TOPIC, TOPIC, shared_until=NOW + 9), "pass"),
    Case("NHS708", "both say so", said(need(side=PRIMARY), need()), "fail", PAIR, "master-secret rds/admin"),
    Case(
        "NHS708",
        "one tells and one says",
        view(primary(**rotated(*MASTER)), backup(), needs=(need(name=MASTER[1]),)),
        "fail",
        PAIR,
    ),
    Case("NHS708", "a replica", view(primary(**rotated(*TOPIC)), backup(lifecycle="replica", **rotated(*TOPIC))), None),
    Case("NHS708", "backup not seen", view(primary(**rotated(*TOPIC)), unseen("denied")), None),
]


@pytest.mark.requirement("R39")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rotator_rules(case: Case) -> None:
    """NHS707 and NHS708 answer as the table says; silence of a pair is no finding."""
    case.hold()


def test_what_is_declared_blocks_and_what_is_shared_is_told() -> None:
    """A tier may say otherwise; by default the first costs READY and the second is a warning."""
    assert BY_CODE["NHS707"].info.severity is Severity.ERROR
    assert BY_CODE["NHS708"].info.severity is Severity.WARNING


NAMES = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from(sorted({*ROTATORS, "issuer", "kms-key"}))
THINGS = st.lists(st.tuples(KINDS, NAMES), max_size=4)


def outcome(code: str, asked: Any) -> str | None:
    """The state that a rule answers; pass has one of its own."""
    found: Outcome | None = BY_CODE[code].check(asked)
    return None if found is None else "pass" if found is PASS else found.state.value


@pytest.mark.requirement("R39")
@given(here=THINGS, there=THINGS, told=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_common_rotator_is_found_however_it_is_known(
    here: list[tuple[str, str]], there: list[tuple[str, str]], told: bool
) -> None:
    """Told by providers or said by the pair, it is one answer: fail exactly where a rotator is common."""
    if told:
        sides = [
            facts(dependencies=tuple(Dependency(kind=k, id=n, region="r") for k, n in one)) for one in (here, there)
        ]
        asked = view(primary(**sides[0]), backup(**sides[1]))
    else:
        both = ((PRIMARY, here), (BACKUP, there))
        asked = said(*(need(side=side, kind=k, name=n) for side, found in both for k, n in found))
    mine, other = ({one for one in found if one[0] in ROTATORS} for found in (here, there))
    wanted = None if not mine or not other else "fail" if mine & other else "pass"
    assert outcome("NHS708", asked) == wanted


@pytest.mark.requirement("R39")
@given(
    domains=st.lists(st.sampled_from(["", "a/1", "a/2", "b/1"]), max_size=4),
    lost=st.sets(st.sampled_from(["a/1", "b/1"])),
)
@settings(max_examples=60, deadline=None)
def test_a_need_is_bound_exactly_where_the_primary_fails(domains: list[str], lost: set[str]) -> None:
    """What exists everywhere is never bound, and nothing is where the primary names no domain."""
    asked = said(*(need(one) for one in domains), primary_domains=frozenset(lost))
    wanted = None if not domains or not lost else "fail" if set(domains) & lost else "pass"
    assert outcome("NHS707", asked) == wanted
