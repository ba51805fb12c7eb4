"""`nhisync completion`."""

from enum import StrEnum
from typing import Annotated

import typer

from nhisync.cli.invocation import current

app = typer.Typer()


class Shell(StrEnum):
    """Shells that Typer has scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@app.command()
def completion(
    ctx: typer.Context, shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")]
) -> None:
    """Print the completion script of a shell.

    Examples:
        nhisync completion bash > ~/.local/share/bash-completion/completions/nhisync
        nhisync completion fish > ~/.config/fish/completions/nhisync.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # noqa: PLC0415

    from nhisync.cli.entry import COMPLETION_VARIABLE  # noqa: PLC0415 - the entry imports the commands

    script = get_completion_script(prog_name="nhisync", complete_var=COMPLETION_VARIABLE, shell=shell.value)
    current(ctx).write(script + "\n")
