"""What live authentication showed of an item."""

from alembic import op

from nhisync.store.migrations.columns import text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0003 to 0004."""
    op.add_column("items", text("probe", null=True))
