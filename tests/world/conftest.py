"""One running embedded world for all tests of this folder (they share a worker: `xdist_group`)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nhisync.app.demo import running_world


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration that reaches the world."""
    with running_world(tmp_path_factory.mktemp("world")) as file:
        yield file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs on one worker, so that one world serves all."""
    for item in items:
        if "tests/world" in item.nodeid.replace("\\", "/"):
            item.add_marker(pytest.mark.xdist_group("world"))
            item.add_marker(pytest.mark.timeout(300))
