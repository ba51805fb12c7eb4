"""Family 8: does the service that judges the credential let it in?"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Side, State
from nhisync.parity.proof import AUTH, TCP, TLS, TXN, UNDONE, LeftBehind, Proof, left_text, text_of
from nhisync.parity.rules import BY_CODE, consumers, sessions
from nhisync.parity.rules.live import RULES
from nhisync.parity.rules.replaced import RULES as REPLACED
from nhisync.parity.rules.written import RULES as WRITTEN
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


def replacing(b: Any = None, p: Any = None, *, ask: bool = True, overlap: int = 3_600, **changes: Any) -> Any:
    """A view of a tier that wants what a rotation replaced to be refused; `b` and `p` are proofs of both sides."""
    made = asking(b=b, p=p, **changes)
    made.thresholds = replace(made.thresholds, previous_refused=ask, overlap=overlap)
    return made


DEAD, ALIVE = proof(old="refused", old_at=NOW - 60), proof(old="accepted", old_at=NOW - 60)
UNREAD = proof(old="unjudged", old_at=NOW - 60, old_message="there was no version before")
YOUNG = {"rotated": NOW - 600}
YOUNG_ALIVE = proof(old="accepted", old_at=NOW - 60, rotated=NOW - 600)

THERE = proof(left=left_text(LeftBehind(NOW - 60, "{}", "run 51c0de01, PUT api.example/x: the undo", sure=True)))
MAYBE = proof(left=left_text(LeftBehind(NOW - 60, "{}", "run 51c0de01, PUT api.example/x: killed", sure=False)))
CLEAN = proof(left=UNDONE)

CASES += [
    Case("NHS818", "no script", asking("none", b=proof()), None),
    Case("NHS818", "undone", asking("none", b=CLEAN), "pass"),
    Case("NHS818", "left, whatever the tier asks", asking("none", b=THERE), "fail", BACKUP, "run 51c0de01, PUT"),
    Case("NHS818", "left, and rotated since", asking(b=THERE, version="8"), "fail", BACKUP),
    Case("NHS818", "left on the primary", asking("none", b=CLEAN, p=THERE), "fail", PRIMARY, "the undo"),
    Case("NHS818", "left on both", asking("none", b=THERE, p=THERE), "fail", PAIR, "backup: run"),
    Case("NHS818", "nobody knows", asking("none", b=MAYBE), None),
    Case("NHS819", "no script", asking("none", b=proof()), None),
    Case("NHS819", "undone", asking("none", b=CLEAN), "pass"),
    Case("NHS819", "left", asking("none", b=THERE), None),
    Case("NHS819", "nobody knows", asking("none", b=MAYBE), "unknown", BACKUP, "killed"),
    Case("NHS819", "nobody knows of the primary", asking("none", b=CLEAN, p=MAYBE), "unknown", PRIMARY),
    Case("NHS816", "nobody asks", replacing(b=ALIVE, ask=False), None),
    Case("NHS816", "refused", replacing(b=DEAD, p=DEAD), "pass"),
    Case("NHS816", "the primary is not known", replacing(b=DEAD), "pass"),
    Case("NHS816", "accepted", replacing(b=ALIVE, p=DEAD), "fail", BACKUP, "accepted"),
    Case("NHS816", "accepted on the primary", replacing(b=DEAD, p=ALIVE), "fail", PRIMARY, "accepted"),
    Case("NHS816", "accepted on both", replacing(b=ALIVE, p=ALIVE), "fail", PAIR, "backup: accepted"),
    Case("NHS816", "not judged", replacing(b=UNREAD), None),
    Case("NHS816", "nobody tried", replacing(), None),
    Case("NHS816", "both may be good", replacing(b=YOUNG_ALIVE, **YOUNG), None),
    Case("NHS816", "tried after the overlap", replacing(b=YOUNG_ALIVE, overlap=500, **YOUNG), "fail", BACKUP),
    Case("NHS816", "tried before the overlap ended", replacing(b=YOUNG_ALIVE, overlap=599, **YOUNG), None),
    Case("NHS816", "an earlier generation", replacing(b=proof(old="accepted", old_at=NOW - 60, version="6")), None),
    Case("NHS816", "never rotated", replacing(b=proof(old="accepted", rotated=None), rotated=None), None),
    Case("NHS816", "nothing stored is presented", replacing(b=proof(old="nothing")), None),
    Case("NHS816", "dated ahead", replacing(b=proof(old="accepted", old_at=NOW + 31)), None),
    Case("NHS817", "nobody asks", replacing(b=UNREAD, ask=False), None),
    Case("NHS817", "refused", replacing(b=DEAD), "pass"),
    Case("NHS817", "accepted", replacing(b=ALIVE), "pass"),
    Case("NHS817", "nobody presented it", replacing(b=proof()), "unknown", BACKUP, "nobody has presented"),
    Case("NHS817", "not judged", replacing(b=UNREAD), "unknown", BACKUP, "no version before"),
    Case(
        "NHS817",
        "tried before the overlap ended",
        replacing(b=YOUNG_ALIVE, overlap=599, **YOUNG),
        "unknown",
        BACKUP,
        "accepted while both might be good",
    ),
    Case("NHS817", "both may be good", replacing(b=UNREAD, overlap=86_401), None),
    Case("NHS817", "never rotated", replacing(b=proof(rotated=None), rotated=None), None),
    Case(
        "NHS817", "an earlier generation", replacing(b=proof(old="refused", version="6")), "unknown", BACKUP, "nobody"
    ),
    Case("NHS817", "the current one is refused", replacing(b=REFUSED), None),
    Case("NHS817", "nothing stored is presented", replacing(b=proof(old="nothing")), None),
    Case("NHS817", "the primary alone is not judged", replacing(b=DEAD, p=UNREAD), "pass"),
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


replaced_ones = st.builds(
    proof,
    old=st.sampled_from(["", "refused", "accepted", "unjudged", "nothing"]),
    old_at=times,
    accepted=st.sampled_from([True, False, None]),
    version=st.sampled_from(["6", "7"]),
    rotated=st.just(ROTATED) | times,
)


@given(replaced_ones, st.just(ROTATED) | times, st.integers(0, 2 * AGE), st.integers(1, 3 * AGE))
def test_what_was_replaced_is_dead_or_the_pair_does_not_pass(
    result: str, rotated: int, overlap: int, later: int
) -> None:
    """A live backup passes only with a refusal of this generation's predecessor; answers hold until `recheck`."""
    made = Proof(**json.loads(result))
    seen = replacing(b=result, rotated=rotated, overlap=overlap)
    before = {rule.info.code: rule.check(seen) for rule in REPLACED}
    told = {outcome.state for outcome in before.values() if outcome is not None}
    if made.accepted and rotated + overlap <= NOW and made.old != "nothing":
        dead = made.old == "refused" and (made.version, made.rotated) == ("7", rotated) and made.old_at <= NOW + 30
        assert (told == {State.PASS}) == dead
    second = replacing(b=result, rotated=rotated, overlap=overlap)
    second.now = NOW + later
    if second.now < seen.recheck:
        assert {rule.info.code: rule.check(second) for rule in REPLACED} == before


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
    """The family is complete; sessions, consumers and what was replaced stand beside it."""
    codes = [rule.info.code for rule in (*RULES, *sessions.RULES, *consumers.RULES, *REPLACED, *WRITTEN)]
    assert codes == [code for code in BY_CODE if code.startswith("NHS8")]
