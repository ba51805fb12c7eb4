"""Family 6: the clients of both paths accept both chains, and revocation lists say nothing against them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Outlook, Revocation, Side, State
from nhisync.parity.row import instant
from nhisync.parity.rule import PairView
from nhisync.parity.rules.trust import is_bundle

from .builders import DAY, NOW, Case, ask, backup, both, certificate, chain, chained, changes_at, facts, primary, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
FAR = instant(NOW + 300 * DAY)
R1, R2 = "0000000000000001", "0000000000000002"
HORIZON = 2 * DAY


def pair(b: dict[str, Any] | None = None, p: dict[str, Any] | None = None, now: int = NOW) -> PairView:
    """A view of two chains with these changes."""
    return view(primary(**chained(**(p or {}))), backup(**chained(**(b or {}))), now=now)


def own(anchor: str = R1, **changes: Any) -> Outlook:
    """The source's own trust, in which the chain builds up to the leaf's end."""
    return Outlook(**{"store": "own", "fails_at": FAR, "role": "leaf", "anchor": anchor, **changes})


def client(*accepts: str, name: str = "terminals", builds: bool = True, problem: str = "", anchor: str = "") -> Outlook:
    """A client bundle with these roots; the chain builds in it to `anchor`, or to the first one."""
    end = {"fails_at": FAR, "role": "leaf", "anchor": anchor or accepts[0]} if builds and accepts else {}
    return Outlook(store=f"client:{name}", accepts=accepts, problem=problem, **end)


def seen(*outlooks: Outlook) -> dict[str, Any]:
    """A chain with these outlooks."""
    return {"outlooks": outlooks}


def ending(seconds: int, store: str = "own", role: str = "intermediate") -> Outlook:
    """A store whose last good second is `seconds` from now."""
    return Outlook(store=store, fails_at=instant(NOW + seconds + 1), culprit="CN=Crossed", role=role, anchor=R1)


def listed(**changes: Any) -> dict[str, Any]:
    """A chain for which lists are configured."""
    return {"revocation": Revocation(**{"until": instant(NOW + 30 * DAY), "issuer": "CN=Issuing CA", **changes})}


def bundles(b: list[str] | None, p: list[str] | None) -> PairView:
    """Two trust bundles; None = no bundle."""
    made = [{} if roots is None else facts(accepts=tuple(roots)) for roots in (b, p)]
    return view(primary(**made[1]), backup(**made[0]))


def dated(b: list[str], p: list[str], ago: tuple[int, int] = (2000, 20)) -> PairView:
    """Two bundles whose first roots to end began so many days ago."""
    bare = {"created": None, "rotated": None, "expires": NOW + 900 * DAY}
    here, there = ({**facts(accepts=tuple(roots)), **bare} for roots in (b, p))
    return view(primary(**there, not_before=NOW - ago[1] * DAY), backup(**here, not_before=NOW - ago[0] * DAY))


def judged_by_clients() -> PairView:
    """Two certificates whose chains are looked at with client bundles; the backup's was not renewed for months."""
    columns = {**chained(**seen(own(), client(R1))), "expires": NOW + 3 * DAY, "interval": 30 * DAY}
    here, there = ({**columns, "rotated": NOW - ago * DAY, "not_before": NOW - ago * DAY} for ago in (97, 7))
    return view(primary(**there), backup(**here))


UNLISTED = {"unknown": "no list of CN=Root is configured", "until": None}
BROKEN = {"builds": False, "builds_with_known": False}

