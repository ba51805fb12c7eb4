"""The vocabulary of an embedded world: what is planted, and what nhisync must find."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nhisync.testing.judge import Account
from nhisync.testing.world import Seed


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSource:
    """One source of one path.

    Attributes:
        path: name of the path.
        name: name of the source.
        provider: whose emulator serves it.
        region: its region.
        options: for the emulator.
    """

    path: str
    name: str
    provider: str
    region: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One side of a pair.

    Attributes:
        source: name of the source on this side's path.
        seed: what to plant; None = nothing, `locator` only names a place.
        locator: the locator without source where nothing is planted; "" = what planting returned.
        field: field the pair names, or "".
    """

    source: str
    seed: Seed | None = None
    locator: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPair:
    """A pair and what must be found about it.

    Attributes:
        name: pair name.
        kind: purpose, in the user's words.
        primary: its primary side.
        backup: its backup side.
        expects: rule code → state that must be reported; codes not named here must not be reported.
        story: one sentence for the reader of the scenario.
        document: further keys of the pair in the configuration (``class``, ``owner``, ``until`` …).
        explicit: named in the configuration; False = left to a match template or a tag.
        others: (path, plant) of further credentials the story needs.
    """

    name: str
    kind: str
    primary: Plant | None
    backup: Plant | None
    expects: Mapping[str, str] = field(default_factory=dict)
    story: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    explicit: bool = True
    others: tuple[tuple[str, Plant], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedApp:
    """An app.

    Attributes:
        name: app name.
        tier: its tier.
        owner: who is woken.
        runbook: URL.
        pairs: its pairs.
        matches: its match templates, as in the configuration.
        expects: rule code → state of findings about the app itself.
        verdict: word that must come out.
        document: further keys of the app in the configuration.
    """

    name: str
    tier: str
    owner: str
    runbook: str
    pairs: tuple[PlannedPair, ...]
    matches: tuple[Mapping[str, Any], ...] = ()
    expects: Mapping[str, str] = field(default_factory=dict)
    verdict: str = "not_ready"
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault of a whole source, switched on after planting."""

    path: str
    source: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole world.

    Attributes:
        sources: all sources of both paths.
        apps: all apps.
        waivers: waiver documents, as in the configuration.
        policies: file name → policy document laid beside the configuration.
        faults: switched on after planting.
        accounts: resource of the judging service → whom it lets in; without any there is no such service.
    """

    sources: tuple[PlannedSource, ...]
    apps: tuple[PlannedApp, ...]
    waivers: tuple[Mapping[str, Any], ...] = ()
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: tuple[PlannedFault, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)

    @property
    def canaries(self) -> frozenset[str]:
        """Every value that is planted anywhere; none may be seen in any output."""
        sides = (side for app in self.apps for pair in app.pairs for side in (pair.primary, pair.backup))
        return frozenset(value for side in sides if side and side.seed for value in side.seed.fields.values())
