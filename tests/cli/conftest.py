"""Hand-made reports and a runner that needs no terminal, no network and no patching."""

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.cli import main
from nhisync.cli.output import RenderOptions
from nhisync.model import (
    Coverage,
    CoverageStatus,
    CredentialState,
    Item,
    Lifecycle,
    Locator,
    Moment,
    Report,
)
from nhisync.registry import Registry
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.provider import FAKE_POINT, IDENTITIES, SCRIPTS

from .reports import HOSTILE, NOW, REPORTS, RULES

GOLDEN = Path(__file__).parent / "golden"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return True


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


@pytest.fixture(params=sorted(REPORTS))
def named_report(request: pytest.FixtureRequest) -> tuple[str, Report]:
    """Each hand-made report with its name."""
    return request.param, REPORTS[request.param]()


@pytest.fixture
def reports() -> dict[str, Callable[[], Report]]:
    """Makers of the hand-made reports."""
    return REPORTS


@pytest.fixture
def hostile_text() -> str:
    """Everything that one of the readers would obey."""
    return HOSTILE


@pytest.fixture
def options() -> RenderOptions:
    """Options as the diff command sets them for a pipe."""
    return RenderOptions(exit_code=1, rules=RULES)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run one command line inside an empty folder with fake clocks; streams are pipes unless `terminal`."""
    monkeypatch.chdir(tmp_path)

    def runner(
        *argv: str, terminal: bool = False, stdin: str = "", environ: dict[str, str] | None = None, **parts: Any
    ) -> Ended:
        stream = Terminal if terminal else io.StringIO
        out, err = stream(), stream()
        code = main(
            list(argv),
            stdin=stream(stdin),
            stdout=out,
            stderr=err,
            environ=environ or {},
            clock=parts.pop("clock", None) or FakeClock(NOW),
            randomness=CountingRandomness(),
            **parts,
        )
        return Ended(code, out.getvalue(), err.getvalue())

    return runner


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with ``golden/<name>``; ``NHISYNC_UPDATE_GOLDEN=1`` writes it instead."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if os.environ.get("NHISYNC_UPDATE_GOLDEN"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{name} differs; NHISYNC_UPDATE_GOLDEN=1 rewrites it"

    return compare


CONFIG = """\
version: 1
store: {{url: "sqlite:///nhisync.db"}}
paths:
  primary: {{region: eu-west-1, sources: {{one: {{provider: fake, script: {name}-p}}}}}}
  backup: {{region: eu-north-1, sources: {{one: {{provider: fake, script: {name}-b}}}}}}
providers: {{allow: [unknown]}}
apps:
  payments:
    tier: critical
    owner: payments-oncall
    # the first pair
    pairs:
      - {{name: stripe-api, kind: api-key, primary: "one:kv/payments/stripe", backup: "one:kv/payments/stripe"}}
      - {{name: ledger-db, kind: db, primary: "one:kv/payments/ledger", backup: "one:kv/payments/ledger"}}
      - {{name: fx-feed, kind: api-key, primary: "one:kv/payments/fx", backup: "one:kv/payments/fx"}}
# the end
"""


def item(name: str, **facts: Any) -> Item:
    """A healthy item of the fake provider's source `one`."""
    defaults: dict[str, Any] = {
        "lifecycle": Lifecycle.OWN,
        "version": "7",
        "created": Moment(NOW - timedelta(days=90)),
        "rotated": Moment(NOW - timedelta(days=5)),
        "owner": "payments-oncall",
        "state": CredentialState.ACTIVE,
    }
    return Item(locator=Locator("one", "kv", name), observed_at=NOW, **{**defaults, **facts})


def complete(count: int, kind: str = "kv") -> Coverage:
    """A complete sweep."""
    return Coverage(
        source="one", kind=kind, scope="", status=CoverageStatus.COMPLETE, as_of=NOW, items=count, authoritative=True
    )


@dataclass
class World:
    """Two scripted paths and a configuration that reaches them.

    Attributes:
        run: runs a command line in the folder of the configuration.
        name: prefix of the scripts.
        folder: where the configuration stands.
    """

    run: Callable[..., Ended]
    name: str
    folder: Path

    def script(self, side: str, *observations: Any) -> None:
        """What an inventory of ``p`` or ``b`` yields; an exception is raised instead."""

        def yielding(_request: Any) -> Any:
            for seen in observations:
                if isinstance(seen, Exception):
                    raise seen
                yield seen

        SCRIPTS[f"{self.name}-{side}"] = yielding

    def identity(self, side: str, who: Any) -> None:
        """Who nhisync is on ``p`` or ``b``."""
        IDENTITIES[f"{self.name}-{side}"] = who

    def __call__(self, *argv: str, **parts: Any) -> Ended:
        """Run one command line with the fake provider installed."""
        registry = Registry(allow=("unknown",), points=[FAKE_POINT])
        return self.run(*argv, registry=registry, **parts)

    def healthy(self) -> None:
        """Both sides hold all three pairs, in step."""
        for side in "pb":
            self.script(side, *(item(f"payments/{name}") for name in ("stripe", "ledger", "fx")), complete(3))


@pytest.fixture
def world(run: Callable[..., Ended], tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """A configured world whose scripts a test writes; its scripts carry the test's name."""
    made = World(run, re.sub(r"\W+", "-", request.node.nodeid), tmp_path)
    (tmp_path / "nhisync.yaml").write_text(CONFIG.format(name=made.name), encoding="utf-8")
    return made


@pytest.fixture
def make_item() -> Callable[..., Item]:
    """Maker of items."""
    return item


@pytest.fixture
def make_complete() -> Callable[..., Coverage]:
    """Maker of complete sweeps."""
    return complete
