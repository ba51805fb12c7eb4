"""What `nhisync doctor` asks of a Google source: reachability, credentials, clock, identity, permissions; reads only.

What is needed is tried with the real call. What is too much is asked with TestIamPermissions, which needs no permission
and answers for the caller: for a secret that does not exist it answers nothing, so it is asked of items that are there.
"""

import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

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
from nhisync_gcp.connection import Connection
from nhisync_gcp.doctor_calls import NOWHERE, Try, samples, tries
from nhisync_gcp.issuing import CALL, asked
from nhisync_gcp.names import AccountName, SecretName, parent_of
from nhisync_gcp.permissions import ACCESS, SECRET_KINDS, SURPLUS, grant_text, needed_on_item
from nhisync_gcp.settings import GcpSettings, MetadataServerAuth

_SKEW = timedelta(minutes=2)  # Google refuses assertions that are off by more than about five minutes
_ALLOWED = frozenset({ErrorKind.NOT_FOUND, ErrorKind.CONFLICT})
"""Errors that come after the authorization: the permission is held."""

_ANSWERED = frozenset({ErrorKind.NOT_FOUND, ErrorKind.DENIED, ErrorKind.MISCONFIGURED})
"""What the API says of an account that does not exist; a project's number makes no address."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at."""

    connection: Connection
    settings: GcpSettings
    context: SourceContext
    identify: Callable[[Budget], SourceIdentity]


