"""A folder with the sample third party installed, as pip would leave it."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

INITECH = Path(__file__).parent / "initech"

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """A function that installs Initech's package, or an impostor's, into its own folder and returns that folder."""

    def into(
        folder: str = "site", distribution: str = "nhisync-initech", points: str = "nhisync_initech:InitechProvider"
    ) -> Path:
        site = tmp_path / folder
        shutil.copytree(
            INITECH / "nhisync_initech", site / "nhisync_initech", ignore=shutil.ignore_patterns("__pycache__")
        )
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[nhisync.providers]\ninitech = {points}\n", encoding="utf-8")
        return site

    return into


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """A function that puts an installed folder on this process's path until the test ends."""

    def put(site: Path) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "nhisync_initech"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(site)

    return put


@pytest.fixture(autouse=True)
def _forget_initech() -> object:
    """No module of the sample stays behind in this process."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "nhisync_initech"]:
        del sys.modules[name]
