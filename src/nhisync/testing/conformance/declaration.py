"""What a provider says of itself, and that making one does nothing."""

import threading
from importlib.metadata import EntryPoint, entry_points

import pytest
from pydantic import ValidationError

from nhisync.registry import GROUP, Registry
from nhisync.spi import AccessMode, Capability, Locator, ProviderInfo, SourceSettings
from nhisync.testing.conformance.duties import duty
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.stand import Stand
from nhisync.testing.conformance.watch import watching

_TYPED_BY_MISTAKE = "canary-typed-by-mistake"


class DeclarationTests(Hooks):
    """Standard tests of `ProviderInfo`, settings, constructor and `close`."""

    @duty()
    def test_registry_accepts_the_provider(self) -> None:
        """The registry must load it by its own name and find its declaration true and its SDKs installed."""
        info: ProviderInfo = self.provider.info
        if self.distribution:
            registry = Registry(allow=("nhisync", self.distribution))
        else:
            target = f"{self.provider.__module__}:{self.provider.__qualname__}"
            registry = Registry(allow=("unknown",), points=[EntryPoint(info.name, target, GROUP)])
        assert registry.load(info.name) is self.provider
        registry.require_sdk(info)

    @duty(hooks=("distribution",))
    def test_entry_point_belongs_to_the_distribution(self) -> None:
        """Exactly one installed entry point has the provider's name, and it is its distribution's."""
        points = entry_points(group=GROUP, name=self.provider.info.name)
        owners = [point.dist.name for point in points if point.dist is not None]
        assert owners == [self.distribution]

    @duty()
    def test_declaration_is_complete(self) -> None:
        """Titles are there, kinds are unique, and every example is a locator of its own kind."""
        info: ProviderInfo = self.provider.info
        assert info.title.strip(), "the provider has no title"
        assert issubclass(info.settings, SourceSettings)
        names = [kind.name for kind in info.kinds]
        assert len(set(names)) == len(names), "a kind is declared twice"
        assert bool(names) == (Capability.INVENTORY in info.capabilities), "an inventory has kinds, and only it"
        for kind in info.kinds:
            assert kind.title.strip(), f"kind {kind.name} has no title"
            example = Locator.parse(f"one:{kind.locator}")
            assert example.kind == kind.name, f"the example of {kind.name} is another kind"
            if kind.check is not None:
                kind.check(example.name)

    @duty()
    def test_settings_refuse_what_they_do_not_know(self, stand: Stand) -> None:
        """An unknown key is an error, and what stood behind it is not repeated: it may have been a secret."""
        with pytest.raises(ValidationError) as caught:
            stand.settings(typed_by_mistake=_TYPED_BY_MISTAKE)
        assert _TYPED_BY_MISTAKE not in str(caught.value), "the error repeats the value"
        assert "typed_by_mistake" in str(caught.value), "the error does not name the key"

    @duty()
    def test_constructor_does_nothing(self, stand: Stand) -> None:
        """Making an adapter opens no file, no socket and no thread."""
        settings, context = stand.settings(), stand.context()
        self.provider(settings, context).close()  # what is imported late is imported now
        with watching() as events:
            adapter = self.provider(settings, context)
        adapter.close()
        assert events == []

    @duty(Capability.PERMISSIONS)
    def test_permissions_need_no_input_and_output(self, stand: Stand) -> None:
        """`nhisync permissions` must work before anything is reachable."""
        wanted = tuple(stand.planted)
        with stand.adapter() as adapter:
            adapter.permissions(AccessMode.READ, wanted, stand.kinds)  # late imports
            with watching() as events:
                for mode in AccessMode:
                    adapter.permissions(mode, wanted, stand.kinds)
        assert events == []

    @duty()
    def test_close_is_patient(self, stand: Stand) -> None:
        """An adapter that was never used is closed twice, and once more from another thread."""
        adapter = self.provider(stand.settings(), stand.context())
        adapter.close()
        adapter.close()
        failures: list[BaseException] = []
        thread = threading.Thread(target=_kept, args=(adapter.close, failures))
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), "close() hangs"
        assert failures == []


def _kept(close: object, failures: list[BaseException]) -> None:
    try:
        assert callable(close)
        close()
    except BaseException as failure:  # noqa: BLE001 - shown by the test's own thread
        failures.append(failure)
