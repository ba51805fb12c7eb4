"""``docs/cli.md``, made from the real help: ``python -m nhisync.cli.reference > docs/cli.md``."""

import io
import sys
from collections.abc import Iterator

from typer.core import TyperGroup

from nhisync.cli import catalogue
from nhisync.cli.group import root
from nhisync.cli.helptext import EXIT_CODES, render_help
from nhisync.cli.invocation import Invocation
from nhisync.cli.output.formats_page import FORMATS_PAGE
from nhisync.clock import SystemClock, SystemRandomness

HEAD = """\
# Command line

Generated from the program's own help; do not edit. `python -m nhisync.cli.reference > docs/cli.md` makes it anew.

- stdout is the result, stderr is progress, hints and errors; `-q` leaves only errors.
- Global options may stand before or after the command; what stands later wins.
- A state is always a word; colour only repeats it, on a terminal, unless `--no-color`, `NO_COLOR` or `TERM=dumb`.
- In a pipe one finding is one line, never wrapped, never cut. The verdict and the next command stand last.
- No option takes a secret. What nhisync needs to log in with comes from files that the configuration names.
- `-o FILE` replaces the file at once or not at all; a new file is readable by its owner only.

## Exit codes

| code | meaning |
| --- | --- |
"""


def reference() -> str:
    """The whole page."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield HEAD
    for code, meaning in EXIT_CODES:
        yield f"| {code} | {meaning} |\n"
    yield "\nA fail outranks an unknown. Only a fail of severity error gives NOT READY; `--fail-on` and `--exit-zero`\n"
    yield "change the code, never the verdict. 1 is a real answer: no crash, typo or closed pipe can end in 1.\n\n"
    yield FORMATS_PAGE
    yield f"\n## nhisync\n\n```text\n{_help()}```\n"
    for panel in catalogue.PANELS:
        for name, entry in catalogue.available().items():
            if entry.panel == panel:
                yield from _command(name)


def _command(name: str) -> Iterator[str]:
    yield f"\n## nhisync {name}\n\n```text\n{_help(name)}```\n"
    tree = root()
    with tree.make_context("nhisync", [], resilient_parsing=True, obj=_nobody()) as context:
        command = tree.get_command(context, name)
    if isinstance(command, TyperGroup):
        for child in command.commands:
            yield f"\n### nhisync {name} {child}\n\n```text\n{_help(name, child)}```\n"


def _help(*path: str) -> str:
    tree = root()
    context = tree.make_context("nhisync", [], resilient_parsing=True, obj=_nobody())
    command = tree
    for name in path:
        command = command.get_command(context, name)
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
    return render_help(context)


def _nobody() -> Invocation:
    """An invocation that nothing is read from and nothing written to."""
    return Invocation(
        stdin=io.StringIO(),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
        environ={},
        clock=SystemClock(),
        randomness=SystemRandomness(),
    )


if __name__ == "__main__":
    sys.stdout.write(reference())
