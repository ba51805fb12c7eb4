"""The dependency graph says what rows say, in one order, and agrees with the rules that judge the same facts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.model import Dependency, Needed, Side, State
from nhisync.parity.graph import Graph, Node, bound, graph_of, shared
from nhisync.parity.planes import SERVICES, Plane, dependency_planes, source_planes
from nhisync.parity.row import Row
from nhisync.registry import Registry

from .rules.builders import ask, backup, facts, primary, unseen, view
from .rules.test_properties import hostile, plausible

THOROUGH = settings(max_examples=150, deadline=None)
PRIMARY = frozenset({"aws/eu-west-1", "vault/eu-west-1"})
PROVIDERS = {("west", "vault"): "vault", ("west", "aws"): "aws", ("north", "aws"): "aws", ("north", "edge"): "tls"}
DOMAINS = {
    ("west", "vault"): "vault/eu-west-1",
    ("west", "aws"): "aws/eu-west-1",
    ("north", "aws"): "aws/eu-north-1",
    ("north", "edge"): "tls/eu-north-1",
}
KEY = "payments/stripe-api"


def drawn(*pairs: tuple[str, Row | None, Row | None], domains: Any = DOMAINS, **more: Any) -> Graph:
    """The graph of these pairs between west and north."""
    paths = {"primary": "west", "backup": "north", "primary_domains": PRIMARY}
    return graph_of(iter(pairs), providers=PROVIDERS, domains=domains, **{**paths, **more})


def needs(*dependencies: Dependency) -> dict[str, Any]:
    """The columns of a row with these dependencies."""
    return facts(dependencies=dependencies)


def named(graph: Graph, kind: str) -> list[Node]:
    """The nodes of one kind."""
    return [node for node in graph.nodes if node.kind == kind]


def planes(graph: Graph, start: str, end: str) -> tuple[Plane, ...]:
    """What the identity `start` needs `end` for."""
    names = [node.name for node in graph.nodes]
    (found,) = (e.planes for e in graph.edges if names[e.start] == start and names[e.end] == end)
    return found


@pytest.mark.requirement("R39")
def test_each_kind_of_dependency_stands_with_place_and_plane() -> None:
    """Key, rotator, issuer, master secret, identity provider, queue: each with its fault domain and what it is for."""
    wanted = {
        "kms-key": (Plane.READ, Plane.ROTATE),
        "rotation-function": (Plane.ROTATE,),
        "issuer": (Plane.ISSUE, Plane.ROTATE),
        "master-secret": (Plane.ROTATE,),
        "identity-provider": (Plane.AUTHENTICATE,),
        "queue": (Plane.ROTATE,),
        "sundial": (),
    }
    row = backup(**needs(*(Dependency(kind=kind, id=f"my {kind}", region="eu-west-1") for kind in wanted)))
    graph = drawn((KEY, primary(), row))
    for kind, planned in wanted.items():
        (node,) = named(graph, kind)
        assert (node.domain, node.bound, node.shared) == ("aws/eu-west-1", True, False)
        assert planes(graph, row.locator, node.name) == planned
    assert {node.name for node in bound(graph)} == {f"my {kind}" for kind in wanted}


@pytest.mark.requirement("R39")
def test_what_both_paths_rest_on_is_shared() -> None:
    """One issuer behind both sides is one node, marked; the stores of two paths are two."""
    issuer = Dependency(kind="issuer", id="https://idp.example")
    graph = drawn((KEY, primary(**needs(issuer)), backup(**needs(issuer))))
    assert [node.name for node in shared(graph)] == ["https://idp.example"]
    assert [(node.name, node.path) for node in named(graph, "store")] == [
        ("aws (aws)", "north"),
        ("vault (vault)", "west"),
    ]
    assert not list(bound(graph))


def test_a_key_of_several_regions_ties_nobody() -> None:
    """A multi-Region key exists outside of the primary's domain, too."""
    key = Dependency(kind="kms-key", id="mrk-1", region="eu-west-1", multi_region=True)
    graph = drawn((KEY, primary(), backup(**needs(key))))
    assert [(node.many, node.bound) for node in named(graph, "kms-key")] == [(True, False)]


def test_iam_has_one_control_plane_and_a_data_plane_in_every_region() -> None:
    """What rotates an access key is shared by all regions; what checks it is not. Other partitions have their own."""
    west, north = (make(locator="aws:access-key/svc") for make in (primary, backup))
    west = west._replace(domain="aws/eu-west-1")
    graph = drawn((KEY, west, north))
    services = {(n.name, n.domain): n.shared for n in named(graph, "service")}
    assert services == {
        ("AWS IAM control plane", "aws/us-east-1"): True,
        ("AWS IAM data plane", "aws/eu-west-1"): False,
        ("AWS IAM data plane", "aws/eu-north-1"): False,
    }
    assert all(node.source.startswith("https://docs.aws.amazon.com/") for node in named(graph, "service"))
    china = drawn((KEY, None, north._replace(domain="aws/cn-north-1")))
    assert ("AWS IAM control plane", None) in {(n.name, n.domain) for n in named(china, "service")}


