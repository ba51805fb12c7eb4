"""What an identity may do, in words that all providers share.

A provider's policy language is compiled into `Right` values by its adapter; deciding what two sets of them mean is the
work of `nhisync.parity.rights`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What a right does to the requests it matches."""

    ALLOW = "allow"
    DENY = "deny"


class Syntax(StrEnum):
    """How the resources of a scheme are written."""

    GLOB = "glob"  # ``*`` any text, ``?`` one character, ``${*}`` ``${?}`` ``${$}`` themselves
    PATH = "path"  # ``*`` at the end any text, ``+`` one whole segment
    EXACT = "exact"  # ``*`` alone everything, else the very text


HELD = "held"
"""Layer of the rights an identity holds."""

BOUNDARY = "boundary"
"""Layer of a limit over what is held: a request needs an allow in both."""

TRUST = "trust"
"""Layer of its own: who may become the identity; resources are the principals."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One statement: it matches a request whose action and resource it names, while all its conditions hold.

    Actions compare without letter case, and ``*`` and ``?`` in them are wildcards. A text in ``${…}`` or ``{{…}}``
    stands for something only the provider knows.

    Attributes:
        effect: allow, or deny, which wins.
        actions: it matches these.
        resources: and on these.
        but_actions: but never these, though `actions` match.
        but_resources: but never on these.
        conditions: all must hold; opaque words of the provider, compared as text.
        layer: `HELD`, `BOUNDARY` or `TRUST`.
    """

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    but_actions: tuple[str, ...] = ()
    but_resources: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    layer: str = HELD


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """A limit of the whole identity rather than of one right.

    Attributes:
        name: ``ttl`` (seconds, 0 = endless; the backup's may be shorter), or the provider's word (``network``).
        value: its value as text.
    """

    name: str
    value: str


TTL = "ttl"
"""Name of the limit that says how long a session of the identity lasts at most, in seconds."""


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """One request that is not made: may an identity do this?

    Attributes:
        action: one action, without wildcards.
        resource: one resource, as its provider writes it.
    """

    action: str
    resource: str


class Said(StrEnum):
    """What the service that judges a request says of it."""

    ALLOWED = "allowed"
    DENIED = "denied"
    DOUBTED = "doubted"  # denied, by something whose conditions the service does not show: no proof by itself
    UNKNOWN = "unknown"  # it cannot tell, or the question cannot be put to it
