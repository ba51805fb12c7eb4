"""Governance: recorded waivers and the audit trail."""

import sqlalchemy as sa
from alembic import op

from nhisync.store.migrations.columns import counter, number, text, texts

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0002 to 0003."""
    op.create_table(
        "waivers",
        counter("number"),
        *texts("pair", "code", "until", "approved_by", "reason", "ticket"),
        number("created_at"),
        text("created_by"),
        number("withdrawn_at", null=True),
        text("withdrawn_by", null=True),
        sa.PrimaryKeyConstraint("number", name="pk_waivers"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_waivers_pair_code", "waivers", ["pair", "code"])
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False),
        number("at"),
        *texts("actor", "action", "detail", "prev", "hash"),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
