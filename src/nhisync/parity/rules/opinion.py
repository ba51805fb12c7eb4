"""Family 5, second opinions: what the services themselves say, beside what the documents read like (R20; ADR 50).

Only tiers that say ``authorization.second_opinion`` ask the services, and only where a service has an opinion. A live
probe that was denied contradicts documents in every tier that compares rights.
"""

from collections.abc import Sequence

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.compared import READS, compared
from nhisync.parity.rules.controls import AUTHORIZATION
from nhisync.parity.text import clean, listed

_ASKED, _OPINION = "authorization.compare", "authorization.second_opinion"
_POLICY = (_OPINION, "authorization.max_age")
_SHOWN = 3
"""Requests that one finding names."""

REFUSED = RuleInfo(
    code="NHS505",
    title="service denies the backup more",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.OUTAGE,
    block="AUTHZ",
    compared="What both services say to the same bounded sample of requests, each in its side's own names; nothing is "
    "tried. A request that the primary's service allows and the backup's denies is a fail, whatever the documents say.",
    hurts="The service itself says no before anybody has switched: a policy of the organisation, an authorizer outside "
    "the server or a session older than its policy stands in the way.",
    false_alarm="The request is one of the sample that the service never makes. Take it from the primary, or name a "
    "resource that differs by design in paths.<path>.substitutions.",
    remediation={
        "aws": "Look at the policies of the backup's role or user of {pair}, its boundary and the organisation's: aws "
        "iam simulate-principal-policy --policy-source-arn … --action-names … --resource-arns …",
        "vault": "Let the backup's workload of {pair} log in again, so that its token gets today's policies; else add "
        "what is listed to them (vault policy write …)",
        "kubernetes": "Look who denies it: kubectl auth can-i … --as=system:serviceaccount:… ; bind the backup's "
        "account of {pair} to a role with what is listed",
        "*": "Let the backup's service allow {app}/{pair} what is listed",
    },
    policy=_POLICY,
    frameworks=AUTHORIZATION,
)


def check_refused(view: PairView) -> Outcome | None:
    """Fail when the services allow the primary what they deny the backup; None when they were not both heard."""
    found = compared(view)
    if found.refused:
        return fail(Side.BACKUP, f"its service denies {_listed(found.refused)}", "allowed, as on the primary")
    return PASS if found.heard else None


DOUBTED = RuleInfo(
    code="NHS506",
    title="documents contradicted by their service",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="What follows from an identity's policies with what its own service says to a sample of requests, and "
    "with a live probe of the backup that was denied. A live probe counts more than the service's opinion, that more "
    "than the documents.",
    hurts="One of the two is wrong, and the failover decides which: rights that read equal may be refused, or open.",
    false_alarm="Who can read the documents does not see all of them (an organisation's policies, another authorizer). "
    "Where that is known and meant, switch authorization.second_opinion off for this tier.",
    remediation={
        "aws": "Ask IAM which policy decides for the named request (aws iam simulate-principal-policy …): an "
        "organisation's policy is not among those that nhisync reads",
        "vault": "Let the workload of {pair} log in again: its token holds the policies of its login, not today's",
        "kubernetes": "Ask the server why (kubectl create -f a SubjectAccessReview shows the reason): another "
        "authorizer than RBAC decides",
        "*": "Find out which policy decides the named request for {app}/{pair}, and bring it where nhisync reads it",
    },
    policy=(_ASKED, _OPINION),
    frameworks=AUTHORIZATION,
    fails=False,
)


def check_doubted(view: PairView) -> Outcome | None:
    """Unknown when a service, or a live probe, says something else than the documents; None when nothing was heard."""
    found = compared(view)
    if not found.doubts:
        return PASS if found.heard else None
    sides = {side for side, _ in found.doubts}
    side = sides.pop() if len(sides) == 1 else Side.PAIR
    return unknown(side, _listed([told for _, told in found.doubts]), "documents and service say the same")


UNHEARD = RuleInfo(
    code="NHS507",
    title="second opinion missing",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the services of both identities were asked what they would allow, answered, and recently. A "
    "service without such a question (PostgreSQL, Azure, Google Cloud; a Vault role without a living token) is not "
    "missed.",
    hurts="The tier asks for the service's own word and has only documents.",
    false_alarm="None: what was not heard is not known. A tier that is content with documents leaves "
    "authorization.second_opinion off.",
    remediation={
        "aws": "Grant what nhisync permissions prints under opinions to nhisync's identity: aws iam put-role-policy …",
        "vault": "Grant what nhisync permissions prints under opinions to nhisync's token: vault policy write …",
        "kubernetes": "Apply what nhisync permissions prints as nhisync-opinions: kubectl apply -f …",
        "*": "Let nhisync ask the service about {app}/{pair} (nhisync permissions), or switch "
        "authorization.second_opinion off",
    },
    policy=_POLICY,
    frameworks=AUTHORIZATION,
    fails=False,
)


def check_unheard(view: PairView) -> Outcome | None:
    """Unknown when a service that has an opinion was not heard; None when there is none to hear."""
    found = compared(view)
    if found.lost:
        side, reason = found.lost[0]
        return unknown(side, reason, "an answer within authorization.max_age")
    return PASS if found.heard else None


def _listed(words: Sequence[str]) -> str:
    return listed([clean(one) for one in words], _SHOWN)


RULES = (
    Rule(REFUSED, check_refused, READS, _OPINION),
    Rule(DOUBTED, check_doubted, READS, _ASKED),
    Rule(UNHEARD, check_unheard, READS, _OPINION),
)
