"""Named faults: what goes wrong, for whom, where, how often.

A fault belongs to one source: it meets requests to the source's vault, and requests of the source's application to
the token endpoint, to Microsoft Graph and to Azure Resource Manager. Options that every fault takes: ``surface`` (one
or several of ``kv``, ``sts``, ``graph``, ``arm``; default: those that hold items), ``operations`` (prefixes of
operation names such as ``secrets/list``; default: all but ``challenge``), ``skip`` (requests let through first),
``times`` (requests it hits; default: until switched off).
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

SURFACES: Final = ("kv", "graph", "arm")
"""The services that hold items; the token service (``sts``) is hit only when it is named."""
CHALLENGE: Final = "challenge"
"""Operation name of Key Vault requests that come without a token."""
FAULTS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "throttled": (SURFACES, "429 with Retry-After (option seconds, default 1; 0 = without the header)"),
    "unavailable": (SURFACES, "503 before anything is done (option status: another code)"),
    "applied-then-503": (SURFACES, "the request is carried out, the answer is 503"),
    "drop": (SURFACES, "the request is carried out, the connection closes without an answer"),
    "drop-before": (SURFACES, "the connection closes before anything is done"),
    "delay": (SURFACES, "every answer takes `seconds` longer, in real time"),
    "hang": (SURFACES, "no answer until the fault is switched off"),
    "cut": (SURFACES, "the answer ends in the middle of its body"),
    "garbage": (SURFACES, "200 with an HTML page, as a captive proxy answers"),
    "denied": (SURFACES, "403 (kv: the caller lacks the role)"),
    "unauthorized": (SURFACES, "401 although the token is good"),
    "login-refused": (("sts",), "no credential is accepted: AADSTS7000215, or option `number`"),
    "read-only": (("kv",), "403 for every change, as after a failover to the paired region"),
    "firewall": (("kv",), "403 ForbiddenByFirewall"),
    "list-lag": (("kv", "graph"), "changes of the last `seconds` are not in lists yet, by the cloud's clock"),
    "delete-lag": (("kv",), "the first `polls` reads after a deletion or a recovery answer 404"),
    "rbac-lag": (("kv", "arm"), "role assignments of the last `seconds` have no effect yet"),
    "secret-lag": (("sts",), "the first `attempts` tries with a new credential answer AADSTS7000215 / 700027"),
    "empty-pages": (("kv", "graph", "arm"), "every page is preceded by an empty one"),
    "short-pages": (("kv", "graph", "arm"), "pages hold at most `size` rows, whatever was asked"),
    "odd-row": (
        ("kv",),
        "in the middle of a page of items (with `versions`: of versions) stands `row`, or its own row with `fields`",
    ),
    "endless-paging": (("kv", "graph", "arm"), "the last page links to the first"),
    "clock-skew": (SURFACES, "the Date header is off by `seconds`"),
    "policy-refusal": (("graph",), "the tenant's app management policy forbids new credentials (400)"),
}
"""Name → the surfaces it hits when none is named, and what it does."""

WORLD_FAULTS: Final[dict[str, str]] = {
    "unreachable": "the vault's port is closed",
    "tls": "the vault shows a certificate of an unknown authority",
    "revoked": "the identity's sessions end; the next use of a token is answered by a claims challenge",
    "private": "the vault's public network access is off (403 ForbiddenByConnection)",
    "failed-over": "the vault is served by the region `region` and refuses changes",
}
"""Faults that the world itself switches; name → what it does."""


@dataclass(slots=True)
class Fault:
    """One switched-on fault.

    Attributes:
        name: which.
        options: its own options (``seconds``, ``polls`` …).
        surfaces: where it hits.
        operations: operation prefixes it is limited to, empty = everything.
        skip: requests that still pass.
        times: requests it still hits, None = until switched off.
        released: set when it is switched off; ends waits.
    """

    name: str
    options: dict[str, Any]
    surfaces: tuple[str, ...]
    operations: tuple[str, ...] = ()
    skip: int = 0
    times: int | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def covers(self, surface: str, operation: str) -> bool:
        """Whether a request meets it; a probe for the challenge only when it is named."""
        if not self.operations:
            return surface in self.surfaces and operation != CHALLENGE
        return surface in self.surfaces and operation.startswith(self.operations)

    def seconds(self, default: float = 0.0) -> float:
        """Its ``seconds`` option."""
        return float(self.options.get("seconds", default))


class Faults:
    """The faults of one source; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def switch(self, name: str, *, off: bool = False, **options: Any) -> None:
        """Add a fault, or end all of this name.

        Raises:
            ValueError: the name is unknown.
        """
        if name not in FAULTS:
            msg = f"unknown fault {name!r}; known: {', '.join(sorted({*FAULTS, *WORLD_FAULTS}))}"
            raise ValueError(msg)
        if off:
            self._end([fault for fault in self._active if fault.name == name])
            return
        surface = options.pop("surface", None)
        surfaces = FAULTS[name][0] if surface is None else (surface,) if isinstance(surface, str) else tuple(surface)
        operations = options.pop("operations", ())
        chosen = (operations,) if isinstance(operations, str) else tuple(operations)
        skip, times = int(options.pop("skip", 0)), options.pop("times", None)
        with self._lock:
            self._active.append(Fault(name, options, surfaces, chosen, skip, times))

    def state(self, name: str, surface: str) -> Fault | None:
        """The fault if it is on, without counting."""
        with self._lock:
            return next((one for one in self._active if one.name == name and surface in one.surfaces), None)

    def hit(self, name: str, surface: str, operation: str) -> Fault | None:
        """The fault if it is on and meets this request; counts ``skip`` and ``times`` down."""
        with self._lock:
            for fault in self._active:
                if fault.name == name and fault.covers(surface, operation):
                    return self._count(fault)
            return None

    def release(self) -> None:
        """Switch everything off and end all waits."""
        self._end(list(self._active))

    def _count(self, fault: Fault) -> Fault | None:
        if fault.skip > 0:
            fault.skip -= 1
            return None
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._active.remove(fault)
        return fault

    def _end(self, ended: list[Fault]) -> None:
        with self._lock:
            self._active = [fault for fault in self._active if fault not in ended]
        for fault in ended:
            fault.released.set()
