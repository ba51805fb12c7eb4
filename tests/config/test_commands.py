"""`nhisync policy` and `nhisync schema` through the command line."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nhisync.cli import main
from nhisync.testing.clocks import FakeClock

from .conftest import SMALL

ROOT = Path(__file__).parents[2]

WHOLE = SMALL.replace(
    "{provider: vault}", '{provider: vault, address: "https://v.example", auth: {method: token, token_file: t}}'
).replace("{provider: aws}", "{provider: aws, auth: {method: keys_file, file: k}}")
"""The small configuration with what its real providers ask for."""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run nhisync in an empty folder, without an environment."""
    monkeypatch.chdir(tmp_path)

    def runner(*arguments: str, **environ: str) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        code = main(list(arguments), stdin=io.StringIO(), stdout=out, stderr=err, environ=environ, clock=FakeClock())
        return Ended(code, out.getvalue(), err.getvalue())

    return runner


Run = Callable[..., Ended]


def write(name: str, text: str) -> None:
    """Write a file into the current folder."""
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)


def test_show_without_configuration_shows_what_is_built_in(run: Run) -> None:
    """A first look needs no file."""
    ended = run("policy", "show", "critical")
    assert (ended.code, ended.err) == (0, "")
    first, *rows = ended.out.splitlines()
    assert first.startswith("critical  sha256:")
    assert "  lockstep.max_lag                   1d       built-in" in rows
    assert len(rows) == 47


def test_show_names_the_origin_of_each_value(run: Run) -> None:
    """A value from a file says file and line; JSON says the same."""
    write("nhisync.yaml", SMALL + "policies: policies\n")
    write("policies/critical.yaml", "version: 1\ntier: critical\nlockstep: {max_lag: 2h}\n")
    assert "lockstep.max_lag                   2h       policies/critical.yaml:3" in run("policy", "show").out
    document = json.loads(run("policy", "show", "--format", "json").out)
    assert set(document) == {"critical", "high", "standard"}
    assert document["critical"]["values"]["lockstep.max_lag"] == {"value": "2h", "origin": "policies/critical.yaml:3"}
    assert document["high"]["values"]["lockstep.max_lag"] == {"value": "2d", "origin": "built-in"}


def test_show_of_an_unknown_tier(run: Run) -> None:
    """The known ones are named."""
    ended = run("policy", "show", "gold")
    assert ended.code == 2
    assert "there is no tier `gold`" in ended.err
    assert "critical, high, standard" in ended.err


def test_check_says_what_it_checked(run: Run) -> None:
    """The configuration's policies, a folder's, or single files."""
    write("nhisync.yaml", WHOLE)
    assert run("policy", "check").out.endswith("3 tiers checked, no problem.\n")
    shipped = run("policy", "check", "--policies", str(ROOT / "policies"))
    assert shipped.code == 0
    assert f"critical  {ROOT}/policies/critical.yaml  sha256:" in shipped.out
    write("gold.yaml", "version: 1\ntier: gold\ninherits: high\nlockstep: {max_lag: 1h}\n")
    single = run("policy", "check", "gold.yaml")
    assert single.out.splitlines()[0].startswith("gold  gold.yaml  sha256:")
    assert single.out.splitlines()[1] == "1 tier checked, no problem."


