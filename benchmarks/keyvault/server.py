"""The emulated vault in a process of its own: ``python -m benchmarks.keyvault.server FOLDER``.

Prints the source's configuration as one line of JSON, then answers commands, one a line, until stdin ends: ``reset``
(count from zero), ``count``, ``change N`` (N secrets get a new version). Every answer is a line of JSON with the
requests and the vault's own processor seconds since the reset. Each call takes 25 ms longer.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

from nhisync.clock import SystemClock
from nhisync.testing.world import Seed
from nhisync_azure.emulator import AzureWorld

SECRETS = 2_000
DELAY = 0.025
DAY = timedelta(days=1)


def secret(number: int, age: timedelta) -> Seed:
    """One secret with two versions; ages are spread evenly."""
    fields = {"password": f"canary-{number:05d}-bench"}
    return Seed(kind="secret", name=f"svc-{number:05d}", fields=fields, created=age + 100 * DAY, rotated=age)


def main(folder: Path) -> None:
    """Serve until stdin ends."""
    world = AzureWorld(clock=SystemClock(), directory=folder)
    world.start()
    try:
        document = world.add_source("bench", "vault", region="westeurope", options={"graph": False})
        for number in range(SECRETS):
            world.seed("bench", "vault", secret(number, (number * 37) % 200 * DAY))
        world.fault("bench", "vault", "delay", seconds=DELAY)
        print(json.dumps(document), flush=True)
        since = time.process_time()
        for line in sys.stdin:
            command, _, number = line.strip().partition(" ")
            if command == "reset":
                world.reset_calls()
                since = time.process_time()
            for changed in range(int(number or 0)):
                world.seed("bench", "vault", secret(changed * 7, timedelta(hours=1)))
            calls = sum(world.calls("bench", "vault").values())
            print(json.dumps({"calls": calls, "cpu": time.process_time() - since}), flush=True)
    finally:
        world.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
