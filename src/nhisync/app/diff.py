"""`nhisync diff`: inventory two paths, judge every pair, say what a person on call can act on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TypedDict

from nhisync.app.assess import Assessment, shrunk
from nhisync.app.blackout import READS, clocked
from nhisync.app.comparing import compare_values, not_compared
from nhisync.app.consumers import look
from nhisync.app.gather import Known, Scope, confirm, gather, groups, missing_of, places_of, scope_of, unconfirmed
from nhisync.app.listing import unlisted
from nhisync.app.live import asking, authenticate, dropped
from nhisync.app.live import wanted as due_sides
from nhisync.app.ports import Desk, Notebook
from nhisync.app.rights import asked_of, held, read_rights
from nhisync.app.session import Session
from nhisync.collect.cycle import Collected, Progress, silent
from nhisync.errors import UsageError
from nhisync.model import (
    OWN,
    App,
    AppReport,
    Attestation,
    Coverage,
    CoverageStatus,
    Finding,
    Layer,
    PathSummary,
    Report,
    Waiver,
)
from nhisync.parity.book import AppTerms, app_terms
from nhisync.parity.engine import Missing
from nhisync.parity.rules import RULES, codes
from nhisync.policy import Waivers
from nhisync.readiness import Own

SUGGESTED = 10_000
"""Most names among which a near one is looked for."""


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
        live: try every credential that has a probe, whatever the tiers ask.
        paced: try those that are due where a tier asks.
        command: word in the report.
    """

    primary: str
    backup: str
    apps: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    show_passing: bool = False
    cached: bool = False
    live: bool = False
    paced: bool = False
    command: str = "diff"


def diff(session: Session, options: DiffOptions, desk: Desk, progress: Progress = silent) -> Report:
    """Compare and report.

    Raises:
        UsageError: unknown path or app, or a filter that can show nothing.
        GuardError: one identity on both paths.
        RegistryError: a provider's SDK is missing.
    """
    wanted = session.resolve(options.primary, options.backup, options.apps)
    targets, shown = _with_own(session, wanted), _apps_of(wanted)
    apps = _apps_of(targets)
    _check_filters(options, shown)
    paths = tuple(dict.fromkeys(path for _, p, b in targets for path in (p, b)))
    scope = scope_of(apps, paths)
    collected = None if options.cached else _observe_all(session, scope, targets, desk, progress)
    _refuse_unseen(options, shown, paths, desk)
    uncompared = _learn(session, apps, targets, desk, progress, options)
    now, coverage = session.clock.now(), {path: desk.coverage(path) for path in paths}
    assessments, reports, own = list[Assessment](), list[AppReport](), dict[str, Own | None]()
    for primary, backup, group in groups(targets):
        assessment = Assessment(
            book=_book(session, group, (primary, backup), desk.waivers()),
            primary=primary,
            backup=backup,
            now=now,
            uncompared=uncompared,
            places=places_of(session, scope, primary, backup),
            keep_passes=options.show_passing,
            own=own.get(backup),
            **_beside_rows(group, primary, backup, coverage, desk),
        )
        with desk.notebook(primary, backup, now, [app.name for app in group]) as notebook:
            reports += _judged(assessment, missing_of(scope, primary, backup, coverage), notebook, options)
        assessments.append(assessment)
        own[backup] = assessment.own
    reports, names = _recorded(desk, reports, shown), {app.name for app in shown}
    return Report(
        run_id=desk.run_id,
        command=options.command,
        generated_at=now,
        expires_at=min((r.verdict.valid_until for r in reports), default=now),
        policy_digest=_policy_digest(session, shown),
        config_file=str(session.configuration.file),
        primary=options.primary,
        backup=options.backup,
        paths=tuple(_path(session, path, collected, coverage[path], desk) for path in paths),
        apps=tuple(reports),
        findings=tuple(f for assessment in assessments for f in assessment.findings if _shown(f, options, names)),
        evidence_age=max((r.evidence_age for r in reports if r.evidence_age is not None), default=timedelta(0)),
    )


def _apps_of(targets: Iterable[tuple[App, str, str]]) -> tuple[App, ...]:
    """The apps of `targets`, each once."""
    return tuple({app.name: app for app, _, _ in targets}.values())


def _with_own(session: Session, targets: Sequence[tuple[App, str, str]]) -> tuple[tuple[App, str, str], ...]:
    """`targets` behind nhisync's own identities on the same backups: they are judged, whatever is looked at."""
    own = session.configuration.app(OWN)
    if own is None:
        return tuple(targets)
    backups = dict.fromkeys(backup for app, _, backup in targets if app is own or backup in own.backups)
    return (*((own, own.primary, b) for b in backups), *(one for one in targets if one[0] is not own))


class _BesideRows(TypedDict):
    shrunk: Sequence[tuple[str, str, Coverage]]
    unlisted: Sequence[tuple[str, str]]
    attestations: Sequence[Attestation]


def _beside_rows(
    group: Sequence[App], primary: str, backup: str, coverage: Mapping[str, tuple[Coverage, ...]], desk: Desk
) -> _BesideRows:
    """What is known of apps as a whole."""
    return {
        "shrunk": [one for app in group for path in (primary, backup) for one in shrunk(app, path, coverage[path])],
        "unlisted": [one for app in group for one in unlisted(app, coverage[primary], desk.reference(primary))],
        "attestations": tuple(desk.attestations()),
    }


