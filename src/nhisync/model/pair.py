"""Apps, paths and pairs as the engine sees them; the configuration is turned into these values."""

from dataclasses import dataclass, field
from datetime import date

from nhisync.model.locator import Locator
from nhisync.model.words import Mode, PairClass, Side

OWN = "nhisync"
"""The reserved app of nhisync's own identities: while one of them is unfit, what it covers is not known (R32)."""

SIGNING_KEY = "signing-key"
"""The kind of pairs whose values sign or encrypt sessions and tokens: the one word that nhisync understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The declaration that an app's sessions end with a switch.

    Attributes:
        owner: who decided that.
        until: last day on which it holds.
        reason: why.
    """

    owner: str
    until: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Something that one side of a pair needs and that no provider tells: what stands inside of values and functions.

    Attributes:
        side: whose identity needs it.
        kind: as in `nhisync.model.Dependency`.
        name: what it is called; equal names are one thing.
        domain: its fault domain; "" = it exists everywhere.
    """

    side: Side
    kind: str
    name: str
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Same purpose, two identities, named by hand.

    Attributes:
        app: the app's name.
        name: unique in its app.
        kind: the credential's purpose in the user's words (``api-key``, ``certificate``, ``db-role``); `SIGNING_KEY`
            has a meaning.
        primary: where the primary identity stands.
        backup: where its counterpart stands.
        pair_class: independent, shared or exempt.
        owner: who answers for a shared or exempt pair, or "".
        until: last day of a shared or exempt pair, or None.
        reason: why it is shared or exempt, or "".
        ends: last day on which the backup's credential works, where its provider cannot tell (`date.max` = it has no
            end); None = not stated.
        consumers_primary: names of the workloads that use the primary's credential; None = not stated, () = none.
        consumers_backup: the same of the backup's.
        needs: what the configuration says that its identities need.
        authenticates: of a pair of `OWN` the sources of the backup path that log in with its backup; empty = all.
        line: line in the configuration file, 0 = none.
    """

    app: str
    name: str
    kind: str
    primary: Locator
    backup: Locator
    pair_class: PairClass = PairClass.INDEPENDENT
    owner: str = ""
    until: date | None = None
    reason: str = ""
    ends: date | None = None
    consumers_primary: tuple[str, ...] | None = None
    consumers_backup: tuple[str, ...] | None = None
    needs: tuple[Needed, ...] = ()
    authenticates: tuple[str, ...] = ()
    line: int = 0

    @property
    def key(self) -> str:
        """The logical key, ``app/name``."""
        return f"{self.app}/{self.name}"

    @property
    def signing(self) -> bool:
        """Whether it says something about sessions and tokens."""
        return self.kind == SIGNING_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRule:
    """Templates that pair many items: ``vault:kv/secret/{app}/{name}`` with ``aws:secret/{app}/{name}``.

    Attributes:
        app: the app that `{app}` stands for.
        kind: the credential's purpose in the user's words.
        primary: template with exactly one ``{name}``; ``{app}`` is already substituted.
        backup: the same for the other side.
        tagged: the templates only say where to look; an item's own tag says which pair it is.
        pair_class: class of all pairs it makes.
        line: line in the configuration file, 0 = none.
    """

    app: str
    kind: str
    primary: str
    backup: str
    tagged: bool = False
    pair_class: PairClass = PairClass.INDEPENDENT
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application that fails over as a unit.

    Attributes:
        name: ``[a-z0-9-]+``.
        tier: name of the policy that judges it.
        mode: whether its verdict gates its signal.
        owner: who is woken, or "".
        runbook: URL, or "".
        primary: name of the path in the primary role.
        backups: names of the paths in the backup role.
        pairs: named by hand.
        matches: templates.
        lost: the declaration that its sessions end with a switch, or None.
    """

    name: str
    tier: str
    mode: Mode = Mode.ENFORCE
    owner: str = ""
    runbook: str = ""
    primary: str = "primary"
    backups: tuple[str, ...] = ("backup",)
    pairs: tuple[Pair, ...] = ()
    matches: tuple[MatchRule, ...] = field(default=())
    lost: Lost | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """An accepted exception; expired = the finding fails again.

    Attributes:
        pair: ``app/pair``.
        code: one rule code.
        until: last day on which it holds.
        approved_by: who accepted the risk.
        reason: why.
        ticket: reference, or "".
        origin: ``file:line`` or ``store``.
    """

    pair: str
    code: str
    until: date
    approved_by: str
    reason: str
    ticket: str = ""
    origin: str = ""
