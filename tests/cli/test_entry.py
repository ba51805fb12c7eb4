"""`main` ends with a code of the contract whatever a command does, and says why without showing values."""

import io
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from nhisync.cli import global_options, main
from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.group import root
from nhisync.cli.invocation import current
from nhisync.errors import ConfigurationError, GuardError, Problem, RegistryError, StoreError, UsageError
from nhisync.spi import ErrorKind, ProviderError

CANARY = "hunter2-canary"
Runner = Callable[..., Any]

ENDS: dict[str, tuple[BaseException, int]] = {
    "configuration": (
        ConfigurationError((Problem(file="n.yaml", line=3, column=5, where="apps", message="is wrong"),)),
        2,
    ),
    "usage": (UsageError("no app is called `x`", fix="Configured apps: y."), 2),
    "store": (StoreError("the store cannot be opened"), 2),
    "registry": (RegistryError("no installed provider is called `x`"), 2),
    "guard": (GuardError("same-identity", "both are one identity", fix="Give each path its own identity."), 5),
    "provider": (ProviderError(ErrorKind.UNREACHABLE, "no answer within 5s", fix="Look at the proxy."), 4),
    "bug": (KeyError(CANARY), 70),
    "recursion": (RecursionError(), 70),
    "memory": (MemoryError(), 70),
    "interrupt": (KeyboardInterrupt(), 130),
    "pipe": (BrokenPipeError(), 141),
    "abort": (typer.Abort(), 130),
    "exit": (typer.Exit(6), 6),
    "system-exit": (SystemExit(3), 3),
    "system-exit-none": (SystemExit(None), 0),
    "system-exit-text": (SystemExit("words"), 70),
}


MIXED = (
    *("-c", "z.yaml", "--format", "sarif", "act", "-c", "a.yaml", "--policies=p", "--format=json"),
    *("-q", "--timeout=90s", "--no-color", "--verbose"),
)
"""Options on both sides of the command."""


def tree_with(action: Callable[[typer.Context], Any]) -> Any:
    """A command tree with the one command `act`."""

    def act(ctx: typer.Context) -> Any:
        """Act."""
        return action(ctx)

    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    app.command("act")(act)
    inner = typer.main.get_command(app)
    tree = root(TyperGroup)
    tree.commands["act"] = global_options.adopt(inner.commands["act"], tree.params)
    return tree


def raising(failure: BaseException) -> Any:
    """A tree whose command raises `failure` from a frame that holds a value."""

    def act(ctx: typer.Context) -> None:
        value = CANARY
        assert value
        raise failure

    return tree_with(act)


@pytest.mark.parametrize("name", ENDS)
def test_every_end_has_its_code(run: Runner, name: str) -> None:
    """Each kind of failure answers its own code, and only drift may answer 1."""
    failure, code = ENDS[name]
    ended = run("act", tree=raising(failure))
    assert ended.code == code
    assert ended.out == ""
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("flags", [(), ("-v",), ("-vv",)])
@pytest.mark.parametrize("failure", [KeyError(CANARY), ValueError(f"bad {CANARY}"), RuntimeError(CANARY)])
def test_bug_shows_no_value(run: Runner, failure: Exception, flags: tuple[str, ...]) -> None:
    """A crash says an id, a type and a place; neither the exception's text nor a local is shown, even with -vv."""
    failure.__cause__ = OSError(CANARY)
    ended = run("act", *flags, tree=raising(failure))
    assert ended.code == ExitCode.BUG
    assert re.search(r"internal bug 00000001: \w+ in ", ended.err)
    assert CANARY not in ended.out + ended.err
    assert ("caused by" in ended.err) == ("-vv" in flags)
    assert os.path.expanduser("~") + "/" not in ended.err


def test_bug_is_never_drift(run: Runner) -> None:
    """Bare Typer answers 1 for a crash; here 1 is reserved for a real answer."""
    assert run("act", tree=raising(ZeroDivisionError())).code != ExitCode.DRIFT


def test_guard_says_its_name_and_the_fix(run: Runner) -> None:
    """A refusal names the guard, the reason and the next step."""
    ended = run("act", tree=raising(ENDS["guard"][0]))
    assert ended.err.splitlines() == [
        "refused (same-identity): both are one identity",
        "  Give each path its own identity.",
        "Exit 5.",
    ]


def test_configuration_problems_have_their_place(run: Runner) -> None:
    """A configuration error is rendered with file, line and column, and says that nothing was contacted."""
    ended = run("act", tree=raising(ENDS["configuration"][0]))
    assert "n.yaml:3:5" in ended.err
    assert "Nothing was contacted. Exit 2." in ended.err


