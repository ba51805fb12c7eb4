"""The capabilities beside the inventory: identity, permission documents, doctor, probes, rights."""

from contextlib import suppress
from datetime import timedelta
from fnmatch import fnmatchcase

from nhisync.spi import (
    GUARDED,
    AccessMode,
    Capability,
    Check,
    CheckState,
    ErrorKind,
    Item,
    PermissionDocument,
    Presence,
    ProviderError,
    Question,
    Said,
    SecretBytes,
)
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.stand import Stand
from nhisync.testing.conformance.words import Fault, Trouble

_LANGUAGES = frozenset({"json", "hcl", "yaml", "sql", "sh"})
_DEPTHS = frozenset({"tcp", "tls", "auth", "txn"})


class ServiceTests(Hooks):
    """Standard tests of identity, permissions, doctor, probes, minting, rights and second opinions."""

    @duty(Capability.IDENTIFY)
    def test_identity_is_stable(self, stand: Stand) -> None:
        """Asked twice, and asked by two adapters, it is the same identity, complete, and it costs calls."""
        budget = stand.budget()
        with stand.adapter() as one, stand.adapter() as other:
            found = [one.identify(budget), one.identify(budget), other.identify(budget)]
        assert found[0] == found[1] == found[2]
        assert all((found[0].authority, found[0].principal, found[0].endpoint))
        assert budget.spent > 0

    @duty(Capability.PERMISSIONS)
    def test_permissions_name_every_kind(self, stand: Stand) -> None:
        """Every swept kind needs something, says what, and the document of all kinds holds it."""
        wanted = tuple(stand.planted)
        with stand.adapter() as adapter:
            whole = _actions(adapter.permissions(AccessMode.READ, wanted, stand.kinds))
            for kind in sorted(stand.kinds):
                mine = tuple(one for one in wanted if one.kind == kind)
                documents = adapter.permissions(AccessMode.READ, mine, frozenset({kind}))
                assert _actions(documents), f"sweeping {kind} needs nothing?"
                assert _actions(documents) <= whole, f"the document of all kinds lacks some of {kind}"
        assert whole

    @duty(Capability.PERMISSIONS)
    def test_permission_documents_can_be_applied(self, stand: Stand) -> None:
        """Each document has a title, a language, a text and its single permissions; asked twice it is the same."""
        with stand.adapter() as adapter:
            for mode in AccessMode:
                documents = adapter.permissions(mode, tuple(stand.planted), stand.kinds)
                assert documents == adapter.permissions(mode, tuple(stand.planted), stand.kinds)
                for document in documents:
                    assert document.title.strip()
                    assert document.text.strip()
                    assert document.language in _LANGUAGES, document.language
                    assert document.actions

    @duty(Capability.PERMISSIONS, hooks=("value_actions",))
    def test_read_document_grants_no_value(self, stand: Stand) -> None:
        """With the READ document nothing can be read but metadata; the FINGERPRINT document shows what would."""
        with stand.adapter() as adapter:
            read = _actions(adapter.permissions(AccessMode.READ, tuple(stand.planted), stand.kinds))
            values = _actions(adapter.permissions(AccessMode.FINGERPRINT, tuple(stand.planted), stand.kinds))
        assert {one for one in read if self._reads_values(one)} == set()
        if stand.has(Capability.FINGERPRINT):
            assert any(map(self._reads_values, values)), "no pattern of `value_actions` fits: the test proves nothing"

    @duty(Capability.EXAMINE)
    def test_examine_never_raises(self, stand: Stand) -> None:
        """Whatever is wrong, `nhisync doctor` gets checks: under every fault, without calls, without time."""
        for fault in (Fault(), *self.troubles().values()):
            with stand.trouble(fault) as settings, stand.adapter(**settings) as adapter:
                for budget in (stand.budget(calls=0), stand.budget(seconds=0), stand.budget()):
                    checks = list(adapter.examine(AccessMode.READ, tuple(stand.planted), stand.kinds, budget))
                    _check_checks(checks)

    @duty(Capability.EXAMINE)
    def test_examine_finds_nothing_failed_where_nothing_is(self, stand: Stand) -> None:
        """On a healthy source with the READ document no check fails."""
        with stand.adapter() as adapter:
            checks = list(adapter.examine(AccessMode.READ, tuple(stand.planted), stand.kinds, stand.budget()))
        assert [check.name for check in checks if check.state is CheckState.FAILED] == []

    @duty(Capability.EXAMINE, trouble=Trouble.UNREACHABLE)
    def test_examine_sees_what_is_unreachable(self, stand: Stand) -> None:
        """A source that does not answer fails a check, which says what to do."""
        with stand.trouble(self.faults[Trouble.UNREACHABLE]) as settings, stand.adapter(**settings) as adapter:
            checks = list(adapter.examine(AccessMode.READ, tuple(stand.planted), stand.kinds, stand.budget()))
        failed = [check for check in checks if check.state is CheckState.FAILED]
        assert failed
        assert all(check.fix for check in failed)
        if Capability.IDENTIFY not in self.provider.info.capabilities:  # then this name alone says it to `doctor`
            assert "reachable" in {check.name.partition(":")[0] for check in failed}

    @duty(Capability.PROBE)
    def test_probe_answers_for_every_item(self, stand: Stand) -> None:
        """One result per wanted item: accepted, refused, or why it could not be tried."""
        with stand.adapter() as adapter:
            results = list(adapter.probe(tuple(stand.planted), stand.budget()))
        assert sorted(one.locator for one in results) == sorted(stand.planted)
        for one in results:
            assert one.depth in _DEPTHS, one.depth
            assert (one.error is None) == (one.accepted is True), f"{one.locator}: no reason, or one too many"

    @duty(Capability.PROBE)
    def test_probe_keeps_the_budget(self, stand: Stand) -> None:
        """Without calls nothing is tried, and nothing is called refused."""
        with stand.adapter() as adapter:
            results = list(adapter.probe(tuple(stand.planted), stand.budget(calls=0)))
        assert {one.accepted for one in results} == {None}
        assert {one.error.kind for one in results if one.error is not None} == {ErrorKind.THROTTLED.value}

    @duty(Capability.ISSUE)
    def test_issue_mints_or_says_why_not(self, stand: Stand) -> None:
        """Fields of the item that was asked for, in the type that does not show itself, or a typed refusal."""
        for locator in stand.planted:
            with stand.adapter() as adapter, suppress(ProviderError):
                found = list(adapter.issue(locator, stand.budget()))
                assert found, f"{locator}: neither a field nor a reason"
                assert {one.locator for one in found} == {locator}
                assert len({one.field for one in found}) == len(found)
                assert all(type(one.value) is SecretBytes and one.value.reveal() for one in found)

    @duty(Capability.ISSUE)
    def test_issue_keeps_the_budget(self, stand: Stand) -> None:
        """Without calls nothing is minted."""
        for locator in stand.planted:
            budget, minted = stand.budget(calls=0), []
            with stand.adapter() as adapter, suppress(ProviderError):
                minted = list(adapter.issue(locator, budget))
            assert not minted, f"{locator}: minted without a call"
            assert budget.spent == 0

    @duty(Capability.PREVIOUS)
    def test_previous_is_another_version_or_a_reason(self, stand: Stand) -> None:
        """Fields of the item that was asked for, in the type that does not show itself, or a typed refusal."""
        for locator in stand.planted:
            with stand.adapter() as adapter, suppress(ProviderError):
                found = list(adapter.previous(locator, stand.budget()))
                assert found, f"{locator}: neither a field nor a reason"
                assert {one.locator for one in found} == {locator}
                assert len({one.field for one in found}) == len(found)
                assert all(type(one.value) is SecretBytes for one in found)

    @duty(Capability.PREVIOUS)
    def test_previous_keeps_the_budget(self, stand: Stand) -> None:
        """Without calls nothing is read."""
        for locator in stand.planted:
            budget, read = stand.budget(calls=0), []
            with stand.adapter() as adapter, suppress(ProviderError):
                read = list(adapter.previous(locator, budget))
            assert not read, f"{locator}: read without a call"
            assert budget.spent == 0

    @duty(Capability.GRANTS)
    def test_grants_answer_for_every_item(self, stand: Stand) -> None:
        """One answer per wanted item: its rights in order and in whose words, or why they are not known."""
        with stand.adapter() as adapter:
            found = list(adapter.grants(tuple(stand.planted), stand.budget()))
        assert sorted(one.locator for one in found) == sorted(stand.planted)
        for one in found:
            assert list(one.rights) == sorted(one.rights)
            assert one.error is None or not (one.rights or one.limits)
            assert one.error is not None or one.scheme
            assert one.observed_at.utcoffset() == timedelta(0)

    @duty(Capability.GRANTS)
    def test_grants_keep_the_budget(self, stand: Stand) -> None:
        """Without calls nothing is known, and nobody is said to have no rights."""
        budget = stand.budget(calls=0)
        with stand.adapter() as adapter, suppress(ProviderError):
            assert all(one.error is not None for one in adapter.grants(tuple(stand.planted), budget))
        assert budget.spent == 0

    @duty(Capability.GRANTS)
    def test_grant_permissions_stand_beside_the_read_document(self, stand: Stand) -> None:
        """Reading rights is granted by a document of its own; asked twice it is the same."""
        wanted = tuple(stand.planted)
        with stand.adapter() as adapter:
            printed = adapter.grant_permissions(wanted, stand.kinds)
            assert printed == adapter.grant_permissions(wanted, stand.kinds)
            read = (
                adapter.permissions(AccessMode.READ, wanted, stand.kinds) if stand.has(Capability.PERMISSIONS) else ()
            )
        for document in printed:
            assert document.title.strip()
            assert document.text.strip()
            assert document.language in _LANGUAGES, document.language
            assert document.actions
            assert document not in read

    @duty(Capability.OPINIONS)
    def test_opinions_answer_what_was_asked(self, stand: Stand) -> None:
        """One answer per item: its own questions in their order, or why the service says nothing."""
        asked = {one: (Question("read", "nhisync/conformance"),) for one in stand.planted}
        with stand.adapter() as adapter:
            found = list(adapter.opinions(asked, stand.budget()))
        assert sorted(one.locator for one in found) == sorted(asked)
        for one in found:
            assert one.error is None or not one.answers
            assert one.error is not None or [question for question, _ in one.answers] == list(asked[one.locator])
            assert one.observed_at.utcoffset() == timedelta(0)

    @duty(Capability.OPINIONS)
    def test_opinions_keep_the_budget(self, stand: Stand) -> None:
        """Without calls nobody allows or denies anything."""
        asked = {one: (Question("read", "nhisync/conformance"),) for one in stand.planted}
        budget = stand.budget(calls=0)
        with stand.adapter() as adapter, suppress(ProviderError):
            said = [word for one in adapter.opinions(asked, budget) for _, word in one.answers]
            assert not set(said) - {Said.UNKNOWN}
        assert budget.spent == 0

    @duty(Capability.OPINIONS)
    def test_opinion_permissions_stand_beside_those_of_rights(self, stand: Stand) -> None:
        """Asking the service is granted by a document of its own; asked twice it is the same."""
        wanted = tuple(stand.planted)
        with stand.adapter() as adapter:
            printed = adapter.opinion_permissions(wanted, stand.kinds)
            assert printed == adapter.opinion_permissions(wanted, stand.kinds)
            rights = adapter.grant_permissions(wanted, stand.kinds) if stand.has(Capability.GRANTS) else ()
        for document in printed:
            assert document.title.strip()
            assert document.text.strip()
            assert document.language in _LANGUAGES, document.language
            assert document.actions
            assert document not in rights

    @duty(Capability.PROTECTION)
    def test_protection_is_told_when_asked(self, stand: Stand) -> None:
        """Items that may hold a value say how they are guarded, or why that is not known; unasked they say nothing."""
        bare = {kind.name for kind in self.provider.info.kinds if not kind.valued}
        silent = stand.look(stand.request(stand.planted, kinds=stand.kinds))
        told = stand.look(stand.request(stand.planted, kinds=stand.kinds, protection=True))
        assert told.items.keys() == silent.items.keys()
        assert not [one for one in silent.items.values() if one.protection is not None]
        for one in told.items.values():
            if one.presence is Presence.PRESENT and one.locator.kind not in bare:
                _check_protection(one)
        assert not [one for one in silent.coverage if one.kind == GUARDED]
        assert not [one for one in told.coverage if one.kind == GUARDED and (one.authoritative or one.error is None)]

    @duty(Capability.PROTECTION)
    def test_protection_keeps_what_is_unchanged(self, stand: Stand) -> None:
        """What is unchanged without the question is unchanged with it, and never by a marker from without it."""
        looks = {}
        for protection in (False, True):
            first = stand.look(stand.request(stand.planted, kinds=stand.kinds, protection=protection))
            known = {one.locator: one.marker for one in first.items.values() if one.marker}
            request = stand.request(stand.planted, kinds=stand.kinds, known=known, protection=protection)
            looks[protection] = known, stand.look(request).unchanged
        assert looks[True][1] == looks[False][1]
        crossed = stand.request(stand.planted, kinds=stand.kinds, known=looks[False][0], protection=True)
        assert not stand.look(crossed).unchanged

    @duty(Capability.PROTECTION)
    def test_protection_permissions_stand_beside_the_read_document(self, stand: Stand) -> None:
        """What telling how items are guarded needs is a document of its own; asked twice it is the same."""
        wanted = tuple(stand.planted)
        with stand.adapter() as adapter:
            printed = adapter.protection_permissions(wanted, stand.kinds)
            assert printed == adapter.protection_permissions(wanted, stand.kinds)
            read = adapter.permissions(AccessMode.READ, wanted, stand.kinds)
        for document in printed:
            assert document.title.strip()
            assert document.text.strip()
            assert document.language in _LANGUAGES, document.language
            assert document.actions
        assert not _actions(printed) & _actions(read)

    def _reads_values(self, action: str) -> bool:
        return any(fnmatchcase(action, pattern) for pattern in self.value_actions)


def _actions(documents: tuple[PermissionDocument, ...]) -> set[str]:
    return {action for document in documents for action in document.actions}


def _check_protection(item: Item) -> None:
    found = item.protection
    assert found is not None, f"{item.locator}: how it is guarded is not told"
    facts = (found.holder, found.hardware, found.rotates, found.enabled)
    assert None not in facts or found.key, f"{item.locator}: does not say why its key is not known"
    assert found.audited is not None or found.audit, f"{item.locator}: does not say why its audit is not known"


def _check_checks(checks: list[Check]) -> None:
    assert checks, "not one check"
    for check in checks:
        assert check.name.strip()
        assert check.observed.strip(), f"{check.name} says nothing"
        if check.state is not CheckState.OK:
            assert check.fix.strip() or check.error is not None, f"{check.name} does not say what to do"
