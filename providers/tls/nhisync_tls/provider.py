"""The provider ``tls``: looks at endpoints the way their clients do.

The parsers of certificates come with the first look, not with the class: most commands need only its declaration.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, ClassVar

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    Coverage,
    CoverageStatus,
    ErrorKind,
    InventoryRequest,
    Item,
    KindInfo,
    Locator,
    Observation,
    PermissionDocument,
    Presence,
    ProbeResult,
    ProviderError,
    ProviderInfo,
    Rate,
    SourceContext,
)
from nhisync_tls.handshake import ClientFiles, Patience, Served, look
from nhisync_tls.pages import Fetched, fetch
from nhisync_tls.permissions import permission_documents
from nhisync_tls.settings import TlsSettings
from nhisync_tls.target import Page, Target

if TYPE_CHECKING:
    from nhisync_tls.items import Judging

KIND = "tls"
"""One endpoint, as served to one name."""

KEY_SET = "jwks"
"""The public keys that an endpoint publishes (RFC 7517)."""

Answer = Served | Fetched | ProviderError
"""What one endpoint showed, what one page held, or why neither is known."""

FAMILY = "handshake"
"""Family of the budget's rates."""


class TlsProvider:
    """TLS endpoints: the chain really served, and whether a client would believe it.

    It holds no credential (but for the optional client certificate of `probe`) and sends nothing but the handshake;
    to those that publish a key set also the request for it, once their certificate is verified.
    """

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="tls",
        title="TLS endpoints",
        capabilities=frozenset({Capability.INVENTORY, Capability.PERMISSIONS, Capability.EXAMINE, Capability.PROBE}),
        kinds=(
            KindInfo(
                name=KIND,
                title="certificate chain served by an endpoint",
                locator="tls/192.0.2.10:443?name=api.example.com",
                check=Target.parse,
                authoritative=False,
                valued=False,
            ),
            KindInfo(
                name=KEY_SET,
                title="JSON Web Key Set served over HTTPS",
                locator="jwks/192.0.2.10:443/.well-known/jwks.json?name=login.example.com",
                check=Page.parse,
                authoritative=False,
                valued=False,
            ),
        ),
        settings=TlsSettings,
    )

    def __init__(self, settings: TlsSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._closed = threading.Event()

    def close(self) -> None:
        """Start no further handshake; those under way end within their limits."""
        self._closed.set()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield one item per wanted endpoint and key set, and per configured one of every kind that is swept.

        Raises:
            ProviderError: never; each failure is the answer for its endpoint.
        """
        self._apply_rates(request.budget)
        judging = self._judging()
        swept = self._configured(request.kinds)
        wanted = list(dict.fromkeys((*(item.item for item in request.wanted), *swept)))
        asked = Counter({kind: 0 for kind in (KIND, KEY_SET) if kind in request.kinds})
        asked.update(locator.kind if locator.kind == KEY_SET else KIND for locator in wanted)
        seen = Counter[str]()
        for locator, answer in self._look_at(wanted, request.budget, None, judging.roots):
            item = self._item(locator, answer, judging)
            seen[locator.kind] += item.presence is Presence.PRESENT
            yield item
        for kind, count in (asked or {KIND: 0}).items():
            yield self._coverage(kind, seen[kind], count)

    def probe(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[ProbeResult]:
        """Show the configured client certificate to each endpoint; a TLS 1.3 refusal is awaited (RFC 8446 §4.4.2.4).

        An endpoint that asks for none judges nothing: its result is "not made", not "accepted".
        """
        self._apply_rates(budget)
        client = self._client()
        for locator, answer in self._look_at([item.item for item in wanted], budget, client):
            yield self._probed(locator, answer, client)

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """Network openings and file modes for exactly these endpoints; an endpoint grants nothing else."""
        targets = self._targets([item.item for item in wanted], kinds)
        return permission_documents(mode, [target for _, target in targets], self._settings, self._context)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """Reachability of every endpoint, then whether the files can be read, and what they are."""
        from nhisync_tls.doctor import examine  # noqa: PLC0415 - see above

        locators = [locator for locator, _ in self._targets([item.item for item in wanted], kinds)]
        answers = self._look_at(locators, budget, None, self._judging().roots)
        yield from examine(mode, self._settings, self._context, answers)

    def _judging(self) -> "Judging":
        """The trust, or the reason why there is none: chains are then described but not verified."""
        from nhisync.spi.x509 import Profile, load_trust, load_views  # noqa: PLC0415 - see above
        from nhisync_tls.items import Judging  # noqa: PLC0415 - see above

        resolve, settings = self._context.file, self._settings
        profile, own = Profile(settings.profile), settings.trust_file
        # The operating system's roots are asked as well, unless they are the source's own.
        views = load_views(settings.client_trust, settings.crl_files, resolve, profile, system=own is not None)
        known = resolve(settings.intermediates_file) if settings.intermediates_file else None
        try:
            return Judging(trust=load_trust(resolve(own) if own else None, known, profile), views=views)
        except ProviderError as failure:
            return Judging(problem=failure.message, views=views)

    def _client(self) -> ClientFiles | None:
        certificate, key = self._settings.client_certificate_file, self._settings.client_key_file
        if certificate is None or key is None:
            return None
        return ClientFiles(certificate=self._context.file(certificate), key=self._context.file(key))

    def _apply_rates(self, budget: Budget) -> None:
        """Configured rates only: endpoints are many services, so no number fits them all."""
        rates = self._settings.limits.rates
        if rates:
            budget.set_rates({family: Rate(per_second=rate) for family, rate in rates.items()})

    def _configured(self, kinds: Collection[str]) -> Iterator[Locator]:
        """What the settings name of these kinds."""
        named = {KIND: self._settings.endpoints, KEY_SET: self._settings.key_sets}
        for kind, names in named.items():
            yield from (Locator(self._context.source, kind, name) for name in names if kind in kinds)

    def _targets(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> list[tuple[Locator, Target]]:
        """The readable targets among `wanted` and, when swept, the configured ones."""
        found = []
        for locator in dict.fromkeys((*wanted, *self._configured(kinds))):
            try:
                found.append((locator, _target(locator)))
            except ProviderError:
                continue
        return found

    def _look_at(
        self, wanted: Sequence[Locator], budget: Budget, client: ClientFiles | None, roots: bytes | None = None
    ) -> Iterator[tuple[Locator, Answer]]:
        """Handshakes in parallel, answers as they come; parsing stays in the caller's thread.

        With `roots` (DER) key sets are fetched; without, their endpoints are looked at like others.
        """
        with ThreadPoolExecutor(self._settings.parallel, thread_name_prefix="nhisync-tls") as pool:
            pending: dict[Future[Served | Fetched], Locator] = {
                pool.submit(self._shake, locator, budget, client, roots): locator for locator in wanted
            }
            try:
                for done in as_completed(pending):
                    yield pending[done], _answer(done)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _shake(
        self, locator: Locator, budget: Budget, client: ClientFiles | None, roots: bytes | None
    ) -> Served | Fetched:
        """One handshake, or one fetched key set, within the cycle's budget; runs in a worker thread."""
        target = _target(locator)
        if self._closed.is_set():
            raise ProviderError(ErrorKind.THROTTLED, "the cycle ended before this endpoint was asked")
        budget.spend(FAMILY)
        settings, left = self._settings, budget.remaining
        patience = Patience(
            connect=min(settings.connect_timeout.total_seconds(), left),
            handshake=min(settings.handshake_timeout.total_seconds(), left),
            settle=min(settings.settle.total_seconds(), left),
        )
        name = target.expected_name(settings.server_name)
        try:
            if locator.kind != KEY_SET or roots is None:
                return look(target, name, patience, self._context.clock, client=client)
            return fetch(Page.parse(locator.name), name, roots, patience, self._context.clock)
        except ProviderError as failure:
            if failure.kind is ErrorKind.UNREACHABLE:
                budget.check()  # when our own cycle cut the wait short, the endpoint's silence says nothing
            raise

    def _item(self, locator: Locator, answer: Answer, judging: "Judging") -> Item:
        from nhisync_tls.items import failed_item, item_of, key_set_item  # noqa: PLC0415 - see above

        now = self._context.clock.now()
        if isinstance(answer, ProviderError):
            return failed_item(locator, answer, now)
        try:
            if isinstance(answer, Fetched):
                return key_set_item(locator, _target(locator), answer, judging, now)
            name = _target(locator).expected_name(self._settings.server_name)
            return item_of(locator, name, answer, judging, now)
        except ProviderError as failure:
            return failed_item(locator, failure, now)

    def _coverage(self, kind: str, seen: int, asked: int) -> Coverage:
        """Endpoints are named by configuration, so a listing proves no absence, and one silent endpoint is a part."""
        status = CoverageStatus.COMPLETE
        if seen < asked:
            status = CoverageStatus.PARTIAL if seen else CoverageStatus.UNREACHABLE
        return Coverage(
            source=self._context.source,
            kind=kind,
            scope="",
            status=status,
            as_of=self._context.clock.now(),
            items=seen,
        )

    def _probed(self, locator: Locator, answer: Answer, client: ClientFiles | None) -> ProbeResult:
        """True and False only when a certificate was shown to a server that asked for one."""
        now = self._context.clock.now()
        failure, accepted = None, None
        if isinstance(answer, ProviderError):
            failure = answer
        elif isinstance(answer, Fetched) or answer.client_certificate not in ("requested", "required"):
            failure = ProviderError(
                ErrorKind.UNSUPPORTED, "the endpoint asks for no client certificate", resource=locator.name
            )
        elif client is None:
            failure = ProviderError(
                ErrorKind.MISCONFIGURED,
                "no client certificate is configured for this source",
                resource=locator.name,
                fix="Set client_certificate_file and client_key_file.",
            )
        else:
            accepted = not answer.refused
            if answer.refused:
                failure = ProviderError(
                    ErrorKind.AUTH_FAILED, "the endpoint refuses our client certificate", resource=locator.name
                )
        fact = failure.fact if failure else None
        return ProbeResult(locator=locator, depth="tls", accepted=accepted, observed_at=now, error=fact)


def _target(locator: Locator) -> Target:
    """The endpoint a locator names.

    Raises:
        ProviderError: MISCONFIGURED or UNSUPPORTED.
    """
    if locator.kind not in (KIND, KEY_SET):
        raise ProviderError(ErrorKind.UNSUPPORTED, f"provider tls has no kind {locator.kind}", resource=str(locator))
    try:
        return Page.parse(locator.name).target if locator.kind == KEY_SET else Target.parse(locator.name)
    except ValueError as wrong:
        raise ProviderError(
            ErrorKind.MISCONFIGURED,
            f"{locator}: {wrong}",
            resource=str(locator),
            reason="locator",
            fix="Write tls/<host>:<port>?name=<server name>, or jwks/<host>:<port>/<path>?name=<server name>.",
        ) from None


def _answer(done: Future[Served | Fetched]) -> Answer:
    try:
        return done.result()
    except ProviderError as failure:
        return failure
