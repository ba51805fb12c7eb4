"""The world of live authentication, running."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nhisync.clock import SystemClock
from nhisync.testing.judge import Judge

from .live_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The world, running."""
    judge = Judge(clock=SystemClock(), directory=tmp_path / "judge")
    judge.start()
    yield World(tmp_path, judge)
    judge.stop()
