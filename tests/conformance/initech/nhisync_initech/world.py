"""The emulated service: one listener per source, on loopback, with the faults of the conformance kit."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from nhisync.spi import Clock
from nhisync.testing.world import Seed

FAULTS = frozenset({"denied", "refused", "unreachable", "throttled", "broken", "endless", "short", "empty"})
_STATUS = {"denied": 403, "refused": 401, "throttled": 429}


@dataclass(slots=True)
class Account:
    """One source: its keys, its faults, its listener.

    Attributes:
        name: of the account.
        token: accepted from its client.
        reveal: the token may read values.
        keys: name → seed.
        versions: name → number of times it was planted.
        faults: switched on.
        served: requests answered.
    """

    name: str
    token: str
    reveal: bool
    clock: Clock
    keys: dict[str, Seed] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    served: int = 0
    port: int = 0
    listener: ThreadingHTTPServer | None = None
    thread: threading.Thread | None = None

    def listen(self) -> None:
        """Open the listener, on its old port if it had one."""
        self.listener = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self.listener.server_address[1]
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def hang_up(self) -> None:
        """Close the listener."""
        listener, thread, self.listener = self.listener, self.thread, None
        if listener is not None and thread is not None:
            listener.shutdown()
            listener.server_close()
            thread.join()

    def answer(self, target: str, authorization: str) -> tuple[int, bytes]:
        """Status and body."""
        self.served += 1
        fault = next((name for name in _STATUS if name in self.faults), "")
        if fault or authorization != f"Bearer {self.token}":
            return _STATUS.get(fault, 401), b"{}"
        if "broken" in self.faults:
            return 200, b"<html>the proxy's login page</html>"
        parts = urlsplit(target)
        segments = [unquote(segment) for segment in parts.path.split("/")[2:]]
        match segments:
            case ["whoami"]:
                return _json({"account": self.name, "name": f"nhisync@{self.name}"})
            case ["keys"]:
                query = parse_qs(parts.query, keep_blank_values=True)
                return _json(self._page(query["after"][0], int(query["limit"][0])))
            case ["keys", name, *rest]:
                return self._key(name, value=rest == ["value"])
        return 404, b"{}"

    def _page(self, after: str, limit: int) -> dict[str, Any]:
        names = sorted(name for name in self.keys if name > after and not self.keys[name].options.get("denied"))
        if "empty" in self.faults and not after:
            return {"keys": [], "next": " "}
        size = 1 if "short" in self.faults else limit
        page = [self._facts(name) for name in names[:size]]
        more = len(names) > size or "endless" in self.faults
        return {"keys": page, "next": (page[-1]["name"] if page else after) if more else None}

    def _key(self, name: str, *, value: bool) -> tuple[int, bytes]:
        seed = self.keys.get(name)
        if seed is None:
            return 404, b"{}"
        if seed.options.get("denied") or (value and not self.reveal):
            return 403, b"{}"
        return _json({"value": seed.fields.get("value", "")} if value else self._facts(name))

    def _facts(self, name: str) -> dict[str, Any]:
        seed = self.keys[name]
        rotated = self.clock.now() - (seed.created if seed.rotated is None else seed.rotated)
        version = f"v{self.versions[name]}"
        return {"name": name, "version": version, "rotated": int(rotated.timestamp()), "owner": seed.owner}


class InitechWorld:
    """Any number of accounts; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "initech"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock, self._directory = clock, directory
        self.accounts: dict[tuple[str, str], Account] = {}

    def start(self) -> None:
        """Make the directory; every source opens its own listener."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create an account and return its configuration document; option ``reveal``: its token may read values."""
        token = f"initech-token-of-{path}-{source}"
        account = Account(f"{path}-{source}", token, bool(options.get("reveal")), self._clock)
        account.listen()
        self.accounts[path, source] = account
        file = self._directory / f"{path}-{source}.token"
        file.touch(mode=0o600)
        file.write_text(token, encoding="ascii")
        address = f"127.0.0.1:{account.port}"
        return {"provider": self.provider, "region": region, "address": address, "token_file": str(file)}

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant a key; option ``denied``: it is in no list and denied singly."""
        account = self.accounts[path, source]
        account.keys[item.name] = item
        account.versions[item.name] = account.versions.get(item.name, 0) + 1
        return f"key/{item.name}"

    def fault(self, path: str, source: str, name: str, *, off: bool = False) -> None:
        """Switch one of `FAULTS` on or off.

        Raises:
            ValueError: no such fault.
        """
        if name not in FAULTS:
            raise ValueError(f"no such fault: {name}")
        account = self.accounts[path, source]
        if name == "unreachable":
            (account.listen if off else account.hang_up)()
        (account.faults.discard if off else account.faults.add)(name)

    def stop(self) -> None:
        """Close every listener; safe to call twice."""
        for account in self.accounts.values():
            account.hang_up()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    block_on_close = True
    daemon_threads = False


def _handler(account: Account) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = account.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Request-Id", f"request-{account.served}")
            if status == 429:
                self.send_header("Retry-After", "7200")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Be quiet."""

    return Handler


def _json(value: Any) -> tuple[int, bytes]:
    return 200, json.dumps(value).encode()
