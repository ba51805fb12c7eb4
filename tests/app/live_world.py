"""A configuration with one probed pair, and the service that judges both of its credentials."""

import json
import os
from pathlib import Path
from typing import Any

from nhisync.app.desk import StoreDesk
from nhisync.app.diff import DiffOptions, diff
from nhisync.app.session import Session
from nhisync.app.sync import PacedSession
from nhisync.clock import SystemClock
from nhisync.model import Report
from nhisync.parity.row import Row
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness
from nhisync.testing.judge import Account, Judge

VALUES = {"primary": "canary-west-51c0de-a", "backup": "canary-north-51c0de-b"}

CONFIG = """
version: 1
policies: ./policies
paths:
  primary: {{region: here, sources: {{files: {{provider: file, root: primary}}}}}}
  backup: {{region: there, sources: {{files: {{provider: file, root: backup}}}}}}
apps:
  wallet:
    tier: {tier}
    owner: wallet-oncall
    pairs:
      - name: ledger
        kind: api-key
        primary: "files:json/ledger.json#key"
        backup: "files:json/ledger.json#key"
        probe:
          primary: {{type: http, url: "https://{judge}/west", auth: bearer, ca_file: {ca}, seen_as: account.id}}
          backup: {{type: http, url: "https://{judge}/north", auth: bearer, ca_file: {ca}, seen_as: account.id{more}}}
"""


class World:
    """Two folders with a credential each, and the service that judges them."""

    def __init__(self, folder: Path, judge: Judge) -> None:
        self.folder, self.judge, self.randomness = folder, judge, CountingRandomness()
        self.file = folder / "nhisync.yaml"
        for path, value in VALUES.items():
            (folder / path).mkdir()
            self.store_value(path, value, age=3600.0)
        judge.accounts["/west"] = Account("ledger-west", VALUES["primary"])
        judge.accounts["/north"] = Account("ledger-north", VALUES["backup"])
        (folder / "policies").mkdir()
        policy = {"version": 1, "tier": "tried", "inherits": "standard", "off": ["NHS201"]}
        policy |= {"live": {"min_depth": "auth", "grace": "0s"}}  # a file tells no exact rotation time
        (folder / "policies/tried.yaml").write_text(json.dumps(policy), encoding="utf-8")
        self.configure()

    def configure(self, tier: str = "tried", more: str = "") -> None:
        """Write the configuration."""
        text = CONFIG.format(judge=self.judge.address, ca=self.judge.authority, tier=tier, more=more)
        self.file.write_text(text, encoding="utf-8")

    def store_value(self, path: str, value: str, *, age: float) -> None:
        """Store a credential that was rotated `age` seconds ago."""
        file = self.folder / path / "ledger.json"
        file.write_text(json.dumps({"key": value}), encoding="utf-8")
        file.chmod(0o600)
        then = SystemClock().now().timestamp() - age
        os.utime(file, (then, then))

    def session(self) -> PacedSession:
        """A session on it."""
        return PacedSession.of(Session.open(self.file, clock=SystemClock(), randomness=self.randomness))

    def store(self) -> Any:
        """The store."""
        return Store.open(f"sqlite:///{self.folder}/nhisync.db", clock=SystemClock(), randomness=self.randomness)

    def diff(self, **options: Any) -> Report:
        """What `nhisync diff` finds."""
        session = self.session()
        with self.store() as store, store.run("diff") as run:
            wishes = DiffOptions(primary="primary", backup="backup", show_passing=True, **options)
            return diff(session, wishes, StoreDesk(session, store, run))

    def rows(self, path: str) -> list[Row]:
        """What the store holds."""
        with self.store() as store:
            return list(store.cursor(path))


def told(report: Report) -> dict[str, str]:
    """Code of family 8 → state."""
    return {f.code: f.state.value for f in report.findings if f.code.startswith("NHS8")}
