"""A dependency graph for Mermaid, Graphviz and programs. Names of others are text in all of them, never markup.

Mermaid takes ``#<code>;`` for a character (its documentation, "Entity codes to escape characters"), so everything but
plain letters, digits and a few signs is written so. DOT strings end at an unescaped quote and know backslash escapes.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from nhisync.cli.safe import printable
from nhisync.parity.graph import ENDPOINT, IDENTITY, SERVICE, STORE, Edge, Graph, Node

GRAPH_VERSION = "1.0"
"""Of the JSON graph; additions raise the minor part."""

_PLAIN = re.compile(r"[^A-Za-z0-9 ._/:@=+,-]")
_SHAPES = {
    IDENTITY: ('["', '"]', "box"),
    STORE: ('[("', '")]', "cylinder"),
    ENDPOINT: ('(["', '"])', "oval"),
    SERVICE: ('{{"', '"}}', "hexagon"),
}
_OTHER = ('("', '")', "note")
_UNKNOWN = "unknown plane"


def render_mermaid(graphs: Sequence[Graph]) -> Iterator[str]:
    """Yield one flowchart; pairs are boxes, what both paths share and what ties the backup is coloured."""
    yield "flowchart LR\n"
    for count, graph in enumerate(graphs):
        yield from _mermaid(graph, f"g{count}")
    yield "  classDef shared fill:#fde68a,stroke:#b45309,color:#111\n"
    yield "  classDef bound fill:#fecaca,stroke:#b91c1c,color:#111\n"


def _mermaid(graph: Graph, name: str) -> Iterator[str]:
    inside: set[int] = set()
    for count, pair in enumerate(graph.pairs):
        mine = [n for n in (pair.primary, pair.backup) if n is not None and n not in inside]
        inside.update(mine)
        yield f'  subgraph {name}p{count}["{_entity(pair.key)}"]\n'
        for number in mine:
            yield f"    {_mermaid_node(graph.nodes[number], name, number)}\n"
        yield "  end\n"
    for number, node in enumerate(graph.nodes):
        if number not in inside:
            yield f"  {_mermaid_node(node, name, number)}\n"
    for edge in graph.edges:
        yield f'  {name}n{edge.start} -->|"{_entity(_planes(edge))}"| {name}n{edge.end}\n'
    for word, numbers in _marks(graph).items():
        if numbers:
            yield f"  class {','.join(f'{name}n{number}' for number in numbers)} {word}\n"


def _mermaid_node(node: Node, graph: str, number: int) -> str:
    begin, end, _ = _SHAPES.get(node.kind, _OTHER)
    return f"{graph}n{number}{begin}{'<br>'.join(map(_entity, _lines(node)))}{end}"


def _entity(text: str) -> str:
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", printable(text))


def render_dot(graphs: Sequence[Graph]) -> Iterator[str]:
    """Yield one digraph, a cluster for each pair."""
    yield "digraph nhisync {\n  rankdir=LR;\n  node [fontname=Helvetica];\n"
    for count, graph in enumerate(graphs):
        yield from _dot(graph, f"g{count}")
    yield "}\n"


def _dot(graph: Graph, name: str) -> Iterator[str]:
    marks = _marks(graph)
    colors = dict.fromkeys(marks["shared"], "#fde68a") | dict.fromkeys(marks["bound"], "#fecaca")
    for number, node in enumerate(graph.nodes):
        shape = _SHAPES.get(node.kind, _OTHER)[2]
        fill = f', style=filled, fillcolor="{colors[number]}"' if number in colors else ""
        yield f"  {name}n{number} [shape={shape}, label={_quoted(_lines(node))}{fill}];\n"
    for count, pair in enumerate(graph.pairs):
        mine = "; ".join(f"{name}n{number}" for number in (pair.primary, pair.backup) if number is not None)
        yield f"  subgraph cluster_{name}p{count} {{ label={_quoted([pair.key])}; {mine}; }}\n"
    for edge in graph.edges:
        yield f"  {name}n{edge.start} -> {name}n{edge.end} [label={_quoted([_planes(edge)])}];\n"


def _quoted(lines: Sequence[str]) -> str:
    escaped = (printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def render_graph_json(apps: Sequence[str], graphs: Sequence[Graph]) -> Iterator[str]:
    """Yield one document, ASCII only; nodes are named by their place in the list."""
    document = {"schema_version": GRAPH_VERSION, "apps": list(apps), "graphs": [_document(graph) for graph in graphs]}
    yield json.dumps(document, indent=2) + "\n"


def _document(graph: Graph) -> dict[str, Any]:
    return {
        "primary": graph.primary,
        "backup": graph.backup,
        "nodes": [_node(node, f"n{number}") for number, node in enumerate(graph.nodes)],
        "edges": [
            {"from": f"n{edge.start}", "to": f"n{edge.end}", "planes": [plane.value for plane in edge.planes]}
            for edge in graph.edges
        ],
        "pairs": [
            {"pair": pair.key, "primary": _reference(pair.primary), "backup": _reference(pair.backup)}
            for pair in graph.pairs
        ],
    }


def _node(node: Node, number: str) -> dict[str, Any]:
    return {
        "id": number,
        "kind": node.kind,
        "name": node.name,
        "path": node.path,
        "fault_domain": node.domain,
        "in_several_domains": node.many,
        "usable": node.usable,
        "presence": node.seen or None,
        "shared": node.shared,
        "bound_to_primary": node.bound,
        "note": node.note,
        "source": node.source,
    }


def _reference(number: int | None) -> str | None:
    return None if number is None else f"n{number}"


def _lines(node: Node) -> list[str]:
    """What a person reads on a node, line by line."""
    where = node.domain or "fault domain not known"
    told = [f"{node.path}: {node.name}" if node.kind == IDENTITY else f"{node.kind}: {node.name}"]
    told.append(f"{where}, and others" if node.many and node.domain else "several domains" if node.many else where)
    told += [line for line in (node.seen, "not usable" if node.usable is False else "", node.note) if line]
    return told


def _planes(edge: Edge) -> str:
    return ", ".join(edge.planes) or _UNKNOWN


def _marks(graph: Graph) -> dict[str, list[int]]:
    """Word of a mark → numbers of the nodes that carry it; what ties the backup is no longer only shared."""
    bound = [number for number, node in enumerate(graph.nodes) if node.bound]
    shared = [number for number, node in enumerate(graph.nodes) if node.shared and not node.bound]
    return {"shared": shared, "bound": bound}
