"""`nhisync demo`."""

import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current
from nhisync.cli.leaving import orderly

if TYPE_CHECKING:
    from nhisync.app.demo import DemoResult

app = typer.Typer()

FURTHER = (
    "nhisync diff primary backup --app payments",
    "nhisync explain NHS201",
    "nhisync inventory backup",
    "nhisync doctor",
    "nhisync permissions --provider aws",
    "nhisync sync; nhisync status",
)
"""To try on the world that was kept; a drift ends ``sync`` with 1, so nothing hangs on its answer."""


@app.command()
def demo(
    ctx: typer.Context,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the world running until Ctrl-C, to type further commands at it.")
    ] = False,
    directory: Annotated[
        str | None,
        typer.Option("--directory", metavar="DIR", help="Where the world's files go; default: a new folder."),
    ] = None,
) -> ExitCode:
    """Show drift and readiness on an embedded world.

    Examples:
        nhisync demo
        nhisync demo --keep        then, in another terminal, what it tells to type

    Starts loopback servers for AWS, Azure, Google, Vault, OpenBao, Kubernetes and TLS, plants a fault for every rule,
    and runs the real diff with the real SDKs over real sockets. Exits 0 when the world showed exactly what was planted.
    Needs the extras: pip install 'nhisync[all,demo]'.
    """
    from nhisync.app.demo import run, running_world  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.diff import show  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    invocation = current(ctx)
    with orderly(), tempfile.TemporaryDirectory(prefix="nhisync-demo-") as own:
        place = Path(directory) if directory else Path(own)
        invocation.hint("starting the embedded world ...")
        with running_world(place, remove=not directory) as config:
            with progress(invocation) as say:
                result = run(config, clock=invocation.clock, randomness=invocation.randomness, progress=say)
            show(result.report, invocation.chosen_format("table", "json", "plain", "markdown"), invocation)
            code = _conclude(result, invocation)
            if keep:
                _linger(config, invocation)
    return code


def _conclude(result: "DemoResult", invocation: Invocation) -> ExitCode:
    """Say whether everything planted was found; on stderr, so that the result stays what `diff` prints."""
    for difference in result.differences:
        invocation.warn(difference)
    if result.differences:
        invocation.warn(f"The world did NOT show what was planted: {len(result.differences)} differences.")
        return ExitCode.DRIFT
    invocation.hint(f"Found all {result.planted} planted faults of {result.rules} rules, and nothing else.")
    return ExitCode.OK


def _linger(config: Path, invocation: Invocation) -> None:
    """Keep the world alive until Ctrl-C, with what to type next."""
    invocation.warn(further(config, invocation.environ))
    try:
        while True:
            invocation.clock.sleep(3600)
    except KeyboardInterrupt:
        invocation.hint("the world ends")


def further(config: Path, environ: Mapping[str, str]) -> str:
    """What to type in another terminal; with PATH, where a shell would not find this nhisync (``make demo``)."""
    own = Path(sys.executable).with_name("nhisync")
    found = shutil.which("nhisync", path=environ.get("PATH", ""))
    known = not own.exists() or (found is not None and own.samefile(found))
    lines = [] if known else [f"export PATH={shlex.quote(str(own.parent))}:$PATH"]
    lines += [f"export NHISYNC_CONFIG={shlex.quote(str(config))}", *FURTHER]
    return "\n".join(["The world stays up until Ctrl-C. In another terminal:", *(f"  {line}" for line in lines)])
