"""``python -m nhisync.testing.conformance`` prints the standard tests as the table of docs/providers.md."""

import sys
from collections.abc import Iterator

from nhisync.testing.conformance.duties import DUTIES
from nhisync.testing.conformance.suite import ProviderConformance


def table() -> Iterator[str]:
    """One line for each standard test: name, when it applies, what must hold."""
    assert ProviderConformance.__doc__, "importing the suite defines the tests"
    yield "| test | applies to | needs | what must hold |"
    yield "|---|---|---|---|"
    for name, one in DUTIES.items():
        trouble = [f"`{one.trouble.value}`"] if one.trouble is not None else []
        needs = ", ".join((*trouble, *(f"`{hook}`" for hook in one.hooks)))
        promise = " ".join((one.test.__doc__ or "").split())
        yield f"| `{name}` | {one.capability.value if one.capability else 'all'} | {needs} | {promise} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
