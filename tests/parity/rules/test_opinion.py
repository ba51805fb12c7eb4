"""Family 5, second opinions: the service's own word beside the documents, and a live probe above both."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nhisync.model import Question, Said, Side, State
from nhisync.parity.proof import AUTH, TLS, TXN, Proof, text_of
from nhisync.parity.rights import Opinion, parse, told
from nhisync.parity.rule import PairView
from nhisync.parity.rules.compared import known_until
from nhisync.parity.thresholds import Thresholds, thresholds_of
from nhisync.policy import BUILTIN
from nhisync.policy.tier import Authorization

from .builders import HOUR, NOW, Case, ask, backup, changes_at, primary, view
from .test_authorization import ASKING, GET, NONE, NORTH, WEST, allow, doc

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
READ = Question("s3:GetObject", "arn:aws:s3:::pay/000000000000")
WRITE = Question("s3:PutObject", "arn:aws:s3:::pay/000000000000")
ROTATED = NOW - 86_400


def doubting(*off: str) -> Thresholds:
    """A tier that wants second opinions."""
    authorization = Authorization(compare=True, max_age=timedelta(seconds=90), second_opinion=True)
    return thresholds_of(replace(BUILTIN["critical"], authorization=authorization, off=frozenset(off)))


DOUBTING = doubting()


def said(text: str, *answers: tuple[Question, str], **more: Any) -> str:
    """A document with what the service said a moment ago."""
    return told(text, Opinion(at=NOW - 5, answers=tuple((q, Said(word)) for q, word in answers))._replace(**more))


def asked(p: str, b: str, now: int = NOW, thresholds: Thresholds = DOUBTING, **rows: Any) -> PairView:
    """A pair with these documents."""
    return view(primary(grants=p), backup(grants=b, **rows), now=now, thresholds=thresholds)


def tried(**changes: Any) -> dict[str, Any]:
    """A backup's row that was presented to its service a minute ago."""
    values = {"at": NOW - 60, "rung": TLS, "accepted": False, "version": "7", "rotated": ROTATED, **changes}
    return {"probe": text_of(Proof(**values)), "version": "7", "rotated": ROTATED, "created": ROTATED}


def denied(thresholds: Thresholds = ASKING, p: str = doc(GET), b: str = doc(GET), **changes: Any) -> PairView:
    """A pair whose backup's probe was denied."""
    return asked(p, b, thresholds=thresholds, **tried(error="denied", message="the service answers 403", **changes))


YES = said(doc(GET), (READ, "allowed"))
NO = said(doc(GET), (READ, "denied"))
NEVER = said(doc(), (READ, "allowed"))
UNSUPPORTED = said(doc(GET), kind="unsupported", reason="nobody is logged in")
LOST = said(doc(GET), kind="denied", reason="may not ask (missing: sys/capabilities-accessor)")

CASES = [
    Case("NHS505", "not asked", asked(YES, NO, thresholds=ASKING), None),
    Case("NHS505", "agreed", asked(YES, YES), "pass"),
    Case("NHS505", "denied", asked(YES, NO), "fail", BACKUP, "denies s3:GetObject on arn:aws:s3:::pay/000000000000"),
    Case("NHS505", "the primary's is no proof against itself", asked(NO, NO), "pass"),
    Case("NHS505", "doubted only", asked(YES, said(doc(GET), (READ, "doubted"))), "pass"),
    Case("NHS505", "one has no opinion", asked(UNSUPPORTED, NO), None),
    Case("NHS505", "no documents", asked(NONE, YES), None),
    Case(
        "NHS505",
        "in the backup's names",
        asked(
            said(doc(GET, names=WEST), (Question("s3:GetObject", "arn:aws:s3:::pay-west/x"), "allowed")),
            said(doc(GET, names=NORTH), (Question("S3:getobject", "arn:aws:s3:::pay-north/x"), "denied")),
        ),
        "fail",
        BACKUP,
        "arn:aws:s3:::pay-north/x",
    ),
    Case("NHS506", "nothing heard", asked(doc(GET), doc(GET), thresholds=ASKING), None),
    Case("NHS506", "not asked", asked(YES, NO, thresholds=ASKING), None),
    Case("NHS506", "agreed", asked(YES, YES), "pass"),
    Case("NHS506", "the backup's", asked(YES, NO), "unknown", BACKUP, "the service says denied, documents allowed"),
    Case("NHS506", "the primary's", asked(NO, YES), "unknown", PRIMARY, "says denied, documents allowed: s3:GetObject"),
    Case("NHS506", "both", asked(NO, NO), "unknown", PAIR, "arn:aws:s3:::pay"),
    Case("NHS506", "more than documents say", asked(YES, NEVER), "unknown", BACKUP, "says allowed, documents denied"),
    Case("NHS506", "doubted", asked(YES, said(doc(GET), (READ, "doubted"))), "unknown", BACKUP, "says doubted"),
    Case("NHS506", "not told", asked(YES, said(doc(GET), (READ, "allowed"), (WRITE, "unknown"))), "pass"),
    Case("NHS506", "one has no opinion", asked(UNSUPPORTED, NO), "unknown", BACKUP, "says denied"),
    Case(
        "NHS506",
        "conditions decide",
        asked(YES, said(doc(replace(GET, conditions=("IpAddress x",))), (READ, "denied"))),
        "pass",
    ),
    Case("NHS506", "a denied probe", denied(), "unknown", BACKUP, "live probe was denied"),
    Case("NHS506", "a denied transaction", denied(accepted=True, rung=AUTH), "unknown", BACKUP, "answers 403"),
    Case("NHS506", "a wrong password", asked(doc(GET), doc(GET), **tried(error="auth_failed")), None),
    Case("NHS506", "a denial that documents explain", denied(b=doc()), None),
    Case("NHS506", "an old denial", denied(at=NOW - 600), None),
    Case("NHS506", "a denial of an earlier generation", denied(version="6"), None),
    Case("NHS506", "nobody compares", denied(thresholds_of(BUILTIN["critical"])), None),
    Case("NHS507", "not asked", asked(doc(GET), doc(GET), thresholds=ASKING), None),
    Case("NHS507", "heard", asked(YES, YES), "pass"),
    Case("NHS507", "never asked", asked(YES, doc(GET)), "unknown", BACKUP, "its service was not asked"),
    Case("NHS507", "lost", asked(YES, LOST), "unknown", BACKUP, "missing: sys/capabilities-accessor"),
    Case("NHS507", "the primary's lost", asked(LOST, YES), "unknown", PRIMARY, "was not heard"),
    Case("NHS507", "no such question", asked(UNSUPPORTED, UNSUPPORTED), None),
    Case("NHS507", "nothing to ask", asked(said(doc()), said(doc())), None),
    Case("NHS507", "no answer", asked(YES, said(doc(GET), (READ, "unknown"))), "unknown", BACKUP, "could not tell"),
    Case(
        "NHS507", "dated ahead", asked(YES, said(doc(GET), (READ, "allowed"), at=NOW + 60)), "unknown", BACKUP, "ahead"
    ),
    Case("NHS507", "documents are not known", asked(NONE, YES), None),
]


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule(case: Case) -> None:
    """Each line of the table holds."""
    case.hold()


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("code", ["NHS501", "NHS502", "NHS503", "NHS504"])
@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(asked(YES, NO), id="service"),
        pytest.param(asked(said(doc(GET, allow("sqs:*")), (READ, "allowed")), NO), id="other differences"),
        pytest.param(denied(), id="probe"),
    ],
)
def test_contradicted_documents_conclude_nothing(code: str, pair: PairView) -> None:
    """Neither equal nor different: what stands against them is said by NHS506 alone."""
    assert ask(code, pair) is None
    doubted = ask("NHS506", pair)
    assert doubted is not None
    assert doubted.state is State.UNKNOWN


