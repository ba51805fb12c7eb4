"""Policies for `nhisync permissions` and the doctor: exactly the configured items, with value reads denied."""

from collections.abc import Iterator, Sequence

from nhisync.spi import AccessMode, Locator, PermissionDocument
from nhisync_vault.grants import Grant, common_grants, fingerprint_grants, merge, read_grants, render
from nhisync_vault.settings import KINDS, VaultSettings

ANY_MOUNT = "+"
"""Stands for one mount segment where a swept kind's mounts are not known without asking."""


def documents(
    settings: VaultSettings, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
) -> tuple[PermissionDocument, ...]:
    """One policy per mode; modes that this provider does not have need nothing."""
    if mode not in (AccessMode.READ, AccessMode.FINGERPRINT):
        return ()
    grants = needed(settings, mode, wanted, kinds)
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
}


def needed(settings: VaultSettings, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]) -> list[Grant]:
    """Every path block of a mode, one per path, sorted."""
    items = list(dict.fromkeys(one.item for one in wanted))
    grants = [*common_grants(), *_reading(settings, items, kinds)]
    if mode is AccessMode.FINGERPRINT:
        for kind, mount, names in _grouped(settings, items):
            grants.extend(fingerprint_grants(kind, mount, names))
    return merge(grants)


def _reading(settings: VaultSettings, items: Sequence[Locator], kinds: frozenset[str]) -> Iterator[Grant]:
    swept = {(kind, mount) for kind in kinds if kind in KINDS for mount in _mounts(settings, items, kind)}
    for kind, mount in sorted(swept):
        if kind != "token" or settings.token_census is not None:
            yield from read_grants(kind, mount, (), sweep=True)
    for kind, mount, names in _grouped(settings, items):
        if (kind, mount) not in swept and (kind, ANY_MOUNT) not in swept:
            yield from read_grants(kind, mount, names, sweep=False)


def _mounts(settings: VaultSettings, items: Sequence[Locator], kind: str) -> tuple[str, ...]:
    """Mounts of a swept kind: configured, else named by items, else any."""
    if kind == "token":
        return ("",)
    configured = settings.mounts.get(kind, ())
    return configured or tuple(sorted({split(settings, one)[0] for one in items if one.kind == kind})) or (ANY_MOUNT,)


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
