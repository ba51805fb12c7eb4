"""Accepted exceptions, looked up by pair and code."""

from collections.abc import Iterable
from datetime import date

from nhisync.model import Waiver


class Waivers:
    """All waivers of a run; where two name the same pair and code, the one that lasts longer wins."""

    __slots__ = ("_by_key",)

    def __init__(self, waivers: Iterable[Waiver] = ()) -> None:
        self._by_key: dict[tuple[str, str], Waiver] = {}
        for waiver in waivers:
            key = (waiver.pair, waiver.code)
            held = self._by_key.get(key)
            if held is None or held.until < waiver.until:
                self._by_key[key] = waiver

    def __bool__(self) -> bool:
        """Whether there is any waiver at all."""
        return bool(self._by_key)

    def find(self, pair: str, code: str) -> Waiver | None:
        """The waiver for `code` on ``app/pair``, expired or not."""
        return self._by_key.get((pair, code))

    @staticmethod
    def holds(waiver: Waiver, today: date) -> bool:
        """A waiver holds through the whole of its last day (UTC)."""
        return today <= waiver.until
