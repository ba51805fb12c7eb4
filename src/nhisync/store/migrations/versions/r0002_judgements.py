"""Judgements: comparisons, memories, findings and their history, verdicts."""

import sqlalchemy as sa
from alembic import op

from nhisync.store.migrations.columns import counter, number, numbers, text, texts

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0001 to 0002."""
    op.create_table(
        "comparisons",
        counter("number"),
        *texts("primary_path", "backup_path", "policy_digest"),
        *numbers("turn", "run"),
        sa.PrimaryKeyConstraint("number", name="pk_comparisons"),
        _run("comparisons"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_comparisons_primary_path_backup_path", "comparisons", ["primary_path", "backup_path"], unique=True
    )
    op.create_table(
        "evaluations",
        number("comparison"),
        text("key"),
        *numbers("primary_stamp", "backup_stamp", "recheck_at"),
        sa.PrimaryKeyConstraint("comparison", "key", name="pk_evaluations"),
        _comparison("evaluations"),
        sqlite_with_rowid=False,
    )
    _findings()
    _verdicts()


def _findings() -> None:
    op.create_table(
        "findings",
        number("comparison"),
        *texts("key", "code", "side", "path", "app", "pair", "state", "severity", "title", "layer", "consequence"),
        *texts("observed", "expected", "primary_shown", "backup_shown", "evidence", "next", "frameworks", "waiver"),
        *numbers("line", "first_seen", "since", "last_seen", "turn", "run"),
        sa.PrimaryKeyConstraint("comparison", "key", "code", "side", "path", name="pk_findings"),
        _comparison("findings"),
        _run("findings"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding_history",
        counter("number"),
        number("comparison"),
        *texts("key", "code", "side", "path", "app", "state", "severity"),
        *numbers("first_seen", "since", "last_seen", "ended"),
        text("became"),
        sa.PrimaryKeyConstraint("number", name="pk_finding_history"),
        _comparison("finding_history"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_finding_history_key_code", "finding_history", ["key", "code"])
    op.create_index("ix_finding_history_ended", "finding_history", ["ended"])


def _verdicts() -> None:
    op.create_table(
        "verdicts",
        counter("number"),
        *numbers("run", "epoch"),
        *texts("app", "path", "word", "tier", "mode"),
        *numbers("evaluated_at", "valid_until", "pairs", "passing", "failing", "unknown"),
        *texts("reasons", "blocks", "policy_digest", "primary_baseline"),
        number("voided_at", null=True),
        sa.PrimaryKeyConstraint("number", name="pk_verdicts"),
        _run("verdicts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_verdicts_app_path_number", "verdicts", ["app", "path", "number"])


def _run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run"], ["runs.number"], name=f"fk_{table}_run")


def _comparison(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["comparison"], ["comparisons.number"], name=f"fk_{table}_comparison")