def test_a_tier_that_does_not_hear_contradictions_has_its_documents() -> None:
    """With NHS506 off documents count as before: they do not fall silent unseen."""
    outcome = ask("NHS501", asked(YES, NO, thresholds=doubting("NHS506")))
    assert outcome is not None
    assert outcome.state is State.PASS
    over = ask("NHS502", asked(doc(), said(doc(GET), (READ, "denied")), thresholds=doubting("NHS506")))
    assert over is not None
    assert over.state is State.FAIL


def test_a_probe_that_got_in_is_told_beside_what_documents_lack() -> None:
    """It outranks documents in what it shows, which is other rights: the difference stays a fail."""
    got_in = tried(accepted=True, rung=TXN)
    outcome = ask("NHS501", asked(doc(GET), doc(), thresholds=ASKING, **got_in))
    assert outcome is not None
    assert outcome.state is State.FAIL
    assert "its live probe got in to txn" in outcome.observed
    plain = ask("NHS501", asked(doc(GET), doc(), thresholds=ASKING))
    assert plain is not None
    assert "probe" not in plain.observed


@pytest.mark.requirement("R5")
@pytest.mark.parametrize(("late", "age"), [("b", 90), ("p", 12 * HOUR)])
def test_an_opinion_ages_to_the_second(late: str, age: int) -> None:
    """What a service said is over in the very second in which it is too old; the primary's lasts as its baseline."""
    fresh = NOW + 30 * 24 * HOUR

    def made(now: int) -> PairView:
        at = {"p": now, "b": now, late: NOW}
        texts = [said(doc(GET, at=min(fresh, now)), (READ, "allowed"), at=at[side]) for side in ("p", "b")]
        return asked(texts[0], texts[1], now)

    changes_at("NHS507", made, NOW + age, before=State.PASS, after=State.UNKNOWN)


def test_a_verdict_rests_on_the_older_of_both() -> None:
    """Rights hold no longer than what the service said of them, where the tier asks."""
    row = backup(grants=said(doc(GET, at=NOW), (READ, "allowed"), at=NOW - 30))
    assert known_until(row, 90, opinion=True) == NOW + 60
    assert known_until(row, 90) == NOW + 90
    assert known_until(backup(grants=UNSUPPORTED), 90, opinion=True) == NOW + 80


def test_the_document_keeps_what_was_said() -> None:
    """It is written and read back; without rights there is nothing to say it of."""
    assert parse(YES).opinion == Opinion(NOW - 5, ((READ, Said.ALLOWED),))
    assert parse(LOST).opinion == Opinion(NOW - 5, (), "denied", "may not ask (missing: sys/capabilities-accessor)")
    assert told(NONE, Opinion(NOW)) == NONE
    assert parse(said(YES, (WRITE, "denied"))).opinion == Opinion(NOW - 5, ((WRITE, Said.DENIED),))
