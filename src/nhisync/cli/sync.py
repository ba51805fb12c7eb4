"""`nhisync sync`."""

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import current

app = typer.Typer()


@app.command()
def sync(ctx: typer.Context) -> ExitCode:
    """Run one cycle: inventory, diff, assess, publish.

    Examples:
        nhisync sync                   by hand, or from a timer where no daemon runs
        nhisync sync -q --format json  the report for a machine

    Every app is judged on every backup path, results go into the store, and the signals are published for the listener
    (nhisync serve, or nhisync serve --listener-only). Exit codes are those of nhisync diff; 5 when a daemon already
    holds the store. Formats: table, plain, json, jsonl, sarif, junit, ocsf, markdown, html.
    """
    from nhisync.app.sync import PacedSession  # noqa: PLC0415 - only this command needs it
    from nhisync.app.sync import sync as run_cycle  # noqa: PLC0415
    from nhisync.cli.diff import show  # noqa: PLC0415
    from nhisync.cli.opening import open_session, tell_idle_keys  # noqa: PLC0415
    from nhisync.cli.output import REPORT_FORMATS  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415
    from nhisync.store import Store  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format(*REPORT_FORMATS)
    session = PacedSession.of(open_session(invocation))
    tell_idle_keys(invocation, session.configuration)
    with (
        Store.open(
            session.configuration.store_url, clock=session.clock, randomness=session.randomness, purpose="sync"
        ) as store,
        progress(invocation) as say,
    ):
        report = run_cycle(session, store, say)
        store.retire()
    invocation.hint(f"published to {session.configuration.publish.snapshot}")
    return show(report, fmt, invocation)
