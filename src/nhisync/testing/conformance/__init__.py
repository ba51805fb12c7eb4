"""The conformance kit: standard tests that every provider passes, ours and yours.

Needs pytest; nothing else of nhisync imports this package. docs/providers.md shows how to use it.
"""

import pytest

_TESTS = ("declaration", "disclosure", "honesty", "observing", "services", "spending", "threads")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _TESTS))

from nhisync.testing.conformance.duties import DUTIES, Duty, without_a_world  # noqa: E402
from nhisync.testing.conformance.hooks import Hooks  # noqa: E402
from nhisync.testing.conformance.looking import Seen  # noqa: E402
from nhisync.testing.conformance.secrecy import leaks, listening, shown, spellings  # noqa: E402
from nhisync.testing.conformance.stand import Place, Stand  # noqa: E402
from nhisync.testing.conformance.suite import ProviderConformance  # noqa: E402
from nhisync.testing.conformance.words import Fault, Trouble  # noqa: E402

__all__ = [
    "DUTIES",
    "Duty",
    "Fault",
    "Hooks",
    "Place",
    "ProviderConformance",
    "Seen",
    "Stand",
    "Trouble",
    "leaks",
    "listening",
    "shown",
    "spellings",
    "without_a_world",
]
