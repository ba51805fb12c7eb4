"""What every identity of a pair rests on, as a graph: both paths, what they share, what ties the backup to the primary.

Built from rows alone and the documented planes of providers. The rules NHS701 to NHS708 judge the same facts; here they
are only shown. Order is that of the names, so that equal facts give equal graphs. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nhisync.model import Needed, Presence, Side
from nhisync.parity.planes import NO_COMMERCIAL, SERVICES, Plane, Service, dependency_planes, source_planes
from nhisync.parity.row import Row
from nhisync.parity.rules.facts import DependencyRow, dependencies_of

IDENTITY, STORE, ENDPOINT, SERVICE = "identity", "store", "endpoint", "service"
"""Kinds of nodes besides those of dependencies (``kms-key``, ``issuer`` …)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An identity, or something that identities rest on.

    Attributes:
        kind: what it is.
        name: its own name: a locator, a source, an id of the provider.
        path: path it belongs to; "" = it stands outside of paths.
        domain: its fault domain, or None when it is not known.
        many: it exists in several fault domains.
        usable: whether its provider calls it usable; None = not known.
        seen: word of `Presence` of an identity, or "".
        note: what its vendor says about it, or "".
        source: the vendor's page, or "".
        shared: identities of both paths rest on it.
        bound: an identity of the backup rests on it, and it stands in a fault domain of the primary.
    """

    kind: str
    name: str
    path: str = ""
    domain: str | None = None
    many: bool = False
    usable: bool | None = None
    seen: str = ""
    note: str = ""
    source: str = ""
    shared: bool = False
    bound: bool = False

    @property
    def place(self) -> tuple[str, ...]:
        """What tells it from others, in the order in which nodes stand."""
        return ((self.kind != IDENTITY and "~") or "", self.kind, self.name, self.path, self.domain or "")


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`start` rests on `end`, for these planes (none = not known which)."""

    start: int
    end: int
    planes: tuple[Plane, ...]


