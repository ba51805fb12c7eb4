"""What `nhisync doctor` asks of a cluster: reachability, trust, clock, identity, rights held and needed; reads only."""

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from nhisync.spi import (
    AccessMode,
    Budget,
    Check,
    CheckState,
    ErrorKind,
    Locator,
    ProviderError,
    SourceContext,
    format_duration,
)
from nhisync_kubernetes.access import credential_files
from nhisync_kubernetes.answers import Answer
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.credentials import claims_of
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.identity import identify, who
from nhisync_kubernetes.metadata import short
from nhisync_kubernetes.permissions import needed
from nhisync_kubernetes.rights import Rights, excess
from nhisync_kubernetes.settings import KubeconfigAuth, KubernetesSettings, TokenFileAuth

_SKEW = timedelta(seconds=60)
_SOON = timedelta(hours=24)
_OTHERS = 0o077
_MASTERS = "system:masters"
_NO_CONNECTION = frozenset({ErrorKind.UNREACHABLE, ErrorKind.MALFORMED, ErrorKind.MISCONFIGURED, ErrorKind.THROTTLED})


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at.

    Attributes:
        settings: of the source.
        context: of the source.
        api: opens an authenticated API.
    """

    settings: KubernetesSettings
    context: SourceContext
    api: Callable[[Budget], AbstractContextManager[Api]]


def examine(
    situation: Situation, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    step = "reachable"
    try:
        yield from _files(situation)
        with situation.api(budget) as api:
            answer = api.public("/version")
            yield from _server(situation, api, answer)
            step = "identity"
            yield from _identity(situation, api)
            step = "permissions"
            yield from _permissions(api, mode, needed(situation.settings, mode, wanted, kinds))
    except ProviderError as error:
        if step == "reachable" and error.kind not in _NO_CONNECTION:
            yield Check(name="reachable", state=CheckState.OK, observed="the server answers")
            step = "identity"
        yield failed(step, error)


def failed(name: str, error: ProviderError) -> Check:
    """A check that ended in an error."""
    state = CheckState.WARNING if error.kind is ErrorKind.THROTTLED else CheckState.FAILED
    return Check(name=name, state=state, observed=error.message, fix=error.fix, error=error.fact)


def _files(situation: Situation) -> Iterator[Check]:
    """Credential files that others can read are shared identities."""
    for file in credential_files(situation.settings, situation.context):
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except OSError:
            continue  # whoever opens it will say so
        if mode & _OTHERS:
            observed = f"{file.name} is open to others ({mode:04o})"
            yield Check(name="credential-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 0600 '{file}'")


def _server(situation: Situation, api: Api, answer: Answer) -> Iterator[Check]:
    version = short(answer.body.get("gitVersion")) or "of unknown version"
    endpoint = api.session.access.endpoint
    yield Check(name="reachable", state=CheckState.OK, observed=f"{endpoint}: Kubernetes {version}")
    yield Check(name="tls", state=CheckState.OK, observed="the server's certificate is trusted")
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return
    if theirs.tzinfo is not None:
        yield _clock(situation.context.clock.now(), theirs)


def _clock(ours: datetime, theirs: datetime) -> Check:
    skew = abs(ours - theirs)
    if skew <= _SKEW:
        return Check(name="clock", state=CheckState.OK, observed="agrees with the server's within a minute")
    observed = f"differs from the server's by {format_duration(timedelta(seconds=int(skew.total_seconds())))}"
    return Check(name="clock", state=CheckState.FAILED, observed=observed, fix="Synchronise both clocks (chrony, NTP).")


def _identity(situation: Situation, api: Api) -> Iterator[Check]:
    try:
        found = identify(api)
    except ProviderError as error:
        if error.kind is not ErrorKind.DENIED:
            raise
        yield failed("identity", error)  # the user is known, the cluster is not: rights can be asked all the same
    else:
        remark = found.detail.partition("; ")[2]
        state = CheckState.WARNING if remark else CheckState.OK
        observed = f"{found.principal} at {found.authority}" + (f" ({remark})" if remark else "")
        fix = "Upgrade the cluster: SelfSubjectReview is served since Kubernetes 1.28."
        yield Check(name="identity", state=state, observed=observed, fix=fix if remark else "")
    if _MASTERS in who(api).groups:
        fix = "Give nhisync a service account of its own with the manifest that nhisync permissions prints."
        observed = f"nhisync belongs to {_MASTERS}, which no RBAC can limit"
        yield Check(name="identity:masters", state=CheckState.WARNING, observed=observed, fix=fix)
    yield from _token_end(situation, api)


def _token_end(situation: Situation, api: Api) -> Iterator[Check]:
    """Only where somebody outside of the cluster must renew it; in a pod the kubelet does."""
    bearer = api.session.access.bearer
    if bearer is None or not isinstance(situation.settings.auth, TokenFileAuth | KubeconfigAuth):
        return
    claims = claims_of(bearer.current())
    if claims.readable and claims.expires is None:
        observed = "nhisync's own token is a legacy one, which never ends"
        fix = "Use a bound one: kubectl create token, renewed by a timer; or run nhisync in the cluster (in_cluster)."
        yield Check(name="identity:expiry", state=CheckState.WARNING, observed=observed, fix=fix)
    elif claims.expires is not None and claims.expires - situation.context.clock.now() < _SOON:
        observed = f"the token ends {claims.expires:%Y-%m-%d %H:%M} UTC"
        fix = "See that whatever writes the file renews it: nhisync reads it anew once a minute."
        yield Check(name="identity:expiry", state=CheckState.WARNING, observed=observed, fix=fix)


def _permissions(api: Api, mode: AccessMode, grants: Sequence[Grant]) -> Iterator[Check]:
    if not grants:
        return  # the mode has no use for what is wanted
    rights = Rights(api)
    for grant in grants:
        missing = rights.missing(grant)
        name = f"permission:{grant.action}"
        if not missing:
            yield Check(name=name, state=CheckState.OK, observed="have")
            continue
        observed = "missing" if missing == [""] else f"missing for {', '.join(missing)}"
        yield Check(name=name, state=CheckState.FAILED, observed=observed, fix=grant.fix)
    too_much = excess(rights, grants)
    if not too_much:
        yield Check(name="least-privilege", state=CheckState.OK, observed=_enough(mode, grants))
        return
    more = f" and {len(too_much) - 1} more" if too_much[1:] else ""
    yield Check(
        name="least-privilege",
        state=CheckState.WARNING,
        observed=f"nhisync may do more than mode {mode.value} needs: {too_much[0]}{more}",
        fix=f"Bind nothing to it but what nhisync permissions --provider kubernetes --mode {mode.value} prints.",
    )


def _enough(mode: AccessMode, grants: Sequence[Grant]) -> str:
    """What holds, without more than RBAC can promise."""
    if mode is AccessMode.READ and any(grant.resource == "secrets" for grant in grants):
        return "no right beyond what is needed; RBAC cannot withhold the values of the Secrets among it"
    return "no right beyond what is needed"
