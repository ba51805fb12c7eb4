"""A laboratory of lies: two scripted paths, a store, a publication, and the one question "is it ready now?"."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.desks import private_desk, stored_desk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.publish import believed, moment
from nhisync.app.session import Session
from nhisync.app.sync import PacedSession, sync
from nhisync.model import Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment, Presence, Report, Word
from nhisync.registry import Registry
from nhisync.spi import Observation
from nhisync.statement import word_of
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.provider import FAKE_POINT, SCRIPTS

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)

TEMPLATE = """
    match:
      - {kind: secret, primary: "one:kv/{name}", backup: "one:kv/{name}"}
"""

PAIR = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
"""

CONFIG = """
version: 1
store: {{url: "sqlite:///store.db"}}
policies: ./policies
publish: {{files: {{snapshot: publication.json}}}}
paths:
  primary:
    region: here
    sources: {{one: {{provider: fake, script: {script}-p}}, two: {{provider: fake, script: {script}-p2}}}}
  backup:
    region: there
    sources: {{one: {{provider: fake, script: {script}-b}}, two: {{provider: fake, script: {script}-b2}}}}
providers: {{allow: [unknown]}}
apps:
  payments:
    tier: {tier}
    owner: payments-oncall
    {more}
{pairs}
{tail}
"""

Observations = Sequence[Observation] | Callable[[], Sequence[Observation]]


class Lab:
    """One configuration of the app payments over scripted sources, and everything that follows from it."""

    def __init__(self, folder: Path, script: str) -> None:
        self.folder, self.script = folder, script
        self.clock = FakeClock(NOW)
        self.randomness = CountingRandomness()
        self.registry = Registry(allow=("unknown",), points=[FAKE_POINT])
        self.configure(PAIR)

    def configure(
        self, pairs: str, *, tier: str = "critical", more: str = "", tail: str = "", policies: str = ""
    ) -> None:
        """Write the configuration; `policies` is the text of ``policies/<tier>.yaml``."""
        (self.folder / "policies").mkdir(exist_ok=True)
        if policies:
            (self.folder / "policies" / f"{tier}.yaml").write_text(policies, encoding="utf-8")
        text = CONFIG.format(script=self.script, pairs=pairs, tier=tier, more=more, tail=tail)
        self.file.write_text(text, encoding="utf-8")

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "nhisync.yaml"

    @property
    def now(self) -> datetime:
        """The wall clock."""
        return self.clock.now()

    def session(self) -> Session:
        """A new session."""
        return Session.open(self.file, registry=self.registry, clock=self.clock, randomness=self.randomness)

    def see(self, primary: Observations, backup: Observations, source: str = "one") -> None:
        """Script both sides of one source; a callable is asked anew at every inventory."""
        tail = "" if source == "one" else "2"
        for side, seen in (("p", primary), ("b", backup)):
            SCRIPTS[f"{self.script}-{side}{tail}"] = _script(seen)

    def item(self, name: str, *, kind: str = "kv", source: str = "one", **changes: Any) -> Item:
        """A healthy present item, observed now."""
        facts: dict[str, Any] = {
            "lifecycle": Lifecycle.OWN,
            "created": Moment(NOW - timedelta(days=60)),
            "rotated": Moment(NOW - timedelta(days=5)),
            "owner": "x",
            "observed_at": self.now,
        }
        return Item(locator=Locator(source, kind, name), **facts | changes)

    def absent(self, name: str) -> Item:
        """An authoritative "no such item"."""
        return Item(locator=Locator("one", "kv", name), observed_at=self.now, presence=Presence.ABSENT)

    def covered(self, status: CoverageStatus = CoverageStatus.COMPLETE, **changes: Any) -> Coverage:
        """Coverage of the kind kv."""
        facts: dict[str, Any] = {
            "source": "one",
            "kind": "kv",
            "scope": "",
            "items": 1,
            "authoritative": status is CoverageStatus.COMPLETE,
            "as_of": self.now,
        }
        return Coverage(status=status, **facts | changes)

    def diff(self, **options: Any) -> Report:
        """What `nhisync diff` finds, with a private store."""
        session = self.session()
        with private_desk(session) as desk:
            return diff(session, DiffOptions(primary="primary", backup="backup", **options), desk)

    def cached(self) -> Word:
        """What `nhisync diff --cached` says of the app."""
        session = self.session()
        with stored_desk(session) as desk:
            report = diff(session, DiffOptions(primary="primary", backup="backup", cached=True), desk)
        (verdict,) = report.verdicts
        return verdict.word

    def sync(self) -> Report:
        """One cycle over the store of the laboratory, published."""
        session = PacedSession.of(self.session())
        with Store.open(session.configuration.store_url, clock=self.clock, randomness=session.randomness) as store:
            return sync(session, store)

    def served(self, path: str = "backup") -> Word:
        """What controllers are told now."""
        session = self.session()
        here = moment(self.clock)
        publication, _ = believed(session.configuration.publish.snapshot, here)
        return word_of(publication, publication.find("payments", path), here) if publication else Word.UNKNOWN


def _script(seen: Observations) -> Callable[[Any], Iterator[Observation]]:
    return lambda _request: iter(seen() if callable(seen) else seen)


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A laboratory of its own for each test."""
    with ExitStack() as undo:
        script = f"lab-{request.node.nodeid}".replace("[", "-").replace("]", "-").replace(":", "-").replace("/", "-")
        script = "".join(c if c.isalnum() or c == "-" else "-" for c in script)
        for tail in ("p", "b", "p2", "b2"):
            undo.callback(SCRIPTS.pop, f"{script}-{tail}", None)
        yield Lab(tmp_path, script)
