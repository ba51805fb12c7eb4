"""Which standard tests a conformance class owes, and that none of them disappears in silence."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nhisync.spi import Capability
from nhisync.testing.conformance.hooks import Hooks
from nhisync.testing.conformance.words import Trouble

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Duty:
    """When a standard test applies, and what it needs.

    Attributes:
        test: the function.
        capability: it applies only to providers that declare this; None = to all.
        trouble: the world must be able to make it.
        hooks: hooks that must be filled in.
    """

    test: Callable[..., None]
    capability: Capability | None
    trouble: Trouble | None
    hooks: tuple[str, ...]


DUTIES: dict[str, Duty] = {}
"""Name → standard test, in the order of definition."""


def duty(
    capability: Capability | None = None, *, trouble: Trouble | None = None, hooks: tuple[str, ...] = ()
) -> Callable[[Test], Test]:
    """Make a function a standard test."""

    def register(test: Test) -> Test:
        DUTIES[test.__name__] = Duty(test, capability, trouble, hooks)
        return test

    return register


def settle(cls: type[Hooks]) -> None:
    """Leave out what does not apply to `cls`, and refuse what is missing without a reason.

    Raises:
        TypeError: with all problems at once.
    """
    if not hasattr(cls, "provider"):
        raise TypeError(f"{cls.__name__}: `provider` is missing; a class of hooks only is declared with abstract=True")
    duties = (found for name, one in DUTIES.items() for found in _duty(cls, name, one))
    problems = [*_reasons(cls), *_crowd(cls), *duties]
    if problems:
        raise TypeError(f"{cls.__name__} does not conform:\n" + "\n".join(f"  - {problem}" for problem in problems))
    left_out = {
        n for n, one in DUTIES.items() if not _applies(cls, one) or (n in cls.reasons and not _own(cls, n, one))
    }
    cls.left_out = frozenset(left_out)
    for name, one in DUTIES.items():
        if name in left_out:
            setattr(cls, name, None)  # pytest collects callables only
        elif getattr(cls, name) is None:
            setattr(cls, name, one.test)  # a base had left it out


def verify(cls: type[Hooks]) -> None:
    """See that nobody took a standard test away after the class was defined.

    Raises:
        TypeError: with the names of the tests.
    """
    gone = [n for n, one in DUTIES.items() if n not in cls.reasons and n not in cls.left_out and _own(cls, n, one)]
    if gone:
        raise TypeError(f"{cls.__name__}: deleted or replaced without a reason: {', '.join(gone)}")


def _reasons(cls: type[Hooks]) -> Iterator[str]:
    for name, reason in cls.reasons.items():
        if name not in DUTIES:
            yield f"reasons: there is no standard test called {name}"
        elif not reason.strip():
            yield f"reasons: {name} has no reason"
        elif not _applies(cls, DUTIES[name]):
            yield f"reasons: {name} does not apply to the declared capabilities; drop its reason"


def _crowd(cls: type[Hooks]) -> Iterator[str]:
    smaller = cls.crowd_size < Hooks.crowd_size
    if smaller and not cls.crowd_reason.strip():
        yield f"crowd_size: {cls.crowd_size} instead of {Hooks.crowd_size} needs a `crowd_reason`"
    if cls.crowd_reason and not smaller:
        yield f"crowd_reason: the large sweep has {cls.crowd_size} items; drop the reason"


def _duty(cls: type[Hooks], name: str, one: Duty) -> Iterator[str]:
    if name in cls.reasons or not _applies(cls, one):
        return
    if _own(cls, name, one):
        yield f"{name} is deleted or replaced without a reason; say in `reasons` why"
    if one.trouble is not None and one.trouble not in cls.faults:
        yield f"{name} needs a fault for Trouble.{one.trouble.name}; name it in `faults`, or say in `reasons` why not"
    for hook in one.hooks:
        if _unfilled(cls, hook):
            yield f"{name} needs the hook `{hook}`; fill it in, or say in `reasons` why not"


def _applies(cls: type[Hooks], one: Duty) -> bool:
    declared: frozenset[Capability] = cls.provider.info.capabilities
    return one.capability is None or one.capability in declared


def _own(cls: type[Hooks], name: str, one: Duty) -> bool:
    """Whether `cls` resolves `name` to anything but the standard test; also when somebody deleted it from its base."""
    for base in cls.__mro__:
        if name in vars(base) and name not in vars(base).get("left_out", ()):
            return vars(base)[name] is not one.test
    return True


def _unfilled(cls: type[Hooks], hook: str) -> bool:
    if hook == "canaries":
        return not any(seed.fields for seed in cls.seeds) and cls.canaries.__func__ is Hooks.canaries.__func__  # type: ignore[attr-defined]
    value: Any = getattr(cls, hook)
    default: Any = getattr(Hooks, hook)
    if callable(value) and hasattr(value, "__func__"):
        return bool(value.__func__ is default.__func__)
    return value is None if default is None else not value


def without_a_world(provider: type[Any], reason: str) -> Mapping[str, str]:
    """`reason` for every standard test of `provider` that only a world can serve, for a class on a real endpoint."""
    return {
        name: reason
        for name, one in DUTIES.items()
        if (one.trouble is not None or "world" in one.hooks)
        and (one.capability is None or one.capability in provider.info.capabilities)
    }
