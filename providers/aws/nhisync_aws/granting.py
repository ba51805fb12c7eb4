"""Reads what IAM roles and the users behind access keys may do: one paged list holds all policies of the account."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nhisync.spi import (
    BOUNDARY,
    TRUST,
    TTL,
    Budget,
    Clock,
    ErrorKind,
    GrantFacts,
    Limit,
    Locator,
    PermissionDocument,
    ProviderError,
    Right,
    Syntax,
)
from nhisync_aws.connection import Connection
from nhisync_aws.errors import Called, malformed
from nhisync_aws.rights import bounded, statements_of
from nhisync_aws.statements import Scope, Statement, allow, document, resources

SCHEME = "aws"
KINDS = frozenset({"access-key", "role"})
"""Kinds whose items are identities with policies of their own."""

_ALL = "GetAccountAuthorizationDetails"
_LISTS: Mapping[str, tuple[str, str]] = {
    "UserDetailList": ("user", "UserName"),
    "GroupDetailList": ("group", "GroupName"),
    "RoleDetailList": ("role", "RoleName"),
    "Policies": ("policy", "Arn"),
}
_INLINE = {"user": "UserPolicyList", "group": "GroupPolicyList", "role": "RolePolicyList"}
_MOST_PAGES = 5_000

Found = tuple[tuple[Right, ...], tuple[str, ...]]
"""Rights and gaps."""


def permissions_for(wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope) -> tuple[PermissionDocument, ...]:
    """The document that reading these rights needs beside the READ document; none for kinds without rights."""
    touched = (kinds | {one.kind for one in wanted}) & KINDS
    if not touched:
        return ()
    statements: list[Statement] = [allow("NhisyncReadPolicies", [f"iam:{_ALL}"], ["*"])]
    if "role" in touched:
        names = None if "role" in kinds else [one.name for one in wanted if one.kind == "role"]
        statements.append(allow("NhisyncReadSessions", ["iam:GetRole"], resources("role", names, scope)))
    return (document("nhisync rights: which policies the named identities have, and their texts", statements),)


def facts(connection: Connection, wanted: Sequence[Locator], budget: Budget, clock: Clock) -> Iterator[GrantFacts]:
    """The rights of each wanted item, or why they are not known."""
    items = sorted(dict.fromkeys(one.item for one in wanted), key=lambda item: item.kind in KINDS)
    account: Account | ProviderError | None = None
    for item in items:
        try:
            if item.kind not in KINDS:
                raise ProviderError(ErrorKind.UNSUPPORTED, f"the kind {item.kind} holds no rights at AWS")
            account = account or _account(connection, budget)
            if isinstance(account, ProviderError):
                raise account
            yield account.facts(item, connection, budget, clock.now())
        except ProviderError as error:
            yield GrantFacts(locator=item, observed_at=clock.now(), error=error.fact)


def account_of(connection: Connection, budget: Budget) -> "Account":
    """All identities of the account.

    Raises:
        ProviderError: they cannot be listed.
    """
    return Account(_details(connection, budget))


def _account(connection: Connection, budget: Budget) -> "Account | ProviderError":
    try:
        return account_of(connection, budget)
    except ProviderError as error:
        return error


def _details(connection: Connection, budget: Budget) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Every user, group, role and policy of the account, by kind and name.

    Raises:
        ProviderError: a page failed: with a part of the policies nobody's rights are known.
    """
    found: dict[str, dict[str, Mapping[str, Any]]] = {kind: {} for kind, _ in _LISTS.values()}
    called, seen, more = Called(f"iam:{_ALL}", 200), set[str](), dict[str, str]()
    for _ in range(_MOST_PAGES):
        answer = connection.call("iam", _ALL, budget, MaxItems=1000, **more)
        for member, (kind, name) in _LISTS.items():
            if not isinstance(answer.get(member), list):
                raise malformed(called, f"a page holds no {member}")
            found[kind] |= {str(one.get(name)): one for one in answer[member]}
        marker = str(answer.get("Marker") or "") if answer.get("IsTruncated") else ""
        if not marker:
            return found
        if marker in seen:
            break
        seen.add(marker)
        more = {"Marker": marker}
    raise malformed(called, "the pages do not end")


