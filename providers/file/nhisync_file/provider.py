"""The provider ``file``: credentials that lie in files below one folder."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    Coverage,
    CoverageStatus,
    ErrorFact,
    ErrorKind,
    FieldValue,
    InventoryRequest,
    Item,
    KindInfo,
    Locator,
    Observation,
    PermissionDocument,
    ProviderError,
    ProviderInfo,
    Rate,
    SourceContext,
)
from nhisync.spi.files import read_file
from nhisync.spi.host import modes
from nhisync.spi.x509 import Profile, load_trust, load_views
from nhisync_file.doctor import examine
from nhisync_file.folder import Folder, check_name, exposure
from nhisync_file.items import Judging, failed_item, item_of
from nhisync_file.jwks import parse_jwks
from nhisync_file.keyfile import parse_json, parse_yaml
from nhisync_file.mount import parse_mount
from nhisync_file.parsed import Parsed
from nhisync_file.pem import parse_pem
from nhisync_file.permissions import files_of, permission_documents
from nhisync_file.pkcs12 import parse_pkcs12
from nhisync_file.settings import FileSettings
from nhisync_file.sweep import MOUNT, Swept, sweep
from nhisync_file.values import values_of

FAMILY = "file"
"""Family of the budget's rates: one call = one file opened or one walk."""

KINDS = (
    KindInfo(name="pem", title="PEM chain, key or trust bundle", locator="pem/tls/api.pem", check=check_name),
    KindInfo(name="pkcs12", title="PKCS#12 store", locator="pkcs12/tls/keystore.p12", check=check_name),
    KindInfo(
        name=MOUNT,
        title="Secret mounted by the kubelet",
        locator="kubernetes-secret/payments-api#api_key",
        check=check_name,
    ),
    KindInfo(name="json", title="JSON key file", locator="json/gcp/key.json#private_key", check=check_name),
    KindInfo(name="jwks", title="JSON Web Key Set", locator="jwks/public/keys.json", check=check_name, valued=False),
    KindInfo(name="yaml", title="YAML key file", locator="yaml/aws/key.yaml#aws_secret_access_key", check=check_name),
)
"""What the provider inventories."""

_NAMES = frozenset(kind.name for kind in KINDS)


