"""One source's connection to Azure: the SDKs' own clients over one metered wire, answers typed before they leave.

Two classes of clients: those that read repeat within the configured attempts; those that `mint` repeat nothing that may
have been done, because a write that was applied and answered with 503 would be applied again (three versions of a
secret, measured).
"""

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest

from nhisync.spi import Budget, ErrorKind, ProviderError, Rate, SourceContext
from nhisync_azure.errors import Called, malformed, translate
from nhisync_azure.identity import Tokens, Who
from nhisync_azure.permissions import grant_text, needed
from nhisync_azure.settings import AzureSettings
from nhisync_azure.transport import LOGIN, Ongoing, Wire, current, ongoing, quiet_sdk

VAULT, VALUE, GRAPH, ARM = "keyvault", "keyvault-value", "graph", "arm"
"""API families of the budget's rates; `transport.LOGIN` is the fifth."""

RATES: Mapping[str, Rate] = {
    VAULT: Rate(per_second=200, burst=200),
    VALUE: Rate(per_second=50, burst=50),
    GRAPH: Rate(per_second=20, burst=40),
    ARM: Rate(per_second=4, burst=20),
    LOGIN: Rate(per_second=5, burst=10),
}
"""Calls a second. A vault answers 4,000 in ten seconds ("Azure Key Vault service limits"): half of that is left to the
applications. Graph counts 3,500 units in ten seconds for a small tenant ("Microsoft Graph throttling limits")."""

_CLIENTS: Mapping[str, tuple[str, str]] = {
    "secrets": ("azure.keyvault.secrets", "SecretClient"),
    "keys": ("azure.keyvault.keys", "KeyClient"),
    "certificates": ("azure.keyvault.certificates", "CertificateClient"),
}
_VALUES = frozenset({"secrets.get_secret"})
_ODD = (AzureError, ValueError, TypeError, KeyError, AttributeError)
"""What the SDKs let out, their deserialisers included."""

_MOST_PAGES = 8_000
_MOST_EMPTY = 50
T = TypeVar("T")


