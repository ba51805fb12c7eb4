"""`nhisync graph`: what the identities of both paths rest on, from one inventory or from what the store holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from nhisync.app.diff import observe
from nhisync.app.gather import groups, scope_of
from nhisync.app.ports import Desk
from nhisync.app.session import Session
from nhisync.collect.cycle import Progress, silent
from nhisync.model import Coverage, SourceSummary
from nhisync.parity.engine import join
from nhisync.parity.graph import Graph, graph_of
from nhisync.parity.row import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """All graphs of one call.

    Attributes:
        apps: names of the apps, in order.
        graphs: one per primary and backup path.
        sources: path → its sources as they were met; empty when the store was read.
        coverage: path → what was seen.
    """

    apps: tuple[str, ...]
    graphs: tuple[Graph, ...]
    sources: dict[str, tuple[SourceSummary, ...]]
    coverage: dict[str, tuple[Coverage, ...]]


def draw(
    session: Session,
    desk: Desk,
    *,
    primary: str = "primary",
    backup: str = "backup",
    apps: Sequence[str] = (),
    cached: bool = False,
    progress: Progress = silent,
) -> Drawn:
    """Inventory both paths, or read what is stored, and draw; nothing is judged and no value is read.

    Raises:
        UsageError: unknown path or app.
        GuardError: one identity on both paths.
        RegistryError: a provider's SDK is missing.
    """
    targets = session.resolve(primary, backup, apps)
    named = tuple({app.name: app for app, _, _ in targets}.values())
    paths = tuple(dict.fromkeys(path for _, p, b in targets for path in (p, b)))
    collected = None if cached else observe(session, scope_of(named, paths), targets, desk, progress)
    graphs = [_graph(session, desk, p, b, frozenset(app.name for app in group)) for p, b, group in groups(targets)]
    return Drawn(
        apps=tuple(sorted(app.name for app in named)),
        graphs=tuple(graphs),
        sources={path: collected.sources.get(path, ()) if collected else () for path in paths},
        coverage={path: desk.coverage(path) for path in paths},
    )


def _graph(session: Session, desk: Desk, primary: str, backup: str, apps: frozenset[str]) -> Graph:
    places = [(path, source) for path in (primary, backup) for source in session.configuration.paths[path].sources]
    rows: dict[str, list[Row]] = {
        path: [row for row in desk.rows(path) if row.key.partition("/")[0] in apps] for path in (primary, backup)
    }
    return graph_of(
        join(iter(rows[primary]), iter(rows[backup])),
        primary=primary,
        backup=backup,
        providers={(p, s): session.configuration.paths[p].sources[s].provider for p, s in places},
        domains={(p, s): session.domain_of(p, s)(None) for p, s in places},
        primary_domains=session.domains(primary),
        needs={pair.key: pair.needs for app in session.configuration.apps for pair in app.pairs if pair.needs},
    )
