"""`nhisync serve`."""

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    import socket

    from nhisync.config import Configuration
    from nhisync.server.listener import ListenerSettings

app = typer.Typer()

SUPERVISOR = "NHISYNC_SUPERVISOR"
"""Environment variable with the process id of the supervisor that a sync process must not outlive."""

_CHILD = "import sys; from nhisync.cli import main; sys.exit(main())"


@app.command()
def serve(
    ctx: typer.Context,
    listener_only: Annotated[
        bool, typer.Option("--listener-only", help="Only answer controllers, from what another process publishes.")
    ] = False,
    sync_only: Annotated[bool, typer.Option("--sync-only", help="Only run cycles and publish.")] = False,
    operator_only: Annotated[
        bool, typer.Option("--operator-only", help="Only take attestations on the operator listener.")
    ] = False,
) -> int:
    """Run the daemon: listener and sync job.

    Examples:
        nhisync serve
        nhisync serve --listener-only     beside nhisync sync from a timer, or in a container of its own

    Two processes: the listener answers DNS controllers and imports no SDK; the sync process runs a cycle at once and
    then every period of the strictest tier. With `operator` configured, a third one takes attestations over HTTP.
    Every start is blocked until one full evaluation. When the sync process dies or hangs, answers turn to 503 at their
    valid_until by themselves. SIGTERM ends, SIGHUP reloads the configuration and the certificate. Exit 5 when another
    process holds the store.
    """
    from nhisync.cli.opening import tell_certificate, tell_idle_keys  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.ready import configuration_of  # noqa: PLC0415
    from nhisync.errors import UsageError  # noqa: PLC0415

    invocation = current(ctx)
    if listener_only + sync_only + operator_only > 1:
        told = "--listener-only, --sync-only and --operator-only exclude each other"
        raise UsageError(told, fix="Without any of them, all run.")
    _log_to_stderr(invocation)
    if sync_only:
        return _sync(invocation)
    if operator_only:
        return _operate(invocation)
    configuration = configuration_of(invocation)  # sources' own settings are the sync process's affair
    tell_idle_keys(invocation, configuration)
    tell_certificate(invocation, configuration)
    return _listen(invocation, configuration) if listener_only else _supervise(invocation, configuration)


def _log_to_stderr(invocation: Invocation) -> None:
    import logging  # noqa: PLC0415 - only when needed

    level = (
        logging.DEBUG if invocation.options.verbose else logging.WARNING if invocation.options.quiet else logging.INFO
    )
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("nhisync").setLevel(level)  # SDKs keep their mouth shut: their logs can hold values


def _listen(invocation: Invocation, configuration: "Configuration") -> int:
    from nhisync.server.listener import Listener  # noqa: PLC0415 - only when needed

    sockets = _bound(invocation, configuration)
    Listener(listener_settings(configuration), invocation.clock).run(sockets)
    return ExitCode.OK


def _operate(invocation: Invocation) -> int:
    from nhisync.cli.operate import operate  # noqa: PLC0415 - only when needed

    operate(invocation, child=SUPERVISOR in invocation.environ)
    return ExitCode.OK


def _sync(invocation: Invocation) -> int:
    from nhisync.app.sync import PacedSession  # noqa: PLC0415 - only when needed
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.scheduler import Pulse, SyncProcess  # noqa: PLC0415

    supervisor = invocation.environ.get(SUPERVISOR, "")
    process = SyncProcess(
        lambda: PacedSession.of(open_session(invocation)),
        invocation.clock,
        orphaned=lambda: supervisor.isdigit() and os.getppid() != int(supervisor),
    )
    process.take_signals()
    pulse = process.run()
    if pulse is Pulse.STUCK:  # a thread hangs where nothing ends it, and the interpreter would wait for it
        sys.stderr.flush()
        os._exit(ExitCode.BUG)
    return ExitCode.OK if pulse is Pulse.ALIVE else ExitCode.BUG


