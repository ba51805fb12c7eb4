"""Credentials that are minted for one probe: given back in time, whatever the service does, and told of once."""

import io
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from nhisync.app.probing import _Bench, _Side
from nhisync.clock import SystemClock
from nhisync.model import Locator
from nhisync.spi import Budget, Capability, ErrorKind, FieldValue, ProviderError, SecretBytes

CANARY = "canary-minted-51c0de"
ROLE = Locator.parse("db:db-dynamic/database/app")


class Minting:
    """A provider that mints and remembers when it was closed.

    Args:
        broken: closing fails, which no provider may do.
    """

    def __init__(self, *, broken: bool = False) -> None:
        self.broken, self.minted, self.closed_at = broken, 0, 0.0

    def issue(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """One login."""
        assert budget.remaining > 0
        self.minted += 1
        yield FieldValue(wanted, "username", SecretBytes(b"v-app-1"))
        yield FieldValue(wanted, "password", SecretBytes(CANARY.encode()))

    def close(self) -> None:
        """Give it back."""
        self.closed_at = SystemClock().monotonic()
        if self.broken:
            raise ProviderError(ErrorKind.UNREACHABLE, "gone")


def probe(address: str) -> Any:
    """A login at a server."""
    return SimpleNamespace(
        type="redis", target=address, auth="login", depth="auth", header="", database="", tls=False, server_name="",
        ca_file="", proxy="", seen_as="", expect=frozenset({200}), region="", namespace="", mount="", scope="",
        vhost="", script="", user="", user_field="username", secret_field="password", certificate_field="",
        key_field="", session_field="", issue=True, run_from="local", timeout=timedelta(seconds=30),
    )  # fmt: skip


def tried(provider: Minting, address: str, seconds: float) -> list[dict[str, Any]]:
    """What is told of one side."""
    clock, out = SystemClock(), io.StringIO()
    session: Any = SimpleNamespace(
        clock=clock,
        configuration=SimpleNamespace(base=None),
        source_info=lambda *_: SimpleNamespace(capabilities=frozenset({Capability.ISSUE})),
        provider=lambda *_: provider,
        budget=lambda *_: Budget(clock, seconds=seconds),
    )
    side = _Side(SimpleNamespace(name="shop"), "backup", "shop/db", ROLE, probe(address), frozenset())  # type: ignore[arg-type]
    bench = _Bench(session, out, seconds)
    bench.run({("backup", "db"): [side]})
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        yield f"127.0.0.1:{port.getsockname()[1]}"


def test_a_silent_service_leaves_time_to_give_back(silent: str) -> None:
    """The process is ended at the end of its time; what was minted must be gone before."""
    provider, began = Minting(), SystemClock().monotonic()
    (told,) = tried(provider, silent, 6.5)
    assert told["accepted"] is None
    assert CANARY not in str(told)
    assert provider.closed_at - began < 4.5


def test_nothing_is_minted_that_there_is_no_time_to_give_back(silent: str) -> None:
    """Near the end of the cycle the probe is not made."""
    provider = Minting()
    (told,) = tried(provider, silent, 3)
    assert provider.minted == 0
    assert (told["accepted"], told["error"]) == (None, "throttled")


def test_one_answer_for_one_side(silent: str) -> None:
    """A provider that fails while it is closed takes away nothing of what the service said."""
    told = tried(Minting(broken=True), silent, 6)
    assert len(told) == 1
