"""Family 5, authorization parity: the backup's identity may do what the primary's may, and no more (R20).

Only tiers that say ``authorization.compare`` ask. An item that holds no rights at its provider (a stored value) has
nothing to compare; where only one side has, or what one side may do is not known, that is said and blocks.
"""

from collections.abc import Sequence

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.proof import LADDER
from nhisync.parity.rights import Changed, Lacking
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.compared import READS, compared
from nhisync.parity.rules.controls import AUTHORIZATION
from nhisync.parity.rules.live import let_in
from nhisync.parity.text import listed, when

_ASKED = "authorization.compare"
_POLICY = (_ASKED, "authorization.max_age")
_SHOWN = 3
"""Rights that one finding names."""

_WHY = {"denied": " (denied there)", "boundary": " (outside its boundary)", "": ""}


UNDER = RuleInfo(
    code="NHS501",
    title="backup lacks the primary's rights",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.OUTAGE,
    block="AUTHZ",
    compared="Everything the two identities may do, by meaning: wildcards, exceptions, denies and boundaries are "
    "evaluated, and the names of paths.<path>.substitutions make account, region and mounts comparable.",
    hurts="The backup logs in and is then refused: the outage begins again after the switch, deeper in the "
    "application, where no health check looks.",
    false_alarm="The primary has the right and never uses it. Take it from the primary, so that both sides say what is "
    "needed; or name a resource that differs by design in paths.<path>.substitutions.",
    remediation={
        "aws": "Attach what is listed to the backup's role or user of {pair} (aws iam put-role-policy …), or take the "
        "deny or boundary away that removes it",
        "vault": "Write the listed paths and capabilities into a policy of the backup's role or token of {pair} (vault "
        "policy write …)",
        "postgres": "Grant what is listed to the backup's role of {pair}, or to one that it inherits from (GRANT …)",
        "kubernetes": "Bind the backup's service account of {pair} to a role with what is listed (kubectl create "
        "rolebinding … --serviceaccount=…)",
        "azure": "Assign the backup's application of {pair} a role with what is listed (az role assignment create …), "
        "give it the access policy (az keyvault set-policy …) or the application role (az rest … appRoleAssignments)",
        "gcp": "Give the backup's service account of {pair} a role with what is listed (gcloud projects "
        "add-iam-policy-binding …), or take the deny policy away that removes it",
        "*": "Grant the backup of {app}/{pair} what is listed, in the backup's own names",
    },
    policy=_POLICY,
    frameworks=AUTHORIZATION,
)


def check_under(view: PairView) -> Outcome | None:
    """Fail when the backup may not do something that the primary may; None when that cannot be said."""
    found = compared(view).difference
    if found is None:
        return None
    if not found.lacks:
        return PASS
    return fail(Side.BACKUP, f"lacks {_named(found.lacks)}{_although(view)}", f"allows {_wanted(found.lacks)}")


OVER = RuleInfo(
    code="NHS502",
    title="backup may do more",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="The same in the other direction: what the backup's identity may do and the primary's may not.",
    hurts="Nobody looks at the standby, and it holds more than the service needs: the quiet way in, open all year and "
    "used by everyone during a failover.",
    false_alarm="The backup needs a helper right that the primary has elsewhere (its own key, its own log group). Name "
    "both in paths.<path>.substitutions, or waive it with an end.",
    remediation={
        "aws": "Take what is listed from the backup's role or user of {pair} (aws iam delete-role-policy … or a "
        "narrower Resource)",
        "vault": "Take the listed paths or capabilities from the policies of the backup's role or token of {pair}",
        "postgres": "Take what is listed from the backup's role of {pair}, its groups or PUBLIC (REVOKE … ON … FROM …)",
        "kubernetes": "Take what is listed from the roles that are bound to the backup's account of {pair} "
        "or to its groups (kubectl delete rolebinding …, kubectl edit role …)",
        "azure": "Take what is listed from the role assignments, access policies or application roles of the backup's "
        "application of {pair} (az role assignment delete …, az keyvault delete-policy …)",
        "gcp": "Take what is listed from the roles of the backup's service account of {pair} (gcloud projects "
        "remove-iam-policy-binding …, or a narrower role)",
        "*": "Take what is listed from the backup of {app}/{pair}",
    },
    policy=_POLICY,
    frameworks=AUTHORIZATION,
)


def check_over(view: PairView) -> Outcome | None:
    """Fail when the backup may do something that the primary may not; None when that cannot be said."""
    found = compared(view).difference
    if found is None:
        return None
    return fail(Side.BACKUP, f"may also {_named(found.surplus)}", "the primary's rights") if found.surplus else PASS


