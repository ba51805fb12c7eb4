"""Asking a workload what it has loaded: a version id comes back, or the reason why not; nothing else does."""

import json
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.probes import Order, Presented
from nhisync.probes.exchange import member_of
from nhisync.probes.generation import LONGEST, probe
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError
from nhisync.testing.judge import Account, Judge

from .conftest import Raw

MakeOrder = Callable[..., Order]
MakeRaw = Callable[..., Raw]


def asking(order: MakeOrder, resource: str = "/worker", member: str = "loaded.generation") -> Order:
    """An order to ask a workload."""
    return order(resource, auth="none", depth="tls", seen_as=member)


@pytest.fixture
def worker(judge: Judge) -> Judge:
    """A workload that has loaded generation 7."""
    judge.accounts["/worker"] = Account("worker", "", open=True, generation="7")
    return judge


def test_a_workload_says_what_it_has_loaded(order: MakeOrder, worker: Judge, patience: Patience) -> None:
    """Over verified TLS, with one request, and nothing is presented."""
    shown = probe(asking(order), Presented(), patience)
    assert (shown.accepted, shown.seen_as, shown.error) == (True, "7", None)
    assert worker.requests == 1


@pytest.mark.parametrize(("resource", "member", "kind"), [
    ("/worker", "loaded.other", "unsupported"),
    ("/worker", "loaded", "unsupported"),
    ("/account", "account.id", "misconfigured"),
    ("/nowhere", "loaded.generation", "misconfigured"),
])  # fmt: skip
def test_an_answer_without_a_generation_tells_nothing(
    order: MakeOrder, worker: Judge, patience: Patience, resource: str, member: str, kind: str
) -> None:
    """A member that is not there, that is no text, or another status: not known, and why."""
    assert worker
    shown = probe(asking(order, resource, member), Presented(), patience)
    assert (shown.accepted, shown.seen_as) == (None, "")
    assert shown.error is not None
    assert shown.error.kind == kind


def test_a_stranger_is_not_believed(order: MakeOrder, worker: Judge, patience: Patience) -> None:
    """A certificate of nobody's authority: no answer is read."""
    with pytest.raises(ProviderError) as failed:
        probe(order("/worker", auth="none", seen_as="loaded.generation", ca_file=None), Presented(), patience)
    assert failed.value.kind.value in {"unreachable", "misconfigured"}
    assert worker.requests == 0


@pytest.mark.parametrize("said", ["7" * (LONGEST + 1), "a\nb", "\x1b[31m"])
def test_what_is_no_version_id_is_not_passed_on(raw: MakeRaw, patience: Patience, said: str) -> None:
    """Neither a long text nor one that would move a terminal."""
    body = json.dumps({"g": said}).encode()

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    order = Order(target=f"http://{raw(behave).address}/", auth="none", seen_as="g")
    with pytest.raises(ProviderError) as failed:
        probe(order, Presented(), patience)
    assert failed.value.kind.value == "malformed"
    assert said[:20] not in str(failed.value)


def test_an_endless_answer_is_cut(raw: MakeRaw, patience: Patience) -> None:
    """As much is read as an answer may have; what is cut is no JSON."""

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b'{"g": "' + b"7" * 999_000)

    shown = probe(Order(target=f"http://{raw(behave).address}/", auth="none", seen_as="g"), Presented(), patience)
    assert (shown.accepted, shown.seen_as) == (None, "")


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
).map(lambda value: json.dumps(value).encode()), st.sampled_from(["a", "a.b", "", "0"]))  # fmt: skip
def test_a_member_is_a_text_or_nothing(body: bytes, dotted: str) -> None:
    """Whatever a workload answers, nothing is raised."""
    assert isinstance(member_of(body, dotted), str)
