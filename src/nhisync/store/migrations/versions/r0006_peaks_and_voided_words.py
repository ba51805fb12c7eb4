"""The largest sweep of each day, for the shrink guard; attestations that a restore made void."""

import sqlalchemy as sa
from alembic import op

from nhisync.store.migrations.columns import number, numbers, texts

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0005 to 0006."""
    op.create_table(
        "coverage_peaks",
        *texts("path", "source", "kind", "scope"),
        *numbers("day", "items"),
        sa.PrimaryKeyConstraint("path", "source", "kind", "scope", "day", name="pk_coverage_peaks"),
        sqlite_with_rowid=False,
    )
    op.add_column("attestations", number("voided_at", null=True))
