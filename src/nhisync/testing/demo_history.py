"""What the demo's store remembers from "yesterday": a store that went silent, and one that has shrunk since."""

from dataclasses import replace
from datetime import timedelta

from nhisync.clock import Clock
from nhisync.model import Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment
from nhisync.parity.proof import TXN, Proof, text_of
from nhisync.parity.row import epoch, row_of
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
    tried = replace(silent, locator=Locator("attic", "kv", "secret/wallet/vouchers"))
    voucher = row_of(tried, key="wallet/vouchers", domain="vault/eu-north-1")
    proof = Proof(at=epoch(then) or 0, rung=TXN, accepted=True, rotated=voucher.rotated)
    with store.run("sync") as run:
        run.put_rows("backup", [row_of(silent, key="search/synonyms", domain="vault/eu-north-1"), voucher])
        run.set_probes("backup", [(voucher.key, voucher.locator, proof.auth, text_of(proof))])
        run.put_coverage("backup", [sweep])
