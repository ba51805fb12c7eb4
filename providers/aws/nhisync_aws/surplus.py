"""What the identity of a source may change although its mode does not need it, as far as its policies can be read.

Only the identity's own policies, its groups' and its boundary are looked at; policies of the organisation, of resources
and of the session may close more (IAM user guide, "Policy evaluation logic"), so the word is "may".
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from nhisync.spi import BOUNDARY, HELD, Budget, Check, CheckState, Effect, ErrorKind, Locator, ProviderError, Right
from nhisync_aws.connection import Connection
from nhisync_aws.granting import account_of
from nhisync_aws.lifecycle import NEVER

NAME = "permissions-surplus"
_CHANGES = tuple(
    sorted(
        {
            *NEVER,
            "acm:DeleteCertificate",
            "acm:ImportCertificate",
            "iam:AttachRolePolicy",
            "iam:AttachUserPolicy",
            "iam:CreateAccessKey",
            "iam:CreateServiceSpecificCredential",
            "iam:DeleteAccessKey",
            "iam:DeleteServiceSpecificCredential",
            "iam:PutRolePolicy",
            "iam:PutUserPolicy",
            "iam:UpdateAccessKey",
            "iam:UpdateAssumeRolePolicy",
            "kms:DisableKey",
            "kms:PutKeyPolicy",
            "kms:ScheduleKeyDeletion",
            "secretsmanager:CreateSecret",
            "secretsmanager:PutResourcePolicy",
            "secretsmanager:PutSecretValue",
            "secretsmanager:RotateSecret",
            "secretsmanager:UpdateSecret",
            "secretsmanager:UpdateSecretVersionStage",
            "ssm:PutParameter",
        }
    )
)
"""Changes of what nhisync looks at, and of policies, with which everything else could be had."""

_SHOWN = 4


def examine_surplus(connection: Connection, principal: str, needed: Iterable[str], mode: str, budget: Budget) -> Check:
    """Whether `principal` may change what its mode leaves alone; what cannot be read is said to be not known.

    Args:
        connection: of the source.
        principal: our ARN, as STS gives it.
        needed: actions of the mode's document.
        mode: for the words.
        budget: of the run.
    """
    identity = _identity(principal)
    if identity is None:
        return _unknown(f"{principal} has no policies of its own to look at", mode)
    try:
        facts = account_of(connection, budget).policies(identity)
    except ProviderError as error:
        why = "its policies may not be read" if error.kind is ErrorKind.DENIED else error.message
        return _unknown(why, mode)
    rights, gaps = facts
    surplus = [action for action in _CHANGES if action not in set(needed) and may(rights, action)]
    if surplus:
        more = f" and {len(surplus) - _SHOWN} more" if len(surplus) > _SHOWN else ""
        return Check(
            name=NAME,
            state=CheckState.WARNING,
            observed=f"may do more than mode {mode} needs: {', '.join(surplus[:_SHOWN])}{more}",
            fix=f"Leave it only the document of `nhisync permissions --mode {mode}`.",
        )
    if gaps:
        return _unknown(f"not all of its policies can be understood ({gaps[0]})", mode)
    return Check(name=NAME, state=CheckState.OK, observed=f"its policies allow no change beyond mode {mode}")


def may(rights: Iterable[Right], action: str) -> bool:
    """Whether these rights may allow an action on something: conditions and narrower denials are left open."""
    rights = tuple(rights)
    bounded = any(right.layer == BOUNDARY for right in rights)
    layers = (HELD, BOUNDARY) if bounded else (HELD,)
    named = [right for right in rights if right.layer in layers and _names(right, action)]
    if any(_closes(right) for right in named if right.effect is Effect.DENY):
        return False
    allowed = {right.layer for right in named if right.effect is Effect.ALLOW and right.resources}
    return allowed >= set(layers)


def _names(right: Right, action: str) -> bool:
    word = action.lower()
    matched = any(fnmatchcase(word, pattern.lower()) for pattern in right.actions)
    return matched and not any(fnmatchcase(word, pattern.lower()) for pattern in right.but_actions)


def _closes(right: Right) -> bool:
    """A denial without exceptions: it holds whatever is asked, of whatever."""
    return "*" in right.resources and not right.but_resources and not right.conditions


def _identity(principal: str) -> Locator | None:
    """The user or role behind an ARN, as the rights know them; None = neither (root, a federated user)."""
    kind, _, rest = principal.split(":", 5)[-1].partition("/")
    if kind == "user" and rest:
        return Locator("own", "access-key", rest.rpartition("/")[2])
    if kind == "assumed-role" and rest:
        return Locator("own", "role", rest.partition("/")[0])
    return None


def _unknown(why: str, mode: str) -> Check:
    return Check(
        name=NAME,
        state=CheckState.WARNING,
        observed=f"not known whether it may do more than mode {mode} needs: {why}",
        fix=f"Compare its policies with `nhisync permissions --mode {mode}`.",
    )
