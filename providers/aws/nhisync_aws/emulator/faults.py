"""Faults that a test or the demo switches on for one source, and the counters of what reached the server."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

#: Every fault this emulator knows, with what it does; README.md prints this table.
FAULTS: Mapping[str, str] = {
    "denied": "the action (and resource pattern) named is denied: no identity-based policy allows it",
    "throttled": "the call is answered with ThrottlingException (query services: Throttling)",
    "error_500": "the call is answered with HTTP 500 and an HTML body",
    "garbage": "HTTP 200 whose body is a proxy's HTML page",
    "cut_body": "the answer stops in the middle of its body although Content-Length promises the whole",
    "drop_reply": "the call takes effect, then the connection closes before the first byte of the answer",
    "refuse": "the connection closes before the call takes effect",
    "slow": "the answer is delayed by `seconds`",
    "hang": "no answer ever comes while the fault is on",
    "expired_token": "the session is answered as expired",
    "endless_paging": "every page of a list carries the token of the next one; same=True repeats one token",
    "slow_report": "a credential report takes `seconds` of the world's clock",
    "clock_skew": "the cloud's clock is `seconds` off: Date of answers, and beyond five minutes signatures are refused",
    "failing_rotation": "a rotation function fails in the step that `operation` names, after=True when it was done",
    "organisation": "the simulator also applies `policies` of the organisation (service control policies)",
    "list_lag": "ListSecrets shows the state of the moment at which the fault was switched on",
}


@dataclass(slots=True)
class Fault:
    """One switched-on fault.

    Attributes:
        name: key of `FAULTS`.
        operation: ``service:Operation`` pattern that it hits.
        remaining: how many calls it still hits; None = until switched off.
        options: what only this fault understands.
    """

    name: str
    operation: str
    remaining: int | None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceKey:
    """One source of the world: its place in the configuration."""

    path: str
    source: str


class FaultBoard:
    """All faults of a world; thread safe."""

    def __init__(self) -> None:
        self._faults: dict[SourceKey, dict[str, Fault]] = {}
        self._lock = threading.Lock()

    def switch(self, key: SourceKey, name: str, *, off: bool = False, **options: Any) -> None:
        """Switch a fault on or off.

        Raises:
            ValueError: no such fault.
        """
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
        with self._lock:
            faults = self._faults.setdefault(key, {})
            if off:
                faults.pop(name, None)
                return
            operation = str(options.pop("operation", None) or options.get("action") or "*")
            faults[name] = Fault(name, operation, options.pop("count", None), options)

    def hit(self, key: SourceKey | None, name: str, call_name: str) -> Fault | None:
        """The fault if it is on and meets this call; a counted fault is used up by being hit."""
        if key is None:
            return None
        with self._lock:
            fault = self._faults.get(key, {}).get(name)
            if fault is None or not fnmatchcase(call_name, fault.operation):
                return None
            if fault.remaining is not None:
                if fault.remaining <= 0:
                    return None
                fault.remaining -= 1
            return fault


class CallCounter:
    """Counts calls by ``service:Operation``, per source and in all; thread safe."""

    def __init__(self) -> None:
        self._counts: dict[SourceKey | None, Counter[str]] = {}
        self._lock = threading.Lock()

    def count(self, key: SourceKey | None, call_name: str) -> None:
        """Count one call."""
        with self._lock:
            self._counts.setdefault(key, Counter())[call_name] += 1

    def calls(self, key: SourceKey | None = None) -> Counter[str]:
        """Calls of one source, or of all when `key` is None."""
        with self._lock:
            if key is not None:
                return Counter(self._counts.get(key, Counter()))
            total: Counter[str] = Counter()
            for counter in self._counts.values():
                total.update(counter)
            return total

    def reset(self) -> None:
        """Start again at zero."""
        with self._lock:
            self._counts.clear()
