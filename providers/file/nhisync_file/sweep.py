"""Walking the root for items of some kinds; what could not be seen is said, never left out in silence."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from nhisync_file.mount import DATA

SUFFIXES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "pem": (".pem", ".crt", ".cer"),
        "pkcs12": (".p12", ".pfx"),
        "json": (".json",),
        "jwks": (".jwks",),
        "yaml": (".yaml", ".yml"),
    }
)
"""Kind → endings of the files that a sweep takes for it; a named item may end as it likes."""

MOUNT = "kubernetes-secret"
"""Kind of folders that the kubelet mounted."""


@dataclass(slots=True)
class Swept:
    """What a walk found.

    Attributes:
        names: kind → names below the root, sorted.
        lost: why the walk is not complete, in our words; empty = it is.
        denied: some folder could not be entered.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    denied: bool = False


def sweep(root: Path, kinds: Iterable[str], *, max_entries: int, max_depth: int) -> Swept:
    """All items of `kinds` below the real path `root`. Folders reached only over a link are not entered."""
    found = Swept(names={kind: [] for kind in kinds})
    for count, (name, kind) in enumerate(_walk(root, "", max_depth, found), start=1):
        if count > max_entries:
            found.lost.append(f"more than {max_entries} entries; the rest was not looked at")
            break
        if kind in found.names and _writable_as_locator(name, found):
            found.names[kind].append(name)
    for names in found.names.values():
        names.sort()
    return found


def _walk(folder: Path, prefix: str, depth: int, found: Swept) -> Iterator[tuple[str, str]]:
    """(name, kind) of every entry below `folder`; kind "" = none of ours."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as failure:
        found.denied = found.denied or isinstance(failure, PermissionError)
        found.lost.append(f"the folder {prefix or '.'} could not be listed")
        return
    for entry in listed:
        name = f"{prefix}{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            yield name, _kind_of(entry.name) if _may_be_file(entry) else ""
        elif os.path.lexists(Path(entry.path) / DATA):
            yield name, MOUNT
        elif depth == 0:
            found.lost.append(f"the folder {name} is too deep")
        else:
            yield name, ""
            yield from _walk(Path(entry.path), f"{name}/", depth - 1, found)


def _may_be_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        return True  # a loop, or a link into a folder that is closed to us: opening it says which


def _kind_of(name: str) -> str:
    lowered = name.lower()
    return next((kind for kind, endings in SUFFIXES.items() if lowered.endswith(endings)), "")


def _writable_as_locator(name: str, found: Swept) -> bool:
    """Whether a locator can hold the name; a name that would forge terminal output or a field is left out, and said."""
    if name.isprintable() and "#" not in name:
        return True
    found.lost.append("a name holds # or characters that cannot be printed")
    return False
