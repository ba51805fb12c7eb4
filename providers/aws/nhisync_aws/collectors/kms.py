"""KMS keys as dependencies: each distinct key is described once in a run, and only for items that pairs name."""

import threading
from typing import Any

from nhisync.spi import Dependency, ErrorKind, ProviderError
from nhisync_aws.run import Run

_KIND = "kms-key"
_MULTI_REGION_PREFIX = "mrk-"  # KMS developer guide, "How multi-Region keys work": ids of such keys begin so


class KeyRing:
    """The keys that items of one kind hang on, as met in one run; thread safe."""

    def __init__(self, run: Run, kind: str) -> None:
        self._run, self._kind = run, kind
        self._lock = threading.Lock()
        self._found: dict[str, Dependency] = {}

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
            if named.id not in self._found:
                self._found[named.id] = self._describe(named)
            return self._found[named.id]

    def _describe(self, named: Dependency) -> Dependency:
        try:
            metadata: dict[str, Any] = self._run.connection.require(
                "kms", "DescribeKey", self._run.budget, "KeyMetadata", KeyId=named.id
            )
        except ProviderError as error:
            self._run.miss(self._kind, error)
            return self._undescribed(named, error)
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

    @staticmethod
    def _undescribed(named: Dependency, error: ProviderError) -> Dependency:
        missing = error.kind is ErrorKind.NOT_FOUND
        detail = "the key does not exist" if missing else f"not read: {error.kind.value} ({error.fact.action})"
        return Dependency(
            kind=_KIND,
            id=named.id,
            region=named.region,
            usable=False if missing else None,
            multi_region=named.multi_region,
            detail=detail.replace(" ()", ""),
        )


def _place(key_id: str) -> tuple[str, str]:
    """Region ("" when the name has none) and the id or alias without its ARN."""
    parts = key_id.split(":", 5)
    if len(parts) == 6:  # arn:partition:kms:region:account:key/id
        return parts[3], parts[5].removeprefix("key/")
    return "", key_id
