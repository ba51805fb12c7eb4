"""Alembic's entry: runs the revisions on the connection that the store hands over, in its transaction."""

from alembic import context

from nhisync.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