@pytest.mark.requirement("R39")
def test_sessions_of_a_role_are_made_without_the_control_plane() -> None:
    """STS is a data plane of each Region: while IAM cannot be changed, roles mint sessions all the same."""
    graph = drawn((KEY, None, backup(locator="aws:role/task")))
    (role,) = (node.name for node in graph.nodes if node.kind == "identity")
    needed = {name: planes(graph, role, name) for name in ("AWS IAM control plane", "AWS IAM data plane", "AWS STS")}
    assert needed == {
        "AWS IAM control plane": (Plane.ROTATE,),
        "AWS IAM data plane": (Plane.AUTHENTICATE,),
        "AWS STS": (Plane.ISSUE,),
    }
    assert {n.domain for n in named(graph, "service") if n.name == "AWS STS"} == {"aws/eu-north-1"}


@pytest.mark.requirement("R39")
def test_what_a_pair_says_stands_beside_what_providers_tell() -> None:
    """With its own place, bound where the primary fails; one thing of both paths is one node."""
    needs = (
        Needed(side=Side.BACKUP, kind="master-secret", name="rds/admin", domain="aws/eu-west-1"),
        Needed(side=Side.BACKUP, kind="queue", name="rotations"),
        Needed(side=Side.PRIMARY, kind="queue", name="rotations"),
    )
    graph = drawn((KEY, primary(), backup()), needs={KEY: needs})
    assert [(node.name, node.note) for node in bound(graph)] == [("rds/admin", "declared")]
    assert [(node.name, node.many) for node in shared(graph)] == [("rotations", True)]
    assert planes(graph, backup().locator, "rds/admin") == (Plane.ROTATE,)


def test_where_nothing_is_kept_every_login_needs_the_issuer() -> None:
    """The OIDC issuer of a role is no tool of its renewal only: it is needed to authenticate."""
    assert dependency_planes("aws", "role", "issuer") == (Plane.ISSUE, Plane.AUTHENTICATE)
    assert dependency_planes("vault", "db-dynamic", "master-secret") == (Plane.ISSUE, Plane.AUTHENTICATE)
    assert dependency_planes("kubernetes", "certificate", "issuer") == (Plane.ISSUE, Plane.ROTATE)
    assert source_planes("aws", "secret") == (Plane.READ, Plane.ROTATE)
    assert source_planes("azure", "secret") == (Plane.READ,)
    assert source_planes("aws", "role") == ()
    assert source_planes("vault", "db-dynamic") == (Plane.ISSUE,)
    assert Plane.AUTHENTICATE in source_planes("tls", "tls")


def test_an_identity_that_was_not_seen_stands_there_as_such() -> None:
    """A pair without a row on one side, or with an unanswered one, loses neither node nor pair."""
    graph = drawn(("payments/a", primary(), unseen("denied")), ("payments/b", primary(locator="vault:kv/b"), None))
    assert [(pair.key, pair.backup is None) for pair in graph.pairs] == [("payments/a", False), ("payments/b", True)]
    assert {node.seen for node in named(graph, "identity")} == {"", "denied"}


@pytest.mark.requirement("R39")
@THOROUGH
@given(plausible)
def test_the_graph_agrees_with_the_rules(row: Row) -> None:
    """The backup is tied in the graph exactly when one of NHS701 to NHS704 fails."""
    b = row._replace(key=KEY, locator="aws:secret/x", presence="present", domain="aws/eu-north-1")
    deps = [d for d in graph_nodes(b) if d.domain in PRIMARY and not d.many]
    b = b._replace(bound="\n".join(sorted({d.domain or "" for d in deps})) or None)
    asked = view(primary(), b, primary_domains=PRIMARY)
    failing = {f"NHS{n}" for n in range(701, 705) if (o := ask(f"NHS{n}", asked)) is not None and o.state is State.FAIL}
    assert bool(failing) == bool(list(bound(drawn((KEY, primary(), b)))))


def graph_nodes(row: Row) -> list[Node]:
    """The dependencies of one backup row."""
    return [n for n in drawn((KEY, None, row)).nodes if n.kind not in {"identity", "store", "endpoint", "service"}]


@settings(max_examples=60, deadline=None)
@given(st.one_of(hostile, plausible), plausible, st.one_of(hostile, plausible))
def test_the_order_of_pairs_changes_nothing(one: Row, two: Row, three: Row) -> None:
    """Whatever rows hold, the graph is whole, every edge leads somewhere, and it is the same in any order."""
    pairs = [("payments/0", one, two), ("payments/1", two, three), ("payments/2", None, one)]
    graph = drawn(*pairs)
    assert drawn(*reversed(pairs)) == graph
    assert all(0 <= edge.start < len(graph.nodes) and 0 <= edge.end < len(graph.nodes) for edge in graph.edges)


def test_kinds_of_the_table_exist() -> None:
    """A provider that renames a kind would silently leave the table; every service names its vendor's page."""
    registry = Registry()
    for (provider, kind), services in SERVICES.items():
        assert kind in {known.name for known in registry.load(provider).info.kinds}, (provider, kind)
        assert all(service.source.startswith("https://") for service in services)
