"""`nhisync doctor`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current
from nhisync.spi.protocols import AccessMode

if TYPE_CHECKING:
    from nhisync.app.doctor import Diagnosis, Examined
    from nhisync.spi import Check

app = typer.Typer()

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@app.command()
def doctor(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="Only this path.")] = "",
    mode: Annotated[AccessMode, typer.Option(help="What it must be able to do.", show_default=True)] = AccessMode.READ,
) -> ExitCode:
    """Check configuration, clock, reachability and permissions.

    Examples:
        nhisync doctor
        nhisync doctor backup                     one path
        nhisync doctor --mode fingerprint         may it read values for the reuse comparison?
        nhisync doctor --mode probe               may it read the values that probes present?
        nhisync doctor --format json

    Says who nhisync is on every source, tries every permission that the mode needs here, warns when it holds more, and
    prints the text that grants what is missing. Both paths at one identity or one cluster are refused (5). Answers 4
    when a source cannot be asked at all (silent, sealed, no login), 3 when something is missing, else 0. Formats:
    table, json.
    """
    from nhisync.app.doctor import examine  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.opening import (  # noqa: PLC0415
        open_session,
        tell_certificate,
        tell_comparisons,
        tell_idle_keys,
        tell_inbox,
    )
    from nhisync.cli.output.listing import as_json  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("table", "json")
    session = open_session(invocation)
    tell_idle_keys(invocation, session.configuration)
    tell_certificate(invocation, session.configuration)
    tell_inbox(invocation, session.configuration)
    if mode is AccessMode.READ:
        tell_comparisons(invocation, session.configuration, "doctor")
    with progress(invocation) as say:
        diagnosis = examine(session, mode, path=path, progress=say)
    code = _code(diagnosis)
    if fmt == "json":
        invocation.write(as_json(_document(diagnosis)))
    else:
        invocation.write(_lines(diagnosis, invocation, code))
    if diagnosis.refusal is not None:
        raise diagnosis.refusal
    return code


def _code(diagnosis: "Diagnosis") -> ExitCode:
    if diagnosis.refusal is not None:
        return ExitCode.REFUSED
    if any(source.deaf for source in diagnosis.sources):
        return ExitCode.UNREACHABLE
    return ExitCode.UNKNOWN if any(source.failed for source in diagnosis.sources) else ExitCode.OK


def _lines(diagnosis: "Diagnosis", invocation: Invocation, code: ExitCode) -> Iterator[str]:
    from nhisync.cli.output.listing import painter, table  # noqa: PLC0415 - only for a person
    from nhisync.cli.output.prose import plural  # noqa: PLC0415

    checks = [(source, check) for source in diagnosis.sources for check in source.checks]
    rows = [(c.state.value.upper(), f"{s.path}/{s.source}", c.name, c.observed) for s, c in checks]
    yield table(invocation, ("STATE", "SOURCE", "CHECK", "OBSERVED"), rows, [_STYLES[c.state.value] for _, c in checks])
    paint = painter(invocation)
    for source in diagnosis.sources:
        for line in _remedies(source):
            yield paint.line(line)
    counts = [plural(sum(c.state.value == word for _, c in checks), word) for word in ("failed", "warning")]
    bad = f"{counts[0].rstrip('s')}, {counts[1]} of {plural(len(checks), 'check')}"
    yield "\n"
    yield paint.line(f"{'OK' if code is ExitCode.OK else 'NOT OK'}  {bad}. Exit {int(code)}.")
    yield paint.line(f"Next: {'nhisync diff' if code is ExitCode.OK else 'do what stands above, then: nhisync doctor'}")


def _remedies(source: "Examined") -> Iterator[str]:
    """What to do about each check that is not OK, and the grant text once per source."""
    from nhisync.cli.output.trouble import describe_error  # noqa: PLC0415 - only for a person

    where = f"{source.path}/{source.source}"
    for check in source.checks:
        if check.state.value == "ok":
            continue
        yield ""
        if check.error is not None:
            yield from describe_error(check.error, f"{where} {check.name}")
        else:
            yield f"{where} {check.name}: {check.observed}"
        if check.fix:
            yield f"  Fix: {check.fix}"
    for document in source.grants:
        yield ""
        yield f"{where}: grant this ({document.title}):"
        yield from (f"  {line}" for line in document.text.splitlines())


def _document(diagnosis: "Diagnosis") -> dict[str, Any]:
    refusal = diagnosis.refusal
    return {
        "schema_version": "1.0",
        "refused": None if refusal is None else {"guard": refusal.guard, "message": refusal.message},
        "sources": [
            {
                "path": source.path,
                "source": source.source,
                "provider": source.provider,
                "identity": None
                if source.identity is None
                else {
                    "authority": source.identity.authority,
                    "principal": source.identity.principal,
                    "endpoint": source.identity.endpoint,
                },
                "checks": [_check(check) for check in source.checks],
                "grants": [{"title": d.title, "language": d.language, "text": d.text} for d in source.grants],
            }
            for source in diagnosis.sources
        ],
    }


def _check(check: "Check") -> dict[str, Any]:
    from nhisync.cli.output.document import error_document  # noqa: PLC0415 - only for JSON

    return {
        "name": check.name,
        "state": check.state.value,
        "observed": check.observed,
        "fix": check.fix,
        "error": error_document(check.error),
    }
