"""Renderers: a report in, text out. Every format derives from the same values, and none decides anything."""

from collections.abc import Callable, Iterator
from importlib import import_module

from nhisync.cli.output.options import RenderOptions
from nhisync.errors import UsageError
from nhisync.model import Report

__all__ = ["REPORT_FORMATS", "RenderOptions", "render"]

_RENDERERS = {
    "table": ("table", "render_table"),
    "plain": ("plain", "render_plain"),
    "json": ("document", "render_json"),
    "jsonl": ("document", "render_jsonl"),
    "sarif": ("sarif", "render_sarif"),
    "junit": ("junit", "render_junit"),
    "ocsf": ("ocsf", "render_ocsf"),
    "markdown": ("markdown", "render_markdown"),
    "html": ("page", "render_html"),
}

REPORT_FORMATS = tuple(_RENDERERS)
"""Formats of a report, the default first."""


def render(report: Report, fmt: str, *, options: RenderOptions | None = None) -> Iterator[str]:
    """Yield `report` in the format `fmt`, in parts that may be written as they come.

    Raises:
        UsageError: there is no such format.
    """
    if fmt not in _RENDERERS:
        raise UsageError(f"there is no format `{fmt}`", fix=f"Take one of: {', '.join(REPORT_FORMATS)}.")
    module, name = _RENDERERS[fmt]
    renderer: Callable[[Report, RenderOptions], Iterator[str]] = getattr(
        import_module(f"nhisync.cli.output.{module}"), name
    )
    return renderer(report, options or RenderOptions())
