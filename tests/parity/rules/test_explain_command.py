"""`nhisync explain` as a person types it."""

import io
from pathlib import Path

import pytest

from nhisync.cli import main
from nhisync.cli.explain import explain
from nhisync.parity.rules.explain import HEADINGS, explanation
from nhisync.policy import BUILTIN


def run(*words: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command line in a folder without configuration."""
    out, err = io.StringIO(), io.StringIO()
    environ = {"NHISYNC_CONFIG": str(folder / "nhisync.yaml")} if (folder / "nhisync.yaml").exists() else {}
    code = main(list(words), stdin=io.StringIO(), stdout=out, stderr=err, environ=environ)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_explains_with_built_in_values_where_nothing_is_configured(folder: Path) -> None:
    """Without any configuration the built-in tier critical is shown, and the answer is the function's own."""
    code, out, err = run("explain", "nhs201", folder=folder)
    assert (code, err) == (0, "")
    assert out == explain("201") == explanation("NHS201", BUILTIN["critical"])
    assert [line for line in out.splitlines() if line in HEADINGS] == list(HEADINGS)


def test_another_tier_can_be_asked_for(folder: Path) -> None:
    """`--tier` shows the values of that tier."""
    _, out, _ = run("explain", "NHS201", "--tier", "standard", folder=folder)
    assert "lockstep.max_lag: 7d (built-in)" in out


def test_values_of_policy_files_are_told_with_their_place(folder: Path) -> None:
    """`--policies` shows the effective value and the file and line it comes from."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "mine.yaml").write_text(
        "version: 1\ntier: mine\ninherits: critical\nlockstep:\n  max_lag: 6h\n  grace: 6h\n", encoding="utf-8"
    )
    code, out, err = run("explain", "NHS201", "--tier", "mine", "--policies", "policies", folder=folder)
    assert code == 0, err
    assert "lockstep.max_lag: 6h (policies/mine.yaml:5)" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [(("NHS2O1",), "Did you mean NHS201"), (("NHS201", "--tier", "crit"), "critical, high, standard")],
)
def test_what_does_not_exist_is_a_usage_error(words: tuple[str, ...], says: str, folder: Path) -> None:
    """An unknown code or tier is refused with what there is; nothing is written to stdout."""
    code, out, err = run("explain", *words, folder=folder)
    assert (code, out) == (2, "")
    assert says in err
