"""Whether reads of secrets and parameters are recorded: the trails of CloudTrail that log in the source's Region.

GetSecretValue and GetParameter are read-only management events (Secrets Manager and Systems Manager user guides,
"Logging … with AWS CloudTrail"). Judged is whether a trail that applies to the Region is logging, delivers, and takes
read-only management events. Not judged: CloudTrail Lake, and the Event history, which nobody can keep beyond 90 days.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from nhisync.spi import GUARDED, Audited, Guarding, Item, Locator, Observation, PermissionDocument, ProviderError
from nhisync_aws.run import Run
from nhisync_aws.statements import Scope, Statement, allow, document, keyed

MOST_TRAILS: Final = 20
"""More are not looked at; an account has five in a Region, and its organisation a few more."""

_READS, _WRITES = frozenset({"All", "ReadOnly"}), "false"
_SOURCES: Final = frozenset({"secretsmanager.amazonaws.com", "ssm.amazonaws.com"})


class Audit(NamedTuple):
    """What is known of the record of reads, and by what."""

    audited: Audited | None
    said: str


NOT_ASKED: Final = Audit(None, "")


def permissions_for(wanted: Sequence[Locator], kinds: frozenset[str], scope: Scope) -> tuple[PermissionDocument, ...]:
    """The IAM document that telling how items are guarded needs; none for kinds that keep no value."""
    if not any(keyed(kind) for kind in kinds | {locator.kind for locator in wanted}):
        return ()
    title = "nhisync protection: how items are guarded; optional, without it that is unknown"
    return (document(title, statements(scope)),)


def statements(scope: Scope) -> list[Statement]:
    """What is asked: trails of any Region and account that apply here, and rotation of the source's keys."""
    trails = f"arn:{scope.partition}:cloudtrail:*:*:trail/*"
    return [
        allow("NhisyncListTrails", ["cloudtrail:DescribeTrails"], ["*"]),
        allow("NhisyncReadTrails", ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"], [trails]),
        allow("NhisyncReadKeyRotation", ["kms:GetKeyRotationStatus"], [scope.arn("kms", "key/*")]),
    ]


class Guard:
    """The record of reads of one run, and markers that end with it."""

    def __init__(self, run: Run, kinds: frozenset[str]) -> None:
        self._audit = _judged(run) if any(keyed(kind) for kind in kinds) else NOT_ASKED
        self._marking = Guarding(self._audit)
        run.request = replace(run.request, known=self._marking.known(run.request.known))

    def guarded(self, one: Observation) -> Observation:
        """An item with the record of its reads beside what its collector told of its key."""
        if not isinstance(one, Item):
            return one
        key = one.protection
        whole = None if key is None else replace(key, audited=self._audit.audited, audit=self._audit.said)
        return self._marking.guarded(one, whole)


def _judged(run: Run) -> Audit:
    """The best that any trail offers; what could not be asked leaves it open, unless one trail is enough."""
    try:
        trails = run.connection.require("cloudtrail", "DescribeTrails", run.budget, "trailList")
    except ProviderError as error:
        return _unknown(run, error)
    found = [Audit(Audited.NO, f"no trail logs in {run.region}")]
    for trail in _rows(trails)[:MOST_TRAILS]:
        found.append(_of_trail(run, trail))
        if found[-1].audited is Audited.YES:
            return found[-1]
    return next((one for one in found if one.audited is None), None) or max(found, key=_rank)


def _rank(audit: Audit) -> int:
    return [*Audited].index(audit.audited) if audit.audited else -1


def _of_trail(run: Run, trail: Mapping[str, Any]) -> Audit:
    name = str(trail.get("Name") or "")
    arn = str(trail.get("TrailARN") or name)
    try:
        status = run.connection.call("cloudtrail", "GetTrailStatus", run.budget, Name=arn)
        if status.get("IsLogging") is not True:
            return Audit(Audited.NO, f"trail {name} is stopped")
        taken = _taken(run, arn) if trail.get("HasCustomEventSelectors") is not False else Audited.YES
    except ProviderError as error:
        return _unknown(run, error)
    if taken is None:
        return Audit(None, f"the event selectors of trail {name} are of no known form")
    if taken is Audited.NO:
        return Audit(taken, f"trail {name} leaves read events out")
    if status.get("LatestDeliveryError"):
        return Audit(Audited.PARTLY, f"the last delivery of trail {name} failed")
    return Audit(taken, f"trail {name}")


def _taken(run: Run, arn: str) -> Audited | None:
    """Whether the selectors of a trail take reads of secrets."""
    answer = run.connection.call("cloudtrail", "GetEventSelectors", run.budget, TrailName=arn)
    said = [_basic(one) for one in _rows(answer.get("EventSelectors"))]
    said += [_advanced(one) for one in _rows(answer.get("AdvancedEventSelectors"))]
    if Audited.YES in said:
        return Audited.YES
    return None if None in said else Audited.NO


def _basic(selector: Mapping[str, Any]) -> Audited | None:
    managed = selector.get("IncludeManagementEvents") is not False
    left_out = _SOURCES.intersection(selector.get("ExcludeManagementEventSources") or ())
    return Audited.YES if managed and selector.get("ReadWriteType", "All") in _READS and not left_out else Audited.NO


def _advanced(selector: Mapping[str, Any]) -> Audited | None:
    """Fields of management events: eventCategory, eventSource, readOnly (CloudTrail API, AdvancedEventSelector)."""
    fields = {str(one.get("Field")): one for one in _rows(selector.get("FieldSelectors"))}
    if "Management" not in (fields.pop("eventCategory", {}).get("Equals") or ()):
        return Audited.NO
    if _WRITES in (fields.pop("readOnly", {}).get("Equals") or ()):
        return Audited.NO
    source = fields.pop("eventSource", {})
    only = set(source) - {"Field", "NotEquals"}
    if fields or only or _SOURCES.intersection(source.get("NotEquals") or ()):
        return None
    return Audited.YES


def _unknown(run: Run, error: ProviderError) -> Audit:
    run.miss(GUARDED, error)
    what = f" ({error.fact.action})" if error.fact.action else ""
    return Audit(None, f"not known whether a trail logs: {error.kind.value}{what}")


def _rows(found: object) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def stream(run: Run, found: Iterator[Observation], kinds: frozenset[str]) -> Iterator[Observation]:
    """`found`, which has not begun, with what guards each item where the request asks."""
    if not run.request.protection:
        yield from found
        return
    guard = Guard(run, kinds)
    yield from (guard.guarded(one) for one in found)
