"""Inventory: identity of the store, runs, items and coverage."""

import sqlalchemy as sa
from alembic import op

from nhisync.store.migrations.columns import counter, number, numbers, text, texts

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From an empty database to 0001."""
    op.create_table(
        "meta", *texts("name", "value"), sa.PrimaryKeyConstraint("name", name="pk_meta"), sqlite_with_rowid=False
    )
    op.create_table(
        "runs",
        counter("number"),
        *texts("id", "command"),
        number("started"),
        number("finished", null=True),
        text("outcome", null=True),
        *texts("policy_digest", "config_digest", "tool_version"),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_id", "runs", ["id"], unique=True)
    op.create_table(
        "items",
        *texts("path", "key", "locator", "presence", "lifecycle"),
        *texts("state", "domain", "version", null=True),
        *numbers("created", "rotated", "not_before", "expires", "next_rotation", "pending", null=True),
        *numbers("rotation", "interval", null=True),
        *texts("owner", "group", "ids", "bound", "grants", null=True),
        number("auth", null=True),
        text("detail", null=True),
        text("marker"),
        *numbers("observed", "digest", "run"),
        sa.PrimaryKeyConstraint("path", "key", name="pk_items"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coverage",
        *texts("path", "source", "kind", "scope", "status"),
        number("items"),
        sa.Column("authoritative", sa.SmallInteger(), nullable=False),
        number("as_of"),
        text("error", null=True),
        *numbers("believed_items", "believed_at", null=True),
        number("run"),
        sa.PrimaryKeyConstraint("path", "source", "kind", "scope", name="pk_coverage"),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_coverage_run"),
        sqlite_with_rowid=False,
    )
