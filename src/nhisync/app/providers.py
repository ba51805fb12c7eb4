"""`nhisync providers`: what is installed, what it can do, and why it cannot be used."""

from dataclasses import dataclass

from nhisync.errors import RegistryError
from nhisync.registry import Registry
from nhisync.spi import ProviderInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One installed provider.

    Attributes:
        name: word used in ``provider:``.
        distribution: the installed distribution it comes from.
        info: its declaration, or None when it cannot be loaded.
        problem: why it cannot be used, or "".
        fix: the next step, or "".
    """

    name: str
    distribution: str
    info: ProviderInfo | None
    problem: str = ""
    fix: str = ""


def providers(registry: Registry) -> tuple[Installed, ...]:
    """All installed providers by name; one that is broken or not allowed does not hide the others."""
    found = []
    for candidate in registry.candidates():
        info, problem, fix = _look(registry, candidate.name)
        found.append(
            Installed(name=candidate.name, distribution=candidate.distribution, info=info, problem=problem, fix=fix)
        )
    return tuple(found)


def _look(registry: Registry, name: str) -> tuple[ProviderInfo | None, str, str]:
    info = None
    try:
        info = registry.load(name).info
        registry.require_sdk(info)
    except RegistryError as failure:
        return info, failure.message, failure.fix
    return info, "", ""
