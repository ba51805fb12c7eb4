"""What the demo's store remembers from "yesterday": a store that went silent, and one that has shrunk since."""

from datetime import timedelta

from nhisync.clock import Clock
from nhisync.model import Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment
from nhisync.parity.row import row_of
from nhisync.store import Store

AGE = timedelta(hours=30)
"""How long ago that was."""


def remember(store: Store, clock: Clock) -> None:
    """Write yesterday's run: one item of the silent store, and a sweep that held 200 items."""
    then = clock.now() - AGE
    silent = Item(
        locator=Locator("attic", "kv", "secret/search/synonyms-old"),
        observed_at=then,
        lifecycle=Lifecycle.OWN,
        created=Moment(then - timedelta(days=60)),
        rotated=Moment(then - timedelta(days=4)),
    )
    sweep = Coverage(source="archive", kind="kv", scope="", status=CoverageStatus.COMPLETE, as_of=then, items=200)
    with store.run("sync") as run:
        run.put_rows("backup", [row_of(silent, key="search/synonyms", domain="vault/eu-north-1")])
        run.put_coverage("backup", [sweep])
