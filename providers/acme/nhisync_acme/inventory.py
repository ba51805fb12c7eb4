"""One cycle over an account and the certificates that it keeps alive."""

import errno
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from nhisync.spi import (
    Coverage,
    CoverageStatus,
    Dependency,
    ErrorFact,
    ErrorKind,
    InventoryRequest,
    Item,
    Locator,
    Observation,
    Presence,
    ProviderError,
    SourceContext,
)
from nhisync.spi.files import read_file
from nhisync.spi.host import Readable
from nhisync.spi.oddities import one_item
from nhisync.spi.x509 import Loaded, MalformedError, Profile, decode_pem, load_trust, quiet
from nhisync_acme.api import Api
from nhisync_acme.items import ISSUER, account_item, certificate_item, unknown_item
from nhisync_acme.permissions import below
from nhisync_acme.renewal import Window, identifier
from nhisync_acme.settings import AcmeSettings

ACCOUNT, CERTIFICATE = "account", "certificate"
SELF = "self"
"""Name of the one account of a source."""

_NO_PEM = frozenset({errno.EFBIG, errno.EINVAL})
"""Too large, or a pipe or device."""

_STATUS = {
    Presence.DENIED: CoverageStatus.DENIED,
    Presence.THROTTLED: CoverageStatus.THROTTLED,
    Presence.UNREACHABLE: CoverageStatus.UNREACHABLE,
    Presence.UNSUPPORTED: CoverageStatus.UNSUPPORTED,
}


