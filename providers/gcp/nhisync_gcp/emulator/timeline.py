"""State that remembers what it was, so that a lagging list or a policy on its way can be shown."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar


class Timeline:
    """The messages that describe one thing over time; None = it does not exist. They are replaced, never changed."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, Any]] = []

    def put(self, now: datetime, message: Any) -> None:
        """From `now` on it is `message`."""
        self._entries.append((now, message))

    @property
    def current(self) -> Any:
        """The newest message."""
        return self._entries[-1][1] if self._entries else None

    def at(self, instant: datetime | None) -> Any:
        """The message of an earlier instant; None as `instant` means now."""
        if instant is None:
            return self.current
        return next((message for since, message in reversed(self._entries) if since <= instant), None)


class Shown(Protocol):
    """A thing that lists show.

    Attributes:
        shown: what they show of it, over time.
        serial: its place: larger = created later.
    """

    shown: Timeline
    serial: int


S = TypeVar("S", bound=Shown)


class Shelf(Generic[S]):
    """Named things in order of creation; a deleted one stays until its name is used again."""

    def __init__(self) -> None:
        self._things: dict[str, S] = {}

    def get(self, name: str) -> S | None:
        """The thing of this name, deleted or not."""
        return self._things.get(name)

    def put(self, name: str, thing: S) -> None:
        """Add it as the newest."""
        self._things.pop(name, None)
        self._things[name] = thing

    def newest_first(self) -> Iterator[S]:
        """All things."""
        return reversed(self._things.values())

    def oldest_first(self) -> Iterator[S]:
        """All things."""
        return iter(self._things.values())
