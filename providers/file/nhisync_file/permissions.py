"""File modes as a shell document: access control entries for one user, nothing for anybody else."""

import shlex
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from nhisync.spi import SYSTEM_TRUST, AccessMode, PermissionDocument, SourceContext
from nhisync.spi.host import Readable
from nhisync_file.settings import FileSettings

_USER = "nhisync"


def permission_documents(
    mode: AccessMode, root: Path, names: Iterable[str], *, swept: bool
) -> tuple[PermissionDocument, ...]:
    """The entries that let the user ``nhisync`` read exactly `names` below `root`, or all of it when `swept`.

    A file system knows no right to read names without values: the read and the fingerprint document are the same,
    and an inventory's silence about values is a promise of the adapter.
    """
    if mode not in (AccessMode.READ, AccessMode.FINGERPRINT):
        return ()
    actions = ("read:" + str(root) + "/**",) if swept else tuple(f"read:{root / name}" for name in sorted(set(names)))
    if not actions:
        return ()
    lines = [f"# Lets {_USER} read, and nobody write. Reading a file includes its values; nhisync keeps names only."]
    lines += [f"setfacl -R -m u:{_USER}:rX {_quoted(root)}"] if swept else _entries(root, sorted(set(names)))
    return (
        PermissionDocument(
            title=f"file access of the user {_USER}", language="sh", text="\n".join(lines) + "\n", actions=actions
        ),
    )


def files_of(settings: FileSettings, context: SourceContext) -> list[Readable]:
    """Files that the source's settings name: trust and revocation lists are public, the stores' password is not."""
    bundles = [file for file in settings.client_trust.values() if str(file) != SYSTEM_TRUST]
    public = [settings.trust_file, settings.intermediates_file, *bundles, *settings.crl_files]
    found = [Readable(context.file(file)) for file in public if file is not None]
    if settings.password_file is not None:
        found.append(Readable(context.file(settings.password_file), secret=True))
    return list(dict.fromkeys(found))


def _entries(root: Path, names: list[str]) -> list[str]:
    """Passage through the folders, reading at the end; a mounted folder's files are reached recursively."""
    folders = {root, *(root / parent for name in names for parent in PurePosixPath(name).parents)}
    passage = [f"setfacl -m u:{_USER}:x {_quoted(folder)}" for folder in sorted(folders)]
    return passage + [f"setfacl -R -m u:{_USER}:rX {_quoted(root / name)}" for name in names]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
