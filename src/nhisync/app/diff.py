"""`nhisync diff`: inventory two paths, judge every pair, say what a person on call can act on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Protocol

from nhisync.app.assess import Assessment, Notebook, shrunk
from nhisync.app.gather import Known, Scope, confirm, gather, missing_of, scope_of, unconfirmed
from nhisync.app.listing import Reference, unlisted
from nhisync.app.reuse import compare
from nhisync.app.rights import asked_of, held, read_rights
from nhisync.app.session import Session
from nhisync.collect.cycle import Collected, Progress, silent
from nhisync.collect.reuse import Wanted
from nhisync.collect.sink import Sink
from nhisync.errors import NhisyncError, UsageError
from nhisync.model import App, AppReport, Coverage, Finding, Layer, Locator, PathSummary, Report, Verdict, Waiver
from nhisync.parity.book import AppTerms, app_terms
from nhisync.parity.pairing import Pairing
from nhisync.parity.row import Row
from nhisync.parity.rules import RULES, codes
from nhisync.policy import Waivers
from nhisync.spi import ErrorKind


class Desk(Protocol):
    """The store as this use case needs it: one run, both paths."""

    @property
    def run_id(self) -> str:
        """The run's random id."""
        ...

    def sink(self, path: str, pairing: Pairing, share: float) -> Sink:
        """Where the rows of `path` go; sweeps that lost more than `share` are not believed."""
        ...

    def rows(self, path: str) -> Iterator[Row]:
        """Rows of pairs of `path`, in key order."""
        ...

    def coverage(self, path: str) -> tuple[Coverage, ...]:
        """What is known of the last sweep of `path`."""
        ...

    def reference(self, path: str) -> Reference:
        """Which listings of `path` an earlier run saw completely."""
        ...

    def known(self, path: str, pairing: Pairing, source: str) -> Mapping[Locator, str]:
        """Stored markers of the items that explicit pairs want of `source`."""
        ...

    def size(self, path: str) -> tuple[int, int]:
        """(rows of pairs, rows no pair claims)."""
        ...

    def group(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the equality classes: path → key → group."""
        ...

    def grant(self, path: str, rights: Mapping[str, str]) -> None:
        """Replace the rights of all rows of `path`: key → document."""
        ...

    def settle(self, collected: Collected) -> None:
        """Forget items that complete sweeps did not see, and pairs that the configuration no longer names."""
        ...

    def notebook(
        self, primary: str, backup: str, now: datetime, apps: Sequence[str]
    ) -> AbstractContextManager[Notebook]:
        """Earlier results of one comparison and where new ones go: kept when the block ends, gone when it raises."""
        ...

    def verdict(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        ...

    def waivers(self) -> Iterable[Waiver]:
        """Waivers recorded in the store."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What to compare and what to show; filters narrow what is shown, never what is judged.

    Attributes:
        primary: path name or role word.
        backup: path name or role word.
        apps: only these apps.
        pairs: show only these pairs (``name`` or ``app/name``).
        checks: show only these codes, code prefixes (``NHS2``) or layers.
        show_passing: also show what passed.
        cached: judge what the store holds, contact nothing.
        command: word in the report.
    """

    primary: str
    backup: str
    apps: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    show_passing: bool = False
    cached: bool = False
    command: str = "diff"


def diff(session: Session, options: DiffOptions, desk: Desk, progress: Progress = silent) -> Report:
    """Compare and report.

    Raises:
        UsageError: unknown path or app, or a filter that can show nothing.
        GuardError: one identity on both paths.
        RegistryError: a provider's SDK is missing.
    """
    targets = session.resolve(options.primary, options.backup, options.apps)
    apps = tuple({app.name: app for app, _, _ in targets}.values())
    _check_filters(options, apps)
    paths = tuple(dict.fromkeys(path for _, p, b in targets for path in (p, b)))
    scope = scope_of(apps, paths)
    collected = None if options.cached else _observe_all(session, scope, targets, desk, progress)
    now = session.clock.now()
    uncompared = _compare_values(session, apps, targets, desk, progress) if collected else {}
    coverage = {path: desk.coverage(path) for path in paths}
    assessments: list[Assessment] = []
    reports: list[AppReport] = []
    for primary, backup, group in _groups(targets):
        assessment = Assessment(
            book=_book(session, group, primary, desk.waivers()),
            primary=primary,
            backup=backup,
            now=now,
            shrunk=[one for app in group for path in (primary, backup) for one in shrunk(app, path, coverage[path])],
            unlisted=[one for app in group for one in unlisted(app, coverage[primary], desk.reference(primary))],
            uncompared=uncompared,
            keep_passes=options.show_passing,
        )
        missing = missing_of(scope, primary, backup, coverage)
        with desk.notebook(primary, backup, now, [app.name for app in group]) as notebook:
            reports += assessment.run(missing, notebook)
        assessments.append(assessment)
    for report in reports:
        desk.verdict(report.verdict)
    return Report(
        run_id=desk.run_id,
        command=options.command,
        generated_at=now,
        expires_at=min((r.verdict.valid_until for r in reports), default=now),
        policy_digest=_policy_digest(session, apps),
        config_file=str(session.configuration.file),
        primary=options.primary,
        backup=options.backup,
        paths=tuple(_path(session, path, collected, coverage[path], desk) for path in paths),
        apps=tuple(reports),
        findings=tuple(f for assessment in assessments for f in assessment.findings if _shown(f, options)),
        evidence_age=max((r.evidence_age for r in reports if r.evidence_age is not None), default=timedelta(0)),
    )


def _observe_all(
    session: Session,
    scope: Scope,
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
) -> Collected:
    """Sweep both paths, then ask what the identities may do where a tier compares that."""
    asked = asked_of(session, targets)
    before = held(desk, asked) if asked.apps else {}
    collected = _observe(session, scope, targets, desk, progress)
    if asked.apps:
        progress("both paths", "reading rights")
        read_rights(session, asked, desk, before)
    return collected


def _observe(
    session: Session,
    scope: Scope,
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
) -> Collected:
    """Sweep both paths, then prove the absences that a listing cannot prove."""
    share = min(session.configuration.tiers[app.tier].evidence.shrink_share for app, _, _ in targets)
    sinks = {path: desk.sink(path, pairing, share) for path, pairing in scope.pairings.items()}
    known: Known = {
        (path, source): desk.known(path, pairing, source)
        for path, pairing in scope.pairings.items()
        for source in session.configuration.paths[path].sources
    }
    collected = gather(session, scope, sinks, known=known, progress=progress)
    desk.settle(collected)
    for primary, backup, _ in _groups(targets):
        doubtful = unconfirmed(session, scope, (primary, desk.rows(primary)), (backup, desk.rows(backup)))
        confirm(session, scope, doubtful, sinks, progress)
    return collected


def _compare_values(
    session: Session,
    apps: Sequence[App],
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
) -> dict[str, str]:
    """Run the opt-in value comparison for apps whose tier asks for it; returns key → why it was not compared."""
    asking = {app.name for app in apps if session.configuration.tiers[app.tier].evidence.compare_values}
    if not asking:
        return {}
    paths = dict.fromkeys(path for app, p, b in targets if app.name in asking for path in (p, b))
    wanted = [one for path in paths for one in _comparable(session, path, asking, desk)]
    progress("both paths", "comparing values in a child process")
    try:
        reuse = compare(session, wanted)
    except NhisyncError as failure:
        return {one.key: failure.message for one in wanted}
    desk.group(reuse.groups)
    lost = {
        (path, locator): error.message
        for path, locator, error in reuse.unread
        if error.kind != ErrorKind.UNSUPPORTED.value  # such a kind has no readable value; NHS402 compares its public id
    }
    reasons = ((one.key, lost.get((one.path, str(one.locator.item)))) for one in wanted)
    return {key: f"the value was not compared: {reason}" for key, reason in reasons if reason}


def _comparable(session: Session, path: str, apps: set[str], desk: Desk) -> Iterator[Wanted]:
    fields: dict[str, str | None] = {}
    for app in session.configuration.apps:
        for pair in app.pairs:
            fields[pair.key] = (pair.primary if app.primary == path else pair.backup).field
    for row in desk.rows(path):
        if row.presence == "present" and row.key.partition("/")[0] in apps:
            bare = Locator.parse(row.locator)
            yield Wanted(path, row.key, Locator(bare.source, bare.kind, bare.name, fields.get(row.key)))


def _groups(targets: Sequence[tuple[App, str, str]]) -> Iterator[tuple[str, str, tuple[App, ...]]]:
    """Apps that share a primary and a backup path are judged in one join."""
    found: dict[tuple[str, str], list[App]] = {}
    for app, primary, backup in targets:
        found.setdefault((primary, backup), []).append(app)
    for (primary, backup), apps in found.items():
        yield primary, backup, tuple(apps)


def _book(session: Session, apps: Sequence[App], primary: str, recorded: Iterable[Waiver]) -> Mapping[str, AppTerms]:
    waivers = Waivers((*session.configuration.waivers, *recorded))
    return {
        app.name: app_terms(
            app,
            session.configuration.tiers[app.tier],
            RULES,
            primary_domains=session.domains(primary),
            waivers=waivers,
        )
        for app in apps
    }


def _policy_digest(session: Session, apps: Sequence[App]) -> str:
    tiers = {app.tier for app in apps}
    digests = sorted(session.configuration.tiers[tier].digest for tier in tiers)
    return digests[0] if len(digests) == 1 else "+".join(digests)


def _path(
    session: Session, path: str, collected: Collected | None, coverage: tuple[Coverage, ...], desk: Desk
) -> PathSummary:
    items, unmapped = desk.size(path)
    ages = [entry.as_of for entry in coverage]
    oldest: datetime | None = min(ages, default=None)
    return PathSummary(
        name=path,
        region=session.configuration.paths[path].region or "",
        sources=collected.sources.get(path, ()) if collected else (),
        coverage=coverage,
        items=items,
        unmapped=unmapped,
        oldest=oldest,
    )


def _check_filters(options: DiffOptions, apps: Sequence[App]) -> None:
    """A filter with a typo would show nothing, and nothing reads like "no findings"."""
    for wanted in options.pairs:
        owner, _, name = wanted.rpartition("/")
        asked = [app for app in apps if owner in {"", app.name}]
        if not any(app.matches or name in {pair.name for pair in app.pairs} for app in asked):
            names = [f"{app.name}/{pair.name}" for app in apps for pair in app.pairs]
            raise UsageError(f"no pair is called `{wanted}`", fix=_instead(wanted, names, "nhisync inventory PATH"))
    layers = [layer.value for layer in Layer]
    for wanted in options.checks:
        if wanted.lower() not in layers and not any(code.startswith(wanted.upper()) for code in codes()):
            fix = _instead(wanted, [*layers, *codes()], "docs/rules lists the codes; layers: " + ", ".join(layers))
            raise UsageError(f"`{wanted}` is no code, no beginning of one and no layer", fix=fix)


def _instead(wanted: str, known: Sequence[str], otherwise: str) -> str:
    near = get_close_matches(wanted, [*known, *(key.partition("/")[2] for key in known)], n=1)
    return f"Did you mean `{near[0]}`?" if near else f"See: {otherwise}."


def _shown(finding: Finding, options: DiffOptions) -> bool:
    if options.pairs and finding.pair not in options.pairs and finding.key not in options.pairs:
        return False
    if not options.checks:
        return True
    words = {check.lower() for check in options.checks}
    return finding.layer.value in words or any(finding.code.lower().startswith(word) for word in words)
