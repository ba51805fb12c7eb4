"""Path verification without a network: profiles, purposes, cross-signing, and instants."""

import ssl
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from nhisync.spi.x509 import Profile, Purpose, Trust, chain_facts, holds_until, purpose_of
from nhisync.testing.clocks import FakeClock
from nhisync_tls.emulator.chains import Hierarchy, LeafPlan, build_chain, make_hierarchy
from nhisync_tls.emulator.pki import Issued, Shape, issue
from nhisync_tls.handshake import _refused_later, _Watch, countdown, served_chain
from nhisync_tls.starttls import PREAMBLES, StrangeError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


def shape(subject: str, **changes: Any) -> Shape:
    """A shape valid around `NOW`."""
    dates = {"not_before": NOW - 10 * DAY, "not_after": NOW + 60 * DAY}
    return Shape(subject=subject, **(dates | changes))


def leaf_of(issuer: Issued, **changes: Any) -> x509.Certificate:
    """A server leaf under `issuer`."""
    usual = {"names": ("api.example.com",), "usages": ("server_auth",)}
    return issue(shape("api.example.com", **(usual | changes)), issuer).certificate


@pytest.fixture(scope="module")
def hierarchy() -> Hierarchy:
    """One authority for all tests."""
    return make_hierarchy("Unit", NOW)


@pytest.mark.parametrize(
    ("root", "leaf"),
    [
        ({"key_usage": False}, {}),
        ({"critical_constraints": False}, {}),
        ({}, {"authority_key_id": False}),
    ],
)
def test_private_authorities_need_the_private_profile(root: dict[str, Any], leaf: dict[str, Any]) -> None:
    """What public rules refuse and RFC 5280 allows must fail under `web` with that reason, and pass under `private`."""
    own = issue(shape("Private Root", is_ca=True, **root))
    end = leaf_of(own, **leaf)
    roots = (own.certificate,)
    web = chain_facts([end], Trust(roots=roots), name="api.example.com", now=NOW)
    private = chain_facts([end], Trust(roots=roots, profile=Profile.PRIVATE), name="api.example.com", now=NOW)
    assert web.builds is False
    assert web.problem == "the path builds only under the profile private (it breaks rules of public authorities)"
    assert (private.builds, private.covers_name, private.problem) == (True, True, "")


@pytest.mark.parametrize(
    ("root", "leaf"),
    [
        ({"is_ca": False}, {}),
        ({}, {"usages": ("code_signing",)}),
        ({}, {"names": ()}),
        ({"usages": ("client_auth",)}, {}),
    ],
)
def test_the_private_profile_is_not_anything_goes(root: dict[str, Any], leaf: dict[str, Any]) -> None:
    """The CA flag, the usage of leaf and authority, and names must hold under the private profile too."""
    top = issue(shape("Root", is_ca=True))
    own = issue(shape("Middle", **({"is_ca": True} | root)), top)
    trust = Trust(roots=(top.certificate,), profile=Profile.PRIVATE)
    facts = chain_facts([leaf_of(own, **leaf), own.certificate], trust, name="", now=NOW)
    assert facts.builds is False


@pytest.mark.parametrize(
    ("names", "usages", "expected"),
    [
        (("a.example",), ("server_auth",), Purpose.SERVER),
        (("a.example",), ("server_auth", "client_auth"), Purpose.SERVER),
        (("a.example",), (), Purpose.SERVER),
        (("a.example",), ("client_auth",), Purpose.CLIENT),
        ((), ("client_auth",), Purpose.CLIENT),
        ((), (), Purpose.CLIENT),
        ((), ("server_auth",), Purpose.SERVER),
        (("a.example",), ("code_signing",), Purpose.SERVER),
    ],
)
def test_what_a_stored_certificate_is_for(
    hierarchy: Hierarchy, names: tuple[str, ...], usages: tuple[str, ...], expected: Purpose
) -> None:
    """Servers are those that name a server and admit the use; the rest are clients where they may be."""
    assert purpose_of(leaf_of(hierarchy.intermediate, names=names, usages=usages)) is expected


@pytest.mark.parametrize("profile", list(Profile))
def test_a_client_chain_builds_without_names(hierarchy: Hierarchy, profile: Profile) -> None:
    """A client certificate must be verified as a client under both profiles, and a server's must not pass as one."""
    trust = Trust(roots=(hierarchy.root.certificate,), profile=profile)
    client = leaf_of(hierarchy.intermediate, names=(), usages=("client_auth",))
    server = leaf_of(hierarchy.intermediate)
    chains = [[one, hierarchy.intermediate.certificate] for one in (client, server)]
    good, bad = (chain_facts(c, trust, name="", now=NOW, purpose=Purpose.CLIENT) for c in chains)
    assert (good.builds, good.weak) == (True, ())
    assert (bad.builds, bad.weak) == (False, ("no-client-auth",))
    assert bad.problem == "the leaf is not for clients (extended key usage)"


