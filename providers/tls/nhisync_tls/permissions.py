"""What the provider needs: network openings and readable files; endpoints grant nothing else."""

from collections.abc import Iterable
from pathlib import Path

from nhisync.spi import SYSTEM_TRUST, AccessMode, PermissionDocument, SourceContext
from nhisync.spi.host import Readable, egress, modes
from nhisync_tls.settings import TlsSettings
from nhisync_tls.target import Target


def permission_documents(
    mode: AccessMode, targets: Iterable[Target], settings: TlsSettings, context: SourceContext
) -> tuple[PermissionDocument, ...]:
    """Outbound TCP for `targets` and, when files are configured, their modes; nothing for fingerprint and rotate."""
    endpoints = sorted({target.endpoint for target in targets})
    if mode not in (AccessMode.READ, AccessMode.PROBE) or not endpoints:
        return ()
    files = files_of(mode, settings, context)
    return (egress("tls", endpoints), *([modes(files)] if files else []))


def files_of(mode: AccessMode, settings: TlsSettings, context: SourceContext) -> list[Readable]:
    """Configured files as `mode` reads them: certificates are public, the client key is not."""
    bundles = [file for file in settings.client_trust.values() if str(file) != SYSTEM_TRUST]
    public: list[Path | None] = [settings.trust_file, settings.intermediates_file, *bundles, *settings.crl_files]
    secret: list[Path | None] = []
    if mode is AccessMode.PROBE:
        public.append(settings.client_certificate_file)
        secret.append(settings.client_key_file)
    found = [Readable(context.file(file)) for file in public if file is not None]
    found += [Readable(context.file(file), secret=True) for file in secret if file is not None]
    return list(dict.fromkeys(found))
