"""What live authentication showed of an item."""

from alembic import op

from nhisync.store.migrations.columns import text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0004 to 0005."""
    op.add_column("items", text("probe", null=True))
