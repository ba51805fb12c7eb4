"""`nhisync permissions`."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import current
from nhisync.spi.protocols import AccessMode

if TYPE_CHECKING:
    from nhisync.app.permissions import Granted

app = typer.Typer()


class Purpose(StrEnum):
    """What the documents are to be enough for."""

    PAIRS = "pairs"
    DISCOVER = "discover"


_COMMENT = {"json": "//", "sql": "--"}
"""How a line of no meaning begins in a language; ``#`` elsewhere."""


@app.command()
def permissions(
    ctx: typer.Context,
    provider: Annotated[str, typer.Option(metavar="PROVIDER", help="Only for this provider.")] = "",
    mode: Annotated[AccessMode, typer.Option(help="What it must be able to do.", show_default=True)] = AccessMode.READ,
    path: Annotated[str, typer.Option(metavar="PATH", help="Only for this path.")] = "",
    pair: Annotated[str, typer.Option(metavar="PAIR", help="Only for this pair (PAIR or APP/PAIR).")] = "",
    purpose: Annotated[
        Purpose, typer.Option("--for", help="What it must be enough for.", show_default=True)
    ] = Purpose.PAIRS,
) -> None:
    """Print the least privilege that this configuration needs.

    Examples:
        nhisync permissions
        nhisync permissions --provider aws --mode read --pair stripe-api
        nhisync permissions --path backup -q -o grant.json --provider aws
        nhisync permissions --path backup --for discover

    One document per source, ready to apply; contacts nothing. `--for discover` covers every kind that nhisync
    discover and nhisync inventory list; without it, what the configured pairs need (everything before there is
    one). With a single document and -q only its text is printed. Modes: read allows no reading of a value
    (Kubernetes alone knows no right to metadata only); fingerprint allows it for the reuse comparison, probe for
    the values that probes present or the right to mint them (of every pair, until pairs have probes); rotate allows
    each named item's own lifecycle, and no value. A mode that a source has no use for prints nothing. Formats:
    plain, json.
    """
    from nhisync.app.permissions import permissions as granted  # noqa: PLC0415 - only this command needs it
    from nhisync.cli.opening import open_session, tell_comparisons  # noqa: PLC0415
    from nhisync.cli.output.listing import as_json  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("plain", "json")
    session = open_session(invocation)
    found = granted(session, mode, provider=provider, path=path, pair=pair, whole=purpose is Purpose.DISCOVER)
    if mode is AccessMode.READ:
        tell_comparisons(invocation, session.configuration, "permissions")
    if fmt == "json":
        invocation.write(as_json([_document(one) for one in found]))
        return
    bare = len(found) == 1 and invocation.options.quiet
    invocation.write([f"{found[0].document.text.rstrip()}\n"] if bare else _texts(found, mode))


def _texts(found: "Sequence[Granted]", mode: AccessMode) -> Iterator[str]:
    for one in found:
        mark = _COMMENT.get(one.document.language, "#")
        begun = one.document.text.lstrip().partition("\n")[0]
        said = begun.strip("#/- ") == one.document.title  # a policy that is applied as it stands carries its title
        title = "" if said else f": {one.document.title}"
        yield f"{mark} {one.path}/{one.source} ({one.provider}), mode {mode.value}{title}\n"
        yield f"{one.document.text.rstrip()}\n\n"
    if not found:
        yield f"# mode {mode.value}: no source of this configuration needs a grant\n"


def _document(one: "Granted") -> dict[str, object]:
    return {
        "path": one.path,
        "source": one.source,
        "provider": one.provider,
        "title": one.document.title,
        "language": one.document.language,
        "actions": list(one.document.actions),
        "text": one.document.text,
    }