CASES = [
    Case("NHS604", "the time machine says later", pair(seen(ending(HORIZON + 1))), "pass"),
    Case("NHS604", "an intermediate", pair(seen(ending(HORIZON))), "fail", BACKUP, "(intermediate), no path from"),
    Case(
        "NHS604",
        "another path takes over",
        pair(
            {
                **seen(ending(90 * DAY)),
                "certificates": (certificate(), certificate(subject="CN=Issuing CA", ends=NOW + 1)),
            }
        ),
        "pass",
    ),
    Case("NHS604", "the system's clients", pair(seen(own(), ending(DAY, "system"))), "fail", BACKUP, "for system"),
    Case("NHS604", "a client bundle", pair(seen(own(), ending(DAY, "client:old"))), "fail", BACKUP, "for client:old"),
    Case("NHS604", "no path in a store is not its end", pair(seen(own(), Outlook(store="system"))), "pass"),
    Case("NHS604", "the leaf ends first", pair(seen(own(fails_at=instant(NOW + 10)))), "pass"),
    Case(
        "NHS604",
        "issuers after the leaf",
        pair(
            {
                **seen(own(fails_at=instant(NOW + 10))),
                "certificates": (certificate(ends=NOW + 9), certificate(subject="CN=Issuing CA", ends=NOW + DAY)),
            }
        ),
        "fail",
        BACKUP,
    ),
    Case("NHS604", "the primary's", pair(p=seen(ending(DAY))), "fail", PRIMARY),
    Case("NHS611", "no bundle", pair(seen(own()), seen(own())), None),
    Case("NHS611", "no chain", both(), None),
    Case("NHS611", "accepted", pair(seen(own(), client(R1)), seen(own(), client(R1))), "pass"),
    Case("NHS611", "one bundle, both roots", pair(seen(own(R1), client(R1, R2)), seen(own(R2))), "pass"),
    Case(
        "NHS611",
        "refused by its own",
        pair(seen(own(R2), client(R1, builds=False)), seen(own())),
        "fail",
        BACKUP,
        "refused by clients terminals",
    ),
    Case(
        "NHS611",
        "refused by the primary's",
        pair(seen(own(R2)), seen(own(R1), client(R1))),
        "fail",
        BACKUP,
        "terminals of the primary",
    ),
    Case(
        "NHS611",
        "the primary refused by the backup's",
        pair(seen(own(R2), client(R2)), seen(own(R1))),
        "fail",
        PRIMARY,
        "terminals of the backup",
    ),
    Case(
        "NHS611",
        "each refused by the other's",
        pair(seen(own(R2), client(R2)), seen(own(R1), client(R1))),
        "fail",
        PAIR,
    ),
    Case(
        "NHS611",
        "cross-signed into the same bundle",
        pair(seen(own(R2), client(R1, R2)), seen(own(R1), client(R1, R2))),
        "pass",
    ),
    Case(
        "NHS611",
        "bundle unusable",
        pair(seen(own(), client(problem="client_trust x cannot be read"))),
        "unknown",
        BACKUP,
        "cannot be read",
    ),
    Case(
        "NHS611",
        "refusal outweighs a broken bundle",
        pair(seen(own(R2), client(R1, builds=False), client(name="x", problem="cannot be read"))),
        "fail",
        BACKUP,
    ),
    Case(
        "NHS611",
        "root not known",
        pair({"builds": None, "builds_with_known": None}, seen(own(), client(R1))),
        "unknown",
        BACKUP,
        "root of its chain",
    ),
    Case(
        "NHS611", "builds nowhere is NHS601's", pair({**BROKEN, **seen(client(R1, builds=False))}, seen(own())), "pass"
    ),
    Case(
        "NHS611",
        "leaf ended is NHS301's",
        pair({**seen(own(R2), client(R1, builds=False)), "certificates": (certificate(ends=NOW),)}, seen(own())),
        "pass",
    ),
    Case(
        "NHS611",
        "primary silent",
        view(None, backup(**chained(**seen(own(R2), client(R1, builds=False))))),
        "fail",
        BACKUP,
    ),
    Case("NHS612", "not revoked", pair(listed()), "pass"),
    Case("NHS612", "no list", pair(), None),
    Case("NHS612", "no chain", both(), None),
    Case(
        "NHS612",
        "revoked",
        pair(listed(revoked="CN=x is revoked since 2026-11-01T00:00:00Z")),
        "fail",
        BACKUP,
        "revoked since",
    ),
    Case("NHS612", "the primary's", pair(p=listed(revoked="CN=x is revoked")), "fail", PRIMARY),
    Case("NHS612", "both", pair(listed(revoked="a"), listed(revoked="b")), "fail", PAIR),
    Case("NHS612", "not known is NHS613's", pair(listed(**UNLISTED)), "pass"),
    Case("NHS613", "current", pair(listed()), "pass"),
    Case("NHS613", "no list configured", pair(), None),
    Case("NHS613", "no list of an issuer", pair(listed(**UNLISTED)), "unknown", BACKUP, "CN=Root"),
    Case("NHS613", "ended since", pair(listed(until=instant(NOW - 1))), "unknown", BACKUP, "ended 2026"),
    Case("NHS613", "its last second", pair(listed(until=instant(NOW))), "pass"),
    Case("NHS613", "the primary's", pair(p=listed(**UNLISTED)), "unknown", PRIMARY),
    Case("NHS615", "the same roots", bundles(["a R1", "b R2"], ["a R1", "b R2"]), "pass"),
    Case("NHS615", "a root lacks", bundles(["a R1"], ["a R1", "b R2"]), "fail", BACKUP, "lacks b R2"),
    Case("NHS615", "a root too many", bundles(["a R1", "c R3"], ["a R1"]), "fail", BACKUP, "holds besides c R3"),
    Case("NHS615", "other roots", bundles(["a R1"], ["b R2"]), "fail", BACKUP, "lacks b R2; holds besides a R1"),
    Case("NHS615", "no bundle", both(), None),
    Case("NHS615", "one is no bundle", bundles(["a R1"], None), "fail", PRIMARY, "no trust bundle"),
    Case("NHS615", "backup is no bundle", bundles(None, ["a R1"]), "fail", BACKUP, "no trust bundle"),
    *(
        Case(code, f"{code} leaves bundles to NHS615", dated(["a R1"], ["b R2"]), None)
        for code in ("NHS201", "NHS203", "NHS207", "NHS208")
    ),
    *(
        Case(code, f"{code}: a chain with client bundles is a certificate", judged_by_clients(), "fail", BACKUP)
        for code in ("NHS201", "NHS203")
    ),
    Case("NHS202", "and so does NHS202", dated(["b R2"], ["a R1"], ago=(20, 2000)), None),
    Case(
        "NHS615",
        "unreadable",
        view(primary(**facts(accepts=("a R1",))), backup(detail='{"accepts":7}')),
        "unknown",
        PAIR,
        "cannot be read",
    ),
    Case("NHS615", "primary silent", view(None, backup(**facts(accepts=("a R1",)))), None),
    Case("NHS614", "far away", pair(listed()), "pass"),
    Case("NHS614", "no list configured", pair(), None),
    Case("NHS614", "none current is NHS613's", pair(listed(**UNLISTED)), None),
    Case("NHS614", "ended is NHS613's", pair(listed(until=instant(NOW - 1))), None),
    Case("NHS614", "inside", pair(listed(until=instant(NOW + HORIZON))), "fail", BACKUP, "CN=Issuing CA ends"),
    Case("NHS614", "outlives it", pair(listed(until=instant(NOW + HORIZON + 1))), "pass"),
    Case("NHS614", "the primary's", pair(p=listed(until=instant(NOW))), "fail", PRIMARY),
]


