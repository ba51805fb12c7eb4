"""Sessions on scripted sources, for tests of the use cases."""

from pathlib import Path
from typing import Any

from nhisync.app.session import Session
from nhisync.registry import Registry
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.provider import FAKE_POINT

CONFIG = """
version: 1
providers: {allow: [unknown]}
paths:
  primary:
    region: here
    sources:
      one: {provider: fake, script: p-one, region: near}
      idle: {provider: fake, script: p-idle}
  backup:
    region: there
    fault_domains: [cloud/b, cloud/c]
    sources:
      one: {provider: fake, script: b-one, limits: {deadline: 30s, calls: 7, rates: {read: 2.5}}}
  attic:
    sources:
      one: {provider: fake, script: a-one}
apps:
  payments:
    tier: critical
    owner: payments-oncall
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a#password", backup: "one:kv/a"}
      - {name: b, kind: secret, primary: "one:kv/a#other", backup: "one:kv/b"}
    match:
      - {kind: secret, primary: "one:listed/payments/{name}", backup: "one:listed/pay/{name}"}
  mirrored:
    tier: standard
    owner: web-oncall
    roles: {primary: backup, backup: [primary, attic]}
    pairs:
      - {name: z, kind: secret, primary: "one:kv/z", backup: "one:kv/z"}
"""


def session(folder: Path, text: str = CONFIG, **parts: Any) -> Session:
    """A session on `text`, with a clock and randomness of its own."""
    file = folder / "nhisync.yaml"
    file.write_text(text, encoding="utf-8")
    given: dict[str, Any] = {
        "registry": Registry(allow=("unknown",), points=[FAKE_POINT]),
        "clock": FakeClock(),
        "randomness": CountingRandomness(),
        **parts,
    }
    return Session.open(file, **given)
