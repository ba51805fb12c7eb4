"""The emulator's README, held against the code: no option, knob, kind, fault or variable that it does not name."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from nhisync_gcp import emulator
from nhisync_gcp.emulator.cloud import Knobs
from nhisync_gcp.emulator.faults import FAULTS
from nhisync_gcp.emulator.seeding import SEEDERS
from nhisync_gcp.emulator.source import SourceOptions

README = (Path(emulator.__file__).parent / "README.md").read_text(encoding="utf-8")
STAND = Path(__file__).with_name("emulator_stand.py").read_text(encoding="utf-8")


def rows(title: str) -> dict[str, str]:
    """First column → whole line, of the tables below one heading."""
    section = re.split(r"^## ", README.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)` \|.*$", section, flags=re.MULTILINE)}
    assert found
    return found


def test_every_option_and_knob_is_described() -> None:
    """The tables hold exactly the fields of the code."""
    expected = {field.name for field in (*fields(SourceOptions), *fields(Knobs))}
    assert rows("Options of `add_source`").keys() == expected


@pytest.mark.parametrize("kind", SEEDERS)
def test_every_seed_option_is_described(kind: str) -> None:
    """Each option of a kind stands in its row, and the table holds exactly the kinds."""
    assert rows("Seeds").keys() == SEEDERS.keys()
    row = rows("Seeds")[kind]
    assert [option for option in SEEDERS[kind].options if f"`{option}`" not in row] == []


def test_every_fault_is_described() -> None:
    """The table holds exactly the faults."""
    assert rows("Faults").keys() == FAULTS.keys()


def test_every_variable_is_described() -> None:
    """The contract tests read exactly the variables of the table."""
    assert rows("Contract tests against other servers").keys() == set(re.findall(r"NHISYNC_[A-Z_]+", STAND))