@pytest.mark.requirement("R30")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_trust(case: Case) -> None:
    """Each line of the table holds."""
    case.hold()


def test_only_roots_of_the_item_itself_make_a_bundle() -> None:
    """Not those of a chain's trust stores, nor an attribute of that name; what cannot be read is none."""
    assert is_bundle(backup(**facts(accepts=("a R1",))))
    assert is_bundle(backup(**facts(accepts=())))
    for detail in (
        facts(chain=chain(**seen(client(R1))))["detail"],
        facts(attributes=(("accepts", "x"),))["detail"],
        '{"accepts":7}',
        None,
    ):
        assert not is_bundle(backup(detail=detail))


def test_answers_change_at_the_second_they_announce() -> None:
    """The end of a path, of a list, and of a list's evidence must each be announced as the next time to look."""
    end = NOW + 10 * DAY
    path = seen(Outlook(store="own", fails_at=instant(end + 1), culprit="CN=x", role="anchor", anchor=R1))
    changes_at("NHS604", lambda now: pair(path, path, now), end - HORIZON, before=State.PASS, after=State.FAIL)
    lists = listed(until=instant(end))
    changes_at("NHS614", lambda now: pair(lists, lists, now), end - HORIZON, before=State.PASS, after=State.FAIL)
    changes_at("NHS613", lambda now: pair(lists, lists, now), end + 1, before=State.PASS, after=State.UNKNOWN)


ROOTS = st.frozensets(st.sampled_from([R1, R2, "0000000000000003"]), min_size=1).map(lambda found: tuple(sorted(found)))


@given(anchors=st.tuples(ROOTS, ROOTS), bundles=st.tuples(st.lists(ROOTS, max_size=2), st.lists(ROOTS, max_size=2)))
def test_a_pass_means_that_everybody_accepts_everything(
    anchors: tuple[tuple[str, ...], tuple[str, ...]],
    bundles: tuple[list[tuple[str, ...]], list[tuple[str, ...]]],
) -> None:
    """The rule passes exactly when every bundle of either path holds a root of either chain."""
    sides = []
    for roots, own_bundles in zip(anchors, bundles, strict=True):
        clients = []
        for number, held in enumerate(own_bundles):
            shared = sorted(set(held) & set(roots))
            clients.append(client(*held, name=f"c{number}", builds=bool(shared), anchor=next(iter(shared), "")))
        sides.append(seen(*(own(root) for root in roots), *clients))
    outcome = ask("NHS611", pair(*sides))
    everybody = [*bundles[0], *bundles[1]]
    if not everybody:
        assert outcome is None
        return
    accepted = all(set(held) & set(roots) for held in everybody for roots in anchors)
    assert outcome is not None
    assert outcome.state is (State.PASS if accepted else State.FAIL)


def test_chains_of_an_older_run_are_still_read() -> None:
    """A row that was written before these facts existed must not become unreadable."""
    row = backup(**chained())
    older = row._replace(detail=(row.detail or "").replace('"outlooks":[],', "").replace('"revocation":null,', ""))
    assert "outlooks" not in (older.detail or "")
    assert ask("NHS609", view(primary(**chained()), older)) is not None
    assert ask("NHS609", view(primary(**chained()), older)).state is State.PASS  # type: ignore[union-attr]
    assert chain().outlooks == ()
