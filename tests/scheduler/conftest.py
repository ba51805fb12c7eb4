"""Sessions on scripted sources, a store, and a command line without a process."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhisync.app.sync import PacedSession
from nhisync.cli import main
from nhisync.model import Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment
from nhisync.registry import Registry
from nhisync.spi import ErrorKind, InventoryRequest, Observation, ProviderError
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.provider import FAKE_POINT, SCRIPTS

from .daemon import QUICK, SERVED, Daemon, until

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)

CONFIG = """
version: 1
store: {{url: "sqlite:///nhisync.db"}}
paths:
  west: {{region: here, sources: {{one: {{provider: fake, script: {name}-p}}}}}}
  north: {{region: there, sources: {{one: {{provider: fake, script: {name}-b}}}}}}
providers: {{allow: [unknown]}}
apps:
  payments:
    tier: {tier}
    owner: payments-oncall
    mode: {mode}
    roles: {{primary: west, backup: [north]}}
    pairs:
      - {{name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}}
{more}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class World:
    """Two scripted paths of one app, a configuration file in a folder of its own, and a clock."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.clock = FakeClock(NOW)
        self.randomness = CountingRandomness()
        self.registry = Registry(allow=("unknown",), points=[FAKE_POINT])
        self.file = folder / "nhisync.yaml"
        self.configure()
        self.answer("p")
        self.answer("b")

    def configure(self, mode: str = "enforce", tier: str = "critical", more: str = "") -> None:
        """Write the configuration."""
        self.file.write_text(CONFIG.format(name=self.name, mode=mode, tier=tier, more=more), encoding="utf-8")

    @property
    def publication(self) -> Path:
        """The file that the listener reads."""
        return self.folder / "nhisync.snapshot"

    def answer(self, side: str, *, rotated: timedelta = timedelta(days=5), expires: timedelta | None = None) -> None:
        """Let a side (``p`` or ``b``) answer with one healthy item, observed when asked."""

        def script(request: InventoryRequest) -> Iterator[Observation]:
            del request
            now = self.clock.now()
            yield Item(
                locator=Locator("one", "kv", "a"),
                observed_at=now,
                created=Moment(now - timedelta(days=400)),
                rotated=Moment(now - rotated),
                expires=None if expires is None else Moment(now + expires),
                lifecycle=Lifecycle.OWN,
                owner="x",
            )
            yield Coverage(
                source="one",
                kind="kv",
                scope="",
                status=CoverageStatus.COMPLETE,
                as_of=now,
                items=1,
                authoritative=True,
            )

        SCRIPTS[f"{self.name}-{side}"] = script

    def vanish(self, side: str, kind: ErrorKind = ErrorKind.UNREACHABLE) -> None:
        """Let a side give no answer at all."""

        def script(request: InventoryRequest) -> Iterator[Observation]:
            del request
            raise ProviderError(kind, "the connection timed out")
            yield

        SCRIPTS[f"{self.name}-{side}"] = script

    def session(self) -> PacedSession:
        """A paced session on this configuration."""
        opened = PacedSession.open(self.file, registry=self.registry, clock=self.clock, randomness=self.randomness)
        assert isinstance(opened, PacedSession)
        return opened

    def store(self) -> Store:
        """The configured store, open for writing."""
        url = self.session().configuration.store_url
        return Store.open(url, clock=self.clock, randomness=self.randomness)

    def run(self, *arguments: str) -> Ended:
        """One command line."""
        out, err = io.StringIO(), io.StringIO()
        code = main(
            ["--config", str(self.file), *arguments],
            stdin=io.StringIO(),
            stdout=out,
            stderr=err,
            environ={},
            clock=self.clock,
            randomness=self.randomness,
            registry=self.registry,
        )
        return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world in which both sides answer and the backup is ready."""
    built = World(tmp_path, f"world-{tmp_path.name}")
    yield built
    for side in "pb":
        SCRIPTS.pop(f"{built.name}-{side}", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration of two folders with one key file each, and a policy with a period of a second."""
    (tmp_path / "nhisync.yaml").write_text(SERVED, encoding="utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "quick.yaml").write_text(QUICK, encoding="utf-8")
    for path in ("west", "north"):
        (tmp_path / path).mkdir()
        key = tmp_path / path / "stripe.json"
        made = datetime.now(UTC).isoformat()
        key.write_text(f'{{"key": "canary-of-{path}", "nhisync_rotated": "{made}"}}', encoding="utf-8")
        key.chmod(0o600)
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons; all are gone afterwards."""
    running: list[Daemon] = []

    def start(*options: str) -> Daemon:
        running.append(Daemon(folder, *options))
        if "--sync-only" not in options:
            until(running[-1].listens)
        return running[-1]

    try:
        yield start
    finally:
        for daemon in running:
            if daemon.process.poll() is None:
                daemon.end()