class Account:
    """What an account says about its identities.

    Args:
        details: kind → name → what was listed.
    """

    def __init__(self, details: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self._details = details

    def policies(self, item: Locator) -> Found:
        """What one user or role holds, within its boundary.

        Raises:
            ProviderError: NOT_FOUND when the account has no such identity.
        """
        kind, _, entity = self._entity(item)
        (held, lost), (bounds, missed) = self._held(entity, kind), self._boundary(entity)
        return (*held, *bounds), (*lost, *missed)

    def facts(self, item: Locator, connection: Connection, budget: Budget, now: datetime) -> GrantFacts:
        """The rights of one user or role.

        Raises:
            ProviderError: NOT_FOUND when the account has no such identity, else why its session limit is not known.
        """
        kind, name, entity = self._entity(item)
        parts = [self.policies(item)]
        limits: tuple[Limit, ...] = ()
        if kind == "role":
            parts.append(statements_of([("trust", entity.get("AssumeRolePolicyDocument"))], layer=TRUST))
            role = connection.require("iam", "GetRole", budget, "Role", RoleName=name)
            limits = (Limit(TTL, str(int(role.get("MaxSessionDuration") or 0))),)
        return GrantFacts(
            locator=item,
            observed_at=now,
            scheme=SCHEME,
            syntax=Syntax.GLOB,
            rights=tuple(sorted({right for rights, _ in parts for right in rights})),
            limits=limits,
            gaps=tuple(sorted({gap for _, gaps in parts for gap in gaps})),
        )

    def _entity(self, item: Locator) -> tuple[str, str, Mapping[str, Any]]:
        kind = "user" if item.kind == "access-key" else "role"
        name = item.name.partition("/")[0] if kind == "user" else item.name
        entity = self._details[kind].get(name)
        if entity is None:
            raise ProviderError(ErrorKind.NOT_FOUND, f"the account lists no {kind} of this name", resource=item.name)
        return kind, name, entity

    def _held(self, entity: Mapping[str, Any], kind: str) -> Found:
        """Inline and attached policies of the identity, and of a user's groups."""
        documents, lost = self._policies(entity, kind)
        for name in entity.get("GroupList") or ():
            group = self._details["group"].get(str(name))
            if group is None:
                lost.append(f"group {name} was not listed")
            else:
                more, missed = self._policies(group, "group")
                documents, lost = [*documents, *more], [*lost, *missed]
        rights, gaps = statements_of(documents, variables=_variables(entity, kind))
        return rights, (*gaps, *lost)

    def _policies(self, entity: Mapping[str, Any], kind: str) -> tuple[list[tuple[str, Any]], list[str]]:
        inline = [(str(p.get("PolicyName")), p.get("PolicyDocument")) for p in entity.get(_INLINE[kind]) or ()]
        attached = [self._managed(str(p.get("PolicyArn"))) for p in entity.get("AttachedManagedPolicies") or ()]
        lost = [f"policy {name} was not listed" for name, text in attached if text is None]
        return [*inline, *((name, text) for name, text in attached if text is not None)], lost

    def _managed(self, arn: str) -> tuple[str, Any]:
        """Name and default version of a managed policy; None = it was not listed."""
        versions = (self._details["policy"].get(arn) or {}).get("PolicyVersionList") or ()
        text = next((one.get("Document") for one in versions if one.get("IsDefaultVersion")), None)
        return arn.rpartition("/")[2], text

    def _boundary(self, entity: Mapping[str, Any]) -> Found:
        arn = str((entity.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") or "")
        if not arn:
            return (), ()
        name, text = self._managed(arn)
        if text is None:
            return (), (f"boundary {name} was not listed",)
        rights, gaps = statements_of([(name, text)], layer=BOUNDARY)
        return (bounded(), *rights), gaps


def _variables(entity: Mapping[str, Any], kind: str) -> Mapping[str, str]:
    """Policy variables that the identity itself fixes (IAM user guide, "Policy variables")."""
    account = str(entity.get("Arn") or "::::").split(":")[4]
    own = {"aws:username": str(entity.get("UserName")), "aws:userid": str(entity.get("UserId"))}
    return {"aws:PrincipalAccount": account, **(own if kind == "user" else {})}
