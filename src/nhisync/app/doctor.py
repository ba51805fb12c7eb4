"""`nhisync doctor`: who we are everywhere, what can be reached, which permission is missing and what grants it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from nhisync.app.gather import refuse_one_identity
from nhisync.app.permissions import (
    Need,
    documents,
    need_of,
    opinion_documents,
    rights_documents,
    rights_needs,
    sources_of,
)
from nhisync.app.rights_doctor import OPINIONS, RIGHTS, examine_rights
from nhisync.app.session import Session
from nhisync.collect.cycle import Progress, silent
from nhisync.errors import GuardError, UsageError
from nhisync.spi import (
    AccessMode,
    Capability,
    Check,
    CheckState,
    ErrorKind,
    Examiner,
    Identifier,
    PermissionDocument,
    Provider,
    ProviderError,
    SourceIdentity,
)

IDENTITY = "identity"
"""Name of the check that says who we are."""

_REACHABLE = "reachable"
"""Name, or first word of the names, of the checks that say whether a source can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One source, looked at.

    Attributes:
        path: path name.
        source: source name.
        provider: provider name.
        identity: who we are there, or None.
        checks: what was looked at, in order.
        grants: documents that hold what is missing; empty when nothing is.
    """

    path: str
    source: str
    provider: str
    identity: SourceIdentity | None
    checks: tuple[Check, ...]
    grants: tuple[PermissionDocument, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return any(check.state is CheckState.FAILED for check in self.checks)

    @property
    def deaf(self) -> bool:
        """Whether nothing can be asked there at all, for whatever reason: then an inventory answers nothing, too.

        A source that says who we are is asked that first, and read only when it answers.
        """
        asked = [check for check in self.checks if check.name.partition(":")[0] in {IDENTITY, _REACHABLE}]
        first = [check for check in asked if check.name == IDENTITY] or asked
        return bool(first) and all(check.state is CheckState.FAILED for check in first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All sources, looked at.

    Attributes:
        sources: in the order of the configuration.
        refusal: both paths are one identity, or None.
    """

    sources: tuple[Examined, ...]
    refusal: GuardError | None = None


def examine(session: Session, mode: AccessMode, *, path: str = "", progress: Progress = silent) -> Diagnosis:
    """Look at all sources, or those of one path, at once.

    Raises:
        UsageError: the path is not configured, or has no sources.
        RegistryError: a provider's SDK is missing.
    """
    targets = list(sources_of(session, path))
    if not targets:
        have = ", ".join(session.configuration.paths)
        raise UsageError(f"no path is called `{path}`", fix=f"Configured paths: {have}.")
    providers = [session.provider(*target) for target in targets]
    with ThreadPoolExecutor(max_workers=len(targets), thread_name_prefix="nhisync-doctor") as pool:
        jobs = [
            pool.submit(_examine, session, target, provider, mode, progress)
            for target, provider in zip(targets, providers, strict=True)
        ]
        found = tuple(job.result() for job in jobs)
    return Diagnosis(sources=found, refusal=_refusal(found))


def _examine(
    session: Session, target: tuple[str, str], provider: Provider, mode: AccessMode, progress: Progress
) -> Examined:
    path, source = target
    where = f"{path}/{source}"
    progress(where, "looking")
    try:
        need = need_of(session, path, source, mode=mode)
        identity, first = _identity(session, target, provider)
        checks = [*first, *_checks(session, target, provider, mode, need)]
        reads = mode in (AccessMode.READ, AccessMode.FINGERPRINT)
        if reads and not any(one.state is CheckState.FAILED for one in first):
            checks += examine_rights(session, target, provider, session.budget(*target))
        return Examined(
            path=path,
            source=source,
            provider=provider.info.name,
            identity=identity,
            checks=tuple(checks),
            grants=_grants(session, target, mode, need, checks),
        )
    finally:
        provider.close()
        progress(where, "done")


def _identity(
    session: Session, target: tuple[str, str], provider: Provider
) -> tuple[SourceIdentity | None, tuple[Check, ...]]:
    if Capability.IDENTIFY not in provider.info.capabilities:
        return None, ()
    try:
        who = cast("Identifier", provider).identify(session.budget(*target))
    except ProviderError as failure:
        fix, fact = failure.fix, failure.fact
        return None, (Check(name=IDENTITY, state=CheckState.FAILED, observed=failure.message, fix=fix, error=fact),)
    detail = f", {who.detail}" if who.detail else ""
    said = f"{who.principal} at {who.authority} ({who.endpoint}{detail})"
    return who, (Check(name=IDENTITY, state=CheckState.OK, observed=said),)


def _checks(
    session: Session, target: tuple[str, str], provider: Provider, mode: AccessMode, need: Need
) -> Sequence[Check]:
    if Capability.EXAMINE not in provider.info.capabilities:
        said = "this provider cannot look at its own situation"
        return (Check(name="examine", state=CheckState.WARNING, observed=said),)
    budget = session.budget(*target)
    found = cast("Examiner", provider).examine(mode, need.wanted, need.kinds, budget)
    identified = Capability.IDENTIFY in provider.info.capabilities
    return [check for check in found if not (identified and check.name == IDENTITY)]


def _grants(
    session: Session, target: tuple[str, str], mode: AccessMode, need: Need, checks: Sequence[Check]
) -> tuple[PermissionDocument, ...]:
    """The documents that hold a missing permission."""
    missing: dict[str, set[str]] = {}
    for one in checks:
        if one.error is not None and one.error.kind == ErrorKind.DENIED.value:
            word = one.name.partition(":")[0]
            missing.setdefault(word if word in {RIGHTS, OPINIONS} else "", set()).add(one.error.action)
    if not missing or Capability.PERMISSIONS not in session.source_info(*target).capabilities:
        return ()
    reading, asking = rights_needs(session, *target)
    printed = {
        "": documents(session, *target, mode, need),
        RIGHTS: rights_documents(session, *target, reading),
        OPINIONS: opinion_documents(session, *target, asking),
    }
    return tuple(one for of in printed if of in missing for one in _holding(printed[of], missing[of]))


def _holding(printed: tuple[PermissionDocument, ...], missing: set[str]) -> tuple[PermissionDocument, ...]:
    """Those that name what is missing; all of them where none does."""
    return tuple(one for one in printed if missing & set(one.actions)) or printed


def _refusal(found: Sequence[Examined]) -> GuardError | None:
    identities = {(one.path, one.source): one.identity for one in found if one.identity is not None}
    try:
        refuse_one_identity(identities)
    except GuardError as refusal:
        return refusal
    return None