def test_provider_error_names_what_is_missing(run: Runner) -> None:
    """A provider's refusal shows action, resource, principal and reason."""
    failure = ProviderError(
        ErrorKind.DENIED, "may not list secrets", action="x:List", resource="arn:x", principal="arn:me", reason="none"
    )
    ended = run("act", tree=raising(failure))
    assert ended.code == ExitCode.UNREACHABLE
    assert "Missing: x:List." in ended.err
    assert "  on  arn:x" in ended.err
    assert "  as  arn:me   reason: none" in ended.err


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        """Fail as the operating system does."""
        raise BrokenPipeError(32, "Broken pipe")


class Full(io.StringIO):
    """A disk without room."""

    def write(self, text: str) -> int:
        """Fail as the operating system does."""
        raise OSError(28, "No space left on device")


def test_closed_stdout_is_141() -> None:
    """`nhisync … | head` ends with 141 and without a word."""
    err = io.StringIO()
    assert main(["version"], stdout=Closed(), stderr=err, environ={}) == ExitCode.PIPE_CLOSED
    assert err.getvalue() == ""


def test_closed_stderr_is_quiet() -> None:
    """A closed stderr during a failure still ends with a code."""
    assert main(["nonsense"], stdout=io.StringIO(), stderr=Closed(), environ={}) == ExitCode.PIPE_CLOSED


def test_full_disk_is_no_bug() -> None:
    """A full disk behind stdout is said as such."""
    err = io.StringIO()
    assert main(["version"], stdout=Full(), stderr=err, environ={}) == ExitCode.USAGE
    assert "cannot write the result to stdout: No space left on device" in err.getvalue()


def test_results_of_a_command_are_its_codes(run: Runner) -> None:
    """What a command returns is the exit code; None is 0."""
    assert run("act", tree=tree_with(lambda ctx: ExitCode.PARTIAL)).code == 6
    assert run("act", tree=tree_with(lambda ctx: None)).code == 0
    assert run("act", tree=tree_with(lambda ctx: "text")).code == 0


@pytest.mark.parametrize(
    "argv",
    [
        ("-c", "a.yaml", "--policies", "p", "--format", "json", "-q", "--timeout", "90s", "--no-color", "-v", "act"),
        ("act", "-c", "a.yaml", "--policies", "p", "--format", "json", "-q", "--timeout", "90s", "--no-color", "-v"),
        MIXED,
    ],
)
def test_global_options_stand_anywhere(run: Runner, argv: tuple[str, ...]) -> None:
    """Global options mean the same before and after the command; what stands later wins."""
    seen: list[Any] = []

    def act(ctx: typer.Context) -> None:
        seen.append(current(ctx))

    assert run(*argv, tree=tree_with(act)).code == 0
    options = seen[0].options
    assert (options.config, options.policies, options.format, options.quiet) == ("a.yaml", "p", "json", True)
    assert (options.timeout.total_seconds(), options.no_color, options.verbose) == (90, True, 1)


def test_verbosity_adds_up(run: Runner) -> None:
    """-v before and -v after make -vv."""
    seen: list[int] = []
    tree = tree_with(lambda ctx: seen.append(current(ctx).options.verbose))
    assert run("-v", "act", "-v", tree=tree).code == 0
    assert seen == [2]


def test_configuration_comes_from_option_then_environment(run: Runner) -> None:
    """--config wins over NHISYNC_CONFIG, which wins over nhisync.yaml."""
    seen: list[str] = []
    tree = tree_with(lambda ctx: seen.append(str(current(ctx).config)))
    run("act", tree=tree)
    run("act", tree=tree, environ={"NHISYNC_CONFIG": "env.yaml"})
    run("act", "-c", "option.yaml", tree=tree, environ={"NHISYNC_CONFIG": "env.yaml"})
    assert seen == ["nhisync.yaml", "env.yaml", "option.yaml"]


@pytest.mark.parametrize(
    ("terminal", "flags", "environ", "colored"),
    [
        (True, (), {}, True),
        (False, (), {}, False),
        (True, ("--no-color",), {}, False),
        (True, (), {"NO_COLOR": "1"}, False),
        (True, (), {"NO_COLOR": ""}, True),
        (True, (), {"NHISYNC_NO_COLOR": "1"}, False),
        (True, (), {"TERM": "dumb"}, False),
    ],
)
def test_colour_needs_a_terminal_and_consent(
    run: Runner, terminal: bool, flags: tuple[str, ...], environ: dict[str, str], colored: bool
) -> None:
    """Colour appears on a terminal only, and never against --no-color, a non-empty NO_COLOR or TERM=dumb."""
    seen: list[bool] = []
    tree = tree_with(lambda ctx: seen.append(current(ctx).colored(current(ctx).stdout)))
    run("act", *flags, tree=tree, terminal=terminal, environ=environ)
    assert seen == [colored]


