"""The root of the command tree: it knows all commands by name and imports the one that was called."""

import difflib
import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from nhisync.cli import catalogue, global_options
from nhisync.cli.safe import printable
from nhisync.errors import UsageError


class LazyGroup(TyperGroup):
    """A group whose commands are modules that are imported when they are called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's shape
        """All names, without importing anything."""
        return list(catalogue.available())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class's shape
        """Import the one command; None when there is no such command."""
        entry = catalogue.available().get(cmd_name)
        if entry is None:
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"nhisync.cli.{entry.module}")
            loaded = typer.main.get_command(module.app)
            loaded.name = cmd_name
            self.commands[cmd_name] = global_options.adopt(loaded, self.params)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """As in the base class, with suggestions from the catalogue."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            names = list(catalogue.available())
            near = difflib.get_close_matches(args[0], names, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else "All commands: nhisync --help"
            raise UsageError(f"no command is called `{printable(args[0])}`", fix=hint)
        return super().resolve_command(ctx, args)


def root(cls: type[TyperGroup] = LazyGroup) -> Any:
    """The command tree, fresh: commands keep state of their last call.

    Args:
        cls: where the commands come from; a test may bring its own.
    """
    app = typer.Typer(
        name="nhisync",
        cls=cls,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(global_options.declare)
    tree = typer.main.get_command(app)
    tree.add_help_option = False
    return tree
