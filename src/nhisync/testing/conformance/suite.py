"""The class that a provider's tests inherit."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.testing.conformance.declaration import DeclarationTests
from nhisync.testing.conformance.disclosure import DisclosureTests
from nhisync.testing.conformance.duties import settle, verify
from nhisync.testing.conformance.honesty import HonestyTests
from nhisync.testing.conformance.observing import ObservingTests
from nhisync.testing.conformance.services import ServiceTests
from nhisync.testing.conformance.spending import SpendingTests
from nhisync.testing.conformance.stand import Stand
from nhisync.testing.conformance.threads import ThreadTests


class ProviderConformance(
    DeclarationTests,
    ObservingTests,
    HonestyTests,
    SpendingTests,
    DisclosureTests,
    ThreadTests,
    ServiceTests,
):
    """All standard tests of a provider; inherit it, fill in the hooks, run pytest.

    A class that only shares hooks is declared with ``abstract=True``. Defining any other one settles which tests
    apply: those of capabilities that the provider does not declare are left out; a test that is deleted, replaced or
    lacks its hook is an error unless ``reasons`` says why.
    """

    def __init_subclass__(cls, *, abstract: bool = False, **more: Any) -> None:
        super().__init_subclass__(**more)
        if not abstract:
            settle(cls)

    @pytest.fixture(scope="class")
    @classmethod
    def stand(cls) -> Iterator[Stand]:
        """One world for all tests of the class."""
        verify(cls)
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)  # a fault may let the adapter look as another user
            stand = cls.open(Path(name))
            try:
                yield stand
            finally:
                stand.close()
