"""What `nhisync doctor` asks of an AWS source: reachability, credentials, clock, identity, permissions; reads only."""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from nhisync.spi import (
    AccessMode,
    Budget,
    Check,
    CheckState,
    ErrorKind,
    Locator,
    ProviderError,
    SourceContext,
    SourceIdentity,
)
from nhisync_aws.connection import Connection
from nhisync_aws.permissions import item_actions, list_actions
from nhisync_aws.settings import AssumeRoleAuth, AwsSettings, KeysFileAuth
from nhisync_aws.trust import CERTIFICATE_KINDS, NO_ROOTS, load

_SKEW = timedelta(minutes=2)  # AWS refuses signatures that are off by more than five minutes
_SAMPLES = 3
_NOWHERE = "nhisync-doctor-no-such-item"
"""A name that no item has: a call on it shows whether the action is allowed, and can return no value."""

_LISTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "secretsmanager:ListSecrets": ("secretsmanager", "ListSecrets", {"MaxResults": 1}),
    "iam:GenerateCredentialReport": ("iam", "GenerateCredentialReport", {}),
    "iam:GetCredentialReport": ("iam", "GetCredentialReport", {}),
    "iam:GetAccountAuthorizationDetails": (
        "iam",
        "GetAccountAuthorizationDetails",
        {"MaxItems": 1, "Filter": ["User"]},
    ),
    "iam:ListServiceSpecificCredentials": (
        "iam",
        "ListServiceSpecificCredentials",
        {"AllUsers": True, "ServiceName": "codecommit.amazonaws.com", "MaxItems": 1},
    ),
    "iam:ListServerCertificates": ("iam", "ListServerCertificates", {"MaxItems": 1}),
    "acm:ListCertificates": ("acm", "ListCertificates", {"MaxItems": 1}),
    "ssm:DescribeParameters": ("ssm", "DescribeParameters", {"MaxResults": 1}),
}

_ITEMS: dict[str, tuple[str, str, Callable[[str], dict[str, Any]]]] = {
    "secretsmanager:DescribeSecret": ("secretsmanager", "DescribeSecret", lambda n: {"SecretId": n}),
    "secretsmanager:ListSecretVersionIds": ("secretsmanager", "ListSecretVersionIds", lambda n: {"SecretId": n}),
    "iam:ListAccessKeys": ("iam", "ListAccessKeys", lambda n: {"UserName": n.partition("/")[0]}),
    "iam:GetRole": ("iam", "GetRole", lambda n: {"RoleName": n}),
    "iam:GetServerCertificate": ("iam", "GetServerCertificate", lambda n: {"ServerCertificateName": n}),
    "ssm:ListTagsForResource": (
        "ssm",
        "ListTagsForResource",
        lambda n: {"ResourceType": "Parameter", "ResourceId": n},
    ),
}

_ALLOWED = frozenset({ErrorKind.NOT_FOUND, ErrorKind.CONFLICT})
"""Errors that come after the authorization: the action is allowed."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at."""

    connection: Connection
    settings: AwsSettings
    context: SourceContext
    identify: Callable[[Budget], SourceIdentity]