def _supervise(invocation: Invocation, configuration: "Configuration") -> int:
    from nhisync.server.supervisor import Child, Supervisor  # noqa: PLC0415 - only when needed

    sockets = _bound(invocation, configuration)
    settings = listener_settings(configuration, not_before=invocation.clock.boottime())
    children = [
        Child("listener", lambda: _start_listener(settings, sockets)),
        Child("sync", lambda: _start_command(invocation, "--sync-only", subprocess.DEVNULL)),
    ]
    if configuration.operator is not None:
        children.append(Child("operator", lambda: _start_command(invocation, "--operator-only", subprocess.PIPE)))
    supervisor = Supervisor(children, invocation.clock)
    supervisor.take_signals()
    try:
        return supervisor.run()
    finally:
        for sock in sockets:
            sock.close()


def listener_settings(configuration: "Configuration", *, not_before: float | None = None) -> "ListenerSettings":
    """What a listener for `configuration` is told."""
    from nhisync.app.publish import instance  # noqa: PLC0415 - only when needed
    from nhisync.server.listener import ListenerSettings  # noqa: PLC0415
    from nhisync.server.serving import TlsFiles  # noqa: PLC0415

    return ListenerSettings(
        file=configuration.publish.snapshot,
        instance=instance(),
        places={
            app.name: tuple(dict.fromkeys(("primary", "backup", app.primary, *app.backups)))
            for app in configuration.apps
        },
        tls=TlsFiles.of(configuration.listener.tls if configuration.listener else None),
        not_before=not_before,
    )


def _bound(invocation: Invocation, configuration: "Configuration") -> "list[socket.socket]":
    """The listening sockets; told to a person, so that port 0 is of use.

    Raises:
        UsageError: there is no listener in the configuration, its TLS files are unusable, or its address is taken.
    """
    from nhisync.errors import UsageError  # noqa: PLC0415 - only when needed
    from nhisync.server.serving import TlsFiles, bind, check_tls  # noqa: PLC0415

    listener = configuration.listener
    if listener is None:
        raise UsageError(
            "no listener is configured", fix="Add one: listener: {bind: 127.0.0.1:8443}, or use --sync-only."
        )
    if tls := TlsFiles.of(listener.tls):
        check_tls(tls)
    sockets = bind(str(listener.bind))
    scheme = "https" if listener.tls else "http"
    for sock in sockets:
        invocation.hint(f"listening on {scheme}://{listener.bind.host}:{sock.getsockname()[1]}")
    invocation.stderr.flush()
    return sockets


def _start_listener(settings: "ListenerSettings", sockets: "list[socket.socket]") -> "subprocess.Popen[bytes]":
    from nhisync.server.__main__ import wire  # noqa: PLC0415 - only when needed

    descriptors = [sock.fileno() for sock in sockets]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "nhisync.server"], stdin=subprocess.PIPE, pass_fds=descriptors
    )
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it died at once; the supervisor sees that
            child.stdin.write(wire(settings, descriptors))
            child.stdin.flush()
    return child


def _start_command(invocation: Invocation, part: str, stdin: int) -> "subprocess.Popen[bytes]":
    """Start `nhisync serve` with `part`, as it was called here."""
    from nhisync.spi.settings import format_duration  # noqa: PLC0415 - only when needed

    options = invocation.options
    arguments = ["--config", str(invocation.config)]
    arguments += ["--policies", options.policies] if options.policies else []
    arguments += ["--timeout", format_duration(options.timeout)] if options.timeout else []
    arguments += ["--quiet"] if options.quiet else []
    arguments += ["-" + "v" * options.verbose] if options.verbose else []
    return subprocess.Popen(  # noqa: S603 - our own interpreter and command
        [sys.executable, "-P", "-c", _CHILD, *arguments, "serve", part],
        stdin=stdin,
        env={**invocation.environ, SUPERVISOR: str(os.getpid())},
    )
