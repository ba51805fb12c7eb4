"""One running embedded world for all tests of this folder; their `pytestmark` keeps them on one worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nhisync.app.demo import running_world


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration that reaches the world."""
    with running_world(tmp_path_factory.mktemp("world")) as file:
        yield file
