"""What `nhisync doctor` asks of an ACME source: reachability, TLS, clock, renewal information, account, files."""

import stat
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from nhisync.spi import Check, CheckState, ErrorKind, ProviderError, SourceContext, format_duration
from nhisync.spi.host import Readable, examine_files
from nhisync.spi.x509 import Profile, load_trust
from nhisync_acme.api import Api
from nhisync_acme.settings import AcmeSettings

_SKEW = timedelta(seconds=60)
_OTHERS = 0o077


def examine(settings: AcmeSettings, context: SourceContext, api: Api, files: Iterable[Readable]) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from examine_files(files)
    yield from _files(settings, context)
    try:
        directory = api.directory
    except ProviderError as error:
        yield _failed("reachable", error)
        return
    yield Check(name="reachable", state=CheckState.OK, observed=f"{settings.host}: an ACME directory")
    yield Check(name="tls", state=CheckState.OK, observed="the server's certificate is trusted")
    if api.server_time is not None:
        yield _clock(context.clock.now(), api.server_time)
    offered = "renewalInfo" in directory.to_partial_json()
    yield _renewal(offered=offered)
    yield _account(settings, api)


def _files(settings: AcmeSettings, context: SourceContext) -> Iterator[Check]:
    if settings.trust_file is not None:
        try:
            known = context.file(settings.intermediates_file) if settings.intermediates_file else None
            load_trust(context.file(settings.trust_file), known, Profile(settings.profile))
        except ProviderError as error:
            yield _failed("trust", error)
    if settings.account_key_file is None:
        return
    try:
        mode = stat.S_IMODE(context.file(settings.account_key_file).stat().st_mode)
    except OSError:
        fix = "Create it, or correct account_key_file."
        observed = f"{settings.account_key_file} cannot be read"
        yield Check(name="credential-file", state=CheckState.FAILED, observed=observed, fix=fix)
        return
    if mode & _OTHERS:
        observed = f"{settings.account_key_file} is open to others ({mode:04o})"
        fix = f"chmod 0600 '{settings.account_key_file}'"
        yield Check(name="credential-file", state=CheckState.WARNING, observed=observed, fix=fix)


def _clock(ours: datetime, theirs: datetime) -> Check:
    skew = abs(ours - theirs)
    if skew <= _SKEW:
        return Check(name="clock", state=CheckState.OK, observed="agrees with the server's within a minute")
    observed = f"differs from the server's by {format_duration(timedelta(seconds=int(skew.total_seconds())))}"
    return Check(name="clock", state=CheckState.FAILED, observed=observed, fix="Synchronise both clocks (chrony, NTP).")


def _renewal(*, offered: bool) -> Check:
    if offered:
        return Check(name="renewal-information", state=CheckState.OK, observed="offered (RFC 9773)")
    return Check(
        name="renewal-information",
        state=CheckState.WARNING,
        observed="not offered: that a certificate will be renewed is not evidenced",
        fix="Ask the authority for RFC 9773, or pair the certificate with what is served (provider tls).",
    )


def _account(settings: AcmeSettings, api: Api) -> Check:
    if settings.account_key_file is None:
        observed = "no account_key_file: the account is not looked at"
        return Check(name="identity", state=CheckState.OK, observed=observed)
    try:
        account = api.account()
    except ProviderError as error:
        return _failed("identity", error)
    status = str(account.body.status or "unknown")
    observed = f"account {account.uri} at {settings.host} is {status}"
    if status == "valid":
        return Check(name="identity", state=CheckState.OK, observed=observed)
    return Check(name="identity", state=CheckState.FAILED, observed=observed, fix="Register a new account.")


def _failed(name: str, error: ProviderError) -> Check:
    state = CheckState.WARNING if error.kind is ErrorKind.THROTTLED else CheckState.FAILED
    return Check(name=name, state=state, observed=error.message, fix=error.fix, error=error.fact)