class Connection:
    """Clients of one source; thread safe, opened by its first call."""

    def __init__(self, settings: AzureSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._lock = threading.RLock()  # held for moments only, so that close() never waits for the network
        self._wire: Wire | None = None
        self._clients: dict[tuple[str, bool], Any] = {}
        self._tokens = Tokens(settings, context, lambda: self._wired().transport(settings.token_service, login=True))
        self._region = self._date = ""

    @property
    def date(self) -> str:
        """Date header of the last answer, "" before the first."""
        return self._date

    @property
    def region(self) -> str | None:
        """The region that the vault's last answer came from: its own, or during a failover the paired one."""
        return self._region or None

    def who(self, budget: Budget) -> Who:
        """Whom our token stands for.

        Raises:
            ProviderError: there is none.
        """
        home = self._settings.home
        audience = home.vault_audience if self._settings.vault else home.graph
        return self._made(LOGIN, "token", budget, lambda: self._tokens.who(f"{audience}/.default"))

    def roles(self, budget: Budget) -> tuple[str, ...]:
        """App roles of Microsoft Graph that our token carries.

        Raises:
            ProviderError: there is no token.
        """
        scope = f"{self._settings.home.graph}/.default"
        return self._made(LOGIN, "token", budget, lambda: self._tokens.who(scope)).roles

    def call(self, service: str, method: str, budget: Budget, *args: Any, on: str = "", **options: Any) -> Any:
        """One read of the vault through the SDK's own method.

        Raises:
            ProviderError: every failure, typed; SDK exceptions never leave.
        """
        name = f"{service}.{method}"
        family = VALUE if name in _VALUES else VAULT
        client = self._client(service)
        return self._made(family, name, budget, lambda: getattr(client, method)(*args, **options), on=on)

    def pages(self, service: str, method: str, budget: Budget, *args: Any, **options: Any) -> Iterator[list[Any]]:
        """The pages of one of the SDK's lists, each held against being none, cut, or endless; odd rows as `OddRow`.

        Raises:
            ProviderError: any page failed; pages that were yielded before are real, the list is not complete.
        """
        name, client = f"{service}.{method}", self._client(service)
        paged = self._made(VAULT, name, budget, lambda: getattr(client, method)(*args, **options).by_page())
        on = f"{self._settings.vault}/{service}" + (f"/{args[0]}" if args else "")

        def page() -> tuple[list[Any], str]:
            found = [*next(paged, ()), *current().odd]
            return found, str(paged.continuation_token or "")

        def made() -> tuple[list[Any], str]:
            return self._made(VAULT, name, budget, page, member="value", on=on, sift=True)

        yield from _to_the_end(Called(name=name), made)

    def graph(self, call: str, path: str, budget: Budget, member: str = "", **params: str) -> dict[str, Any]:
        """One read of Microsoft Graph below ``/v1.0``.

        Raises:
            ProviderError: every failure, typed.
        """
        url = f"{self._settings.graph_url}/v1.0/{path}"
        return self._get("graph", call, url, budget, member=member, on=path, params=params)

    def graph_pages(self, call: str, path: str, budget: Budget, **params: str) -> Iterator[list[Any]]:
        """The pages of one of Graph's lists.

        Raises:
            ProviderError: any page failed.
        """
        url, given = f"{self._settings.graph_url}/v1.0/{path}", params

        def page() -> tuple[list[Any], str]:
            nonlocal url, given
            body = self._get("graph", call, url, budget, member="value", on=path, params=given)
            url, given = str(body.get("@odata.nextLink") or ""), {}
            return body["value"], url

        yield from _to_the_end(Called(name=f"graph.{call}"), page)

    def arm(self, call: str, path: str, budget: Budget, *, version: str, member: str = "") -> dict[str, Any]:
        """One read of Azure Resource Manager.

        Raises:
            ProviderError: every failure, typed.
        """
        url = f"{self._settings.arm_url}{path}"
        return self._get("arm", call, url, budget, member=member, on=path, params={"api-version": version})

    def arm_pages(self, call: str, path: str, budget: Budget, *, version: str, **params: str) -> Iterator[list[Any]]:
        """The pages of one of Resource Manager's lists.

        Raises:
            ProviderError: any page failed.
        """
        url, given = f"{self._settings.arm_url}{path}", {"api-version": version, **params}

        def page() -> tuple[list[Any], str]:
            nonlocal url, given
            body = self._get("arm", call, url, budget, member="value", on=path, params=given)
            url, given = str(body.get("nextLink") or ""), {}
            return body["value"], url

        yield from _to_the_end(Called(name=f"arm.{call}"), page)

    def mint(self, service: str, method: str, budget: Budget, *args: Any, **options: Any) -> Any:
        """One write to the vault; only where our token was refused, and nothing was written, is it sent again.

        Raises:
            ProviderError: every failure, typed.
        """
        client = self._client(service, mint=True)
        return self._made(VAULT, f"{service}.{method}", budget, lambda: getattr(client, method)(*args, **options))

    def close(self) -> None:
        """Close all connections and forget all tokens; the next call would open and ask anew."""
        with self._lock:
            wire, self._wire = self._wire, None
            self._clients.clear()
        self._tokens.forget()
        if wire is not None:
            wire.close()

    def _made(
        self,
        family: str,
        name: str,
        budget: Budget,
        act: Callable[[], T],
        *,
        member: str = "",
        on: str = "",
        sift: bool = False,
    ) -> T:
        """Run one SDK call; a token that a service no longer takes is worth one more try."""
        for last in (False, True):
            call = Ongoing(budget, family, member, sift)
            try:
                with ongoing(call):
                    return act()
            except ProviderError as error:
                failure, stale = error, False
            except _ODD as error:
                failure = translate(error, self._called(name, call, on))
                stale = call.status == 401 and call.login_status < 400
                if failure.kind is ErrorKind.UNREACHABLE and (last or not stale):
                    failure = _cut_short(budget) or failure
            finally:
                self._region, self._date = call.region or self._region, call.date or self._date
            if last or not stale:
                # Raised out here, and without what it was raised in: the SDK's errors hold requests, bodies and tokens.
                failure.__context__ = None
                raise failure from None
            self._tokens.forget()
        raise AssertionError("the second try returns or raises")

    def _called(self, name: str, call: Ongoing, on: str) -> Called:
        service = name.partition(".")[0]
        known = {"graph": self._settings.graph_url, "arm": self._settings.arm_url}
        return Called(
            name=name,
            action=needed(name, self._settings),
            resource=on or known.get(service, self._settings.vault or ""),
            grant=grant_text(name, self._settings),
            status=call.status,
            request_id=call.request_id,
            login_status=call.login_status,
        )

    def _get(
        self, service: str, call: str, url: str, budget: Budget, *, member: str, on: str, params: Mapping[str, str]
    ) -> dict[str, Any]:
        family = GRAPH if service == "graph" else ARM
        client = self._client(service)
        # azure-core puts parameters into the URL as they are.
        query = {name: quote(value, safe="") for name, value in params.items()}

        def send() -> dict[str, Any]:
            response = client.send_request(HttpRequest("GET", url, params=query))
            if response.status_code != 200:
                raise HttpResponseError(response=response)
            body: dict[str, Any] = response.json()
            return body

        return self._made(family, f"{service}.{call}", budget, send, member=member, on=on)

    def _client(self, service: str, *, mint: bool = False) -> Any:
        with self._lock:
            key = (service, mint)
            if key not in self._clients:
                self._clients[key] = self._make(service, mint=mint)
            return self._clients[key]

    def _make(self, service: str, *, mint: bool) -> Any:
        settings, wire = self._settings, self._wired()
        retries = wire.retries(1 if mint else None)
        if service in _CLIENTS:
            module, name = _CLIENTS[service]
            return getattr(importlib.import_module(module), name)(
                settings.vault,
                self._tokens.only(settings.home.vault_audience),
                transport=wire.transport(settings.vault or ""),
                retry_policy=retries,
                permit_redirects=False,
                verify_challenge_resource=settings.real_vault,
                logging_enable=False,
                user_agent="nhisync",
                **({"api_version": settings.api_version} if settings.api_version else {}),
            )
        origin = settings.graph_url if service == "graph" else settings.arm_url
        audience = settings.home.graph if service == "graph" else settings.home.arm
        steps = [
            policies.RequestIdPolicy(),
            policies.UserAgentPolicy("nhisync"),
            retries,
            policies.BearerTokenCredentialPolicy(self._tokens, f"{audience}/.default"),
        ]
        return PipelineClient(origin, policies=steps, transport=wire.transport(origin))

    def _wired(self) -> Wire:
        with self._lock:
            if self._wire is None:
                quiet_sdk()
                self._wire = Wire(self._settings, self._context)
            return self._wire


def _cut_short(budget: Budget) -> ProviderError | None:
    """Why our own cycle may have cut a wait short; None = it did not."""
    try:
        budget.check()
    except ProviderError as error:
        return error
    return None


def _to_the_end(called: Called, page: Callable[[], tuple[list[Any], str]]) -> Iterator[list[Any]]:
    """Yield pages until one names no next.

    A page may be empty and still name a next; many empty ones in a row, a link that comes twice, or more pages than
    any vault or tenant has, are an endless list.
    """
    seen: set[str] = set()
    empty = 0
    for _ in range(_MOST_PAGES):
        found, link = page()
        yield found
        if not link:
            return
        empty = 0 if found else empty + 1
        if link in seen or empty > _MOST_EMPTY:
            break
        seen.add(link)
    raise malformed(called, "the pages do not end")
