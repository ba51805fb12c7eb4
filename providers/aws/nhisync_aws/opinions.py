"""What IAM itself says that roles and users may do: SimulatePrincipalPolicy, one call for each resource.

The simulator takes boundaries and the organisation's policies into account; it fetches no resource policy (IAM API
reference). Keys that are known are given as context, because without them conditions on them deny. An answer that hangs
on a key which nobody gave is unknown; one that an organisation's policy denies is doubted, for the simulator does not
report the keys that such a policy misses.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import (
    Budget,
    Clock,
    ErrorKind,
    Locator,
    OpinionFacts,
    PermissionDocument,
    ProviderError,
    Question,
    Said,
)
from nhisync_aws.connection import Connection
from nhisync_aws.granting import KINDS
from nhisync_aws.statements import Scope, Statement, allow, resources

_ACTION = "SimulatePrincipalPolicy"
_ARN_PARTS = 6
_MOST_PAGES = 10
_FATAL = frozenset({ErrorKind.DENIED, ErrorKind.AUTH_FAILED, ErrorKind.UNREACHABLE, ErrorKind.THROTTLED})
"""Errors after which the next question would fare no better."""


def permissions_for(wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope) -> tuple[PermissionDocument, ...]:
    """The document that asking IAM needs beside the one for rights; none for kinds without rights."""
    touched = (kinds | {one.kind for one in wanted}) & KINDS
    if not touched:
        return ()
    statements: list[Statement] = []
    for kind, read in (("role", "iam:GetRole"), ("access-key", "iam:GetUser")):
        if kind in touched:
            names = None if kind in kinds else [one.name for one in wanted if one.kind == kind]
            sid = f"NhisyncAsk{'Roles' if kind == 'role' else 'Users'}"
            statements.append(allow(sid, [read, f"iam:{_ACTION}"], resources(kind, names, scope)))
    return (
        PermissionDocument(
            title="nhisync opinions: what IAM would allow the named identities",
            language="json",
            text=json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2),
            actions=tuple(sorted({action for one in statements for action in one["Action"]})),
        ),
    )


def opinions(
    connection: Connection, asked: Mapping[Locator, Sequence[Question]], budget: Budget, clock: Clock
) -> Iterator[OpinionFacts]:
    """What IAM says of each identity's questions, or why it says nothing."""
    for item, named in asked.items():
        try:
            if item.kind not in KINDS:
                raise ProviderError(ErrorKind.UNSUPPORTED, f"the kind {item.kind} holds no rights at AWS")
            said = _Simulation(connection, budget, clock).said(item, named) if any(map(_fits, named)) else {}
            answers = tuple((one, said.get(one, Said.UNKNOWN)) for one in named)
            yield OpinionFacts(locator=item, observed_at=clock.now(), answers=answers)
        except ProviderError as error:
            yield OpinionFacts(locator=item, observed_at=clock.now(), error=error.fact)


class _Simulation:
    """The questions about one identity."""

    def __init__(self, connection: Connection, budget: Budget, clock: Clock) -> None:
        self._connection, self._budget, self._clock = connection, budget, clock

    def said(self, item: Locator, asked: Sequence[Question]) -> dict[Question, Said]:
        """What IAM says; questions that cannot be put to it are left out.

        Raises:
            ProviderError: why it says nothing.
        """
        entity = self._entity(item)
        context = self._context(entity, user=item.kind == "access-key")
        grouped: dict[str, list[Question]] = {}
        for one in filter(_fits, asked):
            grouped.setdefault(one.resource, []).append(one)
        found: dict[Question, Said] = {}
        for resource, named in sorted(grouped.items()):
            results = self._results(str(entity["Arn"]), resource, sorted({one.action for one in named}), context)
            decisions = {str(one.get("EvalActionName")).lower(): _decision(one, resource) for one in results}
            found |= {one: decisions.get(one.action.lower(), Said.UNKNOWN) for one in named}
        return found

    def _entity(self, item: Locator) -> Mapping[str, Any]:
        """The role, or the user behind a key: its ARN has a path that the locator does not."""
        if item.kind == "role":
            return self._read("GetRole", "Role", RoleName=item.name)
        return self._read("GetUser", "User", UserName=item.name.partition("/")[0])

    def _read(self, operation: str, member: str, **parameters: Any) -> Mapping[str, Any]:
        found = self._connection.require("iam", operation, self._budget, member, **parameters)
        if not isinstance(found, Mapping) or not str(found.get("Arn") or "").startswith("arn:"):
            raise ProviderError(ErrorKind.MALFORMED, f"iam:{operation} answers without an ARN")
        return found

    def _context(self, entity: Mapping[str, Any], *, user: bool) -> list[dict[str, Any]]:
        """What is known of a request that the identity would make here, now."""
        arn = str(entity["Arn"])
        told = {
            "aws:PrincipalArn": arn,
            "aws:PrincipalAccount": arn.split(":")[4],
            "aws:PrincipalType": "User" if user else "AssumedRole",
            "aws:RequestedRegion": self._connection.region,
            **({"aws:username": str(entity.get("UserName")), "aws:userid": str(entity.get("UserId"))} if user else {}),
        }
        now = self._clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return [
            *(_key(name, "string", value) for name, value in told.items()),
            _key("aws:SecureTransport", "boolean", "true"),
            _key("aws:CurrentTime", "date", now),
        ]

    def _results(
        self, arn: str, resource: str, actions: Sequence[str], context: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            try:
                answer = self._connection.call(
                    "iam", _ACTION, self._budget,
                    PolicySourceArn=arn, ActionNames=actions, ResourceArns=[resource], ContextEntries=context, **more,
                )  # fmt: skip
            except ProviderError as error:
                if error.kind in _FATAL:
                    raise
                return []  # IAM takes this resource, or one of these actions, for none
            found += [one for one in answer.get("EvaluationResults") or () if isinstance(one, Mapping)]
            marker = str(answer.get("Marker") or "") if answer.get("IsTruncated") else ""
            if not marker:
                break
            more = {"Marker": marker}
        return found


def _key(name: str, kind: str, value: str) -> dict[str, Any]:
    return {"ContextKeyName": name, "ContextKeyType": kind, "ContextKeyValues": [value]}


def _fits(asked: Question) -> bool:
    """Whether IAM can be asked: all resources, or one with an ARN."""
    parts = asked.resource.split(":", _ARN_PARTS - 1)
    return asked.resource == "*" or (len(parts) == _ARN_PARTS and parts[0] == "arn")


def _decision(result: Mapping[str, Any], resource: str) -> Said:
    """One result; what a single resource's says is more exact (IAM API reference, EvaluationResult)."""
    single: Sequence[Mapping[str, Any]] = result.get("ResourceSpecificResults") or ()
    own: Mapping[str, Any] = next((one for one in single if one.get("EvalResourceName") == resource), {})
    word = own.get("EvalResourceDecision") or result.get("EvalDecision")
    if result.get("MissingContextValues") or own.get("MissingContextValues"):
        return Said.UNKNOWN
    if word == "allowed":
        return Said.ALLOWED
    if word not in {"explicitDeny", "implicitDeny"}:
        return Said.UNKNOWN
    above = result.get("OrganizationsDecisionDetail") or {}
    return Said.DOUBTED if above.get("AllowedByOrganizations") is False else Said.DENIED
