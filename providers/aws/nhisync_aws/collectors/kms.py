"""KMS keys: as dependencies, described only for items that pairs name, and as what guards items.

Each distinct key is described once in a run.
"""

import threading
from typing import Any

from nhisync.spi import GUARDED, Dependency, ErrorKind, KeyHolder, Protection, ProviderError
from nhisync_aws.run import Run

_KIND = "kms-key"
_MULTI_REGION_PREFIX = "mrk-"  # KMS developer guide, "How multi-Region keys work": ids of such keys begin so
_HERE = "AWS_KMS"
_ELSEWHERE = "EXTERNAL_KEY_STORE"

_Found = dict[str, Any] | ProviderError
_AWS_MANAGED = Protection(holder=KeyHolder.PROVIDER, hardware=True, rotates=True, enabled=True)
"""AWS replaces its own keys every year; key material of KMS is used in hardware modules only (KMS developer guide,
"AWS managed keys", "Rotate AWS KMS keys", "KMS key stores")."""


class KeyRing:
    """The keys that items of one kind hang on, as met in one run; thread safe.

    Args:
        run: the run.
        kind: of the items.
        default: alias of the key that the service takes by itself.
    """

    def __init__(self, run: Run, kind: str, default: str) -> None:
        self._run, self._kind, self._default = run, kind, default
        self._lock = threading.Lock()
        self._found: dict[str, _Found] = {}
        self._guards: dict[str, Protection] = {}

    def named(self, key_id: str | None) -> Dependency | None:
        """What the key's name alone says; None for the service's own default key."""
        if not key_id:
            return None
        region, plain = _place(key_id)
        many = None if plain.startswith("alias/") else plain.startswith(_MULTI_REGION_PREFIX)
        return Dependency(kind=_KIND, id=key_id, region=region or self._run.region, multi_region=many)

    def described(self, key_id: str | None) -> Dependency | None:
        """The key as KMS describes it; a key of another region cannot be asked for here."""
        named = self.named(key_id)
        if named is None or named.region != self._run.region:
            return named
        with self._lock:
            found = self._metadata(named.id)
        return _undescribed(named, found) if isinstance(found, ProviderError) else _dependency(named, found)

    def protection(self, key_id: str | None) -> Protection | None:
        """What the key is as a guard; None when the request does not ask.

        None as `key_id` is the service's own default key.
        """
        if not self._run.request.protection:
            return None
        if not key_id:
            return _aws_managed(self._default)
        with self._lock:
            if key_id not in self._guards:
                self._guards[key_id] = self._guard(key_id)
            return self._guards[key_id]

    def _guard(self, key_id: str) -> Protection:
        region, plain = _place(key_id)
        if region and region != self._run.region:
            return Protection(key=f"KMS key {plain} of another Region ({region}), which is not asked there")
        found = self._metadata(key_id)
        if isinstance(found, ProviderError):
            return Protection(key=f"KMS key {plain} not described: {_why(found)}")
        enabled = found.get("KeyState") == "Enabled"
        if found.get("KeyManager") == "AWS":
            return _aws_managed(plain)
        origin = str(found.get("Origin") or "")
        rotates, lost = self._rotates(key_id) if origin == _HERE else (False, "")
        return Protection(
            holder=KeyHolder.CUSTOMER if found.get("KeyManager") == "CUSTOMER" else None,
            hardware=None if origin in ("", _ELSEWHERE) else True,
            rotates=rotates,
            enabled=enabled,
            key=f"KMS key {plain}{lost}" + (", kept outside of AWS" if origin == _ELSEWHERE else ""),
        )

    def _rotates(self, key_id: str) -> tuple[bool | None, str]:
        """Whether KMS replaces the key's material by itself, or None and why that is not known."""
        try:
            answer = self._run.connection.require(
                "kms", "GetKeyRotationStatus", self._run.budget, "KeyRotationEnabled", KeyId=key_id
            )
        except ProviderError as error:
            self._run.miss(GUARDED, error)
            return None, f", rotation not known: {_why(error)}"
        return answer is True, ""

    def _metadata(self, key_id: str) -> _Found:
        """DescribeKey's answer or why there is none, asked once; the lock is held."""
        if key_id not in self._found:
            try:
                self._found[key_id] = self._run.connection.require(
                    "kms", "DescribeKey", self._run.budget, "KeyMetadata", KeyId=key_id
                )
            except ProviderError as error:
                self._run.miss(self._kind, error)
                self._found[key_id] = error
        return self._found[key_id]


def _aws_managed(name: str) -> Protection:
    return Protection(
        holder=_AWS_MANAGED.holder,
        hardware=_AWS_MANAGED.hardware,
        rotates=_AWS_MANAGED.rotates,
        enabled=_AWS_MANAGED.enabled,
        key=f"KMS key {name}, which AWS manages",
    )


def _dependency(named: Dependency, metadata: dict[str, Any]) -> Dependency:
    state = str(metadata.get("KeyState") or "")
    usable = state == "Enabled"
    return Dependency(
        kind=_KIND,
        id=str(metadata.get("Arn") or named.id),
        region=named.region,
        usable=usable,
        multi_region=bool(metadata.get("MultiRegion")),
        detail="" if usable else f"key state {state or 'not told'}",
    )


def _undescribed(named: Dependency, error: ProviderError) -> Dependency:
    missing = error.kind is ErrorKind.NOT_FOUND
    return Dependency(
        kind=_KIND,
        id=named.id,
        region=named.region,
        usable=False if missing else None,
        multi_region=named.multi_region,
        detail="the key does not exist" if missing else f"not read: {_why(error)}",
    )


def _why(error: ProviderError) -> str:
    return f"{error.kind.value} ({error.fact.action})" if error.fact.action else error.kind.value


def _place(key_id: str) -> tuple[str, str]:
    """Region ("" when the name has none) and the id or alias without its ARN."""
    parts = key_id.split(":", 5)
    if len(parts) == 6:  # arn:partition:kms:region:account:key/id
        return parts[3], parts[5].removeprefix("key/")
    return "", key_id
