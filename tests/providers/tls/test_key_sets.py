"""Key sets over HTTPS: fetched from a pinned address, verified before anything is asked, and bounded in every way."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import AccessMode, Coverage, InventoryRequest, Item, Locator, Presence, ProviderError
from nhisync.testing.clocks import FakeClock
from nhisync_tls.emulator import KEY_SET_PATH
from nhisync_tls.handshake import Patience
from nhisync_tls.pages import fetch
from nhisync_tls.target import Page

from .conftest import Edge

pytestmark = pytest.mark.requirement("R38")

DAY = timedelta(days=1)
EMPTY = b'{"keys": []}'


def plant(edge: Edge, name: str = "login", **options: Any) -> Locator:
    """An endpoint that publishes a key set."""
    return edge.plant(name, "jwks", **options)


def reason(item: Item) -> tuple[Presence, str]:
    """What is known instead."""
    assert item.error is not None, item
    assert item.key_set is None
    return item.presence, item.error.reason


def test_a_published_set_is_a_fact(edge: Edge) -> None:
    """Every signature key is known by kid, thumbprint and algorithm; no id looks like a copy, and there is no date."""
    (item,) = edge.look(plant(edge, keys=("2026-10", "2026-11=other")))
    assert item.presence is Presence.PRESENT, item.error
    assert item.key_set is not None
    assert [(key.kid, key.algorithms) for key in item.key_set.keys] == [
        ("2026-10", ("ES256",)),
        ("2026-11", ("ES256",)),
    ]
    assert (item.key_set.odd, item.key_set.private) == ((), 0)
    assert (item.ids, item.rotated, item.expires, item.chain) == ((), None, None, None)


def test_private_members_are_an_incident_and_stay_behind(edge: Edge) -> None:
    """They are counted; the answer's own bytes hold what the item must not."""
    (item,) = edge.look(plant(edge, keys=("a",), private=True))
    assert item.key_set is not None
    assert (item.key_set.private, len(item.key_set.keys)) == (1, 1)
    held = json.loads(edge.world.endpoint("primary", "edge", "login").page(KEY_SET_PATH).partition(b"\r\n\r\n")[2])
    assert held["keys"][0]["d"] not in repr(item)


@pytest.mark.parametrize("chain", ["untrusted", "self_signed", "missing_intermediate", "expired_intermediate"])
def test_an_endpoint_that_is_not_believed_tells_nothing(edge: Edge, chain: str) -> None:
    """Whoever stands in between could publish keys of their own: without a path to a root nothing is taken."""
    (item,) = edge.look(plant(edge, chain=chain))
    assert reason(item) == (Presence.UNREACHABLE, "not-verified")


def test_nothing_is_asked_of_whom_is_not_believed(edge: Edge) -> None:
    """The handshake ends before the request; the endpoint never sees one completed."""
    edge.look(plant(edge, chain="untrusted"))
    assert edge.world.endpoint("primary", "edge", "login").requests == ()


def test_the_name_is_verified(edge: Edge) -> None:
    """A certificate for another name is another service's, whatever stands at the address."""
    locator = plant(edge)
    other = Locator(locator.source, locator.kind, locator.name.replace("login.example.com", "admin.example.com"))
    bare = Locator(locator.source, locator.kind, locator.name.partition("?")[0])
    for item in edge.look(other, bare):
        assert reason(item) == (Presence.UNREACHABLE, "not-verified")


def test_dates_are_judged_at_the_injected_instant(edge: Edge) -> None:
    """A certificate that has ended by our clock is not believed, though the machine's clock is never asked."""
    locator = plant(edge, expires=2 * DAY)
    (before,) = edge.look(locator)
    assert before.presence is Presence.PRESENT
    edge.clock.advance(3 * DAY)
    (after,) = edge.look(locator)
    assert reason(after) == (Presence.UNREACHABLE, "not-verified")


@pytest.mark.parametrize(
    ("status", "presence"),
    [
        ("301 Moved Permanently", Presence.UNKNOWN),
        ("401 Unauthorized", Presence.UNKNOWN),
        ("404 Not Found", Presence.UNKNOWN),
        ("429 Too Many Requests", Presence.THROTTLED),
        ("503 Service Unavailable", Presence.UNREACHABLE),
    ],
)
def test_only_an_answer_is_one(edge: Edge, status: str, presence: Presence) -> None:
    """A redirect is not followed, and no other status is an empty set or an absence."""
    locator = plant(edge)
    endpoint = edge.world.endpoint("primary", "edge", "login")
    endpoint.publish(KEY_SET_PATH, EMPTY, status=status, headers=("Location: https://127.0.0.1:1/",))
    (item,) = edge.look(locator)
    assert reason(item) == (presence, f"http-{status[:3]}")
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + EMPTY, ""),
        (b"HTTP/1.1 200 OK\r\n\r\n" + EMPTY, ""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
            + EMPTY[:5]
            + b"\r\n7\r\n"
            + EMPTY[5:]
            + b"\r\n0\r\n\r\n",
            "",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + EMPTY, "not-http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n", "not-http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n" + EMPTY[:5], "not-http"),
        (b"220 mail.example.com ESMTP\r\n\r\n", "not-http"),
        (b"", "not-http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "not-jwks"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b" " * 200_000, "too-large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b" " * 70_000, "too-large"),
    ],
)
def test_whole_answers_count_and_others_do_not(edge: Edge, answer: bytes, why: str) -> None:
    """Each way to end a body is understood; what is cut, foreign or too long is no set."""
    locator = plant(edge)
    edge.world.endpoint("primary", "edge", "login").publish_raw(KEY_SET_PATH, answer)
    (item,) = edge.look(locator)
    if why:
        assert reason(item) == (Presence.UNKNOWN, why)
    else:
        assert item.key_set is not None, item.error


