"""What a review of the adapter found; each test is a hole that was open."""

from datetime import timedelta

import pytest

from nhisync.spi import Moment, Precision
from nhisync.testing.clocks import FakeClock
from nhisync_kubernetes.metadata import Meta, read_meta

NOW = FakeClock().now()
WRITTEN = NOW - timedelta(days=2)


def meta(**annotations: str) -> Meta:
    """A Secret created a hundred days ago and written two days ago."""
    document = {
        "metadata": {
            "name": "x",
            "creationTimestamp": (NOW - timedelta(days=100)).isoformat(),
            "annotations": {key.replace("_", "/"): text for key, text in annotations.items()},
            "managedFields": [{"time": WRITTEN.isoformat(), "fieldsV1": {"f:data": {"f:a": {}}}}],
        }
    }
    return read_meta(document, "nhisync/owner")


def test_a_rotator_dates_its_work() -> None:
    """The annotation says exactly what the book of writes only bounds."""
    told = NOW - timedelta(days=30)
    assert meta(nhisync_rotated=told.isoformat()).rotated(NOW) == Moment(told)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-01T00:00:00", NOW.isoformat(), (NOW - timedelta(days=101)).isoformat()]
)
def test_a_date_that_the_book_contradicts_is_not_believed(text: str) -> None:
    """Unreadable, without a zone, after the last write or before the creation: the write stays an upper bound."""
    assert meta(nhisync_rotated=text).rotated(NOW) == Moment(WRITTEN, Precision.UPPER_BOUND)


@pytest.mark.parametrize("book", [None, [], [{"fieldsV1": {"f:data": {"f:a": {}}}}], "odd"])
def test_without_a_date_nothing_counts_as_never_rotated(book: object) -> None:
    """A proxy may strip the book, a writer need not date its entry: then the last change is "at the latest now".

    "Never since creation" would let a primary look old, and a backup that missed its rotations in step with it.
    """
    dated = {"time": (NOW - timedelta(days=90)).isoformat(), "fieldsV1": {"f:data": {"f:b": {}}}}
    for entries in (book, [dated, *book] if isinstance(book, list) and book else book):
        metadata = {"name": "x", "creationTimestamp": (NOW - timedelta(days=100)).isoformat(), "managedFields": entries}
        assert read_meta({"metadata": metadata}, "nhisync/owner").rotated(NOW) == Moment(NOW, Precision.UPPER_BOUND)