class FileProvider:
    """Files below a root: names, dates, modes and certificates; never a value, never anything outside the root."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="file",
        title="files and mounted Secrets",
        capabilities=frozenset(
            {Capability.INVENTORY, Capability.FINGERPRINT, Capability.PERMISSIONS, Capability.EXAMINE}
        ),
        kinds=KINDS,
        settings=FileSettings,
    )

    def __init__(self, settings: FileSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._folder = Folder(context.file(settings.root), settings.max_bytes)
        self._closed = threading.Event()

    def close(self) -> None:
        """Open no further file."""
        self._closed.set()

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield one item per wanted and per swept file, and one coverage entry per swept kind.

        Raises:
            ProviderError: the root itself is missing, closed or no folder.
        """
        self._apply_rates(request.budget)
        kinds = sorted(request.kinds & _NAMES)
        root = self._folder.check(listed=bool(kinds))
        judging, password = self._judging(), self._password()
        wanted = list(dict.fromkeys(item.item for item in request.wanted))
        for locator in wanted:
            yield self._answer(locator, judging, password, request.budget)
        if kinds:
            yield from self._swept(root, kinds, set(wanted), judging, password, request)

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield the fields of every wanted item, or why they cannot be read; only inside the comparing process."""
        self._apply_rates(budget)
        for locator in dict.fromkeys(item.item for item in wanted):
            try:
                _expect_kind(locator)
                self._spend(budget)
                yield from values_of(self._folder, locator)
            except ProviderError as failure:
                yield locator, failure.fact

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """Access control entries for exactly these files, or the whole root when a kind is swept; settings' files."""
        names = [item.name for item in dict.fromkeys(item.item for item in wanted)]
        swept = bool(kinds & _NAMES)
        entries = permission_documents(mode, self._context.file(self._settings.root), names, swept=swept)
        named = files_of(self._settings, self._context)
        return (*entries, modes(named)) if entries and named else entries

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """The root, every wanted file, the password file and the trust files."""
        del mode, budget  # reading is all there is, and a few file checks need no budget
        listed = bool(kinds & _NAMES)
        return examine(self._folder, [item.item for item in wanted], self._settings, self._context, listed=listed)

    def _answer(self, locator: Locator, judging: Judging, password: bytes | None, budget: Budget) -> Item:
        """One item, or why there is none; never raises."""
        now = self._context.clock.now()
        try:
            _expect_kind(locator)
            self._spend(budget)
            return self._item(locator, judging, password, now)
        except ProviderError as failure:
            return failed_item(locator, failure, now)

    def _item(self, locator: Locator, judging: Judging, password: bytes | None, now: datetime) -> Item:
        if locator.kind == MOUNT:
            parsed, modified, exposed = parse_mount(self._folder, locator.name)
        else:
            looked, content = self._folder.read(locator.name)
            parsed, modified = _parse(locator, content, password), looked.modified
            exposed = exposure(looked.mode, looked.parents, secret=parsed.secret)
            if parsed.secret:  # equal bundles of authorities are no copy of anything
                parsed = replace(parsed, ids=(*parsed.ids, looked.id))
        return item_of(locator, parsed, modified=modified, exposed=exposed, judging=judging, now=now)

    def _swept(
        self,
        root: Path,
        kinds: list[str],
        answered: set[Locator],
        judging: Judging,
        password: bytes | None,
        request: InventoryRequest,
    ) -> Iterator[Observation]:
        """The items of a walk that were not answered yet, and what the walk covered."""
        settings = self._settings
        self._spend(request.budget)
        walk = sweep(root, kinds, max_entries=settings.max_files, max_depth=settings.max_depth)
        for kind in kinds:
            prefixes = request.prefixes.get(kind, ("",))
            names = [name for name in walk.names[kind] if name.startswith(prefixes)]
            for locator in (Locator(self._context.source, kind, name) for name in names):
                if locator not in answered:
                    yield self._answer(locator, judging, password, request.budget)
            yield self._coverage(kind, len(names), walk)

    def _coverage(self, kind: str, items: int, walk: Swept) -> Coverage:
        """A complete walk of a local folder proves absence; anything lost makes it a part of one."""
        error = None
        if walk.lost:
            word = ErrorKind.DENIED if walk.denied else ErrorKind.MALFORMED
            more = f", and {len(walk.lost) - 1} more" if len(walk.lost) > 1 else ""
            error = ErrorFact(kind=word.value, message=f"{walk.lost[0]}{more}", action="read" if walk.denied else "")
        return Coverage(
            source=self._context.source,
            kind=kind,
            scope="",
            status=CoverageStatus.PARTIAL if walk.lost else CoverageStatus.COMPLETE,
            as_of=self._context.clock.now(),
            items=items,
            authoritative=not walk.lost,
            error=error,
        )

    def _judging(self) -> Judging:
        """Roots for stored chains, when they are configured and can be used."""
        settings, resolve, profile = self._settings, self._context.file, Profile(self._settings.profile)
        views = load_views(settings.client_trust, settings.crl_files, resolve, profile, system=False)
        if settings.trust_file is None:
            return Judging(views=views)
        known = resolve(settings.intermediates_file) if settings.intermediates_file else None
        try:
            return Judging(load_trust(resolve(settings.trust_file), known, profile).trust, views=views)
        except ProviderError as failure:
            return Judging(problem=failure.message, views=views)

    def _password(self) -> bytes | None:
        """The password of the source's stores, without the line end editors add; None = stores stay closed."""
        if self._settings.password_file is None:
            return None
        try:
            return read_file(self._context.file(self._settings.password_file)).rstrip(b"\r\n")
        except OSError:
            return None

    def _spend(self, budget: Budget) -> None:
        if self._closed.is_set():
            raise ProviderError(ErrorKind.THROTTLED, "the cycle ended before this file was opened")
        budget.spend(FAMILY)

    def _apply_rates(self, budget: Budget) -> None:
        """Configured rates only: a local file system needs none."""
        rates = self._settings.limits.rates
        if rates:
            budget.set_rates({family: Rate(per_second=rate) for family, rate in rates.items()})


def _parse(locator: Locator, content: bytes, password: bytes | None) -> Parsed:
    """Hand the content to the parser of its kind.

    Raises:
        ProviderError: as the parser says.
    """
    match locator.kind:
        case "pem":
            return parse_pem(content)
        case "pkcs12":
            return parse_pkcs12(content, password)
        case "json":
            return parse_json(content)
        case "jwks":
            return parse_jwks(content)
    return parse_yaml(content)


def _expect_kind(locator: Locator) -> None:
    """Refuse foreign kinds before anything is opened: an absent file of an unknown kind proves nothing."""
    if locator.kind not in _NAMES:
        message = f"provider file has no kind {locator.kind}"
        raise ProviderError(ErrorKind.UNSUPPORTED, message, resource=str(locator))
