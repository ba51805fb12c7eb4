"""One TLS world per test, with one source on each of two paths."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nhisync.testing.clocks import FakeClock
from nhisync_tls.emulator import TlsWorld


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the world and of the adapter."""
    return FakeClock()


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> Iterator[TlsWorld]:
    """A started world without sources."""
    part = TlsWorld(clock=clock, directory=tmp_path / "tls")
    part.start()
    yield part
    part.stop()
