"""What a provider's failure means, in words that callers can act on.

The kinds and the mapping of AWS and Vault/OpenBao answers onto them are the table of each provider's README. Unknown
is not absent, absent is not denied, denied is not unreachable (law 3).
"""

from datetime import timedelta
from enum import StrEnum

from nhisync.errors import NhisyncError
from nhisync.model import ErrorFact, Presence


class ErrorKind(StrEnum):
    """Why a call gave no answer, or a negative one."""

    AUTH_FAILED = "auth_failed"  # our own credential is not accepted
    NOT_PROPAGATED = "not_propagated"  # accepted elsewhere already; retry within a bound
    DENIED = "denied"  # authenticated, not authorised
    NOT_FOUND = "not_found"  # an authoritative "no such item"
    SCOPE_MISSING = "scope_missing"  # the mount, project or folder is missing, so the item's absence is not proven
    READ_ONLY_SIDE = "read_only_side"  # a replica or standby refused
    CONFLICT = "conflict"  # another change is in progress
    QUOTA = "quota"  # a hard limit
    THROTTLED = "throttled"  # asked to slow down, or our own budget or deadline ran out
    CRYPTO_UNAVAILABLE = "crypto_unavailable"  # sealed, or the encryption key is unusable
    UNREACHABLE = "unreachable"  # no answer, or a server fault
    MALFORMED = "malformed"  # an answer that cannot be believed: cut, wrong shape, endless
    UNSUPPORTED = "unsupported"  # this provider or server version cannot do it
    MISCONFIGURED = "misconfigured"  # the configuration names something that cannot be right here


LEFT_OUT = "left out by the configuration"
"""Reason of an UNSUPPORTED kind that the source's settings leave out on purpose; no gap unless a pair needs it."""

_PRESENCE = {
    ErrorKind.DENIED: Presence.DENIED,
    ErrorKind.AUTH_FAILED: Presence.DENIED,
    ErrorKind.NOT_FOUND: Presence.ABSENT,
    ErrorKind.THROTTLED: Presence.THROTTLED,
    ErrorKind.QUOTA: Presence.THROTTLED,
    ErrorKind.UNREACHABLE: Presence.UNREACHABLE,
    ErrorKind.CRYPTO_UNAVAILABLE: Presence.UNREACHABLE,
    ErrorKind.NOT_PROPAGATED: Presence.UNREACHABLE,
    ErrorKind.UNSUPPORTED: Presence.UNSUPPORTED,
}


class ProviderError(NhisyncError):
    """A provider's answer, translated at the adapter's boundary.

    Args:
        kind: what it means.
        message: one sentence in our own words; SDK text must not be passed through (it can hold values).
        action: missing permission in the provider's own notation.
        resource: on what.
        principal: as whom.
        reason: the provider's reason, in our words.
        request_id: the provider's id of the failed call.
        retry_after: how long the provider asked to wait.
        indeterminate: the effect may have happened (a lost reply to a write).
        fix: the next step for the reader.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        action: str = "",
        resource: str = "",
        principal: str = "",
        reason: str = "",
        request_id: str = "",
        retry_after: timedelta | None = None,
        indeterminate: bool = False,
        fix: str = "",
    ) -> None:
        super().__init__(message, fix=fix)
        self.kind = kind
        self.indeterminate = indeterminate
        self.fact = ErrorFact(
            kind=kind.value,
            message=message,
            action=action,
            resource=resource,
            principal=principal,
            reason=reason,
            request_id=request_id,
            retry_after=retry_after,
            fix=fix,
        )

    @property
    def presence(self) -> Presence:
        """What this error lets us say about an item that was asked for: ABSENT only for an authoritative NOT_FOUND."""
        return _PRESENCE.get(self.kind, Presence.UNKNOWN)