def test_quiet_keeps_warnings(run: Runner) -> None:
    """-q silences hints, never warnings; the result is on stdout alone."""

    def act(ctx: typer.Context) -> None:
        invocation = current(ctx)
        invocation.write("result\n")
        invocation.hint("hint")
        invocation.warn("warning")

    assert run("act", tree=tree_with(act)) == type(run("act", tree=tree_with(act)))(0, "result\n", "hint\nwarning\n")
    assert run("act", "-q", tree=tree_with(act)).err == "warning\n"


def test_output_file_is_whole_and_private(run: Runner, tmp_path: Any) -> None:
    """-o replaces the file at once; a new file is readable by its owner only, an old one keeps its modes."""
    tree = tree_with(lambda ctx: current(ctx).write(iter(["a", "b\n"])))
    assert run("act", "-o", "new.txt", tree=tree) == type(run("act", tree=tree))(0, "", "written to new.txt\n")
    assert (tmp_path / "new.txt").read_text() == "ab\n"
    assert (tmp_path / "new.txt").stat().st_mode & 0o777 == 0o600
    (tmp_path / "new.txt").chmod(0o644)
    run("act", "-o", "new.txt", tree=tree)
    assert (tmp_path / "new.txt").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.txt"]


def test_output_file_survives_a_failure(run: Runner, tmp_path: Any) -> None:
    """When the result breaks off, what stood in the file still stands and no draft is left."""
    (tmp_path / "old.txt").write_text("old")

    def broken() -> Any:
        yield "half"
        raise UsageError("broke off")

    tree = tree_with(lambda ctx: current(ctx).write(broken()))
    assert run("act", "-o", "old.txt", tree=tree).code == 2
    assert (tmp_path / "old.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_output_to_a_device_is_not_replaced(run: Runner) -> None:
    """-o /dev/null writes to the device; it is still a device afterwards."""
    tree = tree_with(lambda ctx: current(ctx).write("x"))
    assert run("act", "-o", os.devnull, tree=tree).code == 0
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize("target", ["missing/x.txt", "\udcff" * 300, "."])
def test_output_that_cannot_be_written_is_usage(run: Runner, target: str) -> None:
    """A bad -o is a usage error with the reason, never a crash."""
    ended = run("act", "-o", target, tree=tree_with(lambda ctx: current(ctx).write("x")))
    assert ended.code == ExitCode.USAGE
    assert "cannot write" in ended.err


def test_no_arguments_is_help_on_stderr_and_no_answer(run: Runner) -> None:
    """`nhisync $EMPTY` in a script must not read as ready: help goes to stderr and the code is 2."""
    ended = run()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: nhisync ")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("versoin",), "Did you mean `version`?"),
        (("\x1b[31m",), r"no command is called `\x1b[31m`"),
        (("version", "--formt", "json"), "no such option: --formt"),
        (("version", "--format", "sarif"), "Take one of: plain, json."),
        (("version", "--timeout", "90"), "a duration needs a number and a unit"),
        (("version", "--timeout", "99999999999999w"), "'--timeout'"),
        (("version", "extra"), "unexpected extra argument"),
        (("completion", "tcsh"), "'tcsh' is not one of 'bash'"),
        (("completion",), "missing argument 'SHELL'"),
        (("-v",), "missing command"),
    ],
)
def test_usage_errors_say_what_and_how(run: Runner, argv: tuple[str, ...], says: str) -> None:
    """Every misuse answers 2, names the mistake, and sends nothing that a terminal would obey."""
    ended = run(*argv)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert "\x1b" not in ended.err


def test_asking_needs_a_person(run: Runner) -> None:
    """A question is put only to a terminal and never with --no-input; otherwise the default is taken."""
    answers: list[str] = []
    tree = tree_with(lambda ctx: answers.append(current(ctx).ask("Name?", "default")))
    run("act", tree=tree, terminal=True, stdin="mine\n")
    run("act", tree=tree, terminal=True, stdin="\n")
    run("act", "--no-input", tree=tree, terminal=True, stdin="mine\n")
    run("act", tree=tree, stdin="mine\n")
    assert answers == ["mine", "default", "default", "default"]
