"""The options that every command understands: declared once, accepted before and after the command's name."""

import copy
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nhisync import __version__
from nhisync.cli.invocation import current

FORMATS = ("table", "plain", "json", "jsonl", "sarif", "junit", "ocsf", "markdown", "html", "cbom")
"""Every format that any command knows; each command's help names its own."""

PANEL = "Global options"
_PREFIX = "global_"
_TYPERS_OWN = frozenset(
    {"install_completion", "show_completion"}
)  # `nhisync completion` prints, and changes no rc file


def _remember(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Put a given option into the invocation; what stands after the command's name wins, ``-v`` adds up."""
    if value and not ctx.resilient_parsing:
        options, name = current(ctx).options, (param.name or "").removeprefix(_PREFIX)
        setattr(options, name, options.verbose + value if name == "verbose" else value)
    return value


def _remember_timeout(ctx: typer.Context, value: str | None) -> str | None:
    if value and not ctx.resilient_parsing:
        from nhisync.spi.settings import parse_duration  # noqa: PLC0415 - pydantic, only when asked for

        try:
            current(ctx).options.timeout = parse_duration(value)
        except (ValueError, OverflowError) as problem:
            raise typer.BadParameter(str(problem)) from None
    return value


def _complete_format(incomplete: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(incomplete)]


def _show_help(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from nhisync.cli.helptext import render_help  # noqa: PLC0415 - only when asked for

        invocation = current(ctx)
        invocation.stdout.write(render_help(ctx, invocation.width))
        raise typer.Exit(0)


def _show_version(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        current(ctx).stdout.write(f"nhisync {__version__}\n")
        raise typer.Exit(0)


def _option(*names: str, help: str, callback: Callable[..., Any] = _remember, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, callback=callback, expose_value=False, rich_help_panel=PANEL, **more)


def declare(
    global_config: Annotated[
        str | None,
        _option("-c", "--config", metavar="FILE", help="Configuration. [default: nhisync.yaml, env: NHISYNC_CONFIG]"),
    ] = None,
    global_policies: Annotated[
        str | None, _option("--policies", metavar="DIR", help="Folder with policies, instead of the configured one.")
    ] = None,
    global_format: Annotated[
        str | None,
        _option(
            "--format", metavar="FORMAT", help="Form of the result; see the command.", autocompletion=_complete_format
        ),
    ] = None,
    global_output: Annotated[
        str | None, _option("-o", "--output", metavar="FILE", help="Write the result to FILE; - is stdout.")
    ] = None,
    global_quiet: Annotated[bool, _option("-q", "--quiet", help="Only the result and errors.")] = False,
    global_verbose: Annotated[
        int, _option("-v", "--verbose", count=True, help="More on stderr; -vv also shows where a bug struck.")
    ] = 0,
    global_no_color: Annotated[bool, _option("--no-color", help="Never colour. [env: NO_COLOR]")] = False,
    global_no_input: Annotated[bool, _option("--no-input", help="Never ask; take defaults or fail.")] = False,
    global_timeout: Annotated[
        str | None,
        _option("--timeout", metavar="TIME", help="Give up after TIME in all, like 90s.", callback=_remember_timeout),
    ] = None,
    global_help: Annotated[
        bool, _option("-h", "--help", is_eager=True, help="Show this help.", callback=_show_help)
    ] = False,
    version: Annotated[
        bool, _option("--version", is_eager=True, help="Print the version.", callback=_show_version)
    ] = False,
) -> None:
    """Compare the machine identities of a primary and a backup path before DNS failover trusts the backup."""


def adopt(command: Any, options: Sequence[Any]) -> Any:
    """Give `command`, and every command below it, the global options; a command's own option of that name wins."""
    taken = {name for param in command.params for name in param.opts}
    command.add_help_option = False
    command.params = [param for param in command.params if param.name not in _TYPERS_OWN]
    for option in options:
        if option.name.startswith(_PREFIX) and taken.isdisjoint(option.opts):
            command.params.append(copy.copy(option))
    if isinstance(command, TyperGroup):
        for child in command.commands.values():
            adopt(child, options)
    return command
