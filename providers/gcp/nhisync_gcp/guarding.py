"""How Secret Manager's secrets are guarded: their keys, and whether the project's audit configs record data reads.

Payloads without a key of one's own are encrypted with Google's: in software, replaced by Google ("Default encryption at
rest"). AccessSecretVersion is a data read, recorded where DATA_READ is on for Secret Manager or for all services, on
the project or above it; exempted members leave no trace (Cloud Audit Logs, "Configure Data Access audit logs").
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

from nhisync.spi import (
    GUARDED,
    Audited,
    Coverage,
    CoverageStatus,
    ErrorKind,
    Guarding,
    Item,
    KeyHolder,
    Observation,
    Presence,
    Protection,
    ProviderError,
)
from nhisync_gcp.crypto_keys import ENABLED, HSM, SOFTWARE
from nhisync_gcp.granting import above, policy_of
from nhisync_gcp.names import last_of, parent_of
from nhisync_gcp.permissions import SECRET_KINDS
from nhisync_gcp.run import Run

_SERVICES: Final = frozenset({"allServices", "secretmanager.googleapis.com"})
_DATA_READ = 3  # google.iam.v1.AuditLogConfig.LogType
_HARDWARE: Final = {SOFTWARE: False, HSM: True}

GOOGLE_S: Final = Protection(
    holder=KeyHolder.PROVIDER, hardware=False, rotates=True, enabled=True, key="Google's own key"
)


class _Audit(NamedTuple):
    audited: Audited | None
    said: str


class Guard:
    """What guards the secrets of one run; the record of reads is asked for at once, keys when they are met."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._refused: dict[str, ProviderError] = {}
        asked = any(run.touched(kind) for kind in SECRET_KINDS)
        self._audit = self._judged() if asked else _Audit(None, "")
        self._marking = Guarding(self._audit)
        run.request = replace(run.request, known=self._marking.known(run.request.known))

    def key(self, names: Iterable[str]) -> Protection:
        """What the keys of one secret's replicas are ("" = Google's own); the weakest of them counts."""
        found = [self._of_key(name) for name in dict.fromkeys(names)] or [GOOGLE_S]
        if len(found) == 1:
            return found[0]
        said = "; ".join(sorted({one.key for one in found}))
        return Protection(
            holder=_weakest([one.holder for one in found], [*KeyHolder]),
            hardware=_weakest([one.hardware for one in found], [False, True]),
            rotates=_weakest([one.rotates for one in found], [False, True]),
            enabled=_weakest([one.enabled for one in found], [False, True]),
            key=said,
        )

    def guarded(self, found: Iterable[Observation]) -> Iterator[Observation]:
        """`found`, each item with the record of its reads beside its key, and at the end what was refused."""
        for one in found:
            if not isinstance(one, Item) or one.presence is not Presence.PRESENT:
                yield one
                continue
            key = one.protection
            whole = None if key is None else replace(key, audited=self._audit.audited, audit=self._audit.said)
            yield self._marking.guarded(one, whole)
        for permission, error in sorted(self._refused.items()):
            yield Coverage(
                source=self._run.context.source,
                kind=GUARDED,
                scope=permission,
                status=CoverageStatus.DENIED,
                as_of=self._run.now,
                error=error.fact,
            )

    def _of_key(self, name: str) -> Protection:
        if not name:
            return GOOGLE_S
        made: Protection = self._run.shared(f"key {name}", lambda: self._described(name))
        return made

    def _described(self, name: str) -> Protection:
        short = f"Cloud KMS key {last_of(name)}"
        try:
            found = self._run.call("cloudkms.get_crypto_key", name=name)
        except ProviderError as error:
            return Protection(holder=KeyHolder.CUSTOMER, key=f"{short} not read: {self._why(error)}")
        hardware = _HARDWARE.get(found.primary.protection_level)
        return Protection(
            holder=KeyHolder.CUSTOMER,
            hardware=hardware,
            rotates=found.HasField("rotation_period") and found.HasField("next_rotation_time"),
            enabled=found.primary.state == ENABLED,
            key=short if hardware is not None else f"{short}, kept outside of Google",
        )

    def _judged(self) -> _Audit:
        """The nearest audit config that records data reads; none of all places means no."""
        try:
            for place in self._places():
                found = _of_policy(policy_of(self._run.call, place), place)
                if found is not None:
                    return found
        except ProviderError as error:
            return _Audit(None, f"audit configs not known: {self._why(error)}")
        if not self._run.settings.inherited:
            return _Audit(None, "not set on the project; what is above it is not looked at (inherited: false)")
        return _Audit(Audited.NO, "no audit config records data reads")

    def _places(self) -> Iterator[str]:
        project = parent_of(self._run.project)
        yield project
        if self._run.settings.inherited:
            parent = self._run.call("cloudresourcemanager.get_project", name=project).parent
            yield from above(self._run.call, parent)

    def _why(self, error: ProviderError) -> str:
        if error.kind is ErrorKind.DENIED:
            self._refused.setdefault(error.fact.action, error)
        return f"{error.kind.value} ({error.fact.action})" if error.fact.action else error.kind.value


def _weakest(values: list[Any], order: list[Any]) -> Any:
    """The least of `values`; None when one is not known, unless another stands at the weak end."""
    if order[0] in values:
        return order[0]
    return None if None in values else min(values, key=order.index)


def _of_policy(policy: Any, place: str) -> _Audit | None:
    """What one policy says of data reads; both services' configs count together, exemptions too."""
    kinds = [
        one
        for config in policy.audit_configs
        if config.service in _SERVICES
        for one in config.audit_log_configs
        if one.log_type == _DATA_READ
    ]
    if not kinds:
        return None
    if any(one.exempted_members for one in kinds):
        return _Audit(Audited.PARTLY, f"data reads are recorded on {place}, but not of exempted members")
    return _Audit(Audited.YES, f"data reads are recorded on {place}")
