"""`nhisync status`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current
from nhisync.model import Mode, Word

if TYPE_CHECKING:
    from nhisync.app.status import Standing, Status

app = typer.Typer()

COLUMNS = ("APP", "TIER", "ACTIVE", "PRIMARY", "BACKUP", "SINCE", "EVIDENCE", "BLOCKERS")
SHOWN_BLOCKERS = 4
"""Blockers per line; ``-v`` shows all."""

OBJECTED = "ATTESTATION"
"""First among the blockers of a backup that a person objected to since it was evaluated."""

_MEANINGS = {
    "INIT": "the sync process has not evaluated since it started, and blocks until it has.",
    OBJECTED: "a person objected, and no cycle has recorded it yet.",
}
"""What stands first among blockers and is no code of a rule."""

WATCH_SECONDS = 2.0


@app.command()
def status(
    ctx: typer.Context,
    apps: Annotated[list[str] | None, typer.Argument(metavar="[APP]...", help="Only these apps.")] = None,
    nagios: Annotated[
        bool, typer.Option("--nagios", help="One line and exit code for Nagios, Icinga, Zabbix.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
) -> int:
    """Show verdicts, blockers and ages.

    Examples:
        nhisync status
        nhisync status payments --format json
        nhisync status --nagios            OK, WARNING, CRITICAL or UNKNOWN with exit code 0 to 3

    Shows what is served at this moment; nothing is contacted. READY exits 0, NOT READY 1, and 3 stands for UNKNOWN or
    a sync that fell silent. ACTIVE is not observed by this version. Formats: table, plain, json.
    """
    from nhisync.app.status import status as stand  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.opening import open_session, tell_certificate, tell_unreadable  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("table", "plain", "json")
    if nagios:
        return _nagios(invocation, tuple(apps or ()))
    session = open_session(invocation)
    tell_certificate(invocation, session.configuration)
    tell_unreadable(invocation, session.configuration)
    while watch:
        invocation.write(_rendered(stand(session, tuple(apps or ())), fmt, invocation))
        invocation.clock.sleep(WATCH_SECONDS)
    found = stand(session, tuple(apps or ()))
    invocation.write(_rendered(found, fmt, invocation))
    return exit_code_of(found)


def exit_code_of(found: "Status") -> ExitCode:
    """0 when every backup is ready, 1 when one is not, else 3."""
    words = {standing.worst for standing in found.standings}
    if Word.NOT_READY in words:
        return ExitCode.DRIFT
    return ExitCode.OK if words == {Word.READY} else ExitCode.UNKNOWN


def _nagios(invocation: Invocation, apps: tuple[str, ...]) -> int:
    """One line and a code of the plugin API, whatever happens: exit 2 would be an alarm about the backup there."""
    from nhisync.app.status import status as stand  # noqa: PLC0415 - only when needed
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.errors import NhisyncError  # noqa: PLC0415

    try:
        found = stand(open_session(invocation), apps)
    except NhisyncError as failure:
        invocation.write(f"NHISYNC UNKNOWN - {' '.join(failure.message.split()).replace('|', ' ')}\n")
        return ExitCode.UNKNOWN
    invocation.write(nagios_line(found) + "\n")
    return nagios_code(found)


def nagios_code(found: "Status") -> int:
    """The plugin API's codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (Monitoring Plugins development guidelines).

    A backup that is not ready is CRITICAL; one that only mode observe lets pass is WARNING.
    """
    if any(s.backup is Word.NOT_READY for s in found.standings):
        return 2
    if any(s.backup is Word.UNKNOWN for s in found.standings) or not found.standings:
        return 3
    return int(any(s.observed for s in found.standings))


_NAGIOS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def nagios_line(found: "Status") -> str:
    """One line: status, what is wrong, and counts as performance data."""
    counts = {word: sum(s.worst is word for s in found.standings) for word in Word}
    wrong = [f"{s.app}/{s.path} {_backup(s)}" for s in found.standings if s.worst is not Word.READY]
    told = found.trouble or ", ".join(wrong) or f"{counts[Word.READY]} ready"
    perf = " ".join(f"{word}={count}" for word, count in counts.items())
    return f"NHISYNC {_NAGIOS[nagios_code(found)]} - {told.replace('|', ' ')} | {perf}"


def _rendered(found: "Status", fmt: str, invocation: Invocation) -> Iterator[str]:
    return _json(found) if fmt == "json" else _table(found, invocation, plain=fmt == "plain")


def _table(found: "Status", invocation: Invocation, *, plain: bool) -> Iterator[str]:
    from nhisync.cli.output.options import RenderOptions  # noqa: PLC0415 - only when needed
    from nhisync.cli.output.prose import survival, zulu  # noqa: PLC0415
    from nhisync.cli.output.style import WORD_STYLES, Painter  # noqa: PLC0415

    terminal = invocation.to_terminal and not plain
    painter = Painter(
        RenderOptions(
            terminal=terminal, color=terminal and invocation.colored(invocation.stdout), width=invocation.width
        )
    )
    every = invocation.options.verbose > 0
    rows = [_row(standing, found, all_blockers=every) for standing in found.standings]
    yield painter.table(COLUMNS, rows, [WORD_STYLES[standing.worst] for standing in found.standings])
    yield from map(painter.prose, _remarks(found))
    for standing in found.standings:
        if standing.blackout is not None:
            yield painter.prose(f"{standing.app} on {standing.path}, blackout: {survival(standing.blackout)}")
    if found.trouble:
        yield painter.prose(f"Nothing is served: {found.trouble}.")
    elif found.sequence is not None:
        yield painter.prose(f"sequence {found.sequence}, seen {zulu(found.at)}")
    yield painter.line(f"Next: {_next(found)}")


def _remarks(found: "Status") -> Iterator[str]:
    for standing in found.standings:
        yield from (f"{standing.app}: {told}" for told in (standing.note, standing.remark) if told)
    first = {standing.blockers[:1] for standing in found.standings}
    yield from (f"{word}: {meaning}" for word, meaning in _MEANINGS.items() if (word,) in first)


def _row(standing: "Standing", found: "Status", *, all_blockers: bool) -> tuple[str, ...]:
    from nhisync.cli.output.prose import age  # noqa: PLC0415 - only when needed
    from nhisync.cli.safe import cell  # noqa: PLC0415

    several = sum(other.app == standing.app for other in found.standings) > 1
    blockers = standing.blockers if all_blockers else standing.blockers[:SHOWN_BLOCKERS]
    more = len(standing.blockers) - len(blockers)
    return (
        cell(standing.app),
        cell(standing.tier + (" (observe)" if standing.mode is Mode.OBSERVE else "")),
        "unknown",
        _shown(standing.primary),
        f"{_backup(standing)}{f' ({standing.path})' if several else ''}",
        "-" if standing.since is None else age(found.at - standing.since),
        "-" if standing.evidence is None else age(standing.evidence),
        cell(", ".join([*blockers, *([f"and {more} more (-v)"] if more else [])])),
    )


def _backup(standing: "Standing") -> str:
    return "would block" if standing.observed else _shown(standing.backup)


def _shown(word: Word) -> str:
    return {Word.READY: "ready", Word.NOT_READY: "NOT READY", Word.UNKNOWN: "UNKNOWN"}[word]


def _next(found: "Status") -> str:
    # A fresh signal of its own primary shows that cycles run: then it is the backup's evidence that is old.
    stale = [standing for standing in found.standings if standing.blockers[:1] == ("STALE",)]
    if found.trouble or any(standing.primary is Word.UNKNOWN for standing in stale):
        return "nhisync serve   (or nhisync sync, once)"
    if any(standing.blockers == ("INIT",) for standing in found.standings):
        return "nhisync status --watch"
    blocked = next((s for s in found.standings if s.worst is not Word.READY), None)
    if blocked is None:
        return "nhisync status --watch"
    return (
        f"nhisync attest {blocked.app}" if blocked.blockers[:1] == (OBJECTED,) else f"nhisync diff --app {blocked.app}"
    )


def _json(found: "Status") -> Iterator[str]:
    import json  # noqa: PLC0415 - only when needed

    from nhisync.cli.output.document import blackout_document  # noqa: PLC0415
    from nhisync.cli.output.prose import zulu  # noqa: PLC0415

    document = {
        "at": zulu(found.at),
        "sequence": found.sequence,
        "trouble": found.trouble,
        "apps": [
            {
                "app": s.app,
                "tier": s.tier,
                "mode": s.mode,
                "path": s.path,
                "primary": s.primary,
                "backup": s.backup,
                "would_block": s.worst is not Word.READY,
                "since": s.since and zulu(s.since),
                "evidence_age_seconds": None if s.evidence is None else int(s.evidence.total_seconds()),
                "valid_until": s.valid_until and zulu(s.valid_until),
                "blockers": list(s.blockers),
                "primary_baseline": s.note,
                "remark": s.remark,
                "blackout": None if s.blackout is None else blackout_document(s.blackout),
            }
            for s in found.standings
        ],
    }
    yield json.dumps(document, indent=2) + "\n"
