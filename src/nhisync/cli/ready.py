"""`nhisync ready`."""

from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current
from nhisync.model import Mode, Word

if TYPE_CHECKING:
    from pathlib import Path

    from nhisync.config import Configuration
    from nhisync.statement import Moment, Publication, Signal

app = typer.Typer()

_CODES = {Word.READY: ExitCode.OK, Word.NOT_READY: ExitCode.DRIFT, Word.UNKNOWN: ExitCode.UNKNOWN}


@app.command()
def ready(
    ctx: typer.Context,
    app: Annotated[str, typer.Argument(help="App.")],
    path: Annotated[str, typer.Argument(help="primary, backup, or a path's name.")],
) -> ExitCode:
    """Answer for scripts whether a path may take an app.

    Examples:
        nhisync ready payments backup && switch-over

    Prints ready, not_ready or unknown and exits 0, 1 or 3: the same answer that controllers get over HTTP, from the
    last publication. What is older than its valid_until, or was written before the last boot, is unknown. Nothing is
    contacted.
    """
    from nhisync.errors import UsageError  # noqa: PLC0415 - only this command needs it

    invocation = current(ctx)
    invocation.chosen_format("plain")
    configuration = configuration_of(invocation)
    configured = configuration.app(app)
    if configured is None or path not in {"primary", "backup", configured.primary, *configured.backups}:
        known = ", ".join(one.name for one in configuration.apps) or "none"
        raise UsageError(
            f"`{app}` has no path called `{path}`" if configured else f"no app is called `{app}`",
            fix=f"Apps: {known}. Paths: primary, backup, or a name from `paths:`.",
        )
    word = _word(configuration.publish.snapshot, app, path, invocation)
    invocation.write(f"{word}\n")
    return _CODES[word]


def configuration_of(invocation: Invocation) -> "Configuration":
    """The configuration, without its providers: whoever only reads the publication loads no SDK.

    Raises:
        ConfigurationError: with all problems at once, those of sources' own settings excepted.
    """
    from pathlib import Path  # noqa: PLC0415 - only when needed

    from nhisync.config import load  # noqa: PLC0415
    from nhisync.parity.rules import codes  # noqa: PLC0415

    policies = invocation.options.policies
    return load(invocation.config, policies=Path(policies) if policies else None, codes=codes())


def _word(file: "Path", app: str, path: str, invocation: Invocation) -> Word:
    from nhisync.app.publish import believed, moment  # noqa: PLC0415 - only this command needs it
    from nhisync.statement import decide, word_of  # noqa: PLC0415

    here = moment(invocation.clock)
    publication, trouble = believed(file, here)
    if publication is None:
        invocation.hint(trouble)
        return Word.UNKNOWN
    signals = publication.find(app, path)
    decision = decide(publication, signals, here)
    if not decision.fresh:
        invocation.hint(_stale(publication, signals, app, here))
    elif decision.open and any(signal.would_block for signal in signals):
        invocation.hint(f"mode {Mode.OBSERVE}: this would block, and gates nothing")
    return word_of(publication, signals, here)


def _stale(publication: "Publication", signals: tuple["Signal", ...], app: str, here: "Moment") -> str:
    from nhisync.cli.output.prose import zulu  # noqa: PLC0415 - only when needed
    from nhisync.statement import decide  # noqa: PLC0415

    if not signals:
        return "this app and path are not in the last publication: run nhisync sync"
    until = min(signal.valid_until for signal in signals)
    if decide(publication, publication.find(app, "primary"), here).fresh:  # cycles run: it is the evidence that is old
        return f"the evidence counted until {zulu(until)} and could not be renewed: nhisync diff --app {app} names it"
    return (
        f"the last evaluation counted until {zulu(until)} (sequence {publication.sequence}): is nhisync serve running?"
    )
