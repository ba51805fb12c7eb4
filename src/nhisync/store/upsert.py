"""INSERT … ON CONFLICT DO UPDATE, spelled alike by both engines but built by two SQLAlchemy dialects."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql import ColumnElement

Excluded = Any
"""The row that was to be inserted; its columns are attributes."""


def upsert(
    dialect: str,
    table: Table,
    *,
    where: Callable[[Excluded], ColumnElement[bool]] | None = None,
    changed: Callable[[Excluded], Mapping[str, Any]] | None = None,
) -> Any:
    """Insert a row, or update the one that has its primary key.

    Args:
        dialect: ``sqlite`` or ``postgresql``.
        table: the table.
        where: update only when this holds; an insert is not affected.
        changed: columns that do not simply take the new row's value.
    """
    statement: Any = _insert(dialect)(table)
    new = statement.excluded
    primary = {column.name for column in table.primary_key}
    values = {column.name: new[column.name] for column in table.columns if column.name not in primary}
    if changed is not None:
        values |= changed(new)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=values, where=where(new) if where else None
    )


def _insert(dialect: str) -> Any:
    """The INSERT of one dialect; the other one, with all its drivers, is not loaded."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 - only when needed
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]  # noqa: PLC0415 - only when needed
    return insert
