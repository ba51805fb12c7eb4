"""What an engine is: routes below a mount, handlers per operation, and the context a handler gets."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from nhisync_vault.emulator.gotime import parse_duration
from nhisync_vault.emulator.storage import Storage
from nhisync_vault.emulator.wire import Operation, Request, Response, bad_request

if TYPE_CHECKING:
    from nhisync_vault.emulator.core import Core
    from nhisync_vault.emulator.tokens import TokenEntry

NAME = r"(?P<name>\w(?:(?:[\w.-]+)?\w)?)"
"""``framework.GenericNameRegex("name")``: a name without slashes."""


@dataclass(slots=True, kw_only=True)
class Mount:
    """One entry of the mount table.

    Attributes:
        path: with a trailing slash, ``auth/`` included for auth mounts.
        type: engine type.
        engine: what answers below it.
        accessor: stable id of the mount on this cluster.
        uuid: storage id.
        description: free text.
        options: for example ``{"version": "2"}``.
        default_ttl: default lease lifetime, zero = the system's.
        max_ttl: longest lease lifetime, zero = the system's.
        local: not replicated.
        hidden: visible to no one without rights (the default); False = listed to everyone.
    """

    path: str
    type: str
    engine: "Engine"
    accessor: str
    uuid: str
    description: str = ""
    options: dict[str, str] | None = None
    default_ttl: timedelta = timedelta()
    max_ttl: timedelta = timedelta()
    local: bool = False
    hidden: bool = True

    @property
    def is_auth(self) -> bool:
        """Whether it stands in the auth table."""
        return self.path.startswith("auth/")

    def info(self) -> dict[str, Any]:
        """The mount as ``sys/mounts`` shows it."""
        config: dict[str, Any] = {
            "default_lease_ttl": int(self.default_ttl.total_seconds()),
            "max_lease_ttl": int(self.max_ttl.total_seconds()),
            "force_no_cache": False,
        }
        if self.is_auth:
            config["token_type"] = "default-service"
        return {
            "accessor": self.accessor,
            "config": config,
            "description": self.description,
            "external_entropy_access": False,
            "local": self.local,
            "options": self.options,
            "plugin_version": "",
            "running_plugin_version": "v1.0.0+builtin",
            "running_sha256": "",
            "seal_wrap": False,
            "type": self.type,
            "uuid": self.uuid,
        }


@dataclass(slots=True, kw_only=True)
class Call:
    """One routed request as a handler sees it.

    Attributes:
        core: the cluster.
        mount: the mount that matched.
        request: the whole request.
        path: below the mount.
        now: the instant of the request.
        root: the whole storage of this request, stale on a lagging standby.
        storage: the mount's part of it.
        captures: named parts of the path.
        token: the caller's token entry, None on unauthenticated paths.
    """

    core: "Core"
    mount: Mount
    request: Request
    path: str
    now: datetime
    root: Storage
    storage: Storage
    captures: Mapping[str, str] = field(default_factory=dict)
    token: "TokenEntry | None" = None

    @property
    def data(self) -> dict[str, Any]:
        """Body or query parameters."""
        return self.request.data

    def __getitem__(self, name: str) -> str:
        """A part of the path, "" when the pattern left it out."""
        return self.captures.get(name) or ""

    def text(self, name: str, default: str = "") -> str:
        """A string parameter."""
        value = self.data.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """An integer parameter.

        Raises:
            RefusedError: 400 in the framework's words.
        """
        value = self.data.get(name, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise bad_request(
                f'Field validation failed: error converting input for field "{name}": expected type int'
            ) from None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean parameter; accepts JSON booleans and their usual spellings."""
        value = self.data.get(name, default)
        return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "t")

    def strings(self, name: str) -> list[str]:
        """A list, or a comma-separated string."""
        value = self.data.get(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(part) for part in value]

    def duration(self, name: str) -> timedelta:
        """A duration parameter, zero when absent.

        Raises:
            RefusedError: 400 in the framework's words.
        """
        try:
            return parse_duration(self.data.get(name) or 0)
        except ValueError:
            raise bad_request(
                f'Field validation failed: error converting input for field "{name}": time: invalid duration'
            ) from None

    def page(self, prefix: str) -> list[str]:
        """One level of the mount's storage, paged by ``after`` and ``limit`` where the flavour pages."""
        if not self.core.flavour.pages:
            return self.storage.page(prefix)
        return self.storage.page(prefix, self.text("after"), self.number("limit"))


Handler = Callable[[Call], Response | None]


@dataclass(frozen=True, slots=True)
class Route:
    """A path pattern below a mount.

    Attributes:
        pattern: matched against the whole rest of the path.
        handlers: by operation; ``update`` also serves ``create`` unless that has its own.
        exists: tells an update from a create; None = always an update.
    """

    pattern: re.Pattern[str]
    handlers: Mapping[Operation, Handler]
    exists: Callable[[Call], bool] | None = None

    def handler(self, operation: Operation) -> Handler | None:
        """The handler of `operation`, or None."""
        wanted = Operation.READ if operation is Operation.HEADER else operation
        found = self.handlers.get(wanted)
        if found is None and wanted is Operation.CREATE:
            return self.handlers.get(Operation.UPDATE)
        return found


def route(
    pattern: str,
    *,
    read: Handler | None = None,
    list_: Handler | None = None,
    scan: Handler | None = None,
    write: Handler | None = None,
    patch: Handler | None = None,
    delete: Handler | None = None,
    exists: Callable[[Call], bool] | None = None,
) -> Route:
    """A route from its handlers by name."""
    handlers = {
        Operation.READ: read,
        Operation.LIST: list_,
        Operation.SCAN: scan,
        Operation.UPDATE: write,
        Operation.PATCH: patch,
        Operation.DELETE: delete,
    }
    return Route(re.compile(pattern, re.DOTALL), {op: h for op, h in handlers.items() if h is not None}, exists)


class Engine:
    """Base of the engines. State lives in the call's storage, so an engine is as stale as its storage.

    Attributes:
        type: engine type of the mount table.
        unauthenticated: paths below the mount that need no token (``cert/*``, ``issuer/+/json``).
        root_paths: paths below the mount that need sudo.
    """

    type: ClassVar[str] = ""
    unauthenticated: ClassVar[tuple[str, ...]] = ()
    root_paths: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.routes: tuple[Route, ...] = ()

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """The first route that matches the whole of `path`, with its named parts."""
        for candidate in self.routes:
            match = candidate.pattern.fullmatch(path)
            if match is not None:
                return candidate, {name: value or "" for name, value in match.groupdict().items()}
        return None

    def tick(self, core: "Core", mount: Mount, now: datetime) -> None:
        """Do what the clock demands before the next request; nothing by default."""

    def revoke(self, core: "Core", mount: Mount, internal: Mapping[str, Any]) -> None:
        """Take back what a lease stands for; nothing by default.

        Raises:
            RuntimeError: the target refused; the text becomes the lease's revoke_error.
        """


def special(patterns: tuple[str, ...], path: str) -> bool:
    """Whether `path` matches one of ``PathsSpecial``: exact, ``prefix*``, or ``+`` segments."""
    return any(_special_one(pattern, path) for pattern in patterns)


def _special_one(pattern: str, path: str) -> bool:
    if "+" in pattern.split("/"):
        wanted, parts = pattern.split("/"), path.split("/")
        return len(wanted) == len(parts) and all(w in ("+", p) for w, p in zip(wanted, parts, strict=True))
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
