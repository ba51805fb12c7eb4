"""Second phase: one source's document against its provider's settings class, with the places of the first phase."""

from collections.abc import Callable
from typing import TypeVar

from nhisync.config.problems import Report
from nhisync.config.reading import YamlFile
from nhisync.config.tree import Node
from nhisync.config.validation import validate
from nhisync.config.values import Configuration, SourceConfig
from nhisync.errors import ConfigurationError, Problem, RegistryError
from nhisync.spi import SourceSettings

S = TypeVar("S", bound=SourceSettings)


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
    report = configuration.document.report()
    settings = _validated(configuration, path, source, settings_cls, report)
    if settings is None:
        raise ConfigurationError(report.problems())
    return settings


def all_source_problems(
    configuration: Configuration, settings_of: Callable[[str], type[SourceSettings]]
) -> tuple[Problem, ...]:
    """The problems of all sources in the order of the file.

    Args:
        configuration: the loaded configuration.
        settings_of: provider name → its settings class; may raise `RegistryError`, which becomes a problem.
    """
    report = configuration.document.report()
    for path in configuration.paths.values():
        for source in path.sources.values():
            try:
                settings_cls = settings_of(source.provider)
            except RegistryError as error:
                _missing_provider(configuration.document, path.name, source, error, report)
                continue
            _validated(configuration, path.name, source.name, settings_cls, report)
    return report.problems()


def _validated(configuration: Configuration, path: str, source: str, settings_cls: type[S], report: Report) -> S | None:
    entry = configuration.paths[path].sources[source]
    document = dict(entry.document)
    if entry.region is not None:
        document.setdefault("region", entry.region)
    return validate(settings_cls, _node(configuration.document, path, source), _loc(path, source), report, document)


def _missing_provider(yaml: YamlFile, path: str, source: SourceConfig, error: RegistryError, report: Report) -> None:
    node = yaml.root.get(*_loc(path, source.name), "provider") or _node(yaml, path, source.name)
    where = f"paths.{path}.sources.{source.name}.provider"
    fix = f". {error.fix}" if error.fix else ""
    report.add(node.mark, where, f"{where}: {error.message}{fix}")


def _loc(path: str, source: str) -> tuple[str, ...]:
    return ("paths", path, "sources", source)


def _node(yaml: YamlFile, path: str, source: str) -> Node:
    node = yaml.root.get(*_loc(path, source))
    if node is None:
        raise KeyError(f"{path}.{source}")
    return node