class Hasty(FakeClock):
    """A clock on which a tenth of a second passes whenever somebody looks."""

    def monotonic(self) -> float:
        """Later than before."""
        self.advance(timedelta(seconds=0.1))
        return super().monotonic()


def test_an_answer_in_many_parts_has_one_end(edge: Edge) -> None:
    """However often a part comes in time, the whole exchange ends with its one limit."""
    page = Page.parse(plant(edge).name)
    body = b" " * 60_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + body
    edge.world.endpoint("primary", "edge", "login").publish_raw(KEY_SET_PATH, answer)
    root = x509.load_pem_x509_certificate(Path(edge.document["trust_file"]).read_bytes()).public_bytes(Encoding.DER)

    def fetched(seconds: float) -> bytes:
        patience = Patience(connect=5, handshake=seconds, settle=1)
        return fetch(page, page.target.name, root, patience, Hasty()).content

    assert fetched(5) == body
    with pytest.raises(ProviderError) as caught:
        fetched(0.45)  # enough for the handshake and the request
    assert caught.value.fact.reason == "http-timeout"


def test_no_credential_and_nothing_superfluous_is_sent(edge: Edge) -> None:
    """The request is one GET for the path with the name as host; no client certificate is shown."""
    locator = plant(edge)
    edge.look(locator)
    endpoint = edge.world.endpoint("primary", "edge", "login")
    (request,) = endpoint.requests
    assert request.startswith(f"GET {KEY_SET_PATH} HTTP/1.1\r\nHost: login.example.com:{endpoint.port}\r\n".encode())
    assert b"authorization" not in request.lower()
    assert b"cookie" not in request.lower()
    assert [shake.client_certificate for shake in endpoint.handshakes] == [False]


def test_a_sweep_covers_the_key_sets_that_are_named(edge: Edge) -> None:
    """`key_sets` are swept as `endpoints` are; each kind has a coverage of its own, and neither proves absence."""
    here, lost = plant(edge), plant(edge, name="lost")
    edge.world.fault("primary", "edge", "refuse", item="lost")
    request = InventoryRequest(budget=edge.budget(), kinds=frozenset({"tls", "jwks"}))
    seen = list(edge.provider(key_sets=[here.name, lost.name]).inventory(request))
    assert {item.locator: item.presence for item in seen if isinstance(item, Item)} == {
        here: Presence.PRESENT,
        lost: Presence.UNREACHABLE,
    }
    covered = {one.kind: one for one in seen if isinstance(one, Coverage)}
    assert {kind: one.items for kind, one in covered.items()} == {"tls": 0, "jwks": 1}
    assert not any(one.authoritative for one in covered.values())
    assert covered["jwks"].status.value == "partial"


def test_the_connection_is_a_line_of_the_document(edge: Edge) -> None:
    """A key set needs the connection to its endpoint, one line, which the refusal names."""
    locator = plant(edge)
    edge.world.fault("primary", "edge", "refuse", item="login")
    endpoint = f"127.0.0.1:{edge.world.endpoint('primary', 'edge', 'login').port}"
    documents = edge.provider().permissions(AccessMode.READ, (locator,), frozenset())
    assert f"connect:{endpoint}" in documents[0].actions
    assert f'to: "{endpoint}"' in documents[0].text
    (item,) = edge.look(locator)
    assert item.error is not None
    assert item.error.action == f"connect:{endpoint}"


def test_doctor_fetches_as_an_inventory_does(edge: Edge) -> None:
    """It says that a set can be had, or why not, with the step that helps."""
    good, moved = plant(edge), plant(edge, name="moved")
    edge.world.endpoint("primary", "edge", "moved").publish(KEY_SET_PATH, EMPTY, status="302 Found")
    checks = edge.provider().examine(AccessMode.READ, (good, moved), frozenset(), edge.budget())
    found = {check.name: check for check in checks if check.name.startswith("reachable:")}
    told = found[f"reachable:{good.name.partition('?')[0]}"]
    assert told.observed.endswith("bytes over verified TLS")
    refused = found[f"reachable:{moved.name.partition('?')[0]}"]
    assert refused.error is not None
    assert (refused.error.reason, bool(refused.fix)) == ("http-302", True)


def test_without_roots_nothing_is_asked(edge: Edge) -> None:
    """A trust file that cannot be used ends the fetch, never the verification."""
    locator = plant(edge)
    (item,) = edge.look(locator, trust_file="/nowhere/roots.pem")
    assert reason(item) == (Presence.UNKNOWN, "trust-unusable")
    assert edge.world.endpoint("primary", "edge", "login").requests == ()


@pytest.mark.parametrize(
    "name",
    ["192.0.2.10", "192.0.2.10/", "192.0.2.10/a b", "192.0.2.10/a?alpn=h2", "192.0.2.10/a?name=", "/a", "h:0/a", "h/ä"],
)
def test_locators_that_cannot_be_right(name: str) -> None:
    """What is wrong is said when the configuration is loaded."""
    with pytest.raises(ValueError, match=r"."):
        Page.parse(name)


@given(st.text(max_size=30) | st.from_regex(r"[a-z0-9.:\[\]/?=&%]{0,30}", fullmatch=True))
def test_any_text_is_a_page_or_a_value_error(text: str) -> None:
    """A page has a path that can stand in a request line, without anything that ends it."""
    try:
        page = Page.parse(text)
    except ValueError:
        return
    assert page.path.startswith("/")
    assert page.path.isascii()
    assert not set(page.path) & set(" \r\n?#")
