"""What the provider needs: network openings and readable files; endpoints grant nothing else."""

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from nhisync.spi import SYSTEM_TRUST, AccessMode, PermissionDocument
from nhisync_tls.settings import TlsSettings
from nhisync_tls.target import Target


def permission_documents(
    mode: AccessMode, targets: Iterable[Target], settings: TlsSettings
) -> tuple[PermissionDocument, ...]:
    """Outbound TCP for `targets` and, when files are configured, their modes; nothing for fingerprint and rotate."""
    if mode not in (AccessMode.READ, AccessMode.PROBE):
        return ()
    endpoints = sorted({target.endpoint for target in targets})
    found = [_egress(endpoints)] if endpoints else []
    files = _files(mode, settings)
    return (*found, *([_modes(files)] if files else []))


def _egress(endpoints: list[str]) -> PermissionDocument:
    lines = [
        "# Outbound connections of nhisync for provider tls; no credential is presented.",
        "egress:",
        *(f'  - {{to: "{endpoint}", protocol: tcp}}' for endpoint in endpoints),
    ]
    return PermissionDocument(
        title="network openings for the host that runs nhisync",
        language="yaml",
        text="\n".join(lines) + "\n",
        actions=tuple(f"connect:{endpoint}" for endpoint in endpoints),
    )


def _files(mode: AccessMode, settings: TlsSettings) -> list[tuple[Path, str]]:
    """Configured files with the mode each should have: certificates are public, the key is not."""
    bundles = [file for file in settings.client_trust.values() if str(file) != SYSTEM_TRUST]
    public = [settings.trust_file, settings.intermediates_file, *bundles, *settings.crl_files]
    found = [(file, "0644") for file in public if file is not None]
    if mode is AccessMode.PROBE:
        pair = (settings.client_certificate_file, "0644"), (settings.client_key_file, "0600")
        found += [(file, bits) for file, bits in pair if file is not None]
    return found


def _modes(files: list[tuple[Path, str]]) -> PermissionDocument:
    lines = ["# Files that the user nhisync must read, and nobody else may change."]
    for file, bits in files:
        owner = "nhisync:nhisync" if bits == "0600" else "root:root"
        lines += [f"chown {owner} {quote(str(file))}", f"chmod {bits} {quote(str(file))}"]
    return PermissionDocument(
        title="file modes on the host that runs nhisync",
        language="sh",
        text="\n".join(lines) + "\n",
        actions=tuple(f"read:{file}" for file, _ in files),
    )
