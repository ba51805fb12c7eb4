"""Faults that a test or the demo switches on for one source, and the counter of what reached the server."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

#: Every fault, with what it does; the provider's README prints this table.
FAULTS: Final[Mapping[str, str]] = {
    "denied": "the `permission` (pattern) on the `resource` (pattern) is denied, whatever the policies say",
    "exhausted": "RESOURCE_EXHAUSTED before the call takes effect; `retry_after` seconds go into RetryInfo",
    "unavailable": "UNAVAILABLE before the call takes effect",
    "applied-unavailable": "the call takes effect and is then answered with UNAVAILABLE",
    "drop": "the call takes effect, then every connection of the listener ends without an answer",
    "internal": "INTERNAL in place of an answer",
    "delay": "the answer comes `seconds` later",
    "hang": "no answer comes while the fault is on",
    "read-only": "every call that changes something is refused with FAILED_PRECONDITION",
    "garbage": "the answer is no message of the expected type (HTTPS: a proxy's HTML page with status 200)",
    "cut": "an HTTPS answer stops in the middle of its body although Content-Length promises the whole",
    "endless-paging": "every page of a list carries a token of a next one; same=True repeats one token and one page",
    "short-pages": "lists show `size` rows a page, and an empty page first",
    "token-expired": "access tokens are answered as expired",
    "token-refused": "the token endpoint answers `error` (invalid_grant) with `description`",
    "token-unavailable": "the token endpoint answers with HTTP 503",
    "clock-skew": "the Date of answers is `seconds` off",
    "location-down": "lists of certificates leave out `locations` and name them as unreachable",
    "unreachable": "the source's listeners (`listeners`: global, regional, token; default all) refuse connections",
}


_GRPC, _HTTPS = "[!/]*", "/*"
_OF_HTTPS = frozenset({"cut", "token-refused", "token-unavailable"})


@dataclass(slots=True)
class Fault:
    """One switched-on fault.

    Attributes:
        name: key of `FAULTS`.
        call: pattern of calls it hits: ``Service.Method`` (default: all of gRPC) or a path of the HTTPS listener.
        times: calls it still hits; None = until it is switched off.
        options: what only this fault understands.
        released: set when it is switched off; ends waits.
    """

    name: str
    call: str
    times: int | None
    options: Mapping[str, Any] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)


class FaultBoard:
    """The faults of one source; thread safe. Several of one name form a queue: the first that fits is used up first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def switch(self, name: str, *, off: bool = False, **options: Any) -> None:
        """Append a fault, or switch all of this name off.

        Raises:
            ValueError: no such fault.
        """
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
        call = str(options.pop("call", _HTTPS if name in _OF_HTTPS else _GRPC))
        times = options.pop("times", None)
        with self._lock:
            gone = [each for each in self._faults if each.name == name] if off else []
            self._faults = [each for each in self._faults if each not in gone]
            if not off:
                self._faults.append(Fault(name, call, times, options))
        for each in gone:
            each.released.set()

    def hit(self, name: str, call: str) -> Fault | None:
        """The fault if it is on and meets this call; counts down ``times``."""
        with self._lock:
            for fault in self._faults:
                if fault.name == name and fnmatchcase(call, fault.call):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def all_of(self, name: str) -> list[Fault]:
        """Every fault of this name that is on, uncounted."""
        with self._lock:
            return [fault for fault in self._faults if fault.name == name]

    def release(self) -> None:
        """Switch everything off and end all waits."""
        with self._lock:
            gone, self._faults = self._faults, []
        for fault in gone:
            fault.released.set()


class CallCounter:
    """Counts calls by ``Service.Method`` (gRPC) or path (HTTPS); thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()

    def count(self, call: str) -> None:
        """Count one call."""
        with self._lock:
            self._calls[call] += 1

    def calls(self) -> Counter[str]:
        """Calls so far."""
        with self._lock:
            return Counter(self._calls)

    def reset(self) -> None:
        """Start again at zero."""
        with self._lock:
            self._calls.clear()
