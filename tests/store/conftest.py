"""Stores for tests: every test that takes `url` runs on SQLite and, in `make e2e`, on PostgreSQL."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from nhisync.model import Presence
from nhisync.parity.row import Row, digest_of, epoch, unanswered
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

from .archived import MakeRow, World

POSTGRES = "NHISYNC_TEST_POSTGRES_URL"
"""A database that tests may make schemas in; `make e2e` sets it."""


@pytest.fixture
def clock() -> FakeClock:
    """The only time of a test."""
    return FakeClock()


@pytest.fixture
def randomness() -> CountingRandomness:
    """The only randomness of a test."""
    return CountingRandomness()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A place for an SQLite store."""
    return f"sqlite:///{tmp_path / 'nhisync.db'}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty schema of its own on the PostgreSQL server of `make e2e`."""
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} is not set, so the store is NOT proven on PostgreSQL here; make e2e sets it")
    schema = f"nhisync_{os.getpid()}_{os.urandom(6).hex()}"
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def url(request: pytest.FixtureRequest) -> str:
    """A place for a store, on each engine."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def store(url: str, clock: FakeClock, randomness: CountingRandomness) -> Iterator[Store]:
    """An open, empty store."""
    with Store.open(url, clock=clock, randomness=randomness) as opened:
        yield opened


@pytest.fixture
def make_row(clock: FakeClock) -> Callable[..., Row]:
    """Rows by key and locator; further columns by name; the digest is right unless it is given."""

    def make(key: str, locator: str = "", **columns: Any) -> Row:
        seen: datetime = columns.pop("observed_at", clock.now())
        blank = unanswered(key, locator or f"vault:kv/{key}", Presence.PRESENT, None, seen)
        row = blank._replace(**{"observed": epoch(seen), **columns})
        return row if "digest" in columns else row._replace(digest=digest_of(row))

    return make


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock, randomness: CountingRandomness, make_row: MakeRow) -> World:
    """A store after one run."""
    made = World(tmp_path, clock, randomness, make_row)
    made.live("1")
    return made