def test_check_lists_all_problems_of_all_files(run: Run) -> None:
    """Two wrong files, one run."""
    write("a.yaml", "version: 1\ntier: a\ninherits: high\nx: 1\n")
    write("b.yaml", "version: 1\ntier: b\ninherits: hgh\n")
    ended = run("policy", "check", "a.yaml", "b.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert "a.yaml:4:1  unknown key `x`" in ended.err
    assert "b.yaml:3:11  inherits: there is no tier `hgh`" in ended.err
    assert "2 problems. Nothing was contacted. Exit 2." in ended.err


def test_check_sees_what_only_providers_know(run: Run) -> None:
    """Settings, auth and kinds are checked as `diff` checks them: with one list, also beside other problems."""
    wrong = WHOLE.replace("method: token", "method: tokn").replace("aws:secret/", "aws:secrt/")
    write("nhisync.yaml", wrong.replace("version: 1", "version: 1\nstor: {}"))
    ended = run("policy", "check")
    assert ended.code == 2
    for said in (
        "unknown key `stor`",
        "paths.primary.sources.vault.auth.method: is not one of token,",
        "apps.payments.pairs[0].backup: provider `aws` has no kind `secrt`",
    ):
        assert said in ended.err
    assert run("diff", "primary", "backup").err == ended.err


def test_check_of_a_configuration_lists_its_problems(run: Run) -> None:
    """The configuration is part of what uses the policy."""
    write("nhisync.yaml", SMALL.replace("critical", "crtical"))
    ended = run("policy", "check")
    assert ended.code == 2
    assert "nhisync.yaml:15:11  apps.payments.tier: `crtical` is not one of critical, high, standard." in ended.err


def test_a_named_configuration_must_exist(run: Run) -> None:
    """Without a name the built-in tiers are shown; a wrong name is a mistake."""
    ended = run("policy", "show", "-c", "none.yaml")
    assert ended.code == 2
    assert "none.yaml  there is no such file." in ended.err


def test_unknown_codes_are_refused_by_the_installed_rules(run: Run) -> None:
    """The codes are those of this nhisync's rules."""
    write("policies/high.yaml", "version: 1\ntier: high\noff: [NHS299]\n")
    assert "there is no rule `NHS299`" in run("policy", "check", "--policies", "policies").err


TABLE = """\
version: 1
cases:
  - name: a lag of three days fails
    tier: critical
    code: NHS201
    given: {primary: {rotated_ago: 3d}, backup: {rotated_ago: 40d}}
    expect: {severity: error, state: fail}
  - name: an hour is fine
    tier: critical
    code: NHS201
    given: {primary: {rotated_ago: 1h}, backup: {rotated_ago: 2h}}
    expect: {state: pass}
  - name: nothing on the backup
    tier: critical
    code: NHS101
    given: {primary: {}}
    expect: {state: fail}
  - name: denied is unknown
    tier: critical
    code: NHS902
    given: {primary: {}, backup: {presence: denied}}
    expect: {state: unknown}
  - name: expired
    tier: standard
    code: NHS301
    given: {primary: {}, backup: {created_ago: 90d, expired_ago: 1d}}
    expect: {state: fail}
  - name: missed cycles warn
    tier: standard
    code: NHS203
    expect: {severity: warning}
  - name: a stuck rotation
    tier: high
    code: NHS205
    given: {primary: {}, backup: {pending_for: 2d, rotation_enabled: true, interval: 30d, next_rotation_in: 1d}}
    expect: {state: fail}
"""


def test_a_table_is_judged_by_the_real_rules(run: Run) -> None:
    """Sample facts go through the engine; all rows hold."""
    write("cases.yaml", TABLE)
    ended = run("policy", "test", "cases.yaml")
    assert (ended.code, ended.out) == (0, "7 of 7 cases hold.\n")


def test_a_failing_row_is_exit_1(run: Run) -> None:
    """A policy that no longer says what the table wants is a real answer, with the row's place."""
    write("cases.yaml", TABLE)
    write("policies/critical.yaml", "version: 1\ntier: critical\nlockstep: {max_lag: 60d, grace: 60d}\n")
    ended = run("policy", "test", "cases.yaml", "--policies", "policies")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "FAIL  cases.yaml:3  a lag of three days fails: state is pass, expected fail",
        "6 of 7 cases hold.",
    ]


@pytest.mark.parametrize("which", ["config", "policy", "policy-cases", "report"])
def test_schemas_are_printed(run: Run, which: str) -> None:
    """Each is valid JSON and a valid schema, on stdout or in a file."""
    ended = run("schema", which)
    assert (ended.code, ended.err) == (0, "")
    document: dict[str, Any] = json.loads(ended.out)
    jsonschema.Draft202012Validator.check_schema(document)
    assert run("schema", which, "-o", "s.json").code == 0
    assert json.loads(Path("s.json").read_text()) == document


def test_there_is_no_other_schema(run: Run) -> None:
    """A wrong word is a usage error."""
    assert run("schema", "confg").code == 2
    assert run("schema", "config", "--format", "table").code == 2


def test_the_environment_may_name_the_configuration(run: Run) -> None:
    """NHISYNC_CONFIG counts where --config is not given."""
    write("other.yaml", SMALL.replace("critical", "crtical"))
    assert "other.yaml:15:11" in run("policy", "check", NHISYNC_CONFIG="other.yaml").err
