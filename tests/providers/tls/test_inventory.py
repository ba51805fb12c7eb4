"""The adapter against real endpoints on loopback: what is served, and whether a client would believe it."""

import socket
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.spi import (
    Budget,
    Coverage,
    CoverageStatus,
    CredentialState,
    InventoryRequest,
    Item,
    Locator,
    Presence,
)

from .conftest import Edge

DAY = timedelta(days=1)


def chain_of(item: Item) -> Any:
    """The item's chain, which must be there."""
    assert item.presence is Presence.PRESENT, item.error
    assert item.chain is not None
    return item.chain


@pytest.mark.requirement("R30")
def test_a_good_endpoint(edge: Edge) -> None:
    """A complete, valid chain must verify, cover its name and show the leaf's public facts."""
    (item,) = edge.look(edge.plant(expires=30 * DAY, rotated=10 * DAY))
    chain = chain_of(item)
    assert (chain.builds, chain.builds_with_known, chain.ordered, chain.surplus) == (True, True, True, 0)
    assert (chain.name, chain.covers_name, chain.problem, chain.weak) == ("api.example.com", True, "", ())
    assert chain.anchor == "CN=Demo Root,O=Example"
    assert chain.asks_client_certificate is False
    leaf, issuing = chain.certificates
    assert (leaf.key_type, leaf.key_bits, leaf.signature) == ("ec", 256, "ecdsa-with-sha256")
    assert leaf.names == ("api.example.com",)
    assert issuing.is_ca
    assert item.state is CredentialState.ACTIVE
    assert item.expires is not None
    assert item.expires.at == edge.clock.now() + 30 * DAY
    assert item.rotated is not None
    assert item.rotated.at == edge.clock.now() - 10 * DAY
    assert dict(item.attributes)["chain-holds-until"] == f"{item.expires.at:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.requirement("R30")
@pytest.mark.parametrize(
    ("word", "builds", "known", "ordered", "surplus", "problem"),
    [
        ("missing_intermediate", False, True, True, 0, "an intermediate is not served (it is known here)"),
        ("with_root", True, True, True, 0, ""),
        ("wrong_order", True, True, False, 0, ""),
        ("surplus", True, True, True, 1, ""),
        ("issued_by_root", True, True, True, 0, ""),
        ("expiring_intermediate", True, True, True, 0, ""),
        ("expired_intermediate", False, False, True, 0, "Expired Issuing CA expired 2026-11-22T03:12:09Z"),
        ("untrusted", False, False, True, 0, "no path to a configured root"),
        ("self_signed", False, False, True, 0, "self-signed, and not a configured root"),
    ],
)
def test_each_chain_fault_has_its_own_facts(
    edge: Edge, word: str, builds: bool, known: bool, ordered: bool, surplus: int, problem: str
) -> None:
    """Every way a chain can be wrong must be told apart by facts alone."""
    (item,) = edge.look(edge.plant(chain=word))
    chain = chain_of(item)
    assert (chain.builds, chain.builds_with_known) == (builds, known)
    assert (chain.ordered, chain.surplus, chain.problem) == (ordered, surplus, problem)


def test_the_end_of_the_chain_is_the_end_of_its_first_part(edge: Edge) -> None:
    """When an intermediate ends before the leaf, the chain holds only until then, and the intermediate is named."""
    (item,) = edge.look(edge.plant(chain="expiring_intermediate"))
    shown = dict(item.attributes)
    assert shown["chain-holds-until"] == f"{edge.clock.now() + DAY:%Y-%m-%dT%H:%M:%SZ}"
    assert shown["chain-ends-with"] == "CN=Ending Issuing CA,O=Example"


def test_a_root_that_ends_inside_a_window_is_visible(edge: Edge) -> None:
    """The anchor's own end must be a fact, because a rule compares it with the failover window."""
    options = {"authority": "Old", "root_expires": 2 * DAY}
    edge.document = edge.world.add_source("primary", "old", region="r", options=options)
    edge.world._sources["primary", "edge"] = edge.world._sources["primary", "old"]
    (item,) = edge.look(edge.plant())
    assert chain_of(item).anchor_not_after == edge.clock.now() + 2 * DAY


