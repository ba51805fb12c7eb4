"""Checks for `nhisync doctor`: can the files be read, are they closed to others, are trust and password usable."""

from collections.abc import Iterable, Iterator

from nhisync.spi import Check, CheckState, ErrorKind, Locator, ProviderError, SourceContext
from nhisync.spi.files import read_file
from nhisync.spi.host import examine_files
from nhisync.spi.x509 import Profile, examine_views, load_trust, load_views
from nhisync_file.folder import Folder, exposure
from nhisync_file.mount import parse_mount
from nhisync_file.permissions import files_of
from nhisync_file.settings import FileSettings
from nhisync_file.sweep import MOUNT

_FIXES = {
    ErrorKind.DENIED: "Apply the document of: nhisync permissions",
    ErrorKind.NOT_FOUND: "Check the locator's path below the root, and that the volume is mounted.",
    ErrorKind.SCOPE_MISSING: "Check `root`, and that the volume is mounted.",
}


def examine(
    folder: Folder, wanted: Iterable[Locator], settings: FileSettings, context: SourceContext, *, listed: bool
) -> Iterator[Check]:
    """The root first; without it nothing else can be looked at. It is `listed` when a kind is swept."""
    try:
        folder.check(listed=listed)
    except ProviderError as failure:
        yield _failed("reachable", failure)
        return
    yield Check(
        name="reachable", state=CheckState.OK, observed=f"the folder can be {'listed' if listed else 'entered'}"
    )
    for locator in wanted:
        yield _file(folder, locator)
    if settings.password_file is not None:
        yield _password(settings, context)
    if settings.trust_file is not None:
        yield _trust(settings, context)
    profile = Profile(settings.profile)
    views = load_views(settings.client_trust, settings.crl_files, context.file, profile, system=False)
    yield from examine_views(views, context.clock.now())
    yield from examine_files(files_of(settings, context))


def _file(folder: Folder, locator: Locator) -> Check:
    name = f"readable:{locator.name}"
    try:
        if locator.kind == MOUNT:
            exposed = parse_mount(folder, locator.name)[2]
        else:
            looked = folder.look(locator.name)
            exposed = exposure(looked.mode, looked.parents, secret=locator.kind not in ("pem", "jwks"))
    except ProviderError as failure:
        return _failed(name, failure)
    if exposed:
        return Check(name=name, state=CheckState.WARNING, observed=exposed, fix="chmod o-rwx,g-w, on the folders too.")
    return Check(name=name, state=CheckState.OK, observed="readable, and closed to others")


def _password(settings: FileSettings, context: SourceContext) -> Check:
    """The password file stands outside the root as a rule, so only its own mode is judged."""
    name = "password-file"
    file = context.file(settings.password_file or "")
    try:
        read_file(file)
        mode = file.stat().st_mode & 0o777
    except OSError:
        fix = "Set password_file to a file that nhisync can read."
        return Check(name=name, state=CheckState.FAILED, observed="password_file cannot be read", fix=fix)
    if mode & 0o077:
        observed = f"password_file is open to others ({mode:04o})"
        return Check(name=name, state=CheckState.FAILED, observed=observed, fix="chmod 0600 on password_file.")
    return Check(name=name, state=CheckState.OK, observed=f"password_file is closed to others ({mode:04o})")


def _trust(settings: FileSettings, context: SourceContext) -> Check:
    known = context.file(settings.intermediates_file) if settings.intermediates_file else None
    try:
        loaded = load_trust(context.file(settings.trust_file or ""), known, Profile(settings.profile))
    except ProviderError as failure:
        return _failed("trust", failure)
    return Check(name="trust", state=CheckState.OK, observed=f"{len(loaded.trust.roots)} roots from trust_file")


def _failed(name: str, failure: ProviderError) -> Check:
    fix = failure.fix or _FIXES.get(failure.kind, "Replace the file, or correct the locator.")
    return Check(name=name, state=CheckState.FAILED, observed=failure.message, fix=fix, error=failure.fact)