def test_a_cross_signed_path_takes_over(hierarchy: Hierarchy) -> None:
    """When the shorter of two paths ends, the chain must hold on over the other one."""
    old, new = issue(shape("Old Root", is_ca=True, not_after=NOW + 5 * DAY)), issue(shape("New Root", is_ca=True))
    middle = issue(shape("Middle", is_ca=True), new)
    crossed = issue(shape("Middle", is_ca=True, reuse_key=middle.key, not_after=NOW + 5 * DAY), old)
    leaf = leaf_of(middle, not_after=NOW + 30 * DAY)
    trust = Trust(roots=(old.certificate, new.certificate))
    end = holds_until(leaf, [crossed.certificate, middle.certificate], trust, NOW)
    assert end == (NOW + 30 * DAY, leaf)
    short = holds_until(leaf, [crossed.certificate], trust, NOW)
    assert short is not None
    assert short[0] == NOW + 5 * DAY
    assert holds_until(leaf, [], trust, NOW) is None


@pytest.mark.parametrize(
    ("root", "intermediate", "expected"),
    [(-1, 10, "Gone Root expired"), (10, -1, "Gone Issuing CA expired")],
)
def test_who_is_expired_is_named(root: int, intermediate: int, expected: str) -> None:
    """An expired root or intermediate must be named, not just "no path"."""
    gone = make_hierarchy("Gone", NOW, root_expires=root * DAY, intermediate_expires=intermediate * DAY)
    plan = LeafPlan(names=("a.example",), not_before=NOW - 5 * DAY, not_after=NOW + 5 * DAY)
    chain = build_chain(gone, plan, NOW)
    facts = chain_facts(
        [chain.leaf.certificate, *chain.others], Trust(roots=(gone.root.certificate,)), name="", now=NOW
    )
    assert facts.problem.startswith(expected)


def test_no_roots_is_a_reason_of_its_own(hierarchy: Hierarchy) -> None:
    """An empty trust store must not look like a broken chain."""
    facts = chain_facts([leaf_of(hierarchy.intermediate)], Trust(roots=()), name="", now=NOW)
    assert (facts.builds, facts.problem) == (False, "no root is configured")


def test_repeated_certificates_are_surplus(hierarchy: Hierarchy) -> None:
    """A certificate served twice is one too many."""
    leaf, issuing = leaf_of(hierarchy.intermediate), hierarchy.intermediate.certificate
    facts = chain_facts([leaf, issuing, issuing, leaf], Trust(roots=(hierarchy.root.certificate,)), name="", now=NOW)
    assert (facts.builds, facts.ordered, facts.surplus) == (True, True, 2)


def test_newer_pythons_offer_the_chain_publicly() -> None:
    """From Python 3.13 on the public method must be used, and an empty answer must stay empty."""
    assert served_chain(SimpleNamespace(get_unverified_chain=lambda: [b"leaf", b"issuer"])) == (b"leaf", b"issuer")  # type: ignore[arg-type]
    assert served_chain(SimpleNamespace(get_unverified_chain=lambda: None)) == ()  # type: ignore[arg-type]
    assert served_chain(SimpleNamespace(_sslobj=None)) == ()  # type: ignore[arg-type]


def test_a_python_without_handshake_messages_says_so() -> None:
    """Where handshake messages cannot be seen, "none" must not be claimed; a refusal still proves a demand."""
    watch = _Watch()
    watch.attach(SimpleNamespace())  # type: ignore[arg-type]
    assert watch.demand(refused=False, shown=False) == ""
    assert watch.demand(refused=True, shown=False) == "required"


class Settling:
    """A finished TLS 1.3 connection that answers the first read in one way."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer

    def version(self) -> str:
        """TLS 1.3."""
        return "TLSv1.3"

    def settimeout(self, _: float) -> None:
        """Accept any limit."""

    def recv(self, _: int) -> bytes:
        """The one answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "asked", "able", "refused"),
    [
        (ssl.SSLError(1, "alert"), True, True, True),
        (ConnectionResetError(), True, True, True),
        (b"", True, True, True),
        (TimeoutError(), True, True, False),
        (b"x", True, True, False),
        (ssl.SSLError(1, "alert"), False, True, False),
        (ssl.SSLError(1, "alert"), False, False, True),
        (b"", False, False, False),
        (TimeoutError(), False, False, False),
    ],
)
def test_the_first_read_after_tls_1_3(answer: Any, asked: bool, able: bool, refused: bool) -> None:
    """A late alert is a refusal; a plain end is one only for those who were asked; nobody else is even waited for."""
    watch = _Watch()
    watch.able, watch.requested = able, asked
    assert _refused_later(Settling(answer), 0.1, watch) is refused  # type: ignore[arg-type]


def test_a_server_that_drips_is_not_waited_for_ever() -> None:
    """The limit is for the whole exchange, not for each byte of it."""
    clock = FakeClock()
    left = countdown(5.0, clock)

    class Dripping:
        """One byte a second."""

        def sendall(self, _: bytes) -> None:
            """Swallow."""

        def recv(self, _: int) -> bytes:
            """The next byte, a second later."""
            clock.advance(timedelta(seconds=1))
            return b"2"

    def wait() -> None:
        left()

    with pytest.raises(TimeoutError):
        PREAMBLES["smtp"](Dripping(), wait)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [b"2" * 5_000, b"220-x\r\n" * 100])
def test_a_server_that_never_stops_talking_is_cut_off(said: bytes) -> None:
    """Endless lines and endless replies must end in a refusal."""

    class Talking:
        """Says what it has, byte by byte."""

        def __init__(self) -> None:
            self.rest = said

        def recv(self, size: int) -> bytes:
            """The next bytes."""
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece

    with pytest.raises(StrangeError):
        PREAMBLES["smtp"](Talking(), lambda: None)  # type: ignore[arg-type]