CHANGED = RuleInfo(
    code="NHS503",
    title="same right, other condition",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.OUTAGE,
    block="AUTHZ",
    compared="Rights that both identities have: their conditions (network, MFA, tags, parameters), and limits of the "
    "whole identity (longest session, addresses). A shorter session on the backup is no finding.",
    hurts="A condition that is true only in the primary's network or only while its identity provider answers fails "
    "exactly in the failover; a condition that is missing on the backup opens it.",
    false_alarm="Both conditions mean the same in other words. Write them alike, or name the values in "
    "paths.<path>.substitutions.",
    remediation={
        "aws": "Give the statements of the backup's policy for {pair} the primary's Condition, with the backup's own "
        "values; set --max-session-duration no longer than the primary's",
        "vault": "Give the backup's policies and role of {pair} the primary's parameters, wrapping times, token_ttl "
        "and token_bound_cidrs, with the backup's own addresses",
        "postgres": "Give the backup's tables the primary's row security (CREATE POLICY …) and the role of {pair} its "
        "CONNECTION LIMIT",
        "azure": "Give the role assignments of the backup's application of {pair} the primary's condition (az role "
        "assignment update …), with the backup's own values",
        "gcp": "Give the bindings of the backup's service account of {pair} the primary's condition (gcloud projects "
        "add-iam-policy-binding … --condition=…), with the backup's own values",
        "*": "Give the backup of {app}/{pair} the primary's conditions and limits, with its own values",
    },
    policy=_POLICY,
    frameworks=AUTHORIZATION,
)


def check_changed(view: PairView) -> Outcome | None:
    """Fail when a right of both sides depends on other conditions; None when that cannot be said."""
    found = compared(view).difference
    if found is None:
        return None
    return fail(Side.PAIR, _told(found.changed), "the same conditions and limits") if found.changed else PASS


UNKNOWN = RuleInfo(
    code="NHS504",
    title="rights not known",
    severity=Severity.ERROR,
    layer=Layer.AUTHORISED,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether the rights of both identities could be read, are recent, and can be compared to the end.",
    hurts="The tier asks for equal rights and nobody knows them: the backup may be refused, or open.",
    false_alarm="The two sides are of different providers, whose rights have no common words. Ask for the rights of "
    "this app in a tier of its own, with off: [NHS504].",
    remediation={
        "aws": "Grant what nhisync permissions prints under rights to nhisync's identity: aws iam put-role-policy …",
        "vault": "Grant what nhisync permissions prints under rights to nhisync's token: vault policy write …",
        "postgres": "Grant what nhisync permissions prints under rights to nhisync's role: psql -f …",
        "kubernetes": "Apply what nhisync permissions prints as nhisync-rights: kubectl apply -f …",
        "azure": "Say in scopes: where rights are read, and assign the role there that nhisync permissions prints as "
        "nhisync rights (az role assignment create …)",
        "gcp": "Create and bind the roles that nhisync permissions prints under rights, and say in groups: who is in "
        "the Google groups that are named",
        "*": "Let nhisync read the rights of {app}/{pair} (nhisync permissions), or switch authorization.compare off",
    },
    policy=_POLICY,
    frameworks=AUTHORIZATION,
    fails=False,
)


def check_unknown(view: PairView) -> Outcome | None:
    """Unknown when the tier asks and the comparison is not complete; None when there is nothing to compare."""
    found = compared(view)
    if found.unknown:
        return unknown(found.side, found.unknown, "the rights of both sides")
    return None if found.difference is None else PASS


def _although(view: PairView) -> str:
    """That a probe got in all the same: it outranks documents, and shows other rights than those that are missing."""
    proof = let_in(view)
    return "" if proof is None else f"; its live probe got in to {LADDER[proof.rung]} ({when(proof.at)})"


def _named(rights: Sequence[Lacking]) -> str:
    return listed([f"{'part of ' if r.part else ''}{r.words}{_WHY[r.why]}" for r in rights], _SHOWN)


def _wanted(rights: Sequence[Lacking]) -> str:
    return listed([r.there for r in rights], _SHOWN)


def _told(changed: Sequence[Changed]) -> str:
    return listed([f"{c.words}: primary {c.primary}, backup {c.backup}" for c in changed], _SHOWN)


RULES = (
    Rule(UNDER, check_under, READS, _ASKED),
    Rule(OVER, check_over, READS, _ASKED),
    Rule(CHANGED, check_changed, READS, _ASKED),
    Rule(UNKNOWN, check_unknown, READS, _ASKED),
)
