"""What the provider needs: one connection out and readable files; an authority grants nothing else."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from nhisync.spi import AccessMode, PermissionDocument, SourceContext
from nhisync.spi.host import Readable, egress, modes
from nhisync_acme.settings import AcmeSettings


def documents(
    settings: AcmeSettings, context: SourceContext, mode: AccessMode, certificates: Iterable[str]
) -> tuple[PermissionDocument, ...]:
    """Outbound HTTPS and file modes; fingerprint has none, because public keys tell a copy."""
    if mode is AccessMode.FINGERPRINT:
        return ()
    files = files_of(settings, context, certificates)
    return (egress("acme", [dialled(settings)]), *([modes(files)] if files else []))


def dialled(settings: AcmeSettings) -> str:
    """``host:port`` that connections are made to: the proxy's, or the authority's."""
    parts = urlsplit(settings.proxy or settings.directory)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def below(name: str) -> bool:
    """Whether the name of a certificate stays below `root`."""
    return not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts and "\0" not in name


def files_of(settings: AcmeSettings, context: SourceContext, certificates: Iterable[str]) -> list[Readable]:
    """Configured files, and those of `certificates`, which stand below `root`."""
    named = (settings.ca_file, settings.trust_file, settings.intermediates_file)
    root = context.file(settings.root)
    found = [Readable(context.file(file)) for file in named if file is not None]
    found += [Readable(root / name) for name in certificates if below(name)]
    if settings.account_key_file is not None:
        found.append(Readable(context.file(settings.account_key_file), secret=True))
    return list(dict.fromkeys(found))
