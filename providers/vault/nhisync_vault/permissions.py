"""Policies for `nhisync permissions` and the doctor: exactly the configured items, with value reads denied."""

from collections.abc import Iterator, Sequence

from nhisync.spi import AccessMode, Locator, PermissionDocument
from nhisync_vault.grants import (
    Grant,
    common_grants,
    denials,
    fingerprint_grants,
    merge,
    read_grants,
    render,
)
from nhisync_vault.lifecycle import probe_grants, rotate_grants
from nhisync_vault.settings import KINDS, TokenAuth, VaultSettings

ANY_MOUNT = "+"
"""Stands for one mount segment where a swept kind's mounts are not known without asking."""


def documents(
    settings: VaultSettings, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
) -> tuple[PermissionDocument, ...]:
    """One policy per mode; none where the mode has nothing to do with these items."""
    grants = needed(settings, mode, wanted, kinds)
    if not grants:
        return ()
    where = f" in namespace {settings.namespace}" if settings.namespace else ""
    title = f"policy nhisync-{mode.value}{where}: {_PURPOSE[mode]}"
    return (
        PermissionDocument(
            title=title,
            language="hcl",
            text=render(title, grants),
            actions=tuple(grant.action for grant in grants),
        ),
    )


_PURPOSE = {
    AccessMode.READ: "inventory by metadata, values denied",
    AccessMode.FINGERPRINT: "inventory, and the values of the named items for the reuse comparison",
    AccessMode.PROBE: "the values that probes of the named items present",
    AccessMode.ROTATE: "rotation of the named items by their own lifecycle, values denied",
}


def needed(settings: VaultSettings, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]) -> list[Grant]:
    """Every path block of a mode, one per path, sorted; none for a mode that has nothing to do with these items."""
    items = list(dict.fromkeys(one.item for one in wanted if one.kind in KINDS))
    revocable = not isinstance(settings.auth, TokenAuth)
    if mode in (AccessMode.PROBE, AccessMode.ROTATE):
        own, closed = _acting(settings, mode, items)
        touched = {kind for kind, _ in closed}
        return merge([*common_grants(touched, revocable=revocable), *own, *_closed(closed)]) if own else []
    touched = {kind for kind in kinds if kind in KINDS} | {item.kind for item in items}
    grants = [*common_grants(touched, revocable=revocable), *_reading(settings, items, kinds)]
    if mode is AccessMode.FINGERPRINT:
        for kind, mount, names in _grouped(settings, items):
            grants.extend(fingerprint_grants(kind, mount, names))
    return merge(grants)


def _acting(
    settings: VaultSettings, mode: AccessMode, items: Sequence[Locator]
) -> tuple[list[Grant], set[tuple[str, str]]]:
    """Grants of the items that have something to probe or rotate, and the kinds and mounts of these."""
    grants: list[Grant] = []
    places: set[tuple[str, str]] = set()
    for item in items:
        mount, name = split(settings, item)
        own = (probe_grants if mode is AccessMode.PROBE else rotate_grants)(item.kind, mount, name)
        grants += own
        if own:
            places.add((item.kind, mount))
    return grants, places


def _closed(places: set[tuple[str, str]]) -> Iterator[Grant]:
    for kind, mount in sorted(places):
        yield from denials(kind, mount)


def _reading(settings: VaultSettings, items: Sequence[Locator], kinds: frozenset[str]) -> Iterator[Grant]:
    swept = {(kind, mount) for kind in kinds if kind in KINDS for mount in _mounts(settings, kind)}
    for kind, mount in sorted(swept):
        if kind != "token" or settings.token_census is not None:
            yield from read_grants(kind, mount, (), sweep=True)
    for kind, mount, names in _grouped(settings, items):
        if (kind, mount) not in swept and (kind, ANY_MOUNT) not in swept:
            yield from read_grants(kind, mount, names, sweep=False)


def _mounts(settings: VaultSettings, kind: str) -> tuple[str, ...]:
    """Mounts of a swept kind: the configured ones, else any, because a sweep lists every mount there is."""
    return ("",) if kind == "token" else settings.mounts.get(kind, ()) or (ANY_MOUNT,)


def _grouped(settings: VaultSettings, items: Sequence[Locator]) -> list[tuple[str, str, tuple[str, ...]]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for item in items:
        if item.kind in KINDS:
            mount, name = split(settings, item)
            groups.setdefault((item.kind, mount), []).append(name)
    return [(kind, mount, tuple(sorted(names))) for (kind, mount), names in sorted(groups.items())]


def split(settings: VaultSettings, item: Locator) -> tuple[str, str]:
    """Mount and name of a locator without asking the server: the longest configured mount, else the first segment."""
    if item.kind == "token":
        return "", item.name
    fitting = [mount for mount in settings.mounts.get(item.kind, ()) if item.name.startswith(f"{mount}/")]
    mount = max(fitting, key=len, default=item.name.partition("/")[0])
    return mount, item.name.removeprefix(f"{mount}/")
