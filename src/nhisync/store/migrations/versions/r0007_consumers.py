"""What consumers have loaded: of an item, and as somebody attested it."""

from alembic import op

from nhisync.store.migrations.columns import text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From 0006 to 0007."""
    op.add_column("items", text("consumers", null=True))
    for name in ("pair", "consumer", "generation"):
        op.add_column("attestations", text(name, null=True))
