"""Permissions held against permissions needed: each action is tried in a way that reads no value and changes nothing.

AWS tells what an identity may do only by trying (iam:SimulatePrincipalPolicy would be one more right to hold). A value
read is tried on a staging label that no version has: AWS authorizes first, and then finds nothing to return. What
cannot be tried so is said to be unchecked, never to be held.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nhisync.spi import AccessMode, Budget, Check, CheckState, ErrorKind, Locator, ProviderError
from nhisync_aws.connection import Connection
from nhisync_aws.permissions import documents
from nhisync_aws.statements import Scope, certificate_id

_SAMPLES = 3
_NOWHERE = "nhisync-doctor-no-such-item"
"""A name that no item has: a call on it shows whether the action is allowed, and can return no value."""

_NO_ID = "00000000-0000-4000-8000-000000000000"
_ALLOWED = frozenset({ErrorKind.NOT_FOUND, ErrorKind.CONFLICT})
"""Errors that come after the authorization: the action is allowed."""

Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What the configuration asks of the identity."""

    mode: AccessMode
    wanted: Sequence[Locator]
    kinds: frozenset[str]
    scope: Scope

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action of the mode's document; none when the mode has nothing to do here."""
        found = documents(self.mode, self.wanted, self.kinds, self.scope)
        return tuple(action for document in found for action in document.actions)

    def names(self, kind: str) -> list[str]:
        """Names to try an action of `kind` on: a few of those that pairs name, else one that nothing has."""
        named = dict.fromkeys(one.name for one in self.wanted if one.kind == kind)
        if named:
            return list(islice(named, _SAMPLES))
        return [_NOWHERE] if kind in self.kinds else []


@dataclass(frozen=True, slots=True)
class _Trial:
    """How an action is tried.

    Attributes:
        kind: kind of the items it acts on, "" = it acts on none.
        parameters: item name, and the account's scope, to the call's parameters; None = it cannot be tried on this one.
    """

    kind: str
    parameters: Callable[[str, Scope], Parameters | None]


def _list(**parameters: Any) -> _Trial:
    return _Trial("", lambda _, __: parameters)


def _certificate(name: str, scope: Scope) -> Parameters:
    return {"CertificateArn": scope.arn("acm", f"certificate/{certificate_id(name) or _NO_ID}")}


def _user(name: str, _: Scope) -> Parameters:
    return {"UserName": name.partition("/")[0]}


def _on_secret(name: str, _: Scope) -> Parameters:
    return {"SecretId": name}


_TRIALS: Mapping[str, _Trial] = {
    "acm:DescribeCertificate": _Trial("certificate", _certificate),
    "acm:GetCertificate": _Trial("certificate", _certificate),
    "acm:ListCertificates": _list(MaxItems=1),
    "acm:ListTagsForCertificate": _Trial("certificate", _certificate),
    "iam:GenerateCredentialReport": _list(),
    "iam:GetAccountAuthorizationDetails": _list(MaxItems=1, Filter=["User"]),
    "iam:GetCredentialReport": _list(),
    "iam:GetRole": _Trial("role", lambda name, _: {"RoleName": name}),
    "iam:GetServerCertificate": _Trial("server-certificate", lambda name, _: {"ServerCertificateName": name}),
    "iam:ListAccessKeys": _Trial("access-key", _user),
    "iam:ListServerCertificates": _list(MaxItems=1),
    "iam:ListServiceSpecificCredentials": _list(AllUsers=True, ServiceName="codecommit.amazonaws.com", MaxItems=1),
    "kms:DescribeKey": _Trial("", lambda _, scope: {"KeyId": scope.arn("kms", f"key/{_NO_ID}")}),
    "secretsmanager:BatchGetSecretValue": _list(SecretIdList=[_NOWHERE]),
    "secretsmanager:DescribeSecret": _Trial("secret", _on_secret),
    "secretsmanager:GetSecretValue": _Trial("secret", lambda name, _: {"SecretId": name, "VersionStage": _NOWHERE}),
    "secretsmanager:ListSecretVersionIds": _Trial("secret", _on_secret),
    "secretsmanager:ListSecrets": _list(MaxResults=1),
    "ssm:DescribeParameters": _list(MaxResults=1),
    "ssm:ListTagsForResource": _Trial(
        "parameter", lambda name, _: {"ResourceType": "Parameter", "ResourceId": _real(name)}
    ),
}

_ONE_USER = _Trial("service-credential", lambda name, _: {"UserName": name.partition("/")[2], "MaxItems": 1})


