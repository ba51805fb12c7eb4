"""Secret Manager's quotas: so many requests a minute for each consumer, and a few a second for one resource.

Figures: Secret Manager quotas page. They are enforced only when the world's knob ``quotas`` is on.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from nhisync_gcp.emulator.refusals import exhausted

#: Requests a minute, for each consumer project.
PER_MINUTE: Final[Mapping[str, int]] = {"Access requests": 90_000, "Read requests": 600, "Write requests": 600}
#: (requests a second, requests a minute) for one resource.
PER_RESOURCE: Final[Mapping[str, tuple[int, int]]] = {
    "AddSecretVersion": (2, 120),
    "UpdateSecret": (2, 120),
    "EnableSecretVersion": (1, 60),
    "DisableSecretVersion": (1, 60),
    "DestroySecretVersion": (1, 60),
}
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Quotas:
    """Remembers the requests of the last minute."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], deque[datetime]] = {}

    def spend(self, consumer: str, family: str, method: str, resource: str, now: datetime) -> None:
        """Count one request.

        Raises:
            RefusedError: RESOURCE_EXHAUSTED; a refused request is not counted.
        """
        limits: list[tuple[tuple[str, ...], timedelta, int, str]] = [
            ((consumer, family), _MINUTE, PER_MINUTE[family], family)
        ]
        if method in PER_RESOURCE:
            second, minute = PER_RESOURCE[method]
            limits.append(((method, resource), _SECOND, second, f"{method} requests for one resource"))
            limits.append(((method, resource, "minute"), _MINUTE, minute, f"{method} requests for one resource"))
        for key, window, most, metric in limits:
            seen = self._seen.setdefault(key, deque())
            while seen and seen[0] <= now - window:
                seen.popleft()
            if len(seen) >= most:
                raise exhausted(metric, consumer, retry_after=seen[0] + window - now)
        for key, _, _, _ in limits:
            self._seen[key].append(now)
