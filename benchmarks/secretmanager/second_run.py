"""A first and a second run of the adapter in one process: ``python -m benchmarks.secretmanager.second_run DOCUMENT``.

The second run knows the markers of the first, as a store keeps them. One line of JSON for each run.
"""

import json
import sys
import time
from pathlib import Path

from nhisync.clock import SystemClock, SystemRandomness
from nhisync.spi import Budget, InventoryRequest, Item, SourceContext, Unchanged
from nhisync_gcp import GcpProvider, GcpSettings


def main(file: str) -> None:
    """Run twice."""
    clock = SystemClock()
    document = json.loads(Path(file).read_text(encoding="utf-8"))
    context = SourceContext(
        path="bench", source="gcp", region=None, base=Path(), clock=clock, randomness=SystemRandomness()
    )
    known = {}
    for name in ("first", "second"):
        provider = GcpProvider(GcpSettings.model_validate(document), context)
        budget, started = Budget(clock, seconds=300), time.perf_counter()
        request = InventoryRequest(budget=budget, kinds=frozenset({"secret"}), wanted=tuple(known), known=known)
        seen = list(provider.inventory(request))
        provider.close()
        wall = time.perf_counter() - started
        known = {one.locator: one.marker for one in seen if isinstance(one, Item)} or known
        unchanged = sum(isinstance(one, Unchanged) for one in seen)
        print(json.dumps({"run": name, "wall_s": round(wall, 2), "calls": budget.spent, "unchanged": unchanged}))


if __name__ == "__main__":
    main(*sys.argv[1:])