def check_permissions(connection: Connection, need: Need, authority: str, budget: Budget) -> Iterator[Check]:
    """One check for each action of the mode, and one for values that the mode has no use for.

    Args:
        connection: of the source.
        need: what the configuration asks.
        authority: ``<partition>:<account>`` of our identity.
        budget: of the run.
    """
    doctor = _Doctor(connection, need, _here(need.scope, authority), budget)
    if not need.actions:
        said = f"mode {need.mode.value} has nothing to do with the configured items"
        yield Check(name="permissions", state=CheckState.OK, observed=said)
    for action in need.actions:
        yield from doctor.action(action)
    yield doctor.closed()


def _here(scope: Scope, authority: str) -> Scope:
    account = authority.rpartition(":")[2]
    return Scope(region=scope.region, account=account, partition=scope.partition, batch=scope.batch)


class _Doctor:
    def __init__(self, connection: Connection, need: Need, scope: Scope, budget: Budget) -> None:
        self._connection, self._need, self._scope, self._budget = connection, need, scope, budget

    def action(self, action: str) -> Iterator[Check]:
        """Try one action; more than once where it acts on several items."""
        if action == "iam:GetAccessKeyLastUsed":
            yield from self._last_used(action)
            return
        trial = _TRIALS.get(action)
        if action == "iam:ListServiceSpecificCredentials" and self._need.mode is AccessMode.ROTATE:
            trial = _ONE_USER
        if trial is None:
            yield self._unchecked(action)
            return
        for name in self._need.names(trial.kind) if trial.kind else [""]:
            parameters = trial.parameters(name, self._scope)
            if parameters is not None:
                yield self._try(action, parameters, on=name)

    def closed(self) -> Check:
        """Values that the mode does not read should be out of reach: asked so that none can come back."""
        mode = self._need.mode
        names = [_NOWHERE, *(self._need.names("secret") if mode in (AccessMode.READ, AccessMode.ROTATE) else [])]
        for name in names:
            error = self._failure("secretsmanager:GetSecretValue", {"SecretId": name, "VersionStage": _NOWHERE})
            if error is not None and error.kind is ErrorKind.DENIED:
                continue
            if error is not None and error.kind not in _ALLOWED:
                said = f"not known: {error.message}"
                return Check(
                    name="values-closed", state=CheckState.FAILED, observed=said, fix=error.fix, error=error.fact
                )
            return Check(
                name="values-closed",
                state=CheckState.WARNING,
                observed=f"this identity may read values that mode {mode.value} does not need",
                fix=f"Attach the document of `nhisync permissions --mode {mode.value}`: its explicit Deny closes them.",
            )
        return Check(name="values-closed", state=CheckState.OK, observed="other values cannot be read")

    def _last_used(self, action: str) -> Iterator[Check]:
        """Needs a key that exists: asked of the first one of each user."""
        for name in self._need.names("access-key"):
            try:
                keys = self._connection.call("iam", "ListAccessKeys", self._budget, **_user(name, self._scope))
            except ProviderError:
                continue
            found: Iterable[Mapping[str, Any]] = keys.get("AccessKeyMetadata") or ()
            for key in islice(found, 1):
                yield self._try(action, {"AccessKeyId": key.get("AccessKeyId")}, on=name)

    def _try(self, action: str, parameters: Parameters, on: str) -> Check:
        error = self._failure(action, parameters)
        name = f"permission:{action}"
        if error is None or error.kind in _ALLOWED:
            return Check(name=name, state=CheckState.OK, observed=f"allowed on {on}" if on else "allowed")
        if (
            "VersionStage" in parameters
            and error.kind is ErrorKind.DENIED
            and not error.fact.resource.startswith("arn:")
        ):
            return Check(
                name=name,
                state=CheckState.WARNING,
                observed=f"not checkable: {on} does not exist, and no permission covers a name without an ARN",
                fix="Create the secret, or correct its name in the pair.",
            )
        return Check(name=name, state=CheckState.FAILED, observed=error.message, fix=error.fix, error=error.fact)

    def _unchecked(self, action: str) -> Check:
        return Check(
            name=f"permission:{action}",
            state=CheckState.WARNING,
            observed="not checkable without doing it",
            fix=f"Compare the identity's policies with `nhisync permissions --mode {self._need.mode.value}`.",
        )

    def _failure(self, action: str, parameters: Parameters) -> ProviderError | None:
        service, _, operation = action.partition(":")
        try:
            self._connection.call(service, operation, self._budget, **parameters)
        except ProviderError as error:
            return error
        return None


def _real(name: str) -> str:
    """SSM's name: names with a path begin with a slash."""
    return f"/{name}" if "/" in name and not name.startswith("/") else name
