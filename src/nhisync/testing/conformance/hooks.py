"""What a provider's author fills in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from nhisync.clock import SystemClock
from nhisync.spi import Locator
from nhisync.testing.clocks import FakeClock
from nhisync.testing.conformance.stand import Place, Stand
from nhisync.testing.conformance.words import Fault, Trouble
from nhisync.testing.world import Seed, WorldPart


class Hooks:
    """The hooks of a conformance class; those that a test needs and nobody filled in are named when it is defined.

    Attributes:
        provider: the class under test.
        distribution: distribution whose entry point must lead to it; "" = its entry point is not looked for.
        world: its part of the embedded world; None = a real endpoint, described by `document` and `present`.
        document: configuration of a real endpoint's source, as in ``nhisync.yaml``.
        present: items that exist at a real endpoint, without source (``kv/secret/payments/stripe``).
        place: names of path, source and region.
        source_options: options of `WorldPart.add_source`.
        settings: settings over the document that the world answers with: short timeouts, few attempts.
        swept: kinds to sweep; empty = all declared ones.
        seeds: what is planted, at least one item of each kind; values are canaries of eight characters or more.
        odd: items with the oddest names that the provider allows, planted besides.
        absent: items that do not exist and whose absence a single read proves.
        faults: how the world makes each trouble.
        request_ids: whether a denial carries the provider's id of the call.
        value_options: further options of a source whose identity may read values (`Capability.FINGERPRINT`).
        value_actions: patterns (`fnmatch`) of `PermissionDocument.actions` that grant reading a value.
        crowd_size: items of the large sweep; fewer than the default need a reason.
        crowd_reason: why the large sweep is smaller than the default, as where nothing can be listed.
        reasons: standard test → why it is left out, or replaced by one's own.
        left_out: standard tests that do not apply, filled in by the kit.
    """

    provider: ClassVar[type[Any]]
    distribution: ClassVar[str] = ""
    world: ClassVar[type[WorldPart] | None] = None
    document: ClassVar[Mapping[str, Any]] = {}
    present: ClassVar[tuple[str, ...]] = ()
    place: ClassVar[Place] = Place()
    source_options: ClassVar[Mapping[str, Any]] = {}
    settings: ClassVar[Mapping[str, Any]] = {}
    swept: ClassVar[frozenset[str]] = frozenset()
    seeds: ClassVar[tuple[Seed, ...]] = ()
    odd: ClassVar[tuple[Seed, ...]] = ()
    absent: ClassVar[tuple[str, ...]] = ()
    faults: ClassVar[Mapping[Trouble, Fault]] = {}
    request_ids: ClassVar[bool] = False
    value_options: ClassVar[Mapping[str, Any] | None] = None
    value_actions: ClassVar[tuple[str, ...]] = ()
    crowd_size: ClassVar[int] = 10_000
    crowd_reason: ClassVar[str] = ""
    reasons: ClassVar[Mapping[str, str]] = {}
    left_out: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """The item `number` of the large sweep; all of one kind.

        Raises:
            LookupError: not filled in.
        """
        raise LookupError(f"{cls.__name__} plants no item {number}")

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """Most requests that a sweep over `size` items may cost.

        Raises:
            LookupError: not filled in.
        """
        raise LookupError(f"{cls.__name__} says no number of calls for {size} items")

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """Plant an item of its own, and return it with what changes it at the provider.

        Raises:
            LookupError: not filled in.
        """
        raise LookupError(f"{cls.__name__} changes nothing at {stand.place.source}")

    @classmethod
    def served(cls, stand: Stand) -> int:
        """Requests that the world has served to this source so far.

        Raises:
            LookupError: not filled in.
        """
        raise LookupError(f"{cls.__name__} counts no requests of {stand.place.source}")

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """Values that must never be shown: those planted. Override it to add the source's own credentials."""
        return [value for seed in stand.planted.values() if seed is not None for value in seed.fields.values()]

    @classmethod
    def troubles(cls) -> Mapping[Trouble, Fault]:
        """The faults of the whole source; those of a single item are left out."""
        return {trouble: fault for trouble, fault in cls.faults.items() if fault.seed is None}

    @classmethod
    def open(cls, directory: Path) -> Stand:
        """Start the world in `directory` and plant `seeds` and `odd`, or describe the real endpoint."""
        if cls.world is None:
            stand = Stand(cls.provider, cls.document, base=directory, clock=SystemClock(), place=cls.place)
            stand.planted = {stand.locator(text): None for text in cls.present}
            stand.kinds = cls.swept or stand.kinds
            return stand
        clock = FakeClock()
        part = cls.world(clock=clock, directory=directory / "world")
        part.start()
        try:
            empty = Stand(cls.provider, {}, base=directory, clock=clock, place=cls.place, part=part)
            return cls.another(empty, cls.place.source, (*cls.seeds, *cls.odd))
        except BaseException:
            part.stop()
            raise

    @classmethod
    def another(
        cls, stand: Stand, source: str, seeds: Iterable[Seed] = (), options: Mapping[str, Any] | None = None
    ) -> Stand:
        """One more source of the same world, with items of its own; `options` go over `source_options`."""
        assert stand.part is not None, "only a world can have one more source"
        place = replace(stand.place, source=source)
        chosen = {**cls.source_options, **(options or {})}
        document = stand.part.add_source(place.path, place.source, region=place.region, options=chosen)
        made = Stand(
            cls.provider,
            {**document, **cls.settings},
            base=stand.base,
            clock=stand.clock,
            place=place,
            part=stand.part,
        )
        made.kinds = cls.swept or made.kinds
        made.plant(*seeds)
        return made
