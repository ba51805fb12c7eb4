"""Answers of any shape: one is believed, or it is a typed error; nothing else happens, and nothing is invented."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import Budget, InventoryRequest, Item, Locator, Presence, ProviderError
from nhisync.testing.clocks import FakeClock
from nhisync_kubernetes.answers import Answer
from nhisync_kubernetes.api import _page, name_of
from nhisync_kubernetes.emulator.store import stamp
from nhisync_kubernetes.errors import Called, kind_of, refused
from nhisync_kubernetes.inventory import _Found, _read
from nhisync_kubernetes.kinds import ALL
from nhisync_kubernetes.kinds.certificate import _interval, _Status
from nhisync_kubernetes.metadata import read_meta
from nhisync_kubernetes.rights import _rule
from nhisync_kubernetes.run import Run

from .conftest import Adapted

CALLED = Called("GET", "/api/v1/secrets")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WORDS = st.sampled_from(
    [
        "True",
        "False",
        "Unknown",
        "Issuing",
        "Ready",
        "Disabled",
        "2160h0m0s",
        "-1h",
        "2026-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def keyed(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these keys."""
    return st.dictionaries(st.sampled_from(names), JSON, max_size=len(names))


CONDITIONS = st.lists(st.fixed_dictionaries({}, optional={"type": WORDS, "status": WORDS, "lastTransitionTime": WORDS}))
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "conditions": CONDITIONS | JSON,
        **dict.fromkeys(("notBefore", "notAfter", "renewalTime", "lastFailureTime"), WORDS | JSON),
        **dict.fromkeys(("revision", "failedIssuanceAttempts"), st.integers() | JSON),
        "acme": JSON,
    },
)
SPEC = keyed(
    "issuerRef", "renewal", "renewBefore", "renewBeforePercentage", "duration", "keystores", "privateKey", "secretName"
)


def attempt(work: Callable[[], Any]) -> Any:
    """What `work` brings, or its typed error; anything else is a bug and is raised."""
    try:
        return work()
    except ProviderError as error:
        return error


def run_of() -> Run:
    """A run that asks nothing."""
    stand = Adapted({"provider": "kubernetes", "auth": {"method": "in_cluster"}}, FakeClock())
    request = InventoryRequest(budget=Budget(stand.clock, seconds=1))
    nobody: Any = None
    return Run(api=nobody, settings=stand.settings(), context=stand.context(), request=request, cluster="c")


@given(
    st.sampled_from(sorted(ALL)),
    SPEC,
    STATUS,
    keyed("annotations", "labels", "managedFields", "uid", "resourceVersion"),
)
def test_objects_of_any_shape(kind: str, spec: Any, status: Any, metadata: dict[str, Any]) -> None:
    """Whatever stands in an object with a name, it is told as present, or as a typed error."""
    found = {"metadata": {**metadata, "namespace": "n", "name": "x"}, "spec": spec, "status": status}
    meta = read_meta(found, "owner")
    item = attempt(lambda: ALL[kind].item(run_of(), found, meta, deep=False))
    if isinstance(item, ProviderError):
        assert item.presence is not Presence.ABSENT
        return
    assert (item.presence, item.error) == (Presence.PRESENT, None)
    for moment in (item.created, item.rotated, item.expires, item.next_rotation):
        assert moment is None or moment.at.tzinfo is not None


@given(JSON, st.booleans())
def test_pages_of_any_shape(body: Any, metadata: bool) -> None:
    """A body that is no list of named objects is never an empty page."""
    shaped = body if isinstance(body, dict) else {"items": body, "metadata": {}}
    answer = Answer(200, shaped, {}, CALLED)
    names = attempt(lambda: [name_of(one, CALLED) for one in _page(answer, metadata=metadata)[0]])
    if isinstance(names, ProviderError):
        assert names.presence is Presence.UNKNOWN
        return
    assert isinstance(shaped["items"], list)
    assert all(name for _, name in names)


@given(
    st.integers(min_value=300, max_value=999), st.text(), st.dictionaries(st.just("retry-after"), st.text(max_size=9))
)
def test_errors_of_any_shape(status: int, message: str, headers: dict[str, str]) -> None:
    """Every status is a typed error that repeats nothing of the text; only 404 is absence."""
    marked = f"<{message}>"
    error = refused(status, marked, headers, CALLED)
    assert (error.presence is Presence.ABSENT) == (status == 404)
    assert error.kind is kind_of(status)
    assert len(marked) < 4 or marked not in f"{error.message}{error.fix}{error.fact}"


@given(
    st.timedeltas(min_value=timedelta(days=-2000), max_value=timedelta(days=2000)),
    st.integers(min_value=1, max_value=400 * 86400),
    st.integers(min_value=0, max_value=5),
    st.one_of(st.none(), st.integers(min_value=0, max_value=90)),
)
def test_an_unfinished_issuance_began_before_it_failed(
    born: timedelta, life: int, attempts: int, hours: int | None
) -> None:
    """Pending is told exactly when something runs or failed, and never later than the last failure."""
    begins = (NOW + born).replace(microsecond=0)
    ends = begins + timedelta(seconds=life)
    failed = None if hours is None else begins + timedelta(hours=hours)
    status = {
        "notBefore": stamp(begins),
        "notAfter": stamp(ends),
        "renewalTime": stamp(begins + (ends - begins) * 2 / 3),
        "failedIssuanceAttempts": attempts,
        **({} if failed is None else {"lastFailureTime": stamp(failed)}),
    }
    found = _Status.of({"status": status}, begins)
    pending = found.pending(begins)
    if not attempts and failed is None:
        assert pending is None
    elif failed is not None:
        assert pending is not None
        assert pending <= failed
    assert timedelta(0) < _interval({}, found) <= ends - begins


@given(JSON)
def test_rules_of_any_shape(raw: Any) -> None:
    """Whatever a rules review lists, it grants at most what it says in words."""
    rule = _rule(raw if isinstance(raw, dict) else {"verbs": raw, "resources": raw, "apiGroups": raw})
    assert all(isinstance(word, str) for word in rule.verbs | rule.groups | rule.resources | rule.names)


class _Slipping:
    """A kind whose reading trips over something that nobody foresaw."""

    def __init__(self, slip: str) -> None:
        self._slip = slip

    def marker(self, *_: object, **__: object) -> str:
        """Trips when it is told to."""
        return str(timedelta(days=10**12)) if self._slip == "marker" else ""

    def item(self, *_: object, **__: object) -> object:
        """Trips."""
        return timedelta(days=10**12)


@pytest.mark.parametrize("slip", ["marker", "item"])
def test_what_nobody_foresaw_costs_one_object(slip: str) -> None:
    """An arithmetic slip at one object is its own typed answer; the run goes on."""
    body = {"metadata": {"namespace": "n", "name": "x"}}
    meta, kind = read_meta(body, "owner"), cast("Any", _Slipping(slip))
    found = _read(run_of(), kind, _Found(Locator("cluster", "secret", "n/x"), body, meta), deep=True)
    assert isinstance(found, Item)
    assert (found.presence, found.error and found.error.kind) == (Presence.UNKNOWN, "malformed")