@pytest.mark.parametrize(
    ("options", "state", "problem"),
    [
        ({"expires": -3 * DAY}, CredentialState.DEACTIVATED, "api.example.com expired 2026-11-20T03:12:09Z"),
        ({"starts_in": 2 * DAY}, CredentialState.PRE_ACTIVATION, "api.example.com is not valid before 2026-11-25"),
    ],
)
def test_dates_are_judged_at_the_injected_instant(
    edge: Edge, options: dict[str, Any], state: CredentialState, problem: str
) -> None:
    """An expired or future leaf must fail with its name and date; moving the clock must change the answer."""
    locator = edge.plant(**options)
    (item,) = edge.look(locator)
    assert chain_of(item).builds is False
    assert item.state is state
    assert chain_of(item).problem.startswith(problem)
    edge.clock.jump(-5 * DAY if "expires" in options else 3 * DAY)
    (again,) = edge.look(locator)
    assert chain_of(again).builds is True


@pytest.mark.parametrize(
    ("options", "weak"),
    [
        ({"key": "rsa-1024"}, ("rsa-1024-leaf",)),
        ({"usages": ()}, ("no-eku",)),
        ({"usages": ("server_auth", "any")}, ("any-eku",)),
        ({"key": "rsa-2048"}, ()),
        ({"key": "ed25519"}, ()),
    ],
)
def test_weak_leaves_are_named(edge: Edge, options: dict[str, Any], weak: tuple[str, ...]) -> None:
    """What the path verifier lets pass must be found by our own checks."""
    (item,) = edge.look(edge.plant(**options))
    assert chain_of(item).weak == weak
    assert chain_of(item).builds is True


def test_a_leaf_that_is_not_for_servers(edge: Edge) -> None:
    """A client certificate on a listener must not build, and the reason must be the usage."""
    (item,) = edge.look(edge.plant(usages=("client_auth",)))
    assert chain_of(item).builds is False
    assert chain_of(item).problem == "the leaf is not for servers (extended key usage)"
    assert chain_of(item).weak == ("no-server-auth",)


def test_a_name_outside_the_certificate(edge: Edge) -> None:
    """A chain may be perfect and still be for another name: two separate facts."""
    (item,) = edge.look(edge.plant(names=("*.example.net", "192.0.2.7")))
    chain = chain_of(item)
    assert (chain.builds, chain.covers_name) == (True, False)
    assert chain.certificates[0].names == ("*.example.net", "192.0.2.7")


@pytest.mark.parametrize(
    ("asked", "covered"), [("a.example.net", True), ("a.b.example.net", False), ("192.0.2.7", True)]
)
def test_wildcards_and_addresses_cover_what_rfc_9525_says(edge: Edge, asked: str, covered: bool) -> None:
    """A wildcard stands for one label; an address must match as an address."""
    planted = edge.plant(names=("*.example.net", "192.0.2.7"))
    place = planted.name.partition("?")[0]
    (item,) = edge.look(Locator("edge", "tls", f"{place}?name={asked}"))
    assert chain_of(item).covers_name is covered


def test_a_leaf_without_names_covers_nothing(edge: Edge) -> None:
    """The common name does not count (RFC 9525 §6)."""
    (item,) = edge.look(edge.plant(names=()))
    chain = chain_of(item)
    assert (chain.builds, chain.covers_name, chain.weak) == (False, False, ("no-names",))
    assert chain.problem == "the leaf names no server in a subject alternative name"


