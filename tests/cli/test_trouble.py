"""What kept a sweep from seeing is told with its next step."""

from datetime import UTC, datetime

import pytest

from nhisync.cli.output.trouble import describe, troubles_of
from nhisync.model import Coverage, CoverageStatus, SourceSummary
from nhisync.spi import ErrorKind, ProviderError

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def told(failure: ProviderError, status: CoverageStatus = CoverageStatus.PARTIAL, scope: str = "") -> list[str]:
    """The lines about one kind that was not seen whole."""
    source = SourceSummary(name="files", provider="file")
    entry = Coverage(
        source="files",
        kind="json",
        scope=scope,
        status=status,
        as_of=NOW,
        items=3,
        authoritative=False,
        error=failure.fact,
    )
    return [line for one in troubles_of("backup", [source], [entry]) for line in describe(one)]


def test_a_partial_listing_says_how_to_see_the_rest() -> None:
    """The adapter knows the setting; the reader needs it at once."""
    failure = ProviderError(ErrorKind.MALFORMED, "more than 3 files; the listing was left", fix="Raise max_files.")
    assert told(failure) == [
        "backup/files (file): More than 3 files; the listing was left. Not seen: json.",
        "  Next: Raise max_files.",
    ]


@pytest.mark.parametrize("kind", [ErrorKind.UNREACHABLE, ErrorKind.MALFORMED])
def test_without_a_step_none_is_made_up(kind: ErrorKind) -> None:
    """Nothing is better than a guess."""
    assert [line for line in told(ProviderError(kind, "no answer")) if "Next" in line] == []


def test_a_missing_permission_leads_to_the_grant() -> None:
    """Not to the sentence of the error beside it."""
    failure = ProviderError(ErrorKind.DENIED, "not allowed", action="a:List", fix="Ask somebody.")
    (grant,) = [line for line in told(failure, CoverageStatus.DENIED) if line.startswith("  Grant:")]
    assert "nhisync permissions --provider file --mode read" in grant
    assert "Ask somebody." not in "".join(told(failure, CoverageStatus.DENIED))
