"""What the demo remembers from "yesterday": a silent store, one that has shrunk, what was attested and what let in."""

from dataclasses import replace
from datetime import datetime, timedelta

from nhisync.clock import Clock
from nhisync.model import CONSUMER, Attestation, Coverage, CoverageStatus, Item, Lifecycle, Locator, Moment
from nhisync.parity.holding import Held, Tenure
from nhisync.parity.holding import text_of as text_of_held
from nhisync.parity.proof import TXN, Proof, text_of
from nhisync.parity.row import epoch, row_of
from nhisync.store import Store

AGE = timedelta(hours=30)
"""How long ago that was."""

_TEN_DAYS = 10 * 86_400


def remember(store: Store, clock: Clock, probe: str) -> None:
    """Write yesterday's run: items of the silent store, one tried by `probe` (its digest), a sweep of 200 items.

    And that payroll's credential was in its first generation ten days ago.
    """
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
    proof = Proof(at=epoch(then) or 0, rung=TXN, accepted=True, rotated=voucher.rotated, by=probe)
    payroll = replace(silent, locator=Locator("bao", "kv", "secret/wallet/payroll"), version="1")
    paid = row_of(payroll, key="wallet/payroll", domain="vault/eu-north-1")
    known = Held((Tenure("1", (epoch(then) or 0) - _TEN_DAYS),))
    with store.run("sync") as run:
        run.put_rows("backup", [row_of(silent, key="search/synonyms", domain="vault/eu-north-1"), voucher, paid])
        run.set_consumers("backup", [(paid.key, paid.locator, text_of_held(known))])
        run.set_probes("backup", [(voucher.key, voucher.locator, proof.auth, text_of(proof))])
        run.put_coverage("backup", [sweep])
    _attest(store, "capacity-test", clock.now() - timedelta(days=21), holds=True, by="load-team")
    _attest(store, "data-lag", clock.now() - AGE, holds=False, by="dba-oncall")
    loaded = Attestation(
        app="wallet",
        path="backup",
        kind=CONSUMER,
        holds=True,
        observed_at=clock.now(),
        attested_by="deployment",
        pair="invoicing",
        consumer="batch",
        generation="2",
    )
    store.attest(loaded, actor="demo")


def _attest(store: Store, kind: str, at: datetime, *, holds: bool, by: str) -> None:
    """Record what somebody said about payments; nobody said anything about its patch level."""
    claim = Attestation(app="payments", path="backup", kind=kind, holds=holds, observed_at=at, attested_by=by)
    store.attest(claim, actor="demo")
