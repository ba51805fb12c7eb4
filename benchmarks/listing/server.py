"""Emulated servers with one crowded key/value mount: ``python -m benchmarks.listing.server COUNT``.

Entries are computed, not stored, so that a page costs the same wherever it lies. Prints the configuration of an OpenBao
(pages, metadata in the listing) and of a Vault (names only, all in one answer) as one line of JSON, and lives until
stdin ends.
"""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from nhisync.spi import SystemClock
from nhisync.testing.world import Seed
from nhisync_vault.emulator import VaultWorld
from nhisync_vault.emulator.crowd import fill

PAIRS = 40


def name(i: int, count: int) -> str:
    """Name of entry `i`."""
    return f"svc-{i:07d}" + ("-login" if i % (count // PAIRS) == 0 else "")


def sources(world: VaultWorld, count: int) -> dict[str, Any]:
    """Configuration documents of both servers."""
    documents = {}
    for flavour in ("openbao", "vault"):
        documents[flavour] = world.add_source(flavour, "vault", region="eu-west-1", options={"flavour": flavour})
        world.seed(flavour, "vault", Seed(kind="kv", name="secret/one"))  # makes the mount and the policy
        fill(world.source(flavour, "vault").core, "secret/", count, partial(name, count=count))
    return documents


def main() -> None:
    """Serve until stdin ends."""
    with tempfile.TemporaryDirectory() as folder:
        world = VaultWorld(clock=SystemClock(), directory=Path(folder))
        world.start()
        print(json.dumps(sources(world, int(sys.argv[1]))), flush=True)
        sys.stdin.read()
        world.stop()


if __name__ == "__main__":
    main()