def examine(
    situation: Situation, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from _keys_files(situation)
    try:
        identity = situation.identify(budget)
    except ProviderError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            yield _check("reachable", error.message, ok=False, error=error)
            return
        if error.fact.request_id:  # only AWS gives one: without it nothing may have been asked at all
            yield _check("reachable", "an answer came", ok=True)
        yield _check("identity", error.message, ok=False, error=error)
        return
    yield _check("reachable", f"{identity.endpoint} answers", ok=True)
    yield _check("identity", f"{identity.principal} at {identity.authority}", ok=True)
    yield from _clock(situation, budget)
    yield from _permissions(situation, wanted, kinds, budget)
    if CERTIFICATE_KINDS & (kinds | {locator.kind for locator in wanted}):
        yield _trust(situation)
    if mode is AccessMode.READ:
        yield _value_reads(situation, budget)


def _keys_files(situation: Situation) -> Iterator[Check]:
    """Key files that others can read are shared identities."""
    auth = situation.settings.auth
    base = auth.base if isinstance(auth, AssumeRoleAuth) else auth
    if not isinstance(base, KeysFileAuth):
        return
    file: Path = situation.context.file(base.file)
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        fix = "Create it, or correct auth.file."
        yield Check(name="keys-file", state=CheckState.FAILED, observed=f"{base.file} cannot be read", fix=fix)
        return
    if mode & 0o077:
        observed = f"{base.file} is readable by others ({mode:04o})"
        yield Check(name="keys-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 600 {base.file}")
    else:
        yield _check("keys-file", f"{base.file} is private", ok=True)


def _clock(situation: Situation, budget: Budget) -> Iterator[Check]:
    """Compare our clock with the Date of an answer; a skewed clock breaks signatures and ages alike."""
    try:
        answer = situation.connection.call("sts", "GetCallerIdentity", budget)
        stamp = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        theirs = parsedate_to_datetime(stamp)
    except (ProviderError, ValueError, TypeError):
        return
    skew = abs(theirs - situation.context.clock.now())
    good = skew <= _SKEW
    fix = "" if good else "Correct this machine's clock (NTP); AWS refuses signatures that are off by five minutes."
    state = CheckState.OK if good else CheckState.FAILED
    yield Check(name="clock", state=state, observed=f"differs by {int(skew.total_seconds())} s", fix=fix)


def _permissions(
    situation: Situation, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Try every action once that this configuration needs; items stand for their kind, at most three of each."""
    touched = sorted(kinds | {locator.kind for locator in wanted})
    for action in sorted({action for kind in touched for action in list_actions(kind)}):
        service, operation, parameters = _LISTS[action]
        yield _try(situation, action, service, operation, parameters, budget)
    for kind in touched:
        names = [locator.name for locator in wanted if locator.kind == kind][:_SAMPLES]
        for action in item_actions(kind):
            if action in _ITEMS:
                service, operation, build = _ITEMS[action]
                for name in names:
                    yield _try(situation, action, service, operation, build(name), budget, on=name)


def _try(
    situation: Situation,
    action: str,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    budget: Budget,
    on: str = "",
) -> Check:
    name = f"permission:{action}"
    try:
        situation.connection.call(service, operation, budget, **parameters)
    except ProviderError as error:
        if error.kind not in _ALLOWED:
            return _check(name, error.message, ok=False, error=error)
    return _check(name, f"allowed on {on}" if on else "allowed", ok=True)


def _trust(situation: Situation) -> Check:
    """Stored certificates are verified with these roots."""
    try:
        loaded = load(situation.settings, situation.context)
    except ProviderError as error:
        return _check("trust", error.message, ok=False, error=error)
    roots = len(loaded.trust.roots)
    if not roots:
        fix = "Set trust_file to the roots that clients of the certificates trust."
        return Check(name="trust", state=CheckState.FAILED, observed=NO_ROOTS, fix=fix)
    where = "from trust_file" if loaded.origin == "file" else "of the operating system"
    return _check("trust", f"{roots} roots {where}", ok=True)


def _value_reads(situation: Situation, budget: Budget) -> Check:
    """Reading mode should be unable to read a value: asked of a secret that does not exist, so none can come back."""
    try:
        situation.connection.call("secretsmanager", "GetSecretValue", budget, SecretId=_NOWHERE)
    except ProviderError as error:
        if error.kind is ErrorKind.DENIED:
            return _check("values-closed", "values cannot be read with this identity", ok=True)
        if error.kind is not ErrorKind.NOT_FOUND:
            return _check("values-closed", f"not known: {error.message}", ok=False, error=error)
    return Check(
        name="values-closed",
        state=CheckState.WARNING,
        observed="this identity may read values, although inventory needs none",
        fix="Attach the document of `nhisync permissions --mode read`: its explicit Deny closes them.",
    )


def _check(name: str, observed: str, *, ok: bool, error: ProviderError | None = None) -> Check:
    return Check(
        name=name,
        state=CheckState.OK if ok else CheckState.FAILED,
        observed=observed,
        fix=error.fix if error is not None else "",
        error=error.fact if error is not None else None,
    )
