"""Reading in part: a cursor ends with the snapshot it came from."""

from collections.abc import Callable

from nhisync.parity.row import Row
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock


def test_a_half_read_cursor_ends_with_its_snapshot(
    url: str, clock: FakeClock, randomness: CountingRandomness, make_row: Callable[..., Row]
) -> None:
    """Whoever stops reading early leaves no cursor, transaction or warning behind."""
    with Store.open(url, clock=clock, randomness=randomness) as store:
        with store.run("sync") as run:
            run.put_rows("primary", [make_row(f"a/{n:05}") for n in range(12_000)])
        with store.reader() as reader:
            rows = reader.cursor("primary")
            assert next(rows).key == "a/00000"
        assert list(rows) == []
        assert next(store.cursor("primary")).key == "a/00000"
        with store.run("sync") as run:
            assert run.forget("primary", ["a/00000"]) == 1