@pytest.mark.requirement("R42")
def test_a_copied_key_and_a_copied_certificate_have_equal_public_ids(edge: Edge) -> None:
    """The same key under two serials must share the SPKI id only; the same certificate must share both."""
    one, two, three = edge.look(
        edge.plant("a", key_label="k"), edge.plant("b", key_label="k"), edge.plant("c", certificate_label="x")
    )
    (four,) = edge.look(edge.plant("d", certificate_label="x"))
    ids = [{i.scheme: i.value for i in item.ids} for item in (one, two, three, four)]
    assert ids[0]["spki-sha256"] == ids[1]["spki-sha256"]
    assert ids[0]["issuer-serial"] != ids[1]["issuer-serial"]
    assert ids[2] == ids[3]
    assert ids[0]["spki-sha256"] != ids[2]["spki-sha256"]


def test_the_pinned_address_is_asked_for_the_configured_name(edge: Edge) -> None:
    """The address must be dialled as written, the name sent as SNI, and never looked up."""
    first = edge.plant("one", endpoint="shared")
    second = edge.plant("two", endpoint="shared")
    items = edge.look(first, second)
    assert [chain_of(item).certificates[0].names for item in items] == [("one.example.com",), ("two.example.com",)]
    names = [shake.server_name for shake in edge.world.endpoint("primary", "edge", "shared").handshakes]
    assert sorted(filter(None, names)) == ["one.example.com", "two.example.com"]


def test_sni_can_be_left_out(edge: Edge) -> None:
    """With ``sni=off`` the default certificate is seen, and still judged against the name."""
    edge.plant("one", endpoint="shared")
    second = edge.plant("two", endpoint="shared")
    (item,) = edge.look(Locator("edge", "tls", f"{second.name}&sni=off"))
    assert chain_of(item).certificates[0].names == ("one.example.com",)
    assert chain_of(item).covers_name is False
    assert dict(item.attributes)["sni"] == "not sent"


def test_the_source_can_name_the_server_for_bare_addresses(edge: Edge) -> None:
    """``server_name`` must stand in where a locator has only an address; without it no name is judged."""
    bare = Locator("edge", "tls", edge.plant().name.partition("?")[0])
    (without,) = edge.look(bare)
    (named,) = edge.look(bare, server_name="api.example.com")
    assert (chain_of(without).name, chain_of(without).covers_name) == ("", None)
    assert (chain_of(named).name, chain_of(named).covers_name) == ("api.example.com", True)


def test_alpn_is_offered_and_reported(edge: Edge) -> None:
    """The protocols of the locator must be offered, and the agreed one shown."""
    planted = edge.plant(alpn=("h2", "http/1.1"))
    (item,) = edge.look(Locator("edge", "tls", f"{planted.name}&alpn=http/1.1"))
    assert dict(item.attributes)["alpn"] == "http/1.1"


@pytest.mark.parametrize("protocol", ["smtp", "postgres", "ldap"])
def test_starttls(edge: Edge, protocol: str) -> None:
    """The chain behind each STARTTLS protocol must be seen like any other."""
    (item,) = edge.look(edge.plant(starttls=protocol))
    assert chain_of(item).builds is True