class Run:
    """What one cycle knows.

    Args:
        settings: of the source.
        context: of the source.
        api: of this cycle.
    """

    def __init__(self, settings: AcmeSettings, context: SourceContext, api: Api) -> None:
        self._settings, self._context, self._api = settings, context, api
        self._trust = self._load_trust()

    def observe(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield one item per wanted or swept locator, then coverage; each failure is the answer for its item."""
        seen: dict[str, list[Item]] = {ACCOUNT: [], CERTIFICATE: []}
        for locator in dict.fromkeys((*(one.item for one in request.wanted), *self._swept(request.kinds))):
            item = self._item(locator)
            seen.setdefault(locator.kind, []).append(item)
            yield item
        for kind in sorted(request.kinds & {ACCOUNT, CERTIFICATE}):
            yield self._coverage(kind, seen[kind])

    def _swept(self, kinds: frozenset[str]) -> Iterator[Locator]:
        source = self._context.source
        if ACCOUNT in kinds and self._settings.account_key_file is not None:
            yield Locator(source, ACCOUNT, SELF)
        if CERTIFICATE in kinds:
            yield from (Locator(source, CERTIFICATE, name) for name in self._settings.certificates)

    def _item(self, locator: Locator) -> Item:
        now = self._context.clock.now()
        try:
            if locator.kind == CERTIFICATE:
                return one_item(lambda: self._certificate(locator, now))
            if locator.kind == ACCOUNT and locator.name == SELF:
                return one_item(lambda: self._account(locator, now))
            raise ProviderError(
                ErrorKind.UNSUPPORTED,
                f"provider acme has no {locator.kind}/{locator.name}",
                resource=str(locator),
                fix=f"Write {locator.source}:account/self or {locator.source}:certificate/<PEM file>.",
            )
        except ProviderError as failure:
            return unknown_item(locator, failure, now)

    def _account(self, locator: Locator, now: datetime) -> Item:
        key = self._api.key()
        account = self._api.account()
        return account_item(locator, account, key, self._issuer(usable=True), now)

    def _certificate(self, locator: Locator, now: datetime) -> Item:
        certificates = self._read(locator)
        usable, window = self._renewal(certificates[0], now)
        trust = self._trust.trust if self._trust else None
        return certificate_item(locator, certificates, trust, self._issuer(usable=usable), window, now)

    def _renewal(self, leaf: x509.Certificate, now: datetime) -> tuple[bool | None, Window | None]:
        """Whether this authority would renew the certificate, and when. Not asked after its end (RFC 9773 §4.3)."""
        with quiet():
            if leaf.not_valid_after_utc < now:
                return None, None
            try:
                word = identifier(leaf)
            except ValueError:
                return False, None
        try:
            document = self._api.renewal_info(word)
        except ProviderError as failure:
            # Boulder answers 404, Pebble "malformed" for an issuer that is not its own; the identifier itself is sound.
            if failure.kind is ErrorKind.NOT_FOUND or failure.fact.reason == "malformed":
                return False, None
            raise
        if document is None:
            return None, None
        try:
            return True, Window.parse(document)
        except ValueError:
            where = self._settings.host
            raise ProviderError(
                ErrorKind.MALFORMED, f"{where}: renewal information that is none", resource=where, fix="Ask the CA."
            ) from None

    def _read(self, locator: Locator) -> list[x509.Certificate]:
        """The certificates of a PEM file below `root`.

        Raises:
            ProviderError: NOT_FOUND only when the file system says that there is no such file.
        """
        name = locator.name
        if not below(name):
            fix = f"Name a PEM file below root, like {locator.source}:certificate/certs/api.pem."
            raise ProviderError(ErrorKind.MISCONFIGURED, f"{name} leads out of root", resource=name, fix=fix)
        file = Readable(self._context.file(self._settings.root) / name)
        try:
            content = read_file(file.file)
        except FileNotFoundError:
            raise ProviderError(ErrorKind.NOT_FOUND, f"there is no file {name}", resource=name) from None
        except PermissionError:
            fix = f"{file.command}; the folders above must let nhisync pass."
            raise ProviderError(
                ErrorKind.DENIED, f"{name} may not be read", action=file.action, resource=name, fix=fix
            ) from None
        except OSError as error:
            fix = "Name the PEM file with the certificate and its chain."
            if error.errno in _NO_PEM:
                raise ProviderError(ErrorKind.MALFORMED, f"{name}: {error.strerror}", resource=name, fix=fix) from None
            fix = "Look at the file system."
            raise ProviderError(ErrorKind.UNREACHABLE, f"{name} cannot be read", resource=name, fix=fix) from None
        try:
            found = list(decode_pem(content))
        except MalformedError:
            found = []
        if not found:
            fix = "Name the PEM file with the certificate and its chain."
            raise ProviderError(ErrorKind.MALFORMED, f"{name} holds no certificate", resource=name, fix=fix)
        return found

    def _issuer(self, *, usable: bool | None) -> Dependency:
        settings = self._settings
        detail = "does not know this certificate" if usable is False else ""
        return Dependency(kind=ISSUER, id=settings.host, region=settings.issuer_region, usable=usable, detail=detail)

    def _load_trust(self) -> Loaded | None:
        settings, resolve = self._settings, self._context.file
        if settings.trust_file is None:
            return None
        try:
            known = resolve(settings.intermediates_file) if settings.intermediates_file else None
            return load_trust(resolve(settings.trust_file), known, Profile(settings.profile))
        except ProviderError:
            return None  # the doctor names the file; a chain without trust stays unverified, never verified

    def _coverage(self, kind: str, items: Sequence[Item]) -> Coverage:
        """Names come from configuration, so a listing proves no absence; what could not be read makes it partial."""
        lost = [one for one in items if one.presence not in (Presence.PRESENT, Presence.ABSENT)]
        why: ErrorFact | None = lost[0].error if lost else None
        status = CoverageStatus.COMPLETE
        if lost:
            whole = len(lost) == len(items)
            status = _STATUS.get(lost[0].presence, CoverageStatus.PARTIAL) if whole else CoverageStatus.PARTIAL
        present = sum(one.presence is Presence.PRESENT for one in items)
        now = self._context.clock.now()
        return Coverage(
            source=self._context.source, kind=kind, scope="", status=status, as_of=now, items=present, error=why
        )
