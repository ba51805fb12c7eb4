"""`nhisync providers`."""

from typing import TYPE_CHECKING

import typer

from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.app.providers import Installed
    from nhisync.registry import Registry

app = typer.Typer()

_COLUMNS = ("PROVIDER", "USABLE", "CAN", "KINDS", "FROM")


@app.command()
def providers(ctx: typer.Context) -> None:
    """List installed providers and what they can do.

    Examples:
        nhisync providers
        nhisync providers --format json     with an example locator of every kind

    Providers are found by entry points; only distributions that the configuration allows are imported. Formats: table,
    json.
    """
    from nhisync.app.providers import providers as installed  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.output.listing import as_json, painter, table  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("table", "json")
    found = installed(_registry(invocation))
    if fmt == "json":
        invocation.write(as_json([_document(one) for one in found]))
        return
    paint = painter(invocation)
    problems = [f"{one.name}: {one.problem}. {one.fix}" for one in found if one.problem]
    rows = [_row(one) for one in found]
    invocation.write([table(invocation, _COLUMNS, rows), *(paint.line(text) for text in problems)])


def _registry(invocation: Invocation) -> "Registry":
    """The allow-list of the configuration, where there is one that can be read; else nhisync's own providers."""
    from nhisync.config import load  # noqa: PLC0415 - only this command needs it
    from nhisync.errors import ConfigurationError  # noqa: PLC0415
    from nhisync.registry import Registry  # noqa: PLC0415

    if invocation.registry is not None:
        return invocation.registry
    if not invocation.config.is_file():
        return Registry()
    try:
        return Registry(load(invocation.config).allow)
    except ConfigurationError:
        invocation.warn(f"{invocation.config} cannot be used; only nhisync's own providers are imported")
        return Registry()


def _row(one: "Installed") -> tuple[str, ...]:
    info = one.info
    return (
        one.name,
        "no" if one.problem else "yes",
        ", ".join(sorted(info.capabilities)) if info else "",
        ", ".join(kind.name for kind in info.kinds) if info else "",
        one.distribution,
    )


def _document(one: "Installed") -> dict[str, object]:
    info = one.info
    return {
        "name": one.name,
        "distribution": one.distribution,
        "usable": not one.problem,
        "problem": one.problem,
        "fix": one.fix,
        "title": info.title if info else "",
        "spi_version": info.spi_version if info else None,
        "capabilities": sorted(info.capabilities) if info else [],
        "kinds": [
            {"name": k.name, "title": k.title, "locator": k.locator, "authoritative": k.authoritative}
            for k in (info.kinds if info else ())
        ],
    }
