"""What the provider needs: one connection out and readable files; an authority grants nothing else."""

from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

from nhisync.spi import AccessMode, PermissionDocument
from nhisync_acme.settings import AcmeSettings


def documents(settings: AcmeSettings, mode: AccessMode, certificates: list[str]) -> tuple[PermissionDocument, ...]:
    """Outbound HTTPS and file modes; fingerprint has none, because public keys tell a copy."""
    if mode is AccessMode.FINGERPRINT:
        return ()
    return (_egress(settings), *_modes(settings, certificates))


def _egress(settings: AcmeSettings) -> PermissionDocument:
    parts = urlsplit(settings.proxy or settings.directory)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = f"{parts.hostname}:{port}"
    lines = ["# Outbound connection of nhisync for provider acme.", "egress:", f'  - {{to: "{target}", protocol: tcp}}']
    return PermissionDocument(
        title="network opening for the host that runs nhisync",
        language="yaml",
        text="\n".join(lines) + "\n",
        actions=(f"connect:{target}",),
    )


def _modes(settings: AcmeSettings, certificates: list[str]) -> tuple[PermissionDocument, ...]:
    public = [settings.ca_file, settings.trust_file, settings.intermediates_file, *map(Path, certificates)]
    files = [(file, "root:root", "0644") for file in public if file is not None]
    if settings.account_key_file is not None:
        files.append((settings.account_key_file, "nhisync:nhisync", "0600"))
    if not files:
        return ()
    lines = ["# Files that the user nhisync must read, and nobody else may change."]
    for file, owner, bits in files:
        lines += [f"chown {owner} {quote(str(file))}", f"chmod {bits} {quote(str(file))}"]
    return (
        PermissionDocument(
            title="file modes on the host that runs nhisync",
            language="sh",
            text="\n".join(lines) + "\n",
            actions=tuple(f"read:{file}" for file, _, _ in files),
        ),
    )
