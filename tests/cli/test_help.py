"""Help: every command, one imperative line, examples first, nothing imported that is not needed."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import nhisync.cli
from nhisync.cli import catalogue
from nhisync.cli.helptext import split_help

Runner = Callable[..., Any]
FRAME = {
    "operate",
    "answer",
    "catalogue",
    "entry",
    "exit_codes",
    "failures",
    "global_options",
    "group",
    "helptext",
    "invocation",
    "leaving",
    "opening",
    "output",
    "person",
    "progress",
    "reference",
    "safe",
}
"""Modules of the frame; every other module in ``nhisync.cli`` is a command."""

HEAVY = (
    "pydantic",
    "sqlalchemy",
    "alembic",
    "rich",
    "ruamel",
    "cryptography",
    "boto3",
    "hvac",
    "requests",
    "uvicorn",
    "grpc",
    "azure",
    "httpx",
    "acme",
    "psycopg",
)
PARTS = ("nhisync.config", "nhisync.app", "nhisync.store", "nhisync.server", "nhisync.parity", "nhisync.model")
PROGRAM = """
import json, sys
from nhisync.cli import main
sys.stdout = open('/dev/null', 'w')
code = main(sys.argv[1:])
sys.stdout = sys.__stdout__
print(json.dumps([code, sorted(sys.modules)]))
"""


def modules_after(*argv: str) -> tuple[int, set[str]]:
    """Exit code and imported modules of one run in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, check=True)
    code, names = json.loads(done.stdout)
    return code, set(names)


def test_help_imports_nothing_heavy() -> None:
    """`nhisync --help` loads no SDK, no pydantic, no rich, no database, no configuration and no command."""
    code, names = modules_after("--help")
    assert code == 0
    roots = {name.partition(".")[0] for name in names}
    assert roots.isdisjoint(HEAVY)
    assert not {name for name in names if name.startswith((*PARTS, "nhisync_"))}
    commands = {f"nhisync.cli.{entry.module}" for entry in catalogue.ENTRIES}
    assert names.isdisjoint(commands)


def test_only_the_called_command_is_imported() -> None:
    """Running one command imports its module and no other command."""
    code, names = modules_after("version")
    assert code == 0
    commands = {f"nhisync.cli.{entry.module}" for entry in catalogue.ENTRIES}
    assert names & commands == {"nhisync.cli.version"}


def test_catalogue_and_modules_agree() -> None:
    """Every command module is in the catalogue, and every catalogued command exists exactly once."""
    folder = Path(nhisync.cli.__file__).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert modules - FRAME - {"__init__"} <= {entry.module for entry in catalogue.ENTRIES}
    names = [entry.name for entry in catalogue.ENTRIES]
    assert len(names) == len(set(names))
    assert {entry.panel for entry in catalogue.ENTRIES} <= set(catalogue.PANELS)


@pytest.mark.parametrize("entry", catalogue.ENTRIES, ids=lambda entry: entry.name)
def test_catalogue_says_what_the_command_says(entry: catalogue.Entry) -> None:
    """The one line of the overview is the first line of the command's own help."""
    module = importlib.import_module(f"nhisync.cli.{entry.module}")
    assert split_help(typer.main.get_command(module.app).help or "")[0] == entry.line
    assert entry.line.endswith(".")
    assert len(entry.line) <= 72


def test_overview_lists_all_in_groups(run: Runner) -> None:
    """The overview shows every available command below its heading, then options and exit codes."""
    ended = run("--help")
    assert ended.code == 0
    assert ended.err == ""
    for name, entry in catalogue.available().items():
        assert f"  {name} " in ended.out
        assert entry.line in ended.out
    for part in ("Examples:", "Global options:", "Exit codes:", "-h, --help"):
        assert part in ended.out


@pytest.mark.parametrize("name", sorted(catalogue.available()))
def test_every_command_has_help_with_an_example(run: Runner, name: str) -> None:
    """-h and --help agree; an example that names the command comes before its options; 100 columns are enough."""
    long, short = run(name, "--help"), run(name, "-h")
    assert long == short
    assert (long.code, long.err) == (0, "")
    assert f"nhisync {name}" in long.out.partition("Examples:")[2].partition("\n\n")[0]
    assert long.out.index("Examples:") < long.out.index("Global options:")
    assert max(map(len, long.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("name", "usage", "argument"),
    [("status", "[APP...]", "APP...  Only these apps."), ("doctor", "[PATH]", "PATH  Only this path.")],
)
def test_optional_arguments_stand_in_one_pair_of_brackets(run: Runner, name: str, usage: str, argument: str) -> None:
    """What may be left out, and what may be repeated, is said once, however the command spells it."""
    page = run(name, "--help").out
    assert f"Usage: nhisync {name} [OPTIONS] {usage}\n" in page
    assert f"\n  {argument}\n" in page


def test_help_is_the_same_in_every_run() -> None:
    """The order of names does not depend on hash randomisation."""
    program = "import sys; from nhisync.cli import main; sys.exit(main(['version', '-h']))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_version_is_the_distributions(run: Runner) -> None:
    """--version and the command agree with the package."""
    assert run("--version").out == run("version").out == f"nhisync {nhisync.__version__}\n"
    assert json.loads(run("version", "--format", "json").out)["nhisync"] == nhisync.__version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_scripts_name_the_program(run: Runner, shell: str) -> None:
    """Each script completes nhisync through its own variable and changes no file."""
    ended = run("completion", shell)
    assert ended.code == 0
    assert "nhisync" in ended.out
    assert "_NHISYNC_COMPLETE" in ended.out


def test_completion_completes_commands() -> None:
    """The shell gets command names for a prefix."""
    program = "import sys; from nhisync.cli import main; sys.exit(main([]))"
    environ = {"_NHISYNC_COMPLETE": "complete_bash", "COMP_WORDS": "nhisync vers", "COMP_CWORD": "1", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["version"], "")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", (), ())),
        ("Do it.", ("Do it.", (), ())),
        ("Do it.\n\nMore words.\n\nExample:\n    nhisync x\n", ("Do it.", ("nhisync x",), ("More words.",))),
        ("Do it.\n\nExamples:\n    a\n      b\n\nRaises:\n    X: y\n\nTail.", ("Do it.", ("a", "  b"), ("Tail.",))),
    ],
)
def test_docstrings_become_help(text: str, parts: tuple[str, tuple[str, ...], tuple[str, ...]]) -> None:
    """A docstring's first line, examples and prose are told apart; sections for programmers are left out."""
    assert split_help(text) == parts