@dataclass(frozen=True, slots=True, order=True)
class Couple:
    """One pair: numbers of the nodes of its primary and its backup identity; None = no row is held."""

    key: str
    primary: int | None
    backup: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Everything that some pairs rest on.

    Attributes:
        primary: name of the primary path.
        backup: name of the backup path.
        nodes: in order of kind and name; their numbers are their positions.
        edges: in order.
        pairs: in order.
    """

    primary: str
    backup: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    pairs: tuple[Couple, ...] = ()


@dataclass(slots=True)
class _Drawing:
    """Nodes by place while rows come in; `ends` are edges between places."""

    nodes: dict[tuple[str, ...], Node] = field(default_factory=dict)
    users: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    ends: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Plane, ...]] = field(default_factory=dict)

    def put(self, node: Node) -> tuple[str, ...]:
        """Add it once; what is not known of one appearance may be known of another."""
        held = self.nodes.setdefault(node.place, node)
        if held.usable is None or node.usable is False:
            self.nodes[node.place] = replace(held, usable=node.usable)
        return node.place

    def rest(self, start: tuple[str, ...], end: tuple[str, ...], planes: tuple[Plane, ...], path: str) -> None:
        """`start` of `path` rests on `end`."""
        known = {*self.ends.get((start, end), ()), *planes}
        self.ends[start, end] = tuple(plane for plane in Plane if plane in known)
        self.users.setdefault(end, set()).add(path)


def graph_of(
    pairs: Iterable[tuple[str, Row | None, Row | None]],
    *,
    primary: str,
    backup: str,
    providers: Mapping[tuple[str, str], str],
    domains: Mapping[tuple[str, str], str | None],
    primary_domains: Collection[str],
    needs: Mapping[str, tuple[Needed, ...]] = MappingProxyType({}),
) -> Graph:
    """The graph of these pairs.

    Args:
        pairs: (key, the primary's row, the backup's row).
        primary: name of the primary path.
        backup: name of the backup path.
        providers: (path, source) → provider.
        domains: (path, source) → fault domain of the source.
        primary_domains: fault domains of the primary path.
        needs: key → what the configuration says that the identities of the pair need.
    """
    drawing, couples = _Drawing(), list[tuple[str, tuple[str, ...] | None, tuple[str, ...] | None]]()
    for key, p, b in sorted(pairs, key=lambda pair: pair[0]):
        sides = [
            None if row is None else _draw(drawing, row, path, providers, domains)
            for path, row in ((primary, p), (backup, b))
        ]
        for side, place, row, path in ((Side.PRIMARY, sides[0], p, primary), (Side.BACKUP, sides[1], b, backup)):
            if place is not None and row is not None:
                _declare(drawing, place, (n for n in needs.get(key, ()) if n.side is side), row, path, providers)
        couples.append((key, sides[0], sides[1]))
    order = sorted(drawing.nodes)
    number = {place: index for index, place in enumerate(order)}
    nodes = tuple(_marked(drawing, place, primary, backup, primary_domains) for place in order)
    edges = (Edge(number[start], number[end], planes) for (start, end), planes in drawing.ends.items())
    return Graph(
        primary=primary,
        backup=backup,
        nodes=nodes,
        edges=tuple(sorted(edges)),
        pairs=tuple(sorted(Couple(k, *(None if s is None else number[s] for s in (p, b))) for k, p, b in couples)),
    )


def _draw(
    drawing: _Drawing,
    row: Row,
    path: str,
    providers: Mapping[tuple[str, str], str],
    domains: Mapping[tuple[str, str], str | None],
) -> tuple[str, ...]:
    """One identity and everything it rests on."""
    source, _, rest = row.locator.partition(":")
    kind = rest.partition("/")[0]
    provider = providers.get((path, source), "")
    seen = "" if row.presence == Presence.PRESENT.value else row.presence
    here = drawing.put(Node(kind=IDENTITY, name=row.locator, path=path, domain=row.domain, seen=seen))
    if planes := source_planes(provider, kind):
        own = ENDPOINT if provider == "tls" else STORE
        store = Node(kind=own, name=f"{source} ({provider})", path=path, domain=domains.get((path, source)))
        drawing.rest(here, drawing.put(store), planes, path)
    for service in SERVICES.get((provider, kind), ()):
        drawing.rest(here, drawing.put(_service(service, row.domain)), service.planes, path)
    for one in dependencies_of(row):
        node = _dependency(one, (row.domain or "").partition("/")[0] or provider)
        drawing.rest(here, drawing.put(node), dependency_planes(provider, kind, one.kind), path)
    return here


def _declare(
    drawing: _Drawing,
    place: tuple[str, ...],
    needs: Iterable[Needed],
    row: Row,
    path: str,
    providers: Mapping[tuple[str, str], str],
) -> None:
    """What the configuration says that one identity needs."""
    source, _, rest = row.locator.partition(":")
    for one in needs:
        planes = dependency_planes(providers.get((path, source), ""), rest.partition("/")[0], one.kind)
        node = Node(kind=one.kind, name=one.name, domain=one.domain or None, many=not one.domain, note="declared")
        drawing.rest(place, drawing.put(node), planes, path)


def _service(service: Service, domain: str | None) -> Node:
    """A service where it runs: at one place for all, or where the item is."""
    region = (domain or "").partition("/")[2]
    place = domain if service.domain is None else service.domain
    if service.domain == "aws/us-east-1" and region.startswith(NO_COMMERCIAL):
        place = None
    return Node(kind=SERVICE, name=service.name, domain=place, note=service.note, source=service.source)


def _dependency(one: DependencyRow, provider: str) -> Node:
    return Node(
        kind=one.kind or "dependency",
        name=one.id,
        domain=f"{provider}/{one.region}" if one.region else None,
        many=one.multi_region is True,
        usable=one.usable,
        note=one.detail,
    )


def _marked(
    drawing: _Drawing, place: tuple[str, ...], primary: str, backup: str, primary_domains: Collection[str]
) -> Node:
    node, users = drawing.nodes[place], drawing.users.get(place, set())
    near = node.domain in primary_domains and not node.many
    mine = backup in users or (node.kind == IDENTITY and node.path == backup)
    return replace(node, shared={primary, backup} <= users, bound=near and mine)


def shared(graph: Graph) -> Iterator[Node]:
    """What both paths rest on."""
    return (node for node in graph.nodes if node.shared)


def bound(graph: Graph) -> Iterator[Node]:
    """What ties the backup to a fault domain of the primary."""
    return (node for node in graph.nodes if node.bound)
