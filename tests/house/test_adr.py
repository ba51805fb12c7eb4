"""Decisions are numbered once, dated, and name only files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs/adr").glob("*.md"))
PLACES = ("", "src/nhisync", *(f"providers/{folder.name}" for folder in sorted((ROOT / "providers").iterdir())))
"""Folders against which a record names files."""


def test_numbers_are_used_once() -> None:
    """Two records of one number would be cited as one."""
    numbers = [record.name[:4] for record in RECORDS]
    assert numbers
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_form(record: Path) -> None:
    """Number and title as in the file's name, a status with a date, and what follows from the decision."""
    first, second, *rest = record.read_text(encoding="utf-8").splitlines()
    assert first.startswith(f"# {int(record.name[:4])}. ")
    assert re.fullmatch(r"Status: (accepted|superseded by \d+), \d{4}-\d{2}-\d{2}", second)
    assert any(line.startswith(("Consequence: ", "Consequences: ")) for line in rest)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_named_files_exist(record: Path) -> None:
    """A record does not lead to a file that was renamed."""
    named = re.findall(r"`([\w./-]+\.(?:py|md|toml|yaml))`", record.read_text(encoding="utf-8"))
    assert [name for name in named if not any((ROOT / place / name).exists() for place in PLACES)] == []
