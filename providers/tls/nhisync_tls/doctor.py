"""Checks for `nhisync doctor`: can the endpoints be seen, and can what they serve be judged."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from nhisync.spi import AccessMode, Check, CheckState, Locator, ProviderError, SourceContext
from nhisync.spi.host import examine_files
from nhisync.spi.x509 import Loaded, Profile, examine_views, load_trust, load_views
from nhisync_tls.handshake import Served
from nhisync_tls.pages import Fetched
from nhisync_tls.permissions import files_of
from nhisync_tls.settings import TlsSettings

_OTHERS = 0o077


def examine(
    mode: AccessMode,
    settings: TlsSettings,
    context: SourceContext,
    answers: Iterable[tuple[Locator, Served | Fetched | ProviderError]],
) -> Iterator[Check]:
    """Reachability first, then the files by themselves, then trust and (for probes) the client certificate."""
    for locator, answer in sorted(answers, key=lambda pair: pair[0]):
        yield _reachable(locator, answer)
    yield from examine_files(files_of(mode, settings, context))
    yield from _trust(settings, context)
    profile = Profile(settings.profile)
    views = load_views(settings.client_trust, settings.crl_files, context.file, profile, system=False)
    yield from examine_views(views, context.clock.now())
    if mode is AccessMode.PROBE:
        yield _client(settings, context)


def _reachable(locator: Locator, answer: Served | Fetched | ProviderError) -> Check:
    name = f"reachable:{locator.name.partition('?')[0]}"
    if isinstance(answer, ProviderError):
        return Check(name=name, state=CheckState.FAILED, observed=answer.message, fix=answer.fix, error=answer.fact)
    if isinstance(answer, Fetched):
        return Check(name=name, state=CheckState.OK, observed=f"{len(answer.content)} bytes over verified TLS")
    count = len(answer.certificates)
    # Whoever demands a client certificate ends the connection after having shown the chain, which is all we came for.
    words = [answer.version or "chain shown, then refused", f"{count} certificate{'s' * (count != 1)}"]
    words.append(f"as {answer.sni}" if answer.sni else "without SNI")
    if answer.client_certificate in ("requested", "required"):
        words.append(f"client certificate {answer.client_certificate}")
    return Check(name=name, state=CheckState.OK, observed=", ".join(words))


def _trust(settings: TlsSettings, context: SourceContext) -> Iterator[Check]:
    try:
        loaded = load_trust(
            context.file(settings.trust_file) if settings.trust_file else None,
            context.file(settings.intermediates_file) if settings.intermediates_file else None,
            Profile(settings.profile),
        )
    except ProviderError as failure:
        yield Check(
            name="trust", state=CheckState.FAILED, observed=failure.message, fix=failure.fix, error=failure.fact
        )
        return
    yield _roots(loaded, context)
    if loaded.ignored:
        yield Check(
            name="trust:no-roots",
            state=CheckState.WARNING,
            observed=f"{loaded.ignored} certificates of trust_file are not self-signed and do not count as roots",
            fix="Move them to intermediates_file: an intermediate among the roots hides that it is not served.",
        )


def _roots(loaded: Loaded, context: SourceContext) -> Check:
    roots, now = loaded.trust.roots, context.clock.now()
    where = "from trust_file" if loaded.origin == "file" else "of the operating system"
    if not roots:
        return Check(
            name="trust",
            state=CheckState.FAILED,
            observed="no root certificate is configured, and the operating system offers none",
            fix="Set trust_file to the roots that the endpoints' clients trust.",
        )
    ended = sum(root.not_valid_after_utc < now for root in roots)
    observed = f"{len(roots)} roots {where}" + (f", {ended} of them expired" if ended else "")
    state = CheckState.FAILED if ended == len(roots) else CheckState.OK
    return Check(name="trust", state=state, observed=observed, fix="Replace trust_file." if ended == len(roots) else "")


def _client(settings: TlsSettings, context: SourceContext) -> Check:
    """The key of the client certificate must be closed to everyone but its owner."""
    if settings.client_key_file is None:
        return Check(name="client-certificate", state=CheckState.OK, observed="none configured; none is shown")
    file = context.file(settings.client_key_file)
    return _key_mode(file)


def _key_mode(file: Path) -> Check:
    name = "client-certificate"
    try:
        mode = file.stat().st_mode
    except OSError:
        fix = "Set client_key_file to a key that nhisync can read."
        return Check(name=name, state=CheckState.FAILED, observed="client_key_file cannot be read", fix=fix)
    if mode & _OTHERS:
        observed = f"client_key_file is open to others ({mode & 0o777:04o})"
        return Check(name=name, state=CheckState.FAILED, observed=observed, fix=f"chmod 0600 '{file}'")
    return Check(name=name, state=CheckState.OK, observed=f"client_key_file is closed to others ({mode & 0o777:04o})")
