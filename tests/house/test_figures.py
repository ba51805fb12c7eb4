"""A figure in the README comes from a script of the repository: its tables are the committed results."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("benchmark_results", ROOT / "benchmarks" / "results.py")
assert SPEC is not None
assert SPEC.loader is not None
results = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(results)


def test_readme_shows_the_committed_results() -> None:
    """The README's figures equal benchmarks/results, each with date, commit and the command that repeats it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert results.block() in readme
    for file in results.RESULTS.glob("*.md"):
        text = file.read_text(encoding="utf-8")
        assert "commit " in text
        assert f"python -m benchmarks {file.stem}" in text
