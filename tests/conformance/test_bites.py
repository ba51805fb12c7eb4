"""Every standard test bites: an adapter that breaks its rule fails it, and the honest one passes."""

import inspect
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.errors import RegistryError
from nhisync.spi import (
    CheckState,
    CoverageStatus,
    ErrorKind,
    FieldValue,
    KindInfo,
    Locator,
    Moment,
    Presence,
    ProviderError,
    SecretBytes,
)
from nhisync.testing.conformance import DUTIES, threads
from nhisync.testing.provider import FakeProvider

from . import meddling
from . import mutants as m
from .fake_hooks import FakeHooks
from .fake_world import FakeWorld, Observer
from .mutants import Mutant
from .servants import RARER, Servant

_COUNT = itertools.count()
_KINDS = FakeProvider.info.kinds


def _naive(item: Any) -> Any:
    return replace(item, rotated=Moment(item.observed_at.replace(tzinfo=None)))


def _without_pages(self: Observer, kind: str, request: Any) -> Iterator[str]:
    """A page that is not full is taken for the last one."""
    after: int | None = 0
    while after is not None:
        request.budget.spend()
        found, after = self.service.page(kind, after, 100)
        yield from found
        after = after if len(found) == 100 else None


def _until_empty(self: Observer, kind: str, request: Any) -> Iterator[str]:
    """An empty page is taken for the last one."""
    after: int | None = 0
    while after is not None:
        request.budget.spend()
        found, after = self.service.page(kind, after, 100)
        yield from found
        after = after if found else None


def _for_ever(self: Observer, kind: str, request: Any) -> Iterator[str]:
    """Whatever names a next page is followed."""
    after: int | None = 0
    while after is not None:
        request.budget.spend()
        found, after = self.service.page(kind, after, 100)
        if not self.service.faults & {"endless"}:
            yield from found


def _greedy(self: Observer, locator: Locator, request: Any) -> Any:
    """One denied item ends the run."""
    found = Observer.single(self, locator, request)
    if found.__class__ is not m.Unchanged and found.error is not None and found.error.kind == "denied":
        raise ProviderError(ErrorKind.DENIED, "denied")
    return found


def _careless(self: Observer, locator: Locator, request: Any) -> Any:
    """Each request is sent twice."""
    self.service.served += 3
    return Observer.single(self, locator, request)


def _late(self: Any, request: Any, seen: Iterator[Any]) -> Iterator[Any]:
    """Prefixes lose the items of folders."""
    for one in seen:
        if not request.prefixes or not isinstance(one, m.Item) or "/" not in one.locator.name:
            yield one


def _chatty(self: Observer, kind: str, request: Any) -> Any:
    """A call for every item of a sweep."""
    for one in Observer.sweep(self, kind, request):
        if isinstance(one, m.Item):
            request.budget.spend()
        yield one


def _shouting(self: Observer, locator: Locator, failure: ProviderError) -> Any:
    """The error repeats the value."""
    found = Observer.failed(self, locator, failure)
    return replace(found, error=replace(found.error, reason=m.CANARY)) if found.error else found


def _plain_values(self: Any, wanted: Any, budget: Any) -> Any:
    for one in FakeProvider.values(self, wanted, budget):
        yield FieldValue(one.locator, one.field, one.value.reveal()) if isinstance(one, FieldValue) else one


def _other_values(self: Any, wanted: Any, budget: Any) -> Any:
    return (FieldValue(locator, "api_key", SecretBytes(b"another value")) for locator in wanted)


def _free_values(self: Any, wanted: Any, budget: Any) -> Any:
    yield from FakeProvider.values(self, wanted, m.Budget(m.SystemClock(), seconds=60))


def _counting_identity(self: Any, budget: Any) -> Any:
    return replace(FakeProvider.identify(self, budget), principal=f"session-{next(_COUNT)}")


def _forgetful(self: Any, mode: Any, wanted: Any, kinds: Any) -> Any:
    return FakeProvider.permissions(self, mode, wanted, kinds) if "kv" in kinds else ()


def _no_such_item(self: Any, wanted: Any, budget: Any) -> Any:
    return FakeProvider.values(self, [one for one in wanted if one.kind == "kv"], budget)


def _lost(self: Any, budget: Any) -> Any:
    try:
        return FakeProvider.identify(self, budget)
    except ProviderError:
        raise ProviderError(ErrorKind.NOT_FOUND, "nobody") from None