def examine(
    situation: Situation, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from _key_file(situation)
    try:
        identity = situation.identify(budget)
    except ProviderError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            yield _check("reachable", error.message, ok=False, error=error)
            return
        yield _check("identity", error.message, ok=False, error=error)
        return
    yield _check("identity", f"{identity.principal} at {identity.authority}", ok=True)
    yield from _clock(situation)
    attempts = list(tries(situation.settings, _region(situation), wanted, kinds))
    reached = yield from _reach(situation, attempts, budget)
    if not reached:
        return
    for one in attempts:
        yield _try(situation, one, budget)
    yield from _held(situation, mode, wanted, budget)
    if mode is AccessMode.PROBE and samples(wanted, "service-account"):
        yield _minting(situation, budget)
    if mode is AccessMode.READ and (kinds | {locator.kind for locator in wanted}) & SECRET_KINDS:
        yield _values_closed(situation, budget)


def _key_file(situation: Situation) -> Iterator[Check]:
    """Key and token files that others can read are shared identities."""
    auth = situation.settings.auth
    if isinstance(auth, MetadataServerAuth):
        return
    try:
        mode = stat.S_IMODE(situation.context.file(auth.file).stat().st_mode)
    except OSError:
        fix = "Create it, or correct auth.file."
        yield Check(name="key-file", state=CheckState.FAILED, observed=f"{auth.file} cannot be read", fix=fix)
        return
    if mode & 0o077:
        observed = f"{auth.file} is readable by others ({mode:04o})"
        yield Check(name="key-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 600 {auth.file}")
    else:
        yield _check("key-file", f"{auth.file} is private", ok=True)


def _clock(situation: Situation) -> Iterator[Check]:
    """Compare our clock with the token endpoint's; a skewed clock breaks assertions and ages alike."""
    seen = situation.connection.skew()
    if seen is None:
        return
    theirs, ours = seen
    skew = abs(theirs - ours)
    good = skew <= _SKEW
    fix = "" if good else "Correct this machine's clock (NTP); Google refuses assertions that are minutes off."
    state = CheckState.OK if good else CheckState.FAILED
    yield Check(name="clock", state=state, observed=f"differs by {int(skew.total_seconds())} s", fix=fix)


def _reach(situation: Situation, attempts: Sequence[Try], budget: Budget) -> Generator[Check, None, bool]:
    """The first call tells whether the API itself answers over TLS; returns whether it did."""
    first = (
        attempts[0]
        if attempts
        else Try("", "secretmanager.test_iam_permissions", {"resource": _nowhere(situation), "permissions": [ACCESS]})
    )
    endpoint = situation.settings.endpoint_of(first.call.partition(".")[0], first.location)
    try:
        situation.connection.call(first.call, budget, location=first.location, **first.request)
    except ProviderError as error:
        if error.kind in {ErrorKind.UNREACHABLE, ErrorKind.MALFORMED, ErrorKind.THROTTLED, ErrorKind.MISCONFIGURED}:
            yield _check("reachable", error.message, ok=False, error=error)
            return False
    secure = "over TLS, certificate verified" if endpoint.startswith("https://") else "without TLS, on this machine"
    yield _check("reachable", f"{endpoint.partition('://')[2]} answers {secure}", ok=True)
    return True


def _try(situation: Situation, one: Try, budget: Budget) -> Check:
    name = f"permission:{one.permission}"
    try:
        situation.connection.call(one.call, budget, location=one.location, **one.request)
    except ProviderError as error:
        if error.kind not in _ALLOWED:
            return _check(name, error.message, ok=False, error=error)
    return _check(name, f"held on {one.on}", ok=True)


def _held(situation: Situation, mode: AccessMode, wanted: Sequence[Locator], budget: Budget) -> Iterator[Check]:
    """What is held beyond reading, on items that stand for their kind: too little for the mode, or too much."""
    too_much: dict[str, None] = {}
    for kind, surplus in SURPLUS.items():
        for locator in samples(wanted, kind):
            try:
                held = _tested(situation, locator, surplus, budget)
            except ProviderError as error:
                if error.kind is not ErrorKind.MISCONFIGURED:
                    yield _check("permissions-held", f"not known: {error.message}", ok=False, error=error)
                continue
            needed = needed_on_item(mode, kind)
            for permission in needed:
                yield _needed(permission, locator, situation.settings.project, held=permission in held)
            too_much |= dict.fromkeys(sorted(held - set(needed)))
    if too_much:
        yield Check(
            name="permissions-surplus",
            state=CheckState.WARNING,
            observed=f"holds more than mode {mode.value} needs: {', '.join(too_much)}",
            fix=f"Bind only the roles of `nhisync permissions --mode {mode.value}` to this account.",
        )


def _tested(situation: Situation, locator: Locator, permissions: Sequence[str], budget: Budget) -> frozenset[str]:
    """Those of `permissions` that we hold on the item; none where there is no item."""
    project, call = situation.settings.project, situation.connection.call
    if locator.kind in SECRET_KINDS:
        name = SecretName.of(locator)
        answer = call(
            "secretmanager.test_iam_permissions",
            budget,
            location=name.location,
            resource=name.resource(project),
            permissions=list(permissions),
        )
    else:
        account = AccountName(AccountName.of(locator).email).resource(project)
        answer = call("iam.test_iam_permissions", budget, resource=account, permissions=list(permissions))
    return frozenset(answer.permissions) & set(permissions)


def _needed(permission: str, locator: Locator, project: str, *, held: bool) -> Check:
    where = f"{locator.kind}/{locator.name}"
    return Check(
        name=f"permission:{permission}",
        state=CheckState.OK if held else CheckState.FAILED,
        observed=f"held on {where}" if held else f"not held on {where}, or there is nothing",
        fix="" if held else f"Grant it: {grant_text(permission, project)}",
    )


def _values_closed(situation: Situation, budget: Budget) -> Check:
    """Reading mode should be unable to read a value: asked of a secret that does not exist, so none can come back."""
    try:
        situation.connection.call(
            "secretmanager.access_secret_version", budget, name=f"{_nowhere(situation)}/versions/1"
        )
    except ProviderError as error:
        if error.kind is ErrorKind.DENIED:
            return _check("values-closed", "values of the project cannot be read with this identity", ok=True)
        if error.kind is not ErrorKind.NOT_FOUND:
            return _check("values-closed", f"not known: {error.message}", ok=False, error=error)
    return Check(
        name="values-closed",
        state=CheckState.WARNING,
        observed="this identity may read every value of the project, although inventory needs none",
        fix="Take secretmanager.versions.access (roles/secretmanager.secretAccessor, roles/owner) away from it.",
    )


def _minting(situation: Situation, budget: Budget) -> Check:
    """The API that mints is one of its own: asked for an account that does not exist, so that nothing is minted."""
    email = f"{NOWHERE}@{situation.settings.project}.iam.gserviceaccount.com"
    try:
        situation.connection.mint(CALL, budget, **asked(email))
    except ProviderError as error:
        if error.kind not in _ANSWERED:
            return _check("minting", error.message, ok=False, error=error)
    return _check("minting", "the API that mints tokens answers", ok=True)


def _nowhere(situation: Situation) -> str:
    return f"{parent_of(situation.settings.project)}/secrets/{NOWHERE}"


def _region(situation: Situation) -> str | None:
    return situation.settings.region or situation.context.region


def _check(name: str, observed: str, *, ok: bool, error: ProviderError | None = None) -> Check:
    return Check(
        name=name,
        state=CheckState.OK if ok else CheckState.FAILED,
        observed=observed,
        fix=error.fix if error is not None else "",
        error=error.fact if error is not None else None,
    )
