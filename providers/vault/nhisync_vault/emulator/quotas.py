"""Rate-limit quotas: enough to force real 429s with Retry-After.

Source: OpenBao ``internal/vault/quotas/quotas_rate_limit.go``: per client address, longest matching path wins,
Retry-After always present and truncated to whole seconds (it can be 0), X-Ratelimit-* only when enabled.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.wire import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One rule.

    Attributes:
        name: its name.
        path: prefix it applies to, "" = everything.
        rate: requests per interval.
        interval: length of the window.
        block_interval: how long an offender stays blocked, zero = until the window ends.
    """

    name: str
    path: str
    rate: float
    interval: timedelta
    block_interval: timedelta

    def data(self) -> dict[str, Any]:
        """The ``data`` of a quota read."""
        return {
            "type": "rate-limit",
            "name": self.name,
            "path": self.path,
            "role": "",
            "rate": self.rate,
            "interval": int(self.interval.total_seconds()),
            "block_interval": int(self.block_interval.total_seconds()),
            "inheritable": not self.path,
        }


class QuotaManager:
    """Counts requests per rule and client; counters are memory of the node, not replicated."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._blocked: dict[tuple[str, str], datetime] = {}
        self.headers_enabled = False

    def check(self, storage: Storage, path: str, client: str, now: datetime) -> None:
        """Count one request.

        Raises:
            RefusedError: 429 with Retry-After.
        """
        rule = self._rule(storage, path)
        if rule is None:
            return
        key = (rule.name, client)
        until = self._blocked.get(key)
        if until is not None and now < until:
            raise self._refusal(path, rule, until - now)
        started, used = self._windows.get(key, (now, 0))
        if now - started >= rule.interval:
            started, used = now, 0
        self._windows[key] = (started, used + 1)
        if used + 1 <= rule.rate:
            return
        if rule.block_interval:
            self._blocked[key] = now + rule.block_interval
        raise self._refusal(path, rule, rule.block_interval or started + rule.interval - now)

    def _rule(self, storage: Storage, path: str) -> RateLimit | None:
        rules: list[RateLimit] = [storage.get(name) for name in storage.walk("")]
        matching = [rule for rule in rules if path.startswith(rule.path)]
        return max(matching, key=lambda rule: len(rule.path), default=None)

    def _refusal(self, path: str, rule: RateLimit, wait: timedelta) -> RefusedError:
        seconds = str(int(wait.total_seconds()))
        headers = {"Retry-After": seconds}
        if self.headers_enabled:
            headers |= {
                "X-Ratelimit-Limit": str(int(rule.rate)),
                "X-Ratelimit-Remaining": "0",
                "X-Ratelimit-Reset": seconds,
            }
        return RefusedError(429, f'request path "{path}": rate limit quota exceeded', headers=headers)
