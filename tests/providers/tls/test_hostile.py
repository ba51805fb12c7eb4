"""Bytes made by strangers: whatever is served, the adapter answers with facts or a typed error, and ends."""

import socket
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.spi import Locator, ProviderError
from nhisync.spi.x509 import Loaded, MalformedError, Trust, certificate_facts, chain_facts, decode, decode_pem
from nhisync.spi.x509.der import elements, subject_public_key_info
from nhisync.spi.x509.facts import text
from nhisync_tls.emulator.chains import Hierarchy, LeafPlan, build_chain, make_hierarchy
from nhisync_tls.emulator.pki import pem
from nhisync_tls.handshake import Served
from nhisync_tls.items import UNREADABLE, Judging, item_of
from nhisync_tls.starttls import PREAMBLES, RefusedError, StrangeError
from nhisync_tls.target import Target

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LOCATOR = Locator("edge", "tls", "192.0.2.10:443")
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def hierarchy() -> Hierarchy:
    """One authority for all examples."""
    return make_hierarchy("Fuzz", NOW)


@cache
def served() -> tuple[bytes, ...]:
    """A good chain as DER: leaf, intermediate, root."""
    plan = LeafPlan(
        names=("api.example.com", "*.example.net", "192.0.2.7"),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=60),
        chain="with_root",
    )
    chain = build_chain(hierarchy(), plan, NOW)
    return tuple(one.public_bytes(Encoding.DER) for one in (chain.leaf.certificate, *chain.others))


def trust() -> Trust:
    """Trust in that authority."""
    return Trust(roots=(hierarchy().root.certificate,), intermediates=(hierarchy().intermediate.certificate,))


@st.composite
def mutated(draw: st.DrawFn, index: int) -> bytes:
    """One certificate of the chain with up to four bytes changed, inserted or removed, or cut."""
    der = bytearray(served()[index])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(der) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                der[at] = draw(st.integers(0, 255))
            case 1:
                der[at:at] = draw(st.binary(min_size=1, max_size=3))
            case 2 if len(der) > 1:
                del der[at]
            case _:
                der[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(der[: draw(st.integers(1, len(der)))]) if draw(st.booleans()) and draw(st.booleans()) else bytes(der)


@many
@given(leaf=mutated(0), issuer=mutated(1))
def test_mutated_certificates_give_facts_or_a_typed_error(leaf: bytes, issuer: bytes) -> None:
    """A mutation must never crash the adapter, and never verify unless it changed nothing that is signed."""
    shown = Served(
        certificates=(leaf, issuer),
        version="TLSv1.3",
        cipher="",
        alpn="",
        sni="",
        client_certificate="none",
    )
    loaded = Loaded(trust=trust(), origin="file", ignored=0)
    item = None
    with suppress(ProviderError):
        item = item_of(LOCATOR, "api.example.com", shown, Judging(trust=loaded), NOW)
    if item is not None and leaf != served()[0]:
        assert item.chain is not None
        assert item.chain.builds is False


@many
@given(st.binary(max_size=300))
def test_random_bytes_are_malformed(junk: bytes) -> None:
    """Junk must be refused as such by every reader of certificates."""
    with pytest.raises(MalformedError):
        decode(junk)
    with suppress(ValueError, StopIteration):
        subject_public_key_info(junk)
    with suppress(ValueError):
        assert b"".join(one.raw for one in elements(junk)) == junk


@many
@given(st.binary(max_size=60), st.integers(0, 2000))
def test_damaged_pem_is_malformed_or_read(junk: bytes, at: int) -> None:
    """Junk inside a PEM text must be refused or skipped, never crash."""
    whole = pem(decode(served()[0]), decode(served()[1]))
    with suppress(MalformedError):
        assert len(decode_pem(whole[:at] + junk + whole[at:])) <= 2


@many
@given(protocol=st.sampled_from(sorted(PREAMBLES)), said=st.binary(max_size=200))
def test_strange_servers_before_tls_are_typed(protocol: str, said: bytes) -> None:
    """Whatever a server says before TLS, the exchange must end with success or one of the named refusals."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), suppress(RefusedError, StrangeError, OSError):
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        PREAMBLES[protocol](ours, lambda: ours.settimeout(2))


@many
@given(st.text(max_size=80))
def test_locator_names_are_read_or_refused(name: str) -> None:
    """Any text must give a target or a ValueError, and a target must be writable again."""
    with suppress(ValueError):
        target = Target.parse(name)
        assert Target.parse(target.endpoint).port == target.port


def test_an_unreadable_certificate_behind_a_good_leaf_is_counted() -> None:
    """A broken certificate after the leaf must not spoil the chain, and must be visible as weak and surplus."""
    leaf, issuer, _ = served()
    shown = Served(
        certificates=(leaf, b"\x30\x03\x02\x01\x00", issuer),
        version="TLSv1.3",
        cipher="",
        alpn="",
        sni="",
        client_certificate="none",
    )
    judging = Judging(trust=Loaded(trust=trust(), origin="file", ignored=0))
    item = item_of(LOCATOR, "api.example.com", shown, judging, NOW)
    assert item.chain is not None
    assert (item.chain.builds, item.chain.surplus, item.chain.weak) == (True, 1, (UNREADABLE,))


def test_names_cannot_move_the_cursor() -> None:
    """Control and direction characters of a hostile subject must not reach a terminal, and no name may be endless."""
    assert (
        text("a\x1b[2Jb\u202ec\nd")
        == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d"
    )
    assert len(text("x" * 10_000)) == 512


def test_an_empty_chain_is_a_fact() -> None:
    """No certificate at all must be described, not crash."""
    assert chain_facts([], trust(), name="x.example", now=NOW).problem == "no certificate"


def test_facts_agree_with_the_certificate() -> None:
    """The raw SPKI hash must equal the one over the re-encoded public key."""
    facts = certificate_facts(decode(served()[0]))
    assert len(facts.spki_sha256) == 64
    assert facts.names == ("*.example.net", "192.0.2.7", "api.example.com")
