"""What must not be in the store's files: values never, deleted text not any more."""

import base64
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from nhisync.collect.reuse import Classes, Wanted
from nhisync.model import Locator
from nhisync.parity.row import Row
from nhisync.spi import FieldValue, SecretBytes
from nhisync.store import Scope, Store
from nhisync.store.schema import metadata
from nhisync.testing.clocks import CountingRandomness, FakeClock

MakeRow = Callable[..., Row]
CANARY = "hunter2-Zq9/+canary=é"


def disguises(value: str) -> Iterable[bytes]:
    """The value as it might be spelled in a file."""
    raw = value.encode()
    yield raw
    yield value.encode("utf-16-le")
    yield raw[::-1]
    yield raw.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        yield coded[4 if shift else 0 : -4]
    yield urllib.parse.quote(value, safe="").encode()
    yield raw.replace(b"/", b"\\/")
    yield value.encode("ascii", "backslashreplace")
    yield raw[: len(raw) // 2]


def found_in(folder: Path, value: str) -> list[str]:
    """Files of `folder` that hold `value` in any disguise."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sorted(file.name for file in files if any(text in file.read_bytes() for text in disguises(value)))


@pytest.mark.requirement("R54")
def test_a_compared_value_never_reaches_the_files(
    tmp_path: Path, clock: FakeClock, randomness: CountingRandomness, make_row: MakeRow
) -> None:
    """What a value comparison leaves is random group ids; database, WAL, index and lock are scanned while in use."""
    locator = Locator.parse("vault:kv/secret/db#password")
    classes = Classes(randomness)
    for path in ("primary", "backup"):
        value = FieldValue(locator=locator, field="password", value=SecretBytes(CANARY.encode()))
        classes.add(value, [Wanted(path, "pay/db", locator)])
    with Store.open(f"sqlite:///{tmp_path}/nhisync.db", clock=clock, randomness=randomness) as store:
        with store.run("sync") as run:
            for (path, key), group in classes.groups().items():
                run.put_rows(path, [make_row(key, str(locator.item), detail='{"fields":["password"]}')])
                run.set_groups(path, {key: group})
        groups = {row.group for path in ("primary", "backup") for row in store.cursor(path)}
        assert len(groups) == 1
        assert None not in groups
        assert found_in(tmp_path, CANARY) == []
        store.backup(tmp_path / "copy.db")
    assert found_in(tmp_path, CANARY) == []


@pytest.mark.parametrize("text", [CANARY, CANARY.encode().hex(), base64.b64encode(CANARY.encode()).decode()])
def test_the_scan_finds_what_is_there(
    tmp_path: Path, clock: FakeClock, randomness: CountingRandomness, make_row: MakeRow, text: str
) -> None:
    """The scan itself is proven: a planted canary is found in the WAL, and in the database after closing."""
    with Store.open(f"sqlite:///{tmp_path}/nhisync.db", clock=clock, randomness=randomness) as store:
        with store.run("sync") as run:
            run.put_rows("primary", [make_row("pay/db", owner=text)])
        assert "nhisync.db-wal" in found_in(tmp_path, CANARY)
    assert found_in(tmp_path, CANARY) == ["nhisync.db"]


@pytest.mark.parametrize("how", ["sweep", "update"])
def test_deleted_text_is_gone_from_the_files(
    tmp_path: Path, clock: FakeClock, randomness: CountingRandomness, make_row: MakeRow, how: str
) -> None:
    """Names can be sensitive too: secure_delete overwrites them, closing empties the WAL."""
    others = [make_row(f"pay/{n:03}", detail="x" * 300) for n in range(300)]
    with Store.open(f"sqlite:///{tmp_path}/nhisync.db", clock=clock, randomness=randomness) as store:
        with store.run("sync") as run:
            run.put_rows("primary", [*others, make_row("pay/db", "vault:kv/db", owner=CANARY)])
        with store.run("sync") as run:
            if how == "update":
                run.put_rows("primary", [make_row("pay/db", "vault:kv/db", owner="nobody")])
            else:
                assert run.finish_path("primary", [Scope("vault", "kv", "db")]) == 1
    assert found_in(tmp_path, CANARY) == []


def test_no_column_is_made_for_a_value() -> None:
    """Nobody adds a place for a value without this test asking why."""
    names = {column.name for table in metadata.tables.values() for column in table.columns}
    assert not names & {"value_digest", "secret", "password", "token", "fingerprint", "private_key"}
    assert [table.name for table in metadata.tables.values() if "value" in table.columns] == ["meta"]


def test_errors_and_reprs_hold_no_password(clock: FakeClock, randomness: CountingRandomness) -> None:
    """What a debugger or a log shows of a place has no password in it."""
    from nhisync.store.address import parse

    place = parse("postgresql+psycopg://someone:hunter2@db.example:5432/nhisync?passfile=/etc/nhisync/hunter2")
    assert place.shown == "PostgreSQL db.example:5432/nhisync"
    assert ":hunter2@" not in repr(place)
    assert "someone" not in place.shown
