"""What consumers have loaded: kept with the row of the same item, and one last word for each of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from nhisync.model import CONSUMER, Attestation
from nhisync.parity.engine import stamp
from nhisync.parity.row import Row
from nhisync.store import Store
from nhisync.testing.clocks import FakeClock

pytestmark = pytest.mark.requirement("R25")

MakeRow = Callable[..., Row]


def test_what_consumers_hold_outlives_a_sweep_of_the_same_item(store: Store, make_row: MakeRow) -> None:
    """A sweep asks no workload: what is known stays, takes part in the stamp, and goes with the item."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="1"), make_row("a/y")])
        before = next(store.cursor("primary"))
        run.set_consumers("primary", [("a/x", "vault:kv/a/x", "held"), ("a/y", "vault:kv/other", "foreign")])
    x, y = store.cursor("primary")
    assert (x.consumers, y.consumers, x.digest) == ("held", None, before.digest)
    assert stamp(x) != stamp(before)
    with store.reader() as reader:
        assert (reader.consumed("primary"), reader.consumed("backup")) == ([x], [])
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="2")])
    assert next((row.version, row.consumers) for row in store.cursor("primary")) == ("2", "held")
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", "vault:kv/new")])
    assert next(row.consumers for row in store.cursor("primary")) is None


def test_the_last_word_on_each_consumer_counts(store: Store, clock: FakeClock) -> None:
    """What is said of one takes nothing away that was said of another, nor what was said of the app."""
    now = clock.now()
    said = Attestation(
        app="pay", path="backup", kind=CONSUMER, holds=True, observed_at=now, attested_by="ci", pair="db"
    )
    old = replace(said, consumer="a", generation="1", observed_at=now - timedelta(hours=1))
    last = (
        replace(said, consumer="a", generation="2"),
        replace(said, consumer="b", generation="1"),
        replace(said, pair="mq", consumer="a", generation="9"),
        replace(said, path="other", consumer="a", generation="7"),
        replace(said, kind="data-lag", pair=""),
    )
    for one in (old, *last, old):
        store.attest(one, actor="ci")
    with store.reader() as reader:
        found = {replace(one, number=0) for one in reader.attestations("pay")}
        assert reader.verify_audit().problem == ""
    assert found == set(last)
