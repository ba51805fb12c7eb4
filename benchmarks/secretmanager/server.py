"""A loopback Secret Manager that counts: ``python -m benchmarks.secretmanager.server``.

The provider's own emulator, over gRPC and TLS, in a process of its own. The first line on stdout is the source's
document; then every line on stdin is answered with the calls since the last one, by method, and with the server's own
processor seconds since then. It lives until stdin ends.
The delay stands in for the network; it is slept outside the interpreter lock, so it shows how well a client overlaps
calls.
"""

import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from nhisync.clock import SystemClock
from nhisync.testing.world import Seed
from nhisync_gcp.emulator import GcpWorld

SECRETS, VERSIONS, DELAY_MS = 2_000, 3, 25
REGION = "europe-north1"
DAY = timedelta(days=1)


def plant(world: GcpWorld) -> None:
    """2,000 secrets with three versions each; ages of the newest spread evenly over 200 days."""
    for number in range(SECRETS):
        age = (number * 37) % 200 * DAY
        world.seed(
            "bench",
            "gcp",
            Seed(
                kind="secret",
                name=f"app-{number % 40:02d}-svc-{number:05d}",
                fields={"password": f"canary-{number:05d}-bench"},
                created=age + 100 * DAY,
                rotated=age,
                owner="bench",
                options={"versions": VERSIONS},
            ),
        )


def main() -> None:
    """Serve until stdin ends."""
    with tempfile.TemporaryDirectory() as folder:
        world = GcpWorld(clock=SystemClock(), directory=Path(folder))
        world.start()
        document = world.add_source("bench", "gcp", region=REGION, options={})
        plant(world)
        world.fault("bench", "gcp", "delay", seconds=DELAY_MS / 1000)
        print(json.dumps(document), flush=True)
        counter = world.source("bench", "gcp").node.counter
        since = time.process_time()
        for _ in sys.stdin:
            now = time.process_time()
            print(json.dumps({"calls": counter.calls(), "cpu": now - since}), flush=True)
            counter.reset()
            since = now
        world.stop()


if __name__ == "__main__":
    main()
