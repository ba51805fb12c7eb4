"""Family 8: does the service that judges the credential let it in?"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Side, State
from nhisync.parity.proof import AUTH, TCP, TLS, TXN, Proof, text_of
from nhisync.parity.rules import BY_CODE, consumers, sessions
from nhisync.parity.rules.live import RULES
from nhisync.parity.thresholds import thresholds_of
from nhisync.policy import BUILTIN

from .builders import FAR, NOW, Case, backup, both, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
AGE, GRACE = 300, 60
ROTATED = NOW - 86_400


def proof(**changes: Any) -> str:
    """The text of an accepted login of a minute ago."""
    values = {"at": NOW - 60, "rung": AUTH, "accepted": True, "version": "7", "rotated": ROTATED, **changes}
    return text_of(Proof(**values))


def asking(depth: str = "auth", b: Any = None, p: Any = None, **changes: Any) -> Any:
    """A view of a tier that asks for `depth`; `b` and `p` are the proofs of both sides, `changes` go to both rows."""
    tier = BUILTIN["critical"]
    tier = replace(tier, live=replace(tier.live, min_depth=depth))
    common = {"version": "7", "rotated": ROTATED, "created": ROTATED - 86_400, **changes}
    shared = common.pop("shared_until", None)
    made = view(primary(probe=p, **common), backup(probe=b, **common), shared_until=shared)
    made.thresholds = thresholds_of(tier)
    return made


REFUSED = proof(accepted=False, rung=TLS, error="auth_failed", message="the service answers 401")
UNMADE = proof(accepted=None, rung=TLS, error="unreachable", message="the service fails (503)")
FRESH = {"rotated": NOW - 70}
EARLY = proof(accepted=False, rung=TLS, message="no", rotated=NOW - 70)

CASES = [
    Case("NHS801", "nobody tried", both(), None),
    Case("NHS801", "let in", asking(b=proof(), p=proof()), "pass"),
    Case("NHS801", "refused", asking(b=REFUSED, p=proof()), "fail", BACKUP, "401"),
    Case("NHS801", "refused although nobody asks", asking("none", b=REFUSED), "fail", BACKUP, "401"),
    Case("NHS801", "primary refused", asking(b=proof(), p=REFUSED), "fail", PRIMARY, "401"),
    Case("NHS801", "both refused", asking(b=REFUSED, p=REFUSED), "fail", PAIR, "backup: the service"),
    Case("NHS801", "not judged", asking(b=UNMADE), None),
    Case("NHS801", "a port is no login", asking(b=proof(rung=TCP)), None),
    Case("NHS801", "refused too long ago", asking(b=proof(accepted=False, at=NOW - AGE)), None),
    Case("NHS801", "refused an earlier generation", asking(b=proof(accepted=False, version="6")), None),
    Case("NHS801", "may propagate", asking(b=EARLY, **FRESH), None),
    Case("NHS801", "the absent backup", view(primary(probe=proof()), unseen("absent", probe=REFUSED)), None),
    Case("NHS802", "nobody tried", both(), None),
    Case("NHS802", "a port only", asking(b=proof(rung=TCP)), "fail", BACKUP, "tcp only"),
    Case("NHS802", "a port only, nobody asks", asking("none", b=proof(rung=TCP)), "fail", BACKUP, "tcp only"),
    Case("NHS802", "a handshake only", asking(b=proof(rung=TLS)), "fail", BACKUP, "tls only"),
    Case("NHS802", "a handshake is enough", asking("tls", b=proof(rung=TLS)), "pass"),
    Case("NHS802", "a login", asking(b=proof()), "pass"),
    Case("NHS802", "a login where a transaction is asked", asking("txn", b=proof()), "pass"),
    Case("NHS802", "refused", asking(b=REFUSED), None),
    Case("NHS803", "nobody asks", both(), None),
    Case("NHS803", "nobody tried", asking(), "unknown", BACKUP, "nobody has tried"),
    Case("NHS803", "nobody judged", asking(b=UNMADE), "unknown", BACKUP, "503"),
    Case("NHS803", "tried without being asked", asking("none", b=UNMADE), "unknown", BACKUP, "503"),
    Case("NHS803", "unreadable", asking(b="{"), "unknown", BACKUP, "cannot be read"),
    Case("NHS803", "answered", asking(b=REFUSED), "pass"),
    Case("NHS803", "the primary alone is not tried", asking(b=proof(), p=None), "pass"),
    Case("NHS804", "nobody asks", asking("none", b=proof(at=NOW - AGE)), None),
    Case("NHS804", "not judged", asking(b=UNMADE), None),
    Case("NHS804", "fresh", asking(b=proof()), "pass"),
    Case("NHS804", "old", asking(b=proof(at=NOW - AGE)), "unknown", BACKUP, "last answered"),
    Case(
        "NHS804", "old, and why", asking(b=proof(at=NOW - AGE, message="gone")), "unknown", BACKUP, "since then: gone"
    ),
    Case("NHS804", "an earlier generation", asking(b=proof(rotated=1)), "unknown", BACKUP, "earlier generation"),
    Case("NHS804", "dated ahead", asking(b=proof(at=NOW + 31)), "unknown", BACKUP, "compare the clocks"),
    Case("NHS805", "nobody tried", both(), None),
    Case("NHS805", "nobody was named", asking(b=proof(), p=proof()), None),
    Case("NHS805", "one login", asking(b=proof(seen_as="a"), p=proof(seen_as="a")), "fail", PAIR, "seen as a"),
    Case("NHS805", "two logins", asking(b=proof(seen_as="a"), p=proof(seen_as="b")), "pass"),
    Case(
        "NHS805",
        "the primary cannot be asked any more",
        asking(b=proof(seen_as="a"), p=proof(seen_as="a", at=NOW - 2 * AGE)),
        "fail",
        PAIR,
    ),
    Case("NHS805", "shared", asking(b=proof(seen_as="a"), p=proof(seen_as="a"), shared_until=NOW), "pass"),
    Case("NHS805", "refused", asking(b=proof(seen_as="a", accepted=False), p=proof(seen_as="a")), None),
    Case("NHS806", "nobody tried", both(), None),
    Case("NHS806", "let in", asking(b=proof()), "pass"),
    Case("NHS806", "refused long after", asking(b=REFUSED), "pass"),
    Case("NHS806", "refused at once", asking(b=EARLY, **FRESH), "unknown", BACKUP, "may propagate until"),
    Case("NHS806", "not judged", asking(b=UNMADE), None),
    Case("NHS807", "nobody asks", asking(b=proof()), None),
    Case("NHS807", "nobody tried", asking("txn"), None),
    Case("NHS807", "a login only", asking("txn", b=proof()), "fail", BACKUP, "auth only"),
    Case("NHS807", "a transaction", asking("txn", b=proof(rung=TXN)), "pass"),
    Case("NHS807", "a transaction without being asked", asking(b=proof(rung=TXN)), "pass"),
    Case("NHS807", "refused", asking("txn", b=REFUSED), None),
]


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_table(case: Case) -> None:
    """Each rule answers as the line says."""
    case.hold()


times = st.integers(min_value=NOW - 2 * AGE, max_value=NOW + 2 * AGE)
results = st.none() | st.builds(
    proof,
    at=times,
    rung=st.integers(0, TXN),
    accepted=st.sampled_from([True, False, None]),
    version=st.sampled_from(["6", "7"]),
    rotated=st.just(ROTATED) | times,
)


def states(seen: Any) -> dict[str, State]:
    """Code → what the rules of the family say."""
    found = {rule.info.code: rule.check(seen) for rule in RULES}
    return {code: outcome.state for code, outcome in found.items() if outcome is not None}


@pytest.mark.requirement("R17", "R22")
@given(results, st.sampled_from(["tls", "auth", "txn"]), st.just(ROTATED) | times)
def test_a_backup_that_was_not_proven_never_passes_a_tier_that_asks(
    result: str | None, depth: str, rotated: int
) -> None:
    """Unless the current generation was let in deep enough, now, something fails or is unknown."""
    seen = asking(depth, b=result, rotated=rotated)
    told = set(states(seen).values())
    shown = None if result is None else Proof(**json.loads(result))
    wanted = {"tls": TLS, "auth": AUTH, "txn": TXN}[depth]
    proven = (
        shown is not None
        and shown.accepted is True
        and shown.rung >= wanted
        and (shown.version, shown.rotated) == ("7", rotated)
        and NOW - AGE < shown.at <= NOW + 30
    )
    assert (State.FAIL in told or State.UNKNOWN in told) == (not proven)


@given(results, results)
def test_a_tier_that_does_not_ask_says_nothing_of_its_own(b: str | None, p: str | None) -> None:
    """Without a trial nothing is said; with one, age is nobody's concern."""
    told = states(asking("none", b=b, p=p))
    assert "NHS804" not in told
    if b is None and p is None:
        assert told == {}


@given(results, st.integers(min_value=1, max_value=3 * AGE))
def test_an_answer_holds_until_recheck(result: str | None, later: int) -> None:
    """Before `recheck` the same rows give the same answers, whatever time does."""
    first = asking(b=result)
    before = states(first)
    second = asking(b=result)
    second.now = NOW + later
    if second.now < first.recheck:
        assert states(second) == before
    assert first.recheck <= FAR


def test_an_expired_proof_of_the_primary_keeps_nobody_out() -> None:
    """In an outage the primary's service answers nobody: depth and age are asked of the backup alone."""
    seen = asking(b=proof(), p=proof(accepted=None, at=NOW - 100 * AGE, message="no answer"))
    assert set(states(seen).values()) == {State.PASS}


def test_every_rule_stands_in_the_catalogue() -> None:
    """The family is complete; sessions and consumers stand beside it."""
    codes = [rule.info.code for rule in (*RULES, *sessions.RULES, *consumers.RULES)]
    assert codes == [code for code in BY_CODE if code.startswith("NHS8")]