class _Leaky(FakeProvider):
    def __repr__(self) -> str:
        return f"FakeProvider(token={m.CANARY})"


MUTANTS: dict[str, tuple[Mutant, ...]] = {
    "test_registry_accepts_the_provider": (
        Mutant(name="declares too much", hooks={"provider": m.DeclaresProbe}, raises=(RegistryError,)),
        Mutant(name="another SPI", hooks={"provider": m.OtherSpi}, raises=(RegistryError,)),
        Mutant(name="no SDK", hooks={"provider": m.MissingSdk}, raises=(RegistryError,)),
    ),
    "test_entry_point_belongs_to_the_distribution": (Mutant(name="not installed", hooks={"distribution": "initech"}),),
    "test_declaration_is_complete": (
        m.info("a kind twice", kinds=(*_KINDS, _KINDS[0])),
        m.info("no title", title=" "),
        m.info("foreign example", kinds=(KindInfo(name="kv", title="x", locator="pem/a"),)),
        m.info("no kinds", kinds=()),
    ),
    "test_settings_refuse_what_they_do_not_know": (
        m.info("swallows", settings=m.LaxSettings),
        m.info("repeats", settings=m.TalkativeSettings),
    ),
    "test_constructor_does_nothing": (Mutant(name="opens", hooks={"provider": m.OpensFiles}),),
    "test_permissions_need_no_input_and_output": (Mutant(name="opens", provider={"permissions": m.opening}),),
    "test_close_is_patient": (Mutant(name="closes once", hooks={"provider": m.ClosesOnce}, raises=(RuntimeError,)),),
    "test_every_wanted_item_is_answered": (
        m.items("forgets", lambda i: None if i.locator.name == "search" else i),
        m.items("absent kind", lambda i: m.absent(i) if i.locator.kind == "no-such-kind" else i),
        m.stream("twice", lambda _s, _r, seen: (one for one in seen for _ in range(2))),
    ),
    "test_absence_is_proven_by_a_read": (
        m.items("unsure", lambda i: replace(i, presence=Presence.UNKNOWN) if i.presence is Presence.ABSENT else i),
    ),
    "test_sweep_shows_what_is_planted": (
        m.items("loses one", lambda i: None if i.locator.name == "search" else i),
        m.covers("no coverage", lambda _: None),
        m.covers("partial", lambda c: replace(c, status=CoverageStatus.PARTIAL, authoritative=False)),
        m.covers("does not count", lambda c: replace(c, items=0)),
    ),
    "test_coverage_proves_absence_exactly_where_declared": (
        m.covers("proves all", lambda c: replace(c, authoritative=True)),
        m.covers("proves nothing", lambda c: replace(c, authoritative=False)),
    ),
    "test_kinds_nobody_asked_for_are_left_alone": (m.covers("covers all", lambda c: replace(c, kind="kv")),),
    "test_prefixes_lose_nothing": (m.stream("loses folders", _late),),
    "test_answers_are_well_formed": (
        m.items("naive time", _naive),
        m.items("another clock", lambda i: replace(i, observed_at=m.SystemClock().now())),
        m.covers("another clock", lambda c: replace(c, as_of=c.as_of + timedelta(seconds=1))),
        m.items("another source", lambda i: replace(i, locator=replace(i.locator, source="two"))),
        m.items("field in locator", lambda i: replace(i, locator=replace(i.locator, field="x"))),
        m.items("unsorted", lambda i: replace(i, attributes=(("b", ""), ("a", "")))),
        m.items("no reason", lambda i: replace(i, presence=Presence.DENIED)),
        m.items(
            "wrong word",
            lambda i: m.reworded(
                replace(i, error=m.ErrorFact(kind="throttled", message="x")), Presence.DENIED, ErrorKind.THROTTLED
            ),
        ),
        m.covers("proof without completeness", lambda c: replace(c, status=CoverageStatus.STALE, authoritative=True)),
    ),
    "test_odd_names_come_back_as_they_are": (
        m.items("folds case", lambda i: replace(i, locator=replace(i.locator, name=i.locator.name.lower()))),
    ),
    "test_two_runs_say_the_same": (m.items("numbers", lambda i: replace(i, attributes=(("run", str(next(_COUNT))),))),),
    "test_a_wrong_clock_makes_nothing_absent": (
        m.stream("believes its clock", m.believing_its_clock),
        m.stream("shrugs", m.shrugging_at_its_clock),
        m.stream("not rotated yet", meddling.unborn),
    ),
    "test_unchanged_needs_the_very_same_marker": (m.stream("always", m.always_unchanged),),
    "test_change_is_seen": (
        m.stream("always", m.always_unchanged),
        m.items("blind", lambda i: replace(i, rotated=None, marker="")),
    ),
    "test_many_items_cost_few_calls": (Mutant(name="one by one", observer={"sweep": _chatty}),),
    "test_one_denied_item_ends_nothing": (
        Mutant(name="ends", observer={"single": _greedy}),
        m.items("absent", m.ignorance_is_absence),
        m.items("unreachable", lambda i: m.reworded(i, Presence.UNREACHABLE, ErrorKind.UNREACHABLE)),
        m.items("no id", lambda i: replace(i, error=i.error and replace(i.error, request_id=""))),
    ),
    "test_denied_is_not_absent": (
        m.items("absent", m.ignorance_is_absence),
        m.items("unreachable", lambda i: m.reworded(i, Presence.UNREACHABLE, ErrorKind.UNREACHABLE)),
        m.stream("empty", m.empty_and_complete),
        m.covers("complete", lambda c: replace(c, status=CoverageStatus.COMPLETE)),
    ),
    "test_refused_credential_is_not_an_empty_source": (
        m.items("merely denied", lambda i: m.reworded(i, Presence.DENIED, ErrorKind.DENIED)),
        m.stream("empty", m.empty_and_complete),
    ),
    "test_unreachable_is_not_absent": (
        m.stream("empty", m.empty_and_complete),
        replace(m.stream("bug", m.crashing), raises=(KeyError,)),
    ),
    "test_throttled_is_not_absent": (
        m.items("absent", m.ignorance_is_absence),
        m.items("denied", lambda i: m.reworded(i, Presence.DENIED, ErrorKind.DENIED)),
    ),
    "test_broken_answers_are_not_empty_ones": (
        m.items("absent", m.ignorance_is_absence),
        m.stream("empty", m.empty_and_complete),
    ),
    "test_missing_scope_is_not_a_missing_item": (m.items("absent", m.ignorance_is_absence),),
    "test_endless_listing_is_left": (
        Mutant(name="for ever", observer={"names": _for_ever}),
        m.covers("complete", lambda c: replace(c, status=CoverageStatus.COMPLETE)),
    ),
    "test_short_pages_are_followed": (Mutant(name="full pages only", observer={"names": _without_pages}),),
    "test_an_empty_page_is_not_the_end": (Mutant(name="until empty", observer={"names": _until_empty}),),
    "test_every_trouble_ends_typed_and_claims_nothing": (
        replace(m.stream("bug", m.crashing), raises=(KeyError,)),
        m.items("absent", m.ignorance_is_absence),
    ),
    "test_trouble_leaves_nothing_behind": (m.stream("sulks", m.sulking),),
    "test_identify_fails_typed": (
        Mutant(
            name="not found",
            hooks={"provider": type("Lost", (FakeProvider,), {"identify": _lost})},
        ),
    ),
    "test_asking_nothing_is_no_trouble": (
        m.stream(
            "fails",
            lambda _s, r, seen: (
                seen if r.wanted or r.kinds else m.raising(ProviderError(ErrorKind.MALFORMED, "nothing to do"))()
            ),
        ),
    ),
    "test_calls_are_spent": (Mutant(name="own budget", provider={"inventory": m.spendthrift}),),
    "test_every_request_is_spent": (Mutant(name="asks more", observer={"single": _careless}),),
    "test_call_budget_is_kept": (
        Mutant(name="own budget", provider={"inventory": m.spendthrift}),
        m.stream("absent", m.gives_up_silently),
    ),
    "test_deadline_is_kept": (
        Mutant(name="own budget", provider={"inventory": m.spendthrift}),
        m.stream("absent", m.gives_up_silently),
    ),
    "test_cancelled_before_it_began": (m.stream("absent", m.gives_up_silently), m.stream("defiant", meddling.defiant)),
    "test_cancelled_from_another_thread": (
        m.stream("absent", m.gives_up_silently),
        m.stream("defiant", meddling.defiant),
    ),
    "test_inventory_of_an_identity_that_reads_values_shows_none": (
        Mutant(name="tells", observer={"item": meddling.telling}),
    ),
    "test_inventory_shows_no_value": (
        m.items("attribute", lambda i: replace(i, attributes=(("password", m.CANARY),))),
        m.items("base64", lambda i: replace(i, version=m.spell(m.CANARY))),
        m.items("reversed", lambda i: replace(i, owner=m.CANARY[::-1])),
        m.stream("log", m.talking(m.log)),
        m.stream("print", m.talking(print)),
        m.stream("warning", m.talking(m.warn)),
    ),
    "test_failures_show_no_value": (Mutant(name="reason", observer={"failed": _shouting}),),
    "test_adapter_shows_no_value": (Mutant(name="repr", hooks={"provider": _Leaky}),),
    "test_values_are_answered_and_hidden": (
        Mutant(name="plain bytes", provider={"values": _plain_values}),
        Mutant(name="other values", provider={"values": _other_values}),
        Mutant(name="nothing", provider={"values": lambda *_: iter(())}),
    ),
    "test_values_of_what_is_not_there": (Mutant(name="silence", provider={"values": _no_such_item}),),
    "test_values_keep_the_budget": (Mutant(name="free", provider={"values": _free_values}),),
    "test_inventory_identity_cannot_read_values": (
        Mutant(name="may", hooks={"world": type("Open", (FakeWorld,), {"always_reveal": True})}),
    ),
    "test_two_adapters_do_not_meet": (
        m.stream("main thread only", m.alone),
        Mutant(name="shares", observer={"observe": meddling.sharing}),
    ),
    "test_closing_in_the_middle_ends_the_run": (Mutant(name="absent", hooks={"provider": m.DiesWhenClosed}),),
    "test_consumer_that_goes_leaves_no_thread": (m.stream("thread", m.leaving_a_thread),),
    "test_identity_is_stable": (Mutant(name="session", provider={"identify": _counting_identity}),),
    "test_permissions_name_every_kind": (Mutant(name="forgets listed", provider={"permissions": _forgetful}),),
    "test_permission_documents_can_be_applied": (
        Mutant(name="no title", provider={"permissions": m.document(title="")}),
        Mutant(name="no text", provider={"permissions": m.document(text=" ")}),
        Mutant(name="language", provider={"permissions": m.document(language="prose")}),
        Mutant(name="no actions", provider={"permissions": m.document(actions=())}),
    ),
    "test_read_document_grants_no_value": (
        Mutant(name="grants", provider={"permissions": m.document(actions=("fake:fingerprint:kv",))}),
        Mutant(name="wrong pattern", hooks={"value_actions": ("reveal:*",)}),
    ),
    "test_examine_never_raises": (
        Mutant(
            name="raises",
            provider={"examine": m.raising(ProviderError(ErrorKind.THROTTLED, "no calls"))},
            raises=(ProviderError,),
        ),
        Mutant(name="silent", provider={"examine": m.checks()}),
        Mutant(name="no fix", provider={"examine": m.checks(CheckState.FAILED, fix="")}),
    ),
    "test_examine_finds_nothing_failed_where_nothing_is": (
        Mutant(name="fails", provider={"examine": m.checks(CheckState.FAILED)}),
    ),
    "test_examine_sees_what_is_unreachable": (Mutant(name="fine", provider={"examine": m.checks(CheckState.OK)}),),
    **RARER,
}


def run(name: str, cls: type[FakeHooks], directory: Path) -> None:
    """One standard test over a world of its own."""
    stand = cls.open(directory)
    try:
        test = DUTIES[name].test
        test(cls(), stand) if "stand" in inspect.signature(test).parameters else test(cls())
    finally:
        stand.close()


def test_every_standard_test_has_a_mutant() -> None:
    """A standard test without one that fails it would prove nothing."""
    assert set(MUTANTS) == set(DUTIES)


@pytest.mark.parametrize(
    ("name", "mutant"),
    [pytest.param(name, one, id=f"{name}: {one.name}") for name, found in MUTANTS.items() for one in found],
)
def test_standard_test_bites(name: str, mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken adapter fails the test of the rule it breaks."""
    monkeypatch.setattr(threads, "_PATIENCE", 0.3)
    with pytest.raises(mutant.raises):
        run(name, mutant.conformance(), tmp_path)


@pytest.mark.parametrize("name", sorted(RARER))
def test_rarer_capabilities_pass_when_they_are_honest(name: str, tmp_path: Path) -> None:
    """The double that is broken above passes when it is not."""
    run(name, Mutant(name="honest", hooks={"provider": Servant}).conformance(), tmp_path)
