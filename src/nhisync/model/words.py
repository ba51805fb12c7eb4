"""The closed vocabularies of architecture.md §3, one enum each; their values are the words in JSON, CLI and store."""

from enum import StrEnum


class Presence(StrEnum):
    """What one observation says about whether an item exists. Only `PRESENT` and `ABSENT` are answers."""

    PRESENT = "present"
    ABSENT = "absent"  # an authoritative read said so; a list without the item is not enough
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    UNSUPPORTED = "unsupported"
    AMBIGUOUS = "ambiguous"  # two items claim the same pair on the same path
    UNKNOWN = "unknown"  # not covered by this run


class CoverageStatus(StrEnum):
    """How far one kind in one scope (region, mount, folder) was seen."""

    COMPLETE = "complete"
    PARTIAL = "partial"  # some pages or items were lost
    DENIED = "denied"
    THROTTLED = "throttled"  # also: the cycle's budget or deadline ran out
    UNREACHABLE = "unreachable"
    STALE = "stale"  # the source itself is old (credential report, standby)
    UNSUPPORTED = "unsupported"
    NOT_ASKED = "not_asked"  # the configuration leaves it out on purpose, and no pair needs it: no gap
    SHRUNK = "shrunk"  # the sweep lost more items than policy believes


class Lifecycle(StrEnum):
    """Who can rotate the item on this side."""

    OWN = "own"
    REPLICA = "replica"  # value and rotation belong to the other side
    SHARED = "shared"  # both sides drive the same target account
    STATIC = "static"  # nobody rotates it
    UNKNOWN = "unknown"


class CredentialState(StrEnum):
    """The six states of NIST SP 800-57 Part 1 Rev. 5 §7."""

    PRE_ACTIVATION = "pre-activation"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


class Precision(StrEnum):
    """How exact an instant is."""

    EXACT = "exact"
    DAY = "day"
    UPPER_BOUND = "upper-bound"  # at the latest then
    LOWER_BOUND = "lower-bound"  # at the earliest then


class PairClass(StrEnum):
    """Whether the two identities of a pair may have anything in common."""

    INDEPENDENT = "independent"
    SHARED = "shared"  # by design: needs an owner and an end
    EXEMPT = "exempt"  # not judged: needs a waiver's fields


class State(StrEnum):
    """The four results of a rule."""

    PASS = "pass"  # noqa: S105 - the word of the contract, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAIVED = "waived"


class Severity(StrEnum):
    """What a fail means: only `ERROR` gives NOT READY."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Consequence(StrEnum):
    """What goes wrong in a failover if nobody acts (R7)."""

    OUTAGE = "outage"
    INCONSISTENCY = "inconsistency"
    EXPOSURE = "exposure"


class Side(StrEnum):
    """The role a finding speaks about."""

    PRIMARY = "primary"
    BACKUP = "backup"
    PAIR = "pair"


class Layer(StrEnum):
    """The ordered layers of equivalence (R21); a report shows all and stops at none."""

    EXISTS = "exists"
    FRESH = "fresh"
    INDEPENDENT = "independent"
    AUTHORISED = "authorised"
    CHAIN = "chain"
    DEPENDENCIES = "dependencies"
    LIVE = "live"
    TRANSACTION = "transaction"


class Word(StrEnum):
    """A verdict's one word."""

    READY = "ready"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """Whether an app's verdict gates its signal."""

    OBSERVE = "observe"
    ENFORCE = "enforce"
