"""Family 7: the backup needs nothing that goes down with the primary."""

from typing import Any

import pytest

from nhisync.model import Dependency, Severity, Side
from nhisync.parity.rules import BY_CODE

from .builders import BACKUP_DOMAIN, Case, backup, both, facts, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
AWS_PRIMARY = frozenset({"aws/eu-west-1"})


def needs(*dependencies: Dependency, domains: frozenset[str] = AWS_PRIMARY, **changes: Any) -> object:
    """A pair whose backup needs these dependencies."""
    return view(primary(), backup(**facts(dependencies=dependencies), **changes), primary_domains=domains)


def depends(kind: str, region: str | None = "eu-west-1", **changes: Any) -> Dependency:
    """A dependency in the primary's region."""
    return Dependency(**{"kind": kind, "id": f"arn:{kind}", "region": region, "usable": True, **changes})


HERE = depends("kms-key", "eu-north-1")
BROKEN = depends("kms-key", "eu-north-1", usable=False, detail="pending deletion")

CASES = [
    Case("NHS701", "own domain", both(), "pass"),
    Case("NHS701", "primary's domain", both(b_domain="vault/eu-west-1"), "fail", BACKUP, "vault/eu-west-1"),
    Case(
        "NHS701",
        "both paths declare one domain",
        view(primary(), backup(), common_domains=frozenset({"dc/lulea"})),
        "fail",
        BACKUP,
        "both paths fail with dc/lulea",
    ),
    Case("NHS701", "domain not known is NHS706's", both(b_domain=None), None),
    Case("NHS701", "primary names none is NHS706's", view(primary(), backup(), primary_domains=frozenset()), None),
    Case("NHS701", "backup not seen", view(primary(), unseen("denied", domain="vault/eu-west-1")), None),
    Case("NHS701", "primary silent", view(None, backup(domain="vault/eu-west-1")), "fail", BACKUP),
    Case("NHS702", "nothing bound", both(), None),
    Case("NHS702", "bound at home", needs(HERE), "pass"),
    Case(
        "NHS702",
        "key in the primary's region",
        needs(depends("kms-key")),
        "fail",
        BACKUP,
        "kms-key arn:kms-key in eu-west-1",
    ),
    Case("NHS702", "multi-region key", needs(depends("kms-key", multi_region=True)), None),
    Case("NHS702", "multi-region not known", needs(depends("kms-key", multi_region=None)), "fail", BACKUP),
    Case("NHS702", "something else is bound", needs(depends("issuer")), "pass"),
    Case("NHS702", "primary names no domain", needs(depends("kms-key"), domains=frozenset()), None),
    Case("NHS703", "nothing bound", both(), None),
    Case("NHS703", "function at home", needs(depends("rotation-function", "eu-north-1")), "pass"),
    Case(
        "NHS703", "function with the primary", needs(depends("rotation-function")), "fail", BACKUP, "rotation-function"
    ),
    Case("NHS703", "only the key is bound", needs(depends("kms-key")), "pass"),
    Case("NHS704", "nothing bound", both(), None),
    Case("NHS704", "issuer at home", needs(depends("issuer", "eu-north-1")), "pass"),
    Case("NHS704", "issuer with the primary", needs(depends("issuer")), "fail", BACKUP, "issuer"),
    Case("NHS704", "master secret", needs(depends("master-secret")), "fail", BACKUP, "master-secret"),
    Case("NHS704", "replica source", needs(depends("replica-source")), "fail", BACKUP),
    Case("NHS704", "identity provider", needs(depends("identity-provider")), "fail", BACKUP),
    Case("NHS704", "queue", needs(depends("queue")), "fail", BACKUP),
    Case(
        "NHS704", "key and function are told elsewhere", needs(depends("kms-key"), depends("rotation-function")), "pass"
    ),
    Case("NHS704", "four of them", needs(*(depends(f"k{i}") for i in range(4))), "fail", BACKUP, "and 1 more"),
    Case(
        "NHS704",
        "bound to something that cannot be read",
        view(primary(), backup(bound="aws/eu-west-1", detail=None), primary_domains=AWS_PRIMARY),
        "fail",
        BACKUP,
        "something in aws/eu-west-1",
    ),
    Case("NHS705", "no dependencies", both(), None),
    Case("NHS705", "usable", needs(HERE), "pass"),
    Case("NHS705", "unusable", needs(BROKEN), "fail", BACKUP, "kms-key arn:kms-key (pending deletion)"),
    Case("NHS705", "not known whether usable", needs(depends("kms-key", "eu-north-1", usable=None)), "pass"),
    Case("NHS705", "the primary's", view(primary(**facts(dependencies=(BROKEN,))), backup()), "fail", PRIMARY),
    Case("NHS705", "both", both(**facts(dependencies=(BROKEN,))), "fail", PAIR),
    Case("NHS705", "primary silent", view(None, backup(**facts(dependencies=(BROKEN,)))), "fail", BACKUP),
    Case("NHS706", "all known", both(), "pass"),
    Case("NHS706", "dependencies known", needs(HERE), "pass"),
    Case(
        "NHS706", "primary names no region", view(primary(), backup(), primary_domains=frozenset()), "unknown", PRIMARY
    ),
    Case("NHS706", "item's region not known", both(b_domain=None), "unknown", BACKUP),
    Case("NHS706", "dependency without region", needs(depends("kms-key", None)), "unknown", BACKUP, "kms-key"),
    Case("NHS706", "multi-region without region", needs(depends("kms-key", None, multi_region=True)), "pass"),
    Case(
        "NHS706",
        "facts unreadable",
        view(primary(), backup(detail='{"dependencies":[{"region":null}]}')),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS706",
        "facts in JSON's other spelling",
        view(primary(), backup(detail='{"dependencies": [{"kind": "queue", "region": null}]}')),
        "unknown",
        BACKUP,
    ),
    Case("NHS706", "backup not seen", view(primary(), unseen("denied")), None),
    Case("NHS706", "no row", view(primary(), None, missing_backup="absent"), None),
]


@pytest.mark.requirement("R39")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_region_rules(case: Case) -> None:
    """NHS701 to NHS706 answer as the table says; a single-region dependency of unknown reach is bound."""
    case.hold()


@pytest.mark.requirement("R39")
def test_an_unknown_place_is_told_and_does_not_block() -> None:
    """NHS706 is a warning: it stays visible, and operators without regions can still reach READY."""
    assert BY_CODE["NHS706"].info.severity is Severity.WARNING


@pytest.mark.requirement("R39")
def test_the_primary_may_lie_in_its_own_domain() -> None:
    """Only the backup is asked where it stands."""
    p = primary(**{**facts(dependencies=(depends("kms-key"),)), "bound": "vault/eu-west-1"})
    asked = view(p, backup(), primary_domains=frozenset({"vault/eu-west-1"}))
    assert all(BY_CODE[f"NHS70{n}"].check(asked) is None for n in (2, 3, 4))
    assert backup().domain == BACKUP_DOMAIN
