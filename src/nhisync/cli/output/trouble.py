"""Provider errors in the words of the one who must fix them: what is missing, on what, as whom, and the grant text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nhisync.cli.output.prose import plural, sentence
from nhisync.model import Coverage, CoverageStatus, ErrorFact, Report, SourceSummary
from nhisync.spi.errors import ErrorKind

_NO_GAP = frozenset({CoverageStatus.COMPLETE, CoverageStatus.NOT_ASKED})
_GRANTABLE = frozenset({ErrorKind.DENIED.value})
RESOURCES_SHOWN = 3
"""Resources of one group that are listed; the rest is counted."""

SCOPES_SHOWN = 3
"""Places of one group that are named; ``nhisync inventory PATH --format json`` lists all."""
SCOPE_WIDTH = 80
"""A place with a longer name is cut: a listing of endless depth has names of thousands of characters."""


@dataclass(slots=True)
class Trouble:
    """Equal errors of one source, once.

    Attributes:
        path: path name.
        source: source name.
        provider: provider name.
        fact: the error; its resource is that of the first.
        scopes: ``kind`` or ``kind in scope`` of everything it struck; empty = the whole source.
        resources: on what, without repetition.
    """

    path: str
    source: str
    provider: str
    fact: ErrorFact
    scopes: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """``backup/aws``, with the provider when the source is called otherwise."""
        same = self.provider in {"", self.source}
        return f"{self.path}/{self.source}" if same else f"{self.path}/{self.source} ({self.provider})"


def troubles(report: Report) -> tuple[Trouble, ...]:
    """Everything that kept the run from seeing, grouped by cause."""
    return tuple(one for path in report.paths for one in troubles_of(path.name, path.sources, path.coverage))


def troubles_of(path: str, sources: Iterable[SourceSummary], coverage: Iterable[Coverage]) -> tuple[Trouble, ...]:
    """What kept the sweep of one path from seeing, grouped by cause."""
    found: dict[tuple[str, ...], Trouble] = {}
    for trouble in _single(path, tuple(sources), coverage):
        fact = trouble.fact
        key = (trouble.source, fact.kind, fact.message, fact.action, fact.principal, fact.reason)
        known = found.setdefault(key, trouble)
        if known is not trouble:
            known.scopes += [scope for scope in trouble.scopes if scope not in known.scopes]
            known.resources += [resource for resource in trouble.resources if resource not in known.resources]
    return tuple(found.values())


def _single(path: str, sources: tuple[SourceSummary, ...], coverage: Iterable[Coverage]) -> Iterator[Trouble]:
    providers = {source.name: source.provider for source in sources}
    whole = {source.name: source.error for source in sources if source.error is not None}
    for name, error in whole.items():
        yield Trouble(path, name, providers[name], error, [], [error.resource] if error.resource else [])
    for entry in coverage:
        if entry.error is None or entry.status in _NO_GAP or whole.get(entry.source) == entry.error:
            continue
        scope = f"{entry.kind} in {entry.scope}" if entry.scope else entry.kind
        resources = [entry.error.resource] if entry.error.resource else []
        yield Trouble(path, entry.source, providers.get(entry.source, ""), entry.error, [scope], resources)


def describe(trouble: Trouble, purpose: str = "") -> Iterator[str]:
    """The lines of one group; `purpose` is what the grant is for (``--for`` of `nhisync permissions`)."""
    affected = f" Not seen: {_places(trouble.scopes)}." if trouble.scopes else ""
    yield from describe_error(trouble.fact, trouble.where, resources=trouble.resources, affected=affected)
    if trouble.fact.kind in _GRANTABLE:
        provider = f" --provider {trouble.provider}" if trouble.provider else ""
        wide = f" --for {purpose}" if purpose else ""
        yield f"  Grant: the statement printed by  nhisync permissions{provider} --mode read{wide}"
    elif not trouble.scopes:
        yield f"  Next: nhisync doctor {trouble.path} -v"
    elif trouble.fact.fix:
        yield f"  Next: {trouble.fact.fix}"


def _places(scopes: list[str]) -> str:
    named = [one if len(one) <= SCOPE_WIDTH else f"{one[:SCOPE_WIDTH]}…" for one in scopes[:SCOPES_SHOWN]]
    more = len(scopes) - SCOPES_SHOWN
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def describe_error(fact: ErrorFact, where: str, *, resources: Iterable[str] = (), affected: str = "") -> Iterator[str]:
    """The lines of one error.

    Args:
        fact: the error.
        where: who met it.
        resources: on what; empty = the error's own resource.
        affected: a sentence on what is not known because of it.
    """
    missing = f" Missing: {fact.action}." if fact.action else ""
    yield f"{where}: {sentence(fact.message)}{missing}{affected}"
    named = list(resources) or ([fact.resource] if fact.resource else [])
    for resource in named[:RESOURCES_SHOWN]:
        yield f"  on  {resource}"
    if len(named) > RESOURCES_SHOWN:
        yield f"  on  {plural(len(named) - RESOURCES_SHOWN, 'more resource')}"
    if fact.principal or fact.reason:
        reason = f"reason: {fact.reason}" if fact.reason else ""
        yield "  " + "   ".join(part for part in (f"as  {fact.principal}" if fact.principal else "", reason) if part)
    if fact.retry_after is not None:
        yield f"  The provider asks to wait {int(fact.retry_after.total_seconds())}s."
    if fact.request_id:
        yield f"  request id {fact.request_id}"
