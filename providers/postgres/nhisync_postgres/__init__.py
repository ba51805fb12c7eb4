"""PostgreSQL login roles as identities: until when they may log in, what they belong to, what they may do."""

from nhisync_postgres.provider import PostgresProvider

__all__ = ["PostgresProvider"]
