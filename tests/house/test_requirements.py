"""docs/requirements.md says what the tests prove, and no mark names a requirement that does not exist."""

import importlib.util
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("requirements_page", Path(__file__).with_name("requirements.py"))
assert SPEC is not None
assert SPEC.loader is not None
requirements = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(requirements)


def test_marks_name_existing_requirements() -> None:
    """A typo in a mark would prove nothing."""
    assert set(requirements.proofs()) - set(requirements.REQUIREMENTS) == set()


def test_a_mark_of_a_module_counts_for_each_of_its_tests() -> None:
    """What a whole file proves is not called unproven."""
    found = {name for name, _ in requirements.marks(Path(__file__).parents[1] / "readiness" / "test_attested.py")}
    assert {"R2", "R23", "R24"} <= found


def test_page_is_current() -> None:
    """The page equals what the marks give."""
    assert requirements.PAGE.read_text(encoding="utf-8") == requirements.page()


def test_the_mark_of_a_file_counts() -> None:
    """A file that is marked as a whole proves what its mark names; it must not be listed as not yet met."""
    found = requirements.proofs()
    assert any(test.startswith("tests/readiness/test_attested.py::") for test in found["R23"])
    assert any(test.startswith("tests/app/test_signed.py::") for test in found["R24"])
