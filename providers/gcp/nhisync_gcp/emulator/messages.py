"""The SDKs' own message types in their plain protobuf form, which is much faster than the proto-plus wrappers."""

from datetime import datetime
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2


def plain(wrapper: Any) -> Any:
    """The protobuf class behind a proto-plus class."""
    return type(wrapper.pb(wrapper()))


def copy(message: Any) -> Any:
    """A copy; stored messages are replaced, never changed."""
    made = type(message)()
    made.CopyFrom(message)
    return made


def timestamp(moment: datetime) -> Any:
    """``google.protobuf.Timestamp``."""
    made = timestamp_pb2.Timestamp()
    made.FromDatetime(moment)
    return made


def seconds(duration: duration_pb2.Duration) -> float:
    """Seconds of a ``google.protobuf.Duration``."""
    return float(duration.seconds + duration.nanos / 1e9)


def member(enum: Any, name: str) -> Any:
    """The member of a proto-plus enum; type checkers take ``enum[name]`` for something else."""
    return enum[name]
