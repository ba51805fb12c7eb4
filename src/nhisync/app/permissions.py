"""`nhisync permissions`: the least privilege that exactly this configuration needs; nothing is contacted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import cast

from nhisync.app.session import Session
from nhisync.config import Probe
from nhisync.errors import UsageError
from nhisync.model import App, Locator, Side
from nhisync.parity.pairing import Pairing, Template, role_of
from nhisync.spi import (
    AccessMode,
    Capability,
    GrantReader,
    PermissionDocument,
    Permissions,
    ProtectionReader,
    SecondOpinion,
)

_READING = frozenset({AccessMode.READ, AccessMode.FINGERPRINT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """One document for one source.

    Attributes:
        path: path name.
        source: source name.
        provider: provider name.
        document: what to grant there.
    """

    path: str
    source: str
    provider: str
    document: PermissionDocument


@dataclass(frozen=True, slots=True)
class Need:
    """What a source must be able to see.

    Attributes:
        wanted: items that pairs name.
        kinds: kinds that are listed.
    """

    wanted: tuple[Locator, ...]
    kinds: frozenset[str]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.wanted or self.kinds)


def permissions(
    session: Session,
    mode: AccessMode,
    *,
    provider: str = "",
    path: str = "",
    pair: str = "",
    whole: bool = False,
) -> tuple[Granted, ...]:
    """Documents for all sources, or those of one provider, one path, one pair.

    Args:
        session: the configuration.
        mode: what must be possible.
        provider: only sources of this provider.
        path: only sources of this path.
        pair: only what this pair needs.
        whole: every kind of every source, as `nhisync discover` and `nhisync inventory` list them.

    Raises:
        UsageError: the provider, path or pair is not configured, or one pair is asked for to discover others.
        RegistryError: a provider's SDK is missing.
    """
    if pair and whole:
        raise UsageError("what one pair needs is not enough to discover", fix="Leave --pair or --for discover out.")
    _known(provider, path, session)
    found = []
    for where, source in sources_of(session, path):
        info = session.source_info(where, source)
        if provider not in {"", info.name} or Capability.PERMISSIONS not in info.capabilities:
            continue
        need = need_of(session, where, source, pair, mode, whole=whole)
        if pair and not need.wanted:
            continue
        printed = (
            *documents(session, where, source, mode, need),
            *_rights(session, where, source, mode, pair),
            *_guarding(session, where, source, mode, pair),
        )
        found += [Granted(path=where, source=source, provider=info.name, document=document) for document in printed]
    if pair and not found and not _there(session, pair):
        raise UsageError(f"no pair is called `{pair}`", fix="Name it as `pair` or `app/pair`, as in the configuration.")
    return tuple(found)


def _there(session: Session, pair: str) -> bool:
    """Whether a pair is called so; one may need nothing."""
    apps = session.configuration.apps
    return any(pair in {one.name, f"{app.name}/{one.name}"} for app in apps for one in app.pairs)


def documents(session: Session, path: str, source: str, mode: AccessMode, need: Need) -> tuple[PermissionDocument, ...]:
    """What one source's provider prints for `need`."""
    instance = session.provider(path, source)
    try:
        return cast("Permissions", instance).permissions(mode, need.wanted, need.kinds)
    finally:
        instance.close()


def _rights(session: Session, path: str, source: str, mode: AccessMode, pair: str) -> tuple[PermissionDocument, ...]:
    """What rights and second opinions need, where a tier asks: documents of their own beside that of the inventory."""
    if mode not in _READING:
        return ()
    reading, asking = rights_needs(session, path, source, pair)
    return (*rights_documents(session, path, source, reading), *opinion_documents(session, path, source, asking))


def rights_needs(session: Session, path: str, source: str, pair: str = "") -> tuple[Need, Need]:
    """Whose rights are read of one source, and about whom its service is asked; empty where no tier asks."""
    tiers, capabilities = session.configuration.tiers, session.source_info(path, source).capabilities
    comparing = [app for app in session.configuration.apps if tiers[app.tier].authorization.compare]
    doubting = [app for app in comparing if tiers[app.tier].authorization.second_opinion]
    return (
        _needing(path, source, pair, comparing if Capability.GRANTS in capabilities else ()),
        _needing(path, source, pair, doubting if Capability.OPINIONS in capabilities else ()),
    )


def _needing(path: str, source: str, pair: str, apps: Sequence[App]) -> Need:
    pairing = Pairing(path, tuple(apps))
    named = tuple(_named(apps, path, pair)) if pair else pairing.wanted
    wanted = tuple(sorted({locator.item for locator in named if locator.source == source}))
    return Need(wanted, frozenset() if pair else pairing.swept.get(source, frozenset()))


def rights_documents(session: Session, path: str, source: str, need: Need) -> tuple[PermissionDocument, ...]:
    """What reading these rights needs beside the READ document."""
    if not need:
        return ()
    with closing(session.provider(path, source)) as instance:
        return cast("GrantReader", instance).grant_permissions(need.wanted, need.kinds)


def opinion_documents(session: Session, path: str, source: str, need: Need) -> tuple[PermissionDocument, ...]:
    """What asking the service about these needs beside reading their rights."""
    if not need:
        return ()
    with closing(session.provider(path, source)) as instance:
        return cast("SecondOpinion", instance).opinion_permissions(need.wanted, need.kinds)


