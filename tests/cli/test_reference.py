"""docs/cli.md is what the program says about itself."""

from pathlib import Path

from nhisync.cli import catalogue
from nhisync.cli.output import REPORT_FORMATS
from nhisync.cli.output.plain import FINDING_COLUMNS
from nhisync.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_page_is_the_real_help() -> None:
    """The page equals the help of the program as it is now."""
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m nhisync.cli.reference > docs/cli.md"


def test_page_names_every_command_and_format() -> None:
    """No command and no format is missing, and the columns of `plain` are those that are written."""
    page = PAGE.read_text(encoding="utf-8")
    for name in catalogue.available():
        assert f"\n## nhisync {name}\n" in page
    for fmt in REPORT_FORMATS:
        assert f"| `{fmt}` |" in page
    listed = page.partition("columns of `finding`: ")[2].partition(";")[0]
    assert [word.strip() for word in " ".join(listed.split()).replace("next step", "next").split(",")] == list(
        FINDING_COLUMNS[1:]
    )