def _judged(assessment: Assessment, missing: Missing, notebook: Notebook, options: DiffOptions) -> Sequence[AppReport]:
    """Judge; with blackout clocks of every app for a person, of those whose tier asks in a cycle of sync."""
    reports = assessment.run(missing, notebook)
    book = assessment.book
    asking = {name for name, terms in book.items() if terms.thresholds.blackout is not None}
    apps = asking if options.command == "sync" else set(book)
    if not apps:
        return reports
    stream = notebook.stream(assessment.backup, READS)
    return clocked(reports, stream, book, int(assessment.now.timestamp()), apps)


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
    collected = observe(session, scope, targets, desk, progress)
    if asked.apps:
        progress("both paths", "reading rights")
        read_rights(session, asked, desk, before)
    return collected


def observe(
    session: Session,
    scope: Scope,
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
) -> Collected:
    """Sweep both paths, then prove the absences that a listing cannot prove."""
    session.begin()
    share = min(session.configuration.tiers[app.tier].evidence.shrink_share for app, _, _ in targets)
    sinks = {path: desk.sink(path, pairing, share) for path, pairing in scope.pairings.items()}
    known: Known = {
        (path, source): desk.known(path, pairing, source)
        for path, pairing in scope.pairings.items()
        for source in session.configuration.paths[path].sources
    }
    collected = gather(session, scope, sinks, known=known, progress=progress)
    desk.settle(collected)
    for primary, backup, _ in groups(targets):
        doubtful = unconfirmed(session, scope, (primary, desk.rows(primary)), (backup, desk.rows(backup)))
        confirm(session, scope, doubtful, sinks, progress)
    return collected


def _learn(
    session: Session,
    apps: Sequence[App],
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
    options: DiffOptions,
) -> dict[str, str]:
    """What no inventory tells: equal values, and credentials that are let in; returns key → why it was not compared."""
    if options.cached:
        return not_compared(session, apps, targets, desk)
    look(session, targets, desk)
    if options.live or options.paced:
        _authenticate(session, targets, desk, progress, everything=options.live)
    return compare_values(session, apps, targets, desk, progress)


def _authenticate(
    session: Session,
    targets: Sequence[tuple[App, str, str]],
    desk: Desk,
    progress: Progress,
    *,
    everything: bool,
) -> None:
    """Run the live probes; what they show is kept with the rows, and the rules read it there."""
    if not everything and not any(asking(session, app) for app, _, _ in targets):
        return
    for path, old in dropped(session, targets, desk.rows, all_of_them=everything).items():
        desk.prove(path, old)
    sides = due_sides(session, targets, desk.rows, all_of_them=everything)
    if not sides:
        return
    progress("both paths", f"authenticating {len(sides)} credentials in a child process")
    for path, proofs in authenticate(session, sides).items():
        desk.prove(path, proofs)


def _recorded(desk: Desk, reports: Iterable[AppReport], apps: Iterable[App]) -> list[AppReport]:
    """Keep every verdict; the reports of `apps`."""
    kept, shown = list(reports), {app.name for app in apps}
    for report in kept:
        desk.verdict(report.verdict)
    return [report for report in kept if report.app in shown]


def _book(
    session: Session, apps: Sequence[App], paths: tuple[str, str], recorded: Iterable[Waiver]
) -> Mapping[str, AppTerms]:
    waivers = Waivers((*session.configuration.waivers, *recorded))
    return {
        app.name: app_terms(
            app,
            session.configuration.tiers[app.tier],
            RULES,
            primary_domains=session.domains(paths[0]),
            common_domains=session.common_domains(*paths),
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
    _check_checks(options)


def _refuse_unseen(options: DiffOptions, apps: Sequence[App], paths: Sequence[str], desk: Desk) -> None:
    """Templates and tags make pairs that only the run knows; a name that it did not see is a typo, too.

    Where nothing answered, nothing could be seen: then the sources are the matter, not the name.
    """
    named = {key for app in apps for pair in app.pairs for key in (pair.name, pair.key)}
    open_ones = [wanted for wanted in options.pairs if wanted not in named]
    if not open_ones or not any(entry.status is CoverageStatus.COMPLETE for p in paths for entry in desk.coverage(p)):
        return
    mine = {app.name for app in apps}
    seen = {row.key for path in paths for row in desk.rows(path) if row.key.partition("/")[0] in mine}
    known = named | seen | {key.partition("/")[2] for key in seen}
    for wanted in (wanted for wanted in open_ones if wanted not in known):
        fix = _instead(wanted, sorted(seen)[:SUGGESTED], "nhisync inventory PATH")
        raise UsageError(f"no pair called `{wanted}` was seen in this run", fix=fix)


def _check_checks(options: DiffOptions) -> None:
    layers = [layer.value for layer in Layer]
    for wanted in options.checks:
        if wanted.lower() not in layers and not any(code.startswith(wanted.upper()) for code in codes()):
            fix = _instead(wanted, [*layers, *codes()], "docs/rules lists the codes; layers: " + ", ".join(layers))
            raise UsageError(f"`{wanted}` is no code, no beginning of one and no layer", fix=fix)


def _instead(wanted: str, known: Sequence[str], otherwise: str) -> str:
    near = get_close_matches(wanted, [*known, *(key.partition("/")[2] for key in known)], n=1)
    return f"Did you mean `{near[0]}`?" if near else f"See: {otherwise}."


def _shown(finding: Finding, options: DiffOptions, apps: Collection[str]) -> bool:
    if finding.app not in apps:
        return False
    if options.pairs and finding.pair not in options.pairs and finding.key not in options.pairs:
        return False
    if not options.checks:
        return True
    words = {check.lower() for check in options.checks}
    return finding.layer.value in words or any(finding.code.lower().startswith(word) for word in words)