def _guarding(session: Session, path: str, source: str, mode: AccessMode, pair: str) -> tuple[PermissionDocument, ...]:
    """What telling how items are guarded needs, where a tier asks: all of it optional, so a document of its own."""
    tiers, capabilities = session.configuration.tiers, session.source_info(path, source).capabilities
    if mode not in _READING or Capability.PROTECTION not in capabilities:
        return ()
    asking = [app for app in session.configuration.apps if tiers[app.tier].protection.asked]
    need = _needing(path, source, pair, asking)
    if not need:
        return ()
    with closing(session.provider(path, source)) as instance:
        return cast("ProtectionReader", instance).protection_permissions(need.wanted, need.kinds)


def need_of(
    session: Session, path: str, source: str, pair: str = "", mode: AccessMode = AccessMode.READ, *, whole: bool = False
) -> Need:
    """What the configured apps want of one source; when `whole`, and before any pair exists, every kind.

    Once pairs have probes, mode ``probe`` is about the items alone that these probes read or have minted.
    """
    apps = session.configuration.apps
    if mode is AccessMode.PROBE and any(_probing(session, app) for app in apps):
        valued = {kind.name: kind.valued for kind in session.source_info(path, source).kinds}
        probed = ((one.item, probe) for one, probe in _probed(session, path, pair) if one.source == source)
        items = tuple(sorted({item for item, probe in probed if _needs(item, probe, valued)}))
        swept = [(one, probe) for one, probe in _probed_templates(session, path) if one.source == source and not pair]
        return Need(items, frozenset(one.kind for one, probe in swept if _needs(one, probe, valued)))
    if pair:
        return Need(tuple(sorted({w for w in _named(apps, path, pair) if w.source == source})), frozenset())
    pairing = Pairing(path, apps)
    wanted = tuple(locator for locator in pairing.wanted if locator.source == source)
    kinds = pairing.swept.get(source, frozenset())
    if whole or not any(app.pairs or app.matches for app in apps):
        kinds = frozenset(kind.name for kind in session.source_info(path, source).kinds)
    return Need(wanted, kinds)


def _probing(session: Session, app: App) -> bool:
    details = session.configuration.details[app.name]
    return bool(details.probes) or any(details.matched)


def _probed(session: Session, path: str, only: str) -> Iterator[tuple[Locator, Probe]]:
    """Items of `path` that pairs, or the one called `only`, have probes for."""
    for app in session.configuration.apps:
        role = role_of(app, path)
        probes = session.configuration.details[app.name].probes
        for pair in app.pairs if role is not None else ():
            probe = probes.get(pair.name, {}).get("primary" if role is Side.PRIMARY else "backup")
            if probe is not None and only in {"", pair.name, f"{app.name}/{pair.name}"}:
                yield (pair.primary if role is Side.PRIMARY else pair.backup), probe
    name = only.rpartition("/")[2]
    for one, probe in _probed_templates(session, path, name) if name else ():
        if not any(pair.name == name for app in session.configuration.apps for pair in app.pairs):
            yield one, probe


def _probed_templates(session: Session, path: str, name: str = "x") -> Iterator[tuple[Locator, Probe]]:
    """Items of `path` called `name` that templates make and have probes for."""
    for app in session.configuration.apps:
        side = "primary" if (role := role_of(app, path)) is Side.PRIMARY else "backup"
        matched = session.configuration.details[app.name].matched
        for rule, probes in zip(app.matches, matched, strict=False) if role is not None else ():
            if side in probes:
                text = rule.primary if role is Side.PRIMARY else rule.backup
                yield Template.parse(text).fill(name).item, probes[side]


def _needs(item: Locator, probe: Probe, valued: Mapping[str, bool]) -> bool:
    """Whether `probe` has something read or minted of `item`.

    What holds a value is presented as it is stored, what holds none as it is minted: with ``issue: true`` no right to
    read a stored value is asked for, and without it none to mint.
    """
    if probe.type == "provider":
        return True
    return probe.auth != "none" and valued.get(item.kind, True) != probe.issue


def sources_of(session: Session, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, source) of all sources, or of those of one path, in the order of the file."""
    for name, configured in session.configuration.paths.items():
        if path in {"", name}:
            for source in configured.sources:
                yield name, source


def _named(apps: Iterable[App], path: str, pair: str) -> Iterator[Locator]:
    """Where the pair called `pair` (``name`` or ``app/name``) stands on `path`; templates are filled with its name."""
    app_name, slash, name = pair.rpartition("/")
    for app in apps:
        role = role_of(app, path)
        if role is None or (slash and app.name != app_name):
            continue
        explicit = [p for p in app.pairs if p.name == name]
        for one in explicit:
            yield (one.primary if role is Side.PRIMARY else one.backup).item
        if not explicit:
            for rule in (one for one in app.matches if not one.tagged):
                yield Template.parse(rule.primary if role is Side.PRIMARY else rule.backup).fill(name).item


def _known(provider: str, path: str, session: Session) -> None:
    paths = session.configuration.paths
    if path and path not in paths:
        raise UsageError(f"no path is called `{path}`", fix=f"Configured paths: {', '.join(paths)}.")
    used = sorted({source.provider for one in paths.values() for source in one.sources.values()})
    if provider and provider not in used:
        raise UsageError(f"no source uses the provider `{provider}`", fix=f"In use: {', '.join(used)}.")
