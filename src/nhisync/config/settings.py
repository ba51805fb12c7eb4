"""Sources against what their providers declare: settings, and the kinds that pairs may name."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from nhisync.config.problems import Loc, Report, dotted
from nhisync.config.tree import Node
from nhisync.config.validation import validate
from nhisync.config.values import Configuration, SourceConfig
from nhisync.errors import ConfigurationError, RegistryError
from nhisync.spi import ProviderInfo, SourceSettings

S = TypeVar("S", bound=SourceSettings)

Declared = Callable[[str], ProviderInfo]
"""Provider name → its declaration; raises `RegistryError` when it cannot be loaded."""

Offered = Callable[[Collection[str]], Declared]
"""Distributions whose providers may be imported → their declarations."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What a source's provider can inventory.

    Attributes:
        provider: its name.
        names: of its kinds.
        checks: kind → what its provider can say about a name without asking anybody; raises ValueError.
    """

    provider: str
    names: tuple[str, ...]
    checks: Mapping[str, Callable[[str], object]] = field(default_factory=dict)


def source_settings(configuration: Configuration, path: str, source: str, settings_cls: type[S]) -> S:
    """The validated settings of one source; its region defaults to the path's. Relative files stay relative.

    Args:
        configuration: the loaded configuration.
        path: name of the path.
        source: name of the source in it.
        settings_cls: its provider's settings class.

    Raises:
        ConfigurationError: with all problems of this source.
    """
    loc: Loc = ("paths", path, "sources", source)
    node = configuration.document.root.get(*loc)
    if node is None:
        raise KeyError(f"{path}.{source}")
    report = configuration.document.report()
    settings = _validated(configuration.paths[path].sources[source], node, loc, settings_cls, report)
    if settings is None:
        raise ConfigurationError(report.problems())
    return settings


def check_source(source: SourceConfig, node: Node, loc: Loc, declared: Declared, report: Report) -> Kinds | None:
    """Report what is wrong with a source in its provider's eyes; None when the provider cannot be loaded.

    Args:
        source: the source as far as every provider's is the same.
        node: where it stands.
        loc: keys that lead to it.
        declared: loads the declaration.
        report: takes the problems.
    """
    try:
        info = declared(source.provider)
    except RegistryError as error:
        place, where = node.get("provider") or node, f"{dotted(loc)}.provider"
        report.add(place.mark, where, f"{where}: {error.message}" + (f". {error.fix}" if error.fix else ""))
        return None
    _validated(source, node, loc, info.settings, report)
    checks = {kind.name: kind.check for kind in info.kinds if kind.check is not None}
    return Kinds(info.name, tuple(kind.name for kind in info.kinds), checks)


def _validated(source: SourceConfig, node: Node, loc: Loc, settings_cls: type[S], report: Report) -> S | None:
    document = dict(source.document)
    if source.region is not None:
        document.setdefault("region", source.region)
    return validate(settings_cls, node, loc, report, document)