@pytest.mark.parametrize(("version", "word", "asks"), [("1.2", "required", True), ("1.3", "required", True)])
def test_a_demanded_client_certificate_is_a_fact(edge: Edge, version: str, word: str, asks: bool) -> None:
    """The demand and the chain must be seen although the server ends the connection (1.2) or refuses later (1.3)."""
    (item,) = edge.look(edge.plant(client_certificate="required", version=version))
    assert chain_of(item).builds is True
    assert chain_of(item).asks_client_certificate is asks
    assert dict(item.attributes)["client-certificate"] == word


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_requested_client_certificate_is_not_a_demanded_one(edge: Edge, version: str) -> None:
    """A server that asks but goes on without one demands nothing that we could prove."""
    (item,) = edge.look(edge.plant(client_certificate="requested", version=version), settle="50ms")
    assert chain_of(item).asks_client_certificate is None
    assert chain_of(item).wishes_client_certificate
    assert dict(item.attributes)["client-certificate"] == "requested"


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("fault", "options", "presence", "kind", "reason"),
    [
        ("refuse", {}, Presence.UNREACHABLE, "unreachable", "refused"),
        ("hang", {}, Presence.UNREACHABLE, "unreachable", "handshake-timeout"),
        ("close", {}, Presence.UNREACHABLE, "unreachable", "handshake-closed"),
        ("plaintext", {}, Presence.UNKNOWN, "malformed", "not-tls"),
        ("starttls_refused", {"starttls": "smtp"}, Presence.UNSUPPORTED, "unsupported", "starttls-refused"),
        ("starttls_refused", {"starttls": "postgres"}, Presence.UNSUPPORTED, "unsupported", "starttls-refused"),
        ("starttls_refused", {"starttls": "ldap"}, Presence.UNSUPPORTED, "unsupported", "starttls-refused"),
        ("hang", {"starttls": "smtp"}, Presence.UNREACHABLE, "unreachable", "starttls-timeout"),
        ("close", {"starttls": "postgres"}, Presence.UNREACHABLE, "unreachable", "starttls-closed"),
        ("plaintext", {"starttls": "ldap"}, Presence.UNKNOWN, "malformed", "starttls-strange"),
    ],
)
def test_no_answer_is_never_absence(
    edge: Edge, fault: str, options: dict[str, Any], presence: Presence, kind: str, reason: str
) -> None:
    """Refused, hanging, closing and not speaking TLS must be four different typed answers, none of them ABSENT."""
    locator = edge.plant(**options)
    edge.world.fault("primary", "edge", fault)
    (item,) = edge.look(locator, handshake_timeout="300ms")
    assert (item.presence, item.error and item.error.kind, item.error and item.error.reason) == (presence, kind, reason)
    assert item.chain is None


def test_a_slow_endpoint_is_waited_for(edge: Edge) -> None:
    """Slowness within the limit must not become a failure."""
    locator = edge.plant()
    edge.world.fault("primary", "edge", "slow", delay=0.1)
    (item,) = edge.look(locator)
    assert item.presence is Presence.PRESENT


def test_a_silent_address_is_told_from_a_refusing_one(edge: Edge) -> None:
    """A full backlog drops connections: that must be a connect timeout, not a refusal."""
    with closing(socket.socket()) as silent, closing(socket.socket()) as filler, closing(socket.socket()) as second:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        filler.connect(silent.getsockname())
        second.setblocking(False)
        second.connect_ex(silent.getsockname())
        locator = Locator("edge", "tls", f"127.0.0.1:{silent.getsockname()[1]}")
        (item,) = edge.look(locator, connect_timeout="300ms", handshake_timeout="300ms")
    assert item.error is not None
    assert item.error.reason in {"connect-timeout", "handshake-timeout"}
    assert item.presence is Presence.UNREACHABLE


def test_one_bad_endpoint_does_not_end_the_run(edge: Edge) -> None:
    """Bad locators, foreign kinds and dead endpoints must each get their own answer beside the good ones."""
    good, dead = edge.plant("good"), edge.plant("dead")
    edge.world.fault("primary", "edge", "refuse", item="dead")
    wrong = Locator("edge", "tls", "host:99999")
    foreign = Locator("edge", "pem", "x.pem")
    typo = Locator("edge", "tls", "127.0.0.1:1?nmae=x")
    items = edge.look(good, dead, wrong, foreign, typo)
    assert [item.presence for item in items] == [
        Presence.PRESENT,
        Presence.UNREACHABLE,
        Presence.UNKNOWN,
        Presence.UNSUPPORTED,
        Presence.UNKNOWN,
    ]
    assert items[4].error is not None
    assert "unknown option nmae" in items[4].error.message


