"""Columns of the revisions. Frozen like the revisions themselves: a new kind of column gets a new function."""

from sqlalchemy import BigInteger, Column, Integer, Text


def words() -> Text:
    """Text that compares bytewise on both engines."""
    return Text().with_variant(Text(collation="BINARY"), "sqlite").with_variant(Text(collation="C"), "postgresql")


def text(name: str, *, null: bool = False) -> Column[str]:
    """A text column."""
    return Column(name, words(), nullable=null)


def texts(*names: str, null: bool = False) -> list[Column[str]]:
    """Text columns."""
    return [text(name, null=null) for name in names]


def number(name: str, *, null: bool = False) -> Column[int]:
    """A 64-bit integer column."""
    return Column(name, BigInteger(), nullable=null)


def numbers(*names: str, null: bool = False) -> list[Column[int]]:
    """64-bit integer columns."""
    return [number(name, null=null) for name in names]


def counter(name: str) -> Column[int]:
    """A primary key that the database counts, never giving a number twice."""
    return Column(name, BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)
