"""What a world can do to a provider, and how a conformance test asks for it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nhisync.testing.world import Seed


class Trouble(StrEnum):
    """What goes wrong; each word has a standard test that needs it."""

    DENIED_ITEM = "denied-item"  # one item exists and may not be read; everything else is as always
    DENIED = "denied"  # authenticated, and nothing may be listed or read
    REFUSED = "refused"  # our own credential is not accepted
    UNREACHABLE = "unreachable"  # nothing answers
    THROTTLED = "throttled"  # every call is answered with "slow down"
    BROKEN = "broken"  # answers that cannot be believed: cut, another protocol, a proxy's page
    SCOPE_MISSING = "scope-missing"  # the mount, folder or project that should hold the items is gone
    ENDLESS = "endless"  # every page of a listing names a next one
    SHORT_PAGES = "short-pages"  # pages hold fewer items than were asked for, and the listing goes on
    EMPTY_PAGE = "empty-page"  # a page in the middle of a listing holds nothing, and the listing goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a provider's world makes one trouble.

    Attributes:
        name: fault of the `WorldPart`; "" = it is planted, nothing is switched.
        options: options of that fault.
        seed: the one item concerned, planted for it; None = the whole source is.
        kinds: kinds concerned; empty = all that the tests sweep.
        settings: settings of the adapter meanwhile: short timeouts, few attempts.
        around: stand → a context held while it is on, for example another user.
    """

    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: Seed | None = None
    kinds: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    around: Callable[[Any], AbstractContextManager[None]] = field(default=lambda _stand: nullcontext())
