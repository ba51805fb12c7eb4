"""Named faults of one node: what goes wrong, where, how often.

Denied paths are no fault here: they come from the ACL. Every fault takes ``paths`` (prefixes below ``/v1/``; default
all but the status endpoints) and ``times`` (how many requests it hits; default until switched off).
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

STATUS_PATHS: Final = ("sys/health", "sys/leader", "sys/seal-status", "sys/replication/status")
NAMES: Final = frozenset(
    {
        "sealed",
        "uninitialized",
        "standby",
        "no-leader",
        "precondition",
        "throttled",
        "lease-quota",
        "bad-gateway",
        "status",
        "slow",
        "hang",
        "drop-after-commit",
        "half-answer",
        "garbage",
        "redirect",
        "endless-paging",
        "leader-address",
    }
)
_EVERYWHERE = frozenset({"slow", "hang", "bad-gateway", "half-answer", "garbage"})


@dataclass(slots=True)
class Fault:
    """One switched-on fault.

    Attributes:
        name: which.
        options: its own options (``retry_after``, ``lag``, ``code`` …).
        paths: prefixes it is limited to, empty = everything.
        times: requests it still hits, None = until switched off.
        released: set when it is switched off; ends waits.
    """

    name: str
    options: dict[str, Any]
    paths: tuple[str, ...] = ()
    times: int | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def covers(self, path: str) -> bool:
        """Whether a request to `path` meets it."""
        if self.paths:
            return path.startswith(self.paths)
        return self.name in _EVERYWHERE or path not in STATUS_PATHS


class Faults:
    """The faults of one node; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[str, Fault] = {}

    def switch(self, name: str, *, off: bool = False, **options: Any) -> None:
        """Switch a fault on, or off again.

        Raises:
            ValueError: the name is unknown.
        """
        if name not in NAMES:
            msg = f"unknown fault {name!r}; known: {', '.join(sorted(NAMES))}"
            raise ValueError(msg)
        paths = tuple(options.pop("paths", ()))
        times = options.pop("times", None)
        with self._lock:
            old = self._active.pop(name, None)
            if not off:
                self._active[name] = Fault(name, options, paths, times)
        if old is not None:
            old.released.set()

    def state(self, name: str) -> Fault | None:
        """The fault if it is on, without counting."""
        with self._lock:
            return self._active.get(name)

    def hit(self, name: str, path: str) -> Fault | None:
        """The fault if it is on and meets this request; counts down ``times``."""
        with self._lock:
            fault = self._active.get(name)
            if fault is None or not fault.covers(path):
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._active[name]
            return fault

    def release(self) -> None:
        """Switch everything off and end all waits."""
        with self._lock:
            active, self._active = list(self._active.values()), {}
        for fault in active:
            fault.released.set()
