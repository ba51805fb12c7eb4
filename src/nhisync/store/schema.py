"""The tables as they are now; `nhisync.store.migrations` holds how they came to be, and a test compares the two.

No column can hold a secret: items carry facts about credentials, never a value, a digest of a value or a key.
Instants and spans are whole seconds, as in `nhisync.parity.row`. Text compares bytewise on every engine (``BINARY`` on
SQLite, ``"C"`` on PostgreSQL), so that two cursors meet in the order of Python's own string comparison.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

from nhisync.parity.row import Row

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""All schema revisions, oldest first; the last one is what this version reads and writes."""

HEAD = REVISIONS[-1]
"""The revision this version of nhisync works with."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _words() -> Text:
    """Text that compares bytewise."""
    return Text().with_variant(Text(collation="BINARY"), "sqlite").with_variant(Text(collation="C"), "postgresql")


def _counter() -> BigInteger:
    """A number the database gives out, never twice."""
    return BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, _words(), nullable=null)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger(), nullable=null)


def _of_run() -> Column[int]:
    return Column("run", BigInteger(), ForeignKey("runs.number"), nullable=False)


meta = Table(
    "meta",
    metadata,
    _text("name"),
    _text("value"),
    PrimaryKeyConstraint("name"),
    sqlite_with_rowid=False,
)
"""``installation`` (random, stays), ``epoch`` (rises with every restore), ``created``; ``source <path>/<name>``
is a digest of where a source leads."""

runs = Table(
    "runs",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=True),
    _text("id"),
    _text("command"),
    _number("started"),
    _number("finished", null=True),
    _text("outcome", null=True),
    _text("policy_digest"),
    _text("config_digest"),
    _text("tool_version"),
    Index(None, "id", unique=True),
    sqlite_autoincrement=True,
)

NUMBERS = frozenset(
    {
        "created",
        "rotated",
        "not_before",
        "expires",
        "next_rotation",
        "pending",
        "rotation",
        "interval",
        "auth",
        "observed",
        "digest",
    }
)
"""Columns of `Row` that are integers; all others are text."""

ADDED = ("probe", "consumers")
"""The last columns of `Row`, which came by migrations: a database adds them behind all others."""

_REQUIRED = frozenset({"key", "locator", "presence", "lifecycle", "marker", "observed", "digest"})


def _row_column(name: str) -> Column[str] | Column[int]:
    null = name not in _REQUIRED
    return _number(name, null=null) if name in NUMBERS else _text(name, null=null)


items = Table(
    "items",
    metadata,
    _text("path"),
    *(_row_column(name) for name in Row._fields if name not in ADDED),
    # No foreign key: it would cost a lookup for each of a million rows, and the writer always has its run open.
    _number("run"),
    *(_row_column(name) for name in ADDED),
    PrimaryKeyConstraint("path", "key"),
    sqlite_with_rowid=False,
)
"""The latest `Row` of every (path, key); `run` is the last run that claimed it, `observed` its true age."""

coverage = Table(
    "coverage",
    metadata,
    _text("path"),
    _text("source"),
    _text("kind"),
    _text("scope"),
    _text("status"),
    _number("items"),
    Column("authoritative", SmallInteger(), nullable=False),
    _number("as_of"),
    _text("error", null=True),
    _number("believed_items", null=True),
    _number("believed_at", null=True),
    _of_run(),
    PrimaryKeyConstraint("path", "source", "kind", "scope"),
    sqlite_with_rowid=False,
)
"""The latest coverage; ``believed_*`` is the last COMPLETE sweep."""

coverage_peaks = Table(
    "coverage_peaks",
    metadata,
    _text("path"),
    _text("source"),
    _text("kind"),
    _text("scope"),
    _number("day"),
    _number("items"),
    PrimaryKeyConstraint("path", "source", "kind", "scope", "day"),
    sqlite_with_rowid=False,
)
"""The largest COMPLETE sweep of each day (its first second, UTC): with ``believed_items`` what the shrink guard
compares with, so that many small losses are seen as the large one that they are."""

comparisons = Table(
    "comparisons",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=True),
    _text("primary_path"),
    _text("backup_path"),
    _text("policy_digest"),
    _number("turn"),
    _of_run(),
    Index(None, "primary_path", "backup_path", unique=True),
    sqlite_autoincrement=True,
)
"""Two paths that were compared, how often (`turn`), and under which policy what is remembered of them was judged."""


def _of_comparison() -> Column[int]:
    return Column("comparison", BigInteger(), ForeignKey("comparisons.number"), nullable=False)


evaluations = Table(
    "evaluations",
    metadata,
    _of_comparison(),
    _text("key"),
    _number("primary_stamp"),
    _number("backup_stamp"),
    _number("recheck_at"),
    PrimaryKeyConstraint("comparison", "key"),
    sqlite_with_rowid=False,
)
"""`nhisync.parity.engine.Remembered`: it dies with either row, and with the policy it rests on."""

findings = Table(
    "findings",
    metadata,
    _of_comparison(),
    _text("key"),
    _text("code"),
    _text("side"),
    _text("path"),
    _text("app"),
    _text("pair"),
    _text("state"),
    _text("severity"),
    _text("title"),
    _text("layer"),
    _text("consequence"),
    _text("observed"),
    _text("expected"),
    _text("primary_shown"),
    _text("backup_shown"),
    _text("evidence"),
    _text("next"),
    _text("frameworks"),
    _text("waiver"),
    _number("line"),
    _number("first_seen"),
    _number("since"),
    _number("last_seen"),
    _number("turn"),
    _of_run(),
    PrimaryKeyConstraint("comparison", "key", "code", "side", "path"),
    sqlite_with_rowid=False,
)
"""What does not pass now. `first_seen` is the start of this streak, `since` the start of its present state."""

finding_history = Table(
    "finding_history",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=True),
    _of_comparison(),
    _text("key"),
    _text("code"),
    _text("side"),
    _text("path"),
    _text("app"),
    _text("state"),
    _text("severity"),
    _number("first_seen"),
    _number("since"),
    _number("last_seen"),
    _number("ended"),
    _text("became"),
    Index(None, "key", "code"),
    Index(None, "ended"),
    sqlite_autoincrement=True,
)
"""Ended states: what a finding was, from when to when, and what it became (``pass`` = resolved)."""

verdicts = Table(
    "verdicts",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=True),
    _of_run(),
    _number("epoch"),
    _text("app"),
    _text("path"),
    _text("word"),
    _text("tier"),
    _text("mode"),
    _number("evaluated_at"),
    _number("valid_until"),
    _number("pairs"),
    _number("passing"),
    _number("failing"),
    _number("unknown"),
    _text("reasons"),
    _text("blocks"),
    _text("policy_digest"),
    _text("primary_baseline"),
    _number("voided_at", null=True),
    Index(None, "app", "path", "number"),
    sqlite_autoincrement=True,
)
"""Every verdict; a voided one belongs to history before a restore and is never served again."""

waivers = Table(
    "waivers",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=True),
    _text("pair"),
    _text("code"),
    _text("until"),
    _text("approved_by"),
    _text("reason"),
    _text("ticket"),
    _number("created_at"),
    _text("created_by"),
    _number("withdrawn_at", null=True),
    _text("withdrawn_by", null=True),
    Index(None, "pair", "code"),
    sqlite_autoincrement=True,
)
"""Accepted exceptions recorded with `nhisync waive`; rows are withdrawn, never deleted."""

attestations = Table(
    "attestations",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=True),
    _text("app"),
    _text("path"),
    _text("kind"),
    _number("holds"),
    _number("observed_at"),
    _text("attested_by"),
    _text("evidence"),
    _number("created_at"),
    _text("created_by"),
    _number("voided_at", null=True),
    _text("pair", null=True),
    _text("consumer", null=True),
    _text("generation", null=True),
    Index(None, "app", "path", "kind", "observed_at"),
    sqlite_autoincrement=True,
)
"""What `nhisync attest` recorded: the last observation of a kind counts. A voided one is history from before a restore
that could not read what was said since. `pair`, `consumer` and `generation` only where a consumer is spoken about."""

audit = Table(
    "audit",
    metadata,
    Column("number", _counter(), primary_key=True, autoincrement=False),
    _number("at"),
    _text("actor"),
    _text("action"),
    _text("detail"),
    _text("prev"),
    _text("hash"),
)
"""Append-only, each row chained to the one before (see `nhisync.store.audit`)."""
