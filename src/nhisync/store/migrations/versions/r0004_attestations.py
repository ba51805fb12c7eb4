"""Attestations: what nhisync cannot observe, said by somebody who can."""

import sqlalchemy as sa
from alembic import op

from nhisync.store.migrations.columns import counter, number, numbers, text, texts

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0003 to 0004."""
    op.create_table(
        "attestations",
        counter("number"),
        *texts("app", "path", "kind"),
        *numbers("holds", "observed_at"),
        *texts("attested_by", "evidence"),
        number("created_at"),
        text("created_by"),
        sa.PrimaryKeyConstraint("number", name="pk_attestations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attestations_app_path_kind_observed_at", "attestations", ["app", "path", "kind", "observed_at"])
