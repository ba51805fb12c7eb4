"""`nhisync graph`: three formats of one graph, in which names of others are never markup."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.cli.output.diagram import render_dot, render_graph_json, render_mermaid
from nhisync.cli.safe import printable
from nhisync.parity.graph import Couple, Edge, Graph, Node
from nhisync.parity.planes import Plane
from nhisync.spi import ErrorKind, ProviderError

from .conftest import World
from .reports import HOSTILE

MERMAID = (
    r"flowchart LR",
    r"  subgraph g\dp\d+\[\"(?P<a>[^\"]*)\"\]",
    r"  end",
    r"  (  )?g\dn\d+(\[|\[\(|\(\[|\{\{|\()\"(?P<b>[^\"]*)\"(\]|\)\]|\]\)|\}\}|\))",
    r"  g\dn\d+ -->\|\"(?P<c>[a-z, ]+)\"\| g\dn\d+",
    r"  class g\dn\d+(,g\dn\d+)* (shared|bound)",
    r"  classDef (shared|bound) fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#111",
)
"""All lines that a chart of ours has."""

LABEL = re.compile(r"(?:[A-Za-z0-9 ._/:@=+,-]|#\d+;|<br>)*")
STRING = r'"(?:[^"\\]|\\.)*"'
DOT = (
    r"digraph nhisync \{",
    r"  rankdir=LR;",
    r"  node \[fontname=Helvetica\];",
    rf"  g\dn\d+ \[shape=[a-z]+, label={STRING}(, style=filled, fillcolor=\"#[0-9a-f]{{6}}\")?\];",
    rf"  subgraph cluster_g\dp\d+ \{{ label={STRING};( g\dn\d+;)* \}}",
    rf"  g\dn\d+ -> g\dn\d+ \[label={STRING}\];",
    r"\}",
)


def graph(name: str) -> Graph:
    """A graph in which everything that others name is called `name`."""
    nodes = (
        Node(kind="identity", name=name, path="primary", domain=name),
        Node(kind="identity", name=name, path=name, seen="denied"),
        Node(kind=name, name=name, domain=name, note=name, usable=False, many=True, shared=True),
        Node(kind="store", name=name, path="backup", bound=True),
    )
    edges = (Edge(0, 2, (Plane.READ,)), Edge(1, 2, ()), Edge(1, 3, (Plane.ROTATE, Plane.AUTHENTICATE)))
    return Graph(primary=name, backup=name, nodes=nodes, edges=edges, pairs=(Couple(f"payments/{name}", 0, 1),))


EVIL = (HOSTILE, '"]', "end", "`x`", "<script>", "click n0 href", "\\", '\\"', "#quot;", "%%{init}%%", "\n  end")
names = st.one_of(st.text(max_size=30), st.sampled_from(EVIL))


@settings(max_examples=200, deadline=None)
@given(names)
def test_mermaid_has_no_line_that_a_name_wrote(name: str) -> None:
    """Every line is one of ours, every label is plain letters, codes and our own line breaks, and says the name."""
    lines = "".join(render_mermaid([graph(name)])).splitlines()
    matched = [next((m for p in MERMAID if (m := re.fullmatch(p, line))), None) for line in lines]
    assert all(matched), [line for line, match in zip(lines, matched, strict=True) if match is None]
    labels = [text for match in matched if match for text in match.groupdict().values() if text is not None]
    assert all(LABEL.fullmatch(label) for label in labels)
    told = [re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label) for label in labels]
    assert any(label == f"payments/{printable(name)}" for label in told)
    assert len(lines) == len("".join(render_mermaid([graph("x")])).splitlines())


@settings(max_examples=200, deadline=None)
@given(names)
def test_dot_strings_end_where_ours_end(name: str) -> None:
    """Every statement is one of ours; a name is text inside of one quoted string."""
    text = "".join(render_dot([graph(name)]))
    lines = text.splitlines()
    assert all(any(re.fullmatch(p, line) for p in DOT) for line in lines), text
    assert len(lines) == len("".join(render_dot([graph("x")])).splitlines())
    assert all(printable(line) == line for line in lines)
    (cluster,) = (line for line in lines if line.startswith("  subgraph"))
    (quoted,) = re.findall(STRING, cluster)
    assert re.sub(r"\\(.)", r"\1", quoted[1:-1]) == f"payments/{printable(name)}"


@settings(max_examples=100, deadline=None)
@given(names)
def test_json_carries_names_as_they_are(name: str) -> None:
    """A program gets the very name, in ASCII only."""
    text = "".join(render_graph_json(["payments"], [graph(name)]))
    assert text.isascii()
    (found,) = json.loads(text)["graphs"]
    assert found["nodes"][0]["name"] == name
    assert found["nodes"][2]["shared"] is True
    assert found["nodes"][3]["bound_to_primary"] is True
    assert found["edges"][2] == {"from": "n1", "to": "n3", "planes": ["rotate", "authenticate"]}
    assert found["pairs"] == [{"pair": f"payments/{name}", "primary": "n0", "backup": "n1"}]


@pytest.mark.parametrize("fmt", ["mermaid", "dot", "json"])
def test_graph_draws_both_paths_twice_the_same(world: World, fmt: str) -> None:
    """Two calls on one world give the same bytes; every identity stands in its pair."""
    world.healthy()
    first, second = world("graph", "--format", fmt), world("graph", "--format", fmt)
    assert (first.code, first.out) == (0, second.out)
    for name in ("stripe-api", "ledger-db"):
        assert f"payments/{name}" in first.out


def test_graph_of_one_app(world: World) -> None:
    """--app narrows; an app that is not there is a usage error."""
    world.healthy()
    found = json.loads(world("graph", "--app", "payments", "--format", "json").out)
    assert found["apps"] == ["payments"]
    assert world("graph", "--app", "nobody").code == 2
    assert world("graph", "--format", "svg").code == 2


def test_graph_of_a_blind_path_is_not_known(world: World) -> None:
    """What could not be seen is drawn as such and answers 3, and 4 when nothing could; never 0."""
    world.healthy()
    gone = ProviderError(ErrorKind.UNREACHABLE, "the connection timed out")
    world.script("b", gone)
    ended = world("graph", "--format", "json")
    assert ended.code == 3
    assert "backup/one (fake): The connection timed out." in ended.err
    words = {node["presence"] for node in json.loads(ended.out)["graphs"][0]["nodes"] if node["kind"] == "identity"}
    assert words == {None, "unreachable"}
    world.script("p", gone)
    assert world("graph").code == 4


def test_graph_of_what_the_store_holds(world: World) -> None:
    """After a sync --cached contacts nothing and draws the same."""
    world.healthy()
    live = world("graph").out
    world("sync")
    world.script("p", AssertionError("nobody asks"))
    world.script("b", AssertionError("nobody asks"))
    cached = world("graph", "--cached")
    assert (cached.code, cached.out) == (0, live)
