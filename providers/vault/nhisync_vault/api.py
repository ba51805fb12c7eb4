"""Authenticated reads of one cluster: tokens, denials told from dead tokens, and listings that end.

A run has one `Api`; it goes to one node, spends one budget, and turns every refusal into a `ProviderError`.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nhisync.spi import Budget, Clock, ErrorKind, ProviderError
from nhisync_vault.answers import Answer
from nhisync_vault.cluster import Topology
from nhisync_vault.errors import dead_token, malformed
from nhisync_vault.login import Login
from nhisync_vault.settings import VaultSettings
from nhisync_vault.transport import LIST, READ, Ask, Transport

_VERIFIED_FOR = 1.0
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        keys: names; folders end in a slash where the engine has folders.
        info: name → what the listing says about it.
    """

    keys: tuple[str, ...]
    info: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Api:
    """Reads of one run; thread safe."""

    def __init__(
        self,
        settings: VaultSettings,
        transport: Transport,
        login: Login,
        topology: Topology,
        budget: Budget,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.topology = topology
        self.budget = budget
        self._transport = transport
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._verified = float("-inf")

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """The ``data`` of one read.

        Raises:
            ProviderError: what the server's refusal means.
        """
        return self.send(Ask(method="GET", path=path, params=params)).checked().data

    def lookup(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The ``data`` of a read that is a POST.

        Raises:
            ProviderError: what the server's refusal means.
        """
        return self.send(Ask(method="POST", path=path, body=body)).checked().data

    def once(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of a call that makes something, and is not repeated when its answer is lost.

        Args:
            path: API path.
            body: None = GET; ``creds/<role>`` makes a login for each (Vault docs, "Database secrets engine (API)").

        Raises:
            ProviderError: what the server's refusal means.
        """
        method = "GET" if body is None else "POST"
        return self.send(Ask(method=method, path=path, body=body, repeatable=False)).checked().data

    def maybe(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The ``data`` of such a read where nothing may be found: the server then answers without a body.

        Raises:
            ProviderError: what the server's refusal means.
        """
        answer = self.send(Ask(method="POST", path=path, body=body)).checked()
        return answer.data if answer.body else {}

    def public(self, method: str, path: str) -> dict[str, Any]:
        """The ``data`` of a read that needs no token, so none is sent.

        Raises:
            ProviderError: what the server's refusal means.
        """
        ask = Ask(method=method, path=path)
        return self._transport.send(self.topology.endpoint, ask, self.budget).checked().data

    def send(self, ask: Ask) -> Answer:
        """One authenticated request; a dead token is replaced once by a new login.

        Raises:
            ProviderError: AUTH_FAILED when the token is dead and no new one helps; otherwise no answer came.
        """
        started = self._clock.monotonic()
        answer = self._authenticated(ask)
        if answer.status != _FORBIDDEN or self._alive(ask.token, started):
            return answer
        self._login.forget(ask.token)
        again = self._authenticated(ask)
        if again.status == _FORBIDDEN and not self._alive(ask.token, self._clock.monotonic()):
            self._login.forget(ask.token)
            raise self._login.give_up(dead_token(again.called))
        return again

    def pages(self, path: str, *, after: str = "", cursor: "Cursor | None" = None) -> Iterator[Page]:
        """Every page of a listing; an empty listing has none.

        OpenBao pages by ``limit`` and ``after``; Vault ignores both and answers everything at once. When a policy's
        pagination_limit is smaller than our page, OpenBao answers 403; then the server's own page size is asked for.

        Args:
            path: API path of the listing.
            after: start strictly behind this entry.
            cursor: how the last entry of a page is spelt in ``after``; None = as listed.

        Raises:
            ProviderError: MALFORMED when pages never end or come back, otherwise what the server's refusal means.
        """
        size, seen = self.settings.page_size, 0
        while True:
            page, size = self._page(path, after, size)
            if page is None:
                return
            spelt = _spelling(page.keys[-1], cursor)
            if after and spelt <= after:
                if page.keys and _repeats(page.keys, after, cursor):
                    return
                raise malformed(Ask(method="LIST", path=path).called, "the pages of the listing come in no order")
            yield page
            seen += len(page.keys)
            more = not size or len(page.keys) == size
            if seen + more > self.settings.max_items:
                raise _endless(path, seen)
            if not more:
                return
            after = spelt

    def whole(self, path: str) -> tuple[tuple[str, ...], bool]:
        """A listing that cannot be paged (its order is not that of its names), and whether it is surely complete.

        Raises:
            ProviderError: what the server's refusal means.
        """
        page, size = self._page(path, "", self.settings.page_size)
        if page is None:
            return (), True
        return page.keys, bool(size) and len(page.keys) != size

    def _page(self, path: str, after: str, size: int) -> tuple[Page | None, int]:
        """One page and the page size that is in force; None = nothing more. Size 0 is the server's own."""
        params = {"limit": str(size)} | ({"after": after} if after else {})
        answer = self.send(Ask(method="LIST", path=path, family=LIST, params=params))
        if answer.status == _FORBIDDEN and size:
            answer = self.send(Ask(method="LIST", path=path, family=LIST, params={**params, "limit": "0"}))
            size = 0 if answer.status != _FORBIDDEN else size
        if answer.empty_listing:
            return None, size
        return _page_of(answer.checked()), size

    def _authenticated(self, ask: Ask) -> Answer:
        ask.token = self._login.token(self.topology.endpoint, self.budget)
        return self._transport.send(self.topology.endpoint, ask, self.budget)

    def _alive(self, token: str, since: float) -> bool:
        """Whether the token itself is good; asked at most once a second, however many denials come.

        ``lookup-self`` may be what is not granted, so a second path is asked: every living token sees its mounts.
        """
        with self._lock:
            if self._verified >= since - _VERIFIED_FOR:
                return True
        for path in ("auth/token/lookup-self", "sys/internal/ui/mounts"):
            ask = Ask(method="GET", path=path, family=READ, token=token)
            if self._transport.send(self.topology.endpoint, ask, self.budget).status != _FORBIDDEN:
                with self._lock:
                    self._verified = self._clock.monotonic()
                return True
        return False


Cursor = dict[str, str]
"""Replacements that turn a listed name into what ``after`` is compared with (PKI: colons into hyphens)."""


def _spelling(key: str, cursor: Cursor | None) -> str:
    for old, new in (cursor or {}).items():
        key = key.replace(old, new)
    return key


def _repeats(keys: tuple[str, ...], after: str, cursor: Cursor | None) -> bool:
    """Whether the server ignored ``after`` and answered everything again: the entry itself is there once more."""
    return any(_spelling(key, cursor) == after for key in keys)


def _page_of(answer: Answer) -> Page:
    keys, info = answer.data.get("keys"), answer.data.get("key_info") or {}
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or not isinstance(info, dict):
        raise malformed(answer.called, "the listing holds no names")
    if not keys:
        raise malformed(answer.called, "the listing is empty and not a 404")
    if len(info) > len(keys):
        raise malformed(answer.called, "the listing tells more about items than it names: it was cut")
    details = {name: facts for name, facts in info.items() if isinstance(facts, dict)}
    return Page(tuple(keys), details)


def _endless(path: str, seen: int) -> ProviderError:
    return ProviderError(
        ErrorKind.MALFORMED,
        f"LIST {path}: more than {seen} entries; the listing was left",
        resource=path,
        fix="If the mount really is that large, raise max_items of the source, or sweep narrower prefixes.",
    )
