"""Named faults of one cluster: what goes wrong, where, how often; they queue up."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nhisync_kubernetes.emulator.definitions import Attributes

NAMES: Final = frozenset(
    {
        "applied-then-503",
        "cut",
        "delay",
        "drop",
        "empty-page",
        "endless",
        "expired-continue",
        "garbage",
        "hang",
        "list-lag",
        "namespaces-gone",
        "no-cert-manager",
        "not-acceptable",
        "read-only",
        "redirect",
        "role-lag",
        "short-pages",
        "status",
        "throttled",
        "token-refused",
        "unavailable",
        "whole-objects",
    }
)


@dataclass(slots=True)
class Fault:
    """One switched-on fault.

    Attributes:
        name: which.
        options: its own options (``retry_after``, ``seconds``, ``code`` …).
        resources: plurals it is limited to, empty = everything.
        verbs: verbs it is limited to, empty = all.
        after: requests that pass before it begins.
        times: requests it still hits, None = until switched off.
        released: set when it is switched off; ends waits.
    """

    name: str
    options: dict[str, Any]
    resources: Sequence[str] = ()
    verbs: Sequence[str] = ()
    after: int = 0
    times: int | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def covers(self, asked: Attributes) -> bool:
        """Whether a request meets it."""
        return (not self.resources or asked.resource in self.resources) and (not self.verbs or asked.verb in self.verbs)


class Faults:
    """The faults of one cluster, first in, first out; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Fault] = []

    def switch(self, name: str, *, off: bool = False, **options: Any) -> None:
        """Queue a fault, or take all of its name away.

        Raises:
            ValueError: the name is unknown.
        """
        if name not in NAMES:
            msg = f"unknown fault {name!r}; known: {', '.join(sorted(NAMES))}"
            raise ValueError(msg)
        known = {key: options.pop(key) for key in ("resources", "verbs", "after", "times") if key in options}
        with self._lock:
            gone = [one for one in self._queue if one.name == name] if off else []
            self._queue = [one for one in self._queue if one not in gone]
            if not off:
                self._queue.append(Fault(name, options, **known))
        for one in gone:
            one.released.set()

    def hit(self, name: str, asked: Attributes) -> Fault | None:
        """The first fault of this name that meets the request; counts down."""
        with self._lock:
            fault = next((one for one in self._queue if one.name == name and one.covers(asked)), None)
            if fault is None:
                return None
            if fault.after:
                fault.after -= 1
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
            return fault

    def on(self, name: str) -> Fault | None:
        """The first fault of this name, without counting."""
        with self._lock:
            return next((one for one in self._queue if one.name == name), None)

    def release(self) -> None:
        """Switch everything off and end all waits."""
        with self._lock:
            queue, self._queue = self._queue, []
        for one in queue:
            one.released.set()
