"""A provider without a service behind it: tests script what it observes.

Register a script under a name and use it as ``{provider: fake, script: <name>}``::

    SCRIPTS["primary-vault"] = lambda request: iter([item("kv/a"), complete("kv")])
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import ClassVar

from nhisync.spi import (
    AccessMode,
    Budget,
    Capability,
    Check,
    CheckState,
    ErrorFact,
    ErrorKind,
    FieldValue,
    GrantFacts,
    InventoryRequest,
    KindInfo,
    Locator,
    Observation,
    OpinionFacts,
    PermissionDocument,
    ProviderError,
    ProviderInfo,
    Question,
    Right,
    Said,
    SecretBytes,
    SourceContext,
    SourceIdentity,
    SourceSettings,
    Syntax,
)

Script = Callable[[InventoryRequest], Iterator[Observation]]

SCRIPTS: dict[str, Script] = {}
"""Script name → what an inventory yields."""

VALUES: dict[tuple[str, str], dict[str, str]] = {}
"""(script name, item without source) → field → value, for the reuse comparison."""

RIGHTS: dict[tuple[str, str], tuple[Right, ...] | ErrorFact] = {}
"""(script name, item without source) → what the item may do, or why that is not known; others hold no rights."""

OPINIONS: dict[tuple[str, str], Callable[[Question], Said] | ErrorFact] = {}
"""(script name, item without source) → what its service says of a question, or why it says nothing."""

SILENT: dict[str, ProviderError] = {}
"""Script name → why nothing at all can be asked of its rights."""

IDENTITIES: dict[str, SourceIdentity | ProviderError] = {}
"""Script name → who the fake says we are, or why it does not."""


class FakeSettings(SourceSettings):
    """Settings of the fake.

    Attributes:
        script: name in `SCRIPTS`.
    """

    script: str


class FakeProvider:
    """Satisfies `Inventory`, `Identifier`, `Fingerprinter`, `Permissions` and `Examiner` from scripts."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        name="fake",
        title="Scripted observations",
        capabilities=frozenset(
            {
                Capability.INVENTORY,
                Capability.IDENTIFY,
                Capability.FINGERPRINT,
                Capability.PERMISSIONS,
                Capability.EXAMINE,
            }
        ),
        kinds=(
            KindInfo(name="kv", title="key-value secret", locator="kv/app/key#field"),
            KindInfo(name="listed", title="secret with a slow listing", locator="listed/app/key", authoritative=False),
        ),
        settings=FakeSettings,
    )

    def __init__(self, settings: FakeSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self.closed = 0

    def identify(self, budget: Budget) -> SourceIdentity:
        """Who the script says we are; by default someone else on every path and source."""
        budget.spend()
        own = f"nhisync@{self._context.path}/{self._context.source}"
        found = IDENTITIES.get(self._settings.script, SourceIdentity(authority="fake", principal=own, endpoint="fake"))
        if isinstance(found, ProviderError):
            raise found
        return found

    def inventory(self, request: InventoryRequest) -> Iterator[Observation]:
        """Yield what the script yields.

        Raises:
            ProviderError: when no script is registered: nothing can be asked.
        """
        request.budget.spend()
        script = SCRIPTS.get(self._settings.script)
        if script is None:
            raise ProviderError(ErrorKind.UNREACHABLE, f"no script is called {self._settings.script}")
        yield from script(request)

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue | tuple[Locator, ErrorFact]]:
        """Yield the values scripted for each item."""
        for locator in wanted:
            budget.spend()
            fields = VALUES.get((self._settings.script, f"{locator.kind}/{locator.name}"))
            if fields is None:
                yield locator, ErrorFact(kind=ErrorKind.DENIED.value, message="reading the value is not allowed")
            for name, value in (fields or {}).items():
                yield FieldValue(locator, name, SecretBytes(value.encode()))

    def permissions(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
    ) -> tuple[PermissionDocument, ...]:
        """One line per kind."""
        names = sorted(kinds | {locator.kind for locator in wanted})
        actions = tuple(f"fake:{mode.value}:{name}" for name in names)
        return (PermissionDocument(title="fake", language="json", text="\n".join(actions), actions=actions),)

    def examine(
        self, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
    ) -> Iterator[Check]:
        """One check that says whether the script exists."""
        del mode, wanted, kinds, budget
        known = self._settings.script in SCRIPTS
        state = CheckState.OK if known else CheckState.FAILED
        yield Check(name="reachable", state=state, observed=self._settings.script, fix="" if known else "Register it.")

    def close(self) -> None:
        """Count."""
        self.closed += 1


class RightsProvider(FakeProvider):
    """The fake, as ``{provider: rights, …}``, which also reads rights and second opinions from scripts."""

    info: ClassVar[ProviderInfo] = replace(
        FakeProvider.info,
        name="rights",
        capabilities=FakeProvider.info.capabilities | {Capability.GRANTS, Capability.OPINIONS},
        examples=("s3:GetObject", "s3:PutObject"),
    )

    def grants(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[GrantFacts]:
        """Yield the rights scripted for each item.

        Raises:
            ProviderError: when the script says that nothing can be asked.
        """
        if self._settings.script in SILENT:
            raise SILENT[self._settings.script]
        now = self._context.clock.now()
        for locator in wanted:
            budget.spend()
            none = ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message=f"the kind {locator.kind} holds no rights")
            found = RIGHTS.get((self._settings.script, f"{locator.kind}/{locator.name}"), none)
            if isinstance(found, ErrorFact):
                yield GrantFacts(locator=locator, observed_at=now, error=found)
            else:
                yield GrantFacts(locator=locator, observed_at=now, scheme="fake", syntax=Syntax.GLOB, rights=found)

    def grant_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """One line per kind."""
        names = sorted(kinds | {locator.kind for locator in wanted})
        actions = tuple(f"fake:rights:{name}" for name in names)
        return (PermissionDocument(title="fake rights", language="json", text="\n".join(actions), actions=actions),)

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """Yield what the scripted services say.

        Raises:
            ProviderError: when the script says that nothing can be asked.
        """
        if self._settings.script in SILENT:
            raise SILENT[self._settings.script]
        now = self._context.clock.now()
        for locator, named in asked.items():
            budget.spend()
            none = ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message="the service has no opinion")
            found = OPINIONS.get((self._settings.script, f"{locator.kind}/{locator.name}"), none)
            if isinstance(found, ErrorFact):
                yield OpinionFacts(locator=locator, observed_at=now, error=found)
            else:
                answers = tuple((one, found(one)) for one in named)
                yield OpinionFacts(locator=locator, observed_at=now, answers=answers)

    def opinion_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """One line per kind."""
        names = sorted(kinds | {locator.kind for locator in wanted})
        actions = tuple(f"fake:opinions:{name}" for name in names)
        return (PermissionDocument(title="fake opinions", language="json", text="\n".join(actions), actions=actions),)


RIGHTS_POINT = EntryPoint(name="rights", value="nhisync.testing.provider:RightsProvider", group="nhisync.providers")
"""The same for the fake that reads rights."""

FAKE_POINT = EntryPoint(name="fake", value="nhisync.testing.provider:FakeProvider", group="nhisync.providers")
"""For ``Registry(allow=("unknown",), points=[FAKE_POINT])``: an entry point without a distribution."""
