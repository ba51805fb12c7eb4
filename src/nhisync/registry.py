"""Finding and loading providers: entry points only, built-ins included; nothing is imported that nobody named.

A third party's provider has exactly the shape of ours: a distribution with an entry point in ``nhisync.providers``. Its
distribution must be named in ``providers.allow``, because a provider runs with nhisync's credentials.
"""

import difflib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from nhisync.errors import RegistryError
from nhisync.spi import PROTOCOLS, SPI_VERSION, Provider, ProviderInfo

GROUP = "nhisync.providers"
"""Entry-point group: provider name → its class."""

_OWN, _UNKNOWN = "nhisync", "unknown"
"""Distributions: our own, and that of an entry point without one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An installed provider, not imported.

    Attributes:
        name: word used in ``provider:``.
        distribution: the installed distribution that offers it.
        target: ``module:object``.
    """

    name: str
    distribution: str
    target: str


class Registry:
    """Installed providers, loaded by name and checked when loaded.

    Args:
        allow: distributions whose providers may be imported.
        points: entry points to look at; None = those installed.
    """

    def __init__(self, allow: Iterable[str] = ("nhisync",), *, points: Iterable[EntryPoint] | None = None) -> None:
        self._allow = frozenset(_canonical(name) for name in allow)
        self._points: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=GROUP) if points is None else points:
            self._points.setdefault(point.name, []).append(point)
        self._loaded: dict[str, type[Provider]] = {}

    def candidates(self) -> tuple[Candidate, ...]:
        """All installed providers, sorted by name."""
        found = [Candidate(p.name, _distribution(p), p.value) for points in self._points.values() for p in points]
        return tuple(sorted(found, key=lambda c: (c.name, c.distribution)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of installed providers, sorted."""
        return tuple(sorted(self._points))

    def load(self, name: str) -> type[Provider]:
        """Import and check the provider `name`.

        Raises:
            RegistryError: not installed, offered twice, not allowed, not importable, or not fitting this SPI.
        """
        if name not in self._loaded:
            self._loaded[name] = self._check(name, self._import(self._point(name)))
        return self._loaded[name]

    def require_sdk(self, info: ProviderInfo) -> None:
        """Make sure that the provider's SDK is installed before anything is contacted.

        Raises:
            RegistryError: with what to install.
        """
        for root in info.sdk_roots:
            if importlib.util.find_spec(root) is None:
                raise _lacking(info.name, root, self._owner(info.name))

    def _owner(self, name: str) -> str:
        """The distribution that offers the provider `name`, or "unknown"."""
        return next((_distribution(point) for point in self._points.get(name, ())), _UNKNOWN)

    def _point(self, name: str) -> EntryPoint:
        points = self._points.get(name, [])
        if not points:
            near = difflib.get_close_matches(name, self._points, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Installed: {', '.join(self.names) or 'none'}."
            raise RegistryError(f"no installed provider is called `{name}`", fix=hint)
        if len(points) > 1:
            owners = " and ".join(sorted(_distribution(p) for p in points))
            raise RegistryError(
                f"provider `{name}` is offered by {owners}; neither is imported", fix="Uninstall one of them."
            )
        owner = _distribution(points[0])
        if _canonical(owner) not in self._allow:
            raise RegistryError(
                f"provider `{name}` comes from the distribution `{owner}`, which is not allowed to run here",
                fix=f"If you trust it, add it: providers: {{allow: [nhisync, {owner}]}}",
            )
        return points[0]

    @staticmethod
    def _import(point: EntryPoint) -> object:
        try:
            return point.load()
        except ModuleNotFoundError as missing:
            package = point.module.partition(".")[0]
            if (missing.name or "").partition(".")[0] == package:
                raise RegistryError(f"provider `{point.name}` is registered but `{package}` cannot be found") from None
            raise _lacking(point.name, str(missing.name), _distribution(point)) from None
        except AttributeError:
            raise RegistryError(f"provider `{point.name}`: `{point.value}` does not exist") from None
        except Exception as broken:  # noqa: BLE001 - somebody else's module may raise anything while it is imported
            raise RegistryError(
                f"provider `{point.name}` breaks while it is imported: {type(broken).__name__}",
                fix=f"Look at it with: python -c 'import {point.module}'",
            ) from None

    @staticmethod
    def _check(name: str, loaded: object) -> type[Provider]:
        info = getattr(loaded, "info", None)
        if not isinstance(loaded, type) or not isinstance(info, ProviderInfo):
            raise RegistryError(f"provider `{name}` is not a class with a ProviderInfo named `info`")
        if info.spi_version != SPI_VERSION:
            raise RegistryError(
                f"provider `{name}` was written for SPI {info.spi_version}; this nhisync speaks SPI {SPI_VERSION}",
                fix="Install a matching version of the provider or of nhisync.",
            )
        if info.name != name:
            raise RegistryError(f"the entry point `{name}` leads to a provider that calls itself `{info.name}`")
        for capability, protocol in PROTOCOLS.items():
            if (capability in info.capabilities) != issubclass(loaded, protocol):
                verb = "declares" if capability in info.capabilities else "does not declare"
                raise RegistryError(
                    f"provider `{name}` {verb} the capability `{capability}`, but its class says otherwise",
                    fix=f"Declare it exactly when the class has the methods of `{protocol.__name__}`.",
                )
        return cast("type[Provider]", loaded)


def _lacking(name: str, package: str, owner: str) -> RegistryError:
    """Our extras bring the SDKs of our own providers; somebody else's SDK comes with their distribution."""
    install = {_OWN: f"pip install '{_OWN}[{name}]'", _UNKNOWN: f"whatever brings `{package}`"}
    said = f"provider `{name}` needs the package `{package}`, which is not installed"
    return RegistryError(said, fix=f"Install it: {install.get(owner, f'pip install {owner}')}")


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else _UNKNOWN


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
