"""Kinds ``secret`` and ``regional-secret``: Secret Manager, globally and in single locations.

A list carries everything of a secret but its versions, and nothing in it tells that a version was added: "updating a
secret version does not affect the secret ETag" (Secret Manager, "ETags"). So every secret that is asked for costs one
call for its versions in every run (ADR 23).

Lists and versions are eventually consistent ("Secret Manager consistency"): a secret that no list shows is asked for
by name before it is called absent.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nhisync.spi import ErrorKind, Locator, Observation, ProviderError
from nhisync.spi.fanout import Todo
from nhisync.spi.runs import Sweep
from nhisync_gcp.kinds.secret_facts import SecretFacts, Version, chosen, enough, keys_of, secret_item, wanted_version
from nhisync_gcp.names import SecretName, is_location, last_of, parent_of, segment
from nhisync_gcp.run import HOPELESS, Run

GLOBAL, REGIONAL = "secret", "regional-secret"
_PAGE, _VERSIONS = 1_000, 50
_FEW = 1
"""From this many wanted items on a list is cheaper than single reads."""


def collect_global(run: Run) -> Iterator[Observation]:
    """Secrets without a location."""
    yield from _Place(run, GLOBAL, "").collect()


def collect_regional(run: Run) -> Iterator[Observation]:
    """Regional secrets: every location has an endpoint and a list of its own."""
    locations: dict[str, None] = {}
    for locator in run.wanted(REGIONAL).values():
        location = locator.name.partition("/")[0]
        if is_location(location):
            locations[location] = None
        else:
            yield from run.each([locator], _impossible)
    swept: tuple[str, ...] = ()
    if run.swept(REGIONAL):
        try:
            swept = run.locations
        except ProviderError as error:
            sweep = Sweep()
            sweep.error = error
            yield run.coverage(REGIONAL, sweep, authoritative=False)
    for location in dict.fromkeys((*swept, *locations)):
        yield from _Place(run, REGIONAL, location, swept=location in swept).collect()


def _impossible(locator: Locator) -> Iterator[Observation]:
    """Raise what is wrong with the name."""
    SecretName.of(locator)
    return iter(())


class _Place:
    """All secrets of one place: the project, or one location of it."""

    def __init__(self, run: Run, kind: str, location: str, *, swept: bool | None = None) -> None:
        self._run, self._kind, self._location = run, kind, location
        self._swept = run.swept(kind) if swept is None else swept
        self._found: dict[str, Any] = {}

    def collect(self) -> Iterator[Observation]:
        run, sweep = self._run, Sweep()
        wanted = {name: locator for name, locator in run.wanted(self._kind).items() if self._is_here(locator)}
        if self._swept or len(wanted) > _FEW:
            yield from run.along(lambda: self._list(sweep, wanted), self._listed)
        missing = [locator for name, locator in wanted.items() if name not in self._found]
        if sweep.error is not None and sweep.error.kind in HOPELESS:
            yield from (run.failed(locator, sweep.error) for locator in missing)
        else:
            yield from run.each(missing, self._unlisted)
        if self._swept:
            yield run.coverage(self._kind, sweep, authoritative=False, scope=self._location)

    def _is_here(self, locator: Locator) -> bool:
        return not self._location or locator.name.startswith(f"{self._location}/")

    def _list(self, sweep: Sweep, wanted: Mapping[str, Locator]) -> Iterator[Todo[Locator]]:
        """Every secret of the list that is asked for, to be read while the list goes on."""
        run = self._run
        parent = parent_of(run.project, self._location)
        rows = run.rows(
            sweep, "secretmanager.list_secrets", "secrets", location=self._location, parent=parent, page_size=_PAGE
        )
        prefix = f"{self._location}/" if self._location else ""
        for row in rows:
            name = f"{prefix}{last_of(row.name)}"
            if name in self._found:  # a listing that changed between two pages
                continue
            self._found[name] = row
            if name in wanted or (self._swept and run.asked_for(self._kind, name)):
                yield Todo(run.locator(self._kind, name))

    def _listed(self, locator: Locator) -> Iterator[Observation]:
        yield from self._detail(locator, self._found[locator.name])

    def _unlisted(self, locator: Locator) -> Iterator[Observation]:
        """The authoritative read of one secret that no list showed."""
        resource = SecretName.of(locator).resource(self._run.project)
        entry = self._run.call("secretmanager.get_secret", location=self._location, name=resource)
        if last_of(entry.name) != last_of(resource):
            raise ProviderError(ErrorKind.MALFORMED, "the answer is about another secret (secretmanager.get_secret)")
        yield from self._detail(locator, entry)

    def _detail(self, locator: Locator, entry: Any) -> Iterator[Observation]:
        run = self._run
        try:
            versions, read = versions_of(run, SecretName.of(locator), entry)
        except ProviderError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            # Gone since it was listed, or the list lags behind: only the secret itself can say.
            run.call(
                "secretmanager.get_secret", location=self._location, name=SecretName.of(locator).resource(run.project)
            )
            raise ProviderError(
                ErrorKind.CONFLICT,
                "Google says that the secret is there and that it is not",
                fix="It was just created or deleted; the next cycle sees it settled.",
            ) from None
        guard = None if run.guard is None else run.guard.key(keys_of(entry, regional=bool(self._location)))
        yield run.known(secret_item(run, locator, SecretFacts(entry, self._location, versions, read), guard))


def versions_of(run: Run, name: SecretName, entry: Any) -> tuple[tuple[Version, ...], int | None]:
    """The versions that are judged, newest first, and the number of the one that applications read.

    Raises:
        ProviderError: a page failed.
    """
    wanted = wanted_version(entry, current=run.settings.current, alias=run.settings.alias)
    return read_versions(run.pages, name, run.project, wanted)


def read_versions(
    pages: Any, name: SecretName, project: str, wanted: int | str
) -> tuple[tuple[Version, ...], int | None]:
    """As `versions_of`, through any `pages` of a connection.

    Raises:
        ProviderError: a page failed, or is about another secret.
    """
    found: list[Version] = []
    listing = pages(
        "secretmanager.list_secret_versions",
        "versions",
        location=name.location,
        parent=name.resource(project),
        page_size=_VERSIONS,
    )
    for page in listing:
        if any(segment(row.name, "secrets") != name.id for row in page):
            raise ProviderError(ErrorKind.MALFORMED, "the answer is about another secret (list_secret_versions)")
        found += [Version.of(row) for row in page]
        found.sort(key=lambda version: version.number, reverse=True)  # the order is not promised for ties of time
        if enough(found, wanted):
            break
    return tuple(found), chosen(found, wanted)