def test_configured_endpoints_are_swept(edge: Edge) -> None:
    """When the kind is swept, configured endpoints must be seen too, and the coverage must count them."""
    planted = edge.plant()
    request = InventoryRequest(budget=edge.budget(), kinds=frozenset({"tls"}))
    seen = list(edge.provider(endpoints=[planted.name, "127.0.0.1:1"]).inventory(request))
    items = [one for one in seen if isinstance(one, Item)]
    (coverage,) = (one for one in seen if isinstance(one, Coverage))
    assert {item.presence for item in items} == {Presence.PRESENT, Presence.UNREACHABLE}
    assert (coverage.status, coverage.items, coverage.authoritative) == (CoverageStatus.PARTIAL, 1, False)


@pytest.mark.parametrize(("alive", "status"), [(True, CoverageStatus.COMPLETE), (False, CoverageStatus.UNREACHABLE)])
def test_coverage_says_how_far_the_source_was_seen(edge: Edge, alive: bool, status: CoverageStatus) -> None:
    """All seen is complete, none seen is unreachable."""
    planted = edge.plant()
    if not alive:
        edge.world.fault("primary", "edge", "refuse")
    request = InventoryRequest(budget=edge.budget(), wanted=(planted,))
    coverage = [one for one in edge.provider().inventory(request) if isinstance(one, Coverage)]
    assert [entry.status for entry in coverage] == [status]


def test_an_exhausted_budget_answers_throttled(edge: Edge) -> None:
    """Endpoints beyond the cycle's calls must be answered as not asked, and must not be connected to."""
    wanted = tuple(edge.plant(f"n{i}", endpoint="one") for i in range(3))
    budget = Budget(edge.clock, seconds=60, calls=1)
    items = [
        one
        for one in edge.provider().inventory(InventoryRequest(budget=budget, wanted=wanted))
        if isinstance(one, Item)
    ]
    assert sorted(item.presence for item in items) == [Presence.PRESENT, Presence.THROTTLED, Presence.THROTTLED]
    assert edge.world.endpoint("primary", "edge", "one").connections == 1


def test_a_closed_adapter_asks_nobody(edge: Edge) -> None:
    """After `close`, from whatever thread, no further endpoint may be contacted."""
    planted, provider = edge.plant(), edge.provider()
    provider.close()
    provider.close()
    seen = list(provider.inventory(InventoryRequest(budget=edge.budget(), wanted=(planted,))))
    assert isinstance(seen[0], Item)
    assert seen[0].presence is Presence.THROTTLED
    assert edge.world.endpoint("primary", "edge", "api").connections == 0


def test_configured_rates_are_kept(edge: Edge) -> None:
    """A configured rate must make the adapter wait through the clock."""
    wanted = tuple(edge.plant(f"n{i}", endpoint="one") for i in range(15))
    edge.look(*wanted, limits={"rates": {"handshake": 1}}, parallel=1)
    assert sum(edge.clock.slept) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "trust_file cannot be read"),
        (b"", "trust_file holds no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "trust_file holds a block that is no"),
    ],
)
def test_unusable_trust_is_never_a_pass(edge: Edge, content: bytes | None, problem: str, tmp_path: Path) -> None:
    """Without trust the chain is described, but `builds` must stay None and the reason be told."""
    file = tmp_path / "trust.pem"
    if content is not None:
        file.write_bytes(content)
    (item,) = edge.look(edge.plant(), trust_file=str(file))
    chain = chain_of(item)
    assert (chain.builds, chain.builds_with_known) == (None, None)
    assert chain.problem.startswith(problem)
    assert len(chain.certificates) == 2


def test_an_intermediate_in_the_trust_file_does_not_hide_that_it_is_not_served(edge: Edge, tmp_path: Path) -> None:
    """Only self-signed authorities may end a path; anything else in the file counts as known, not as trusted."""
    both = tmp_path / "both.pem"
    parts = (Path(edge.document[key]).read_bytes() for key in ("trust_file", "intermediates_file"))
    both.write_bytes(b"".join(parts))
    document = edge.document | {"trust_file": str(both)}
    del document["intermediates_file"]
    edge.document = document
    (item,) = edge.look(edge.plant(chain="missing_intermediate"))
    assert (chain_of(item).builds, chain_of(item).builds_with_known) == (False, True)
