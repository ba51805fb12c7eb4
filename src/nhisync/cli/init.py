"""`nhisync init`."""

from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.app.init import Answers, Source
    from nhisync.registry import Registry

app = typer.Typer()

LIKELY = ("vault", "aws")
"""Suggested for the primary and for the backup, as in the README; whoever has others says so."""


@app.command()
def init(
    ctx: typer.Context,
    primary: Annotated[str, typer.Option(metavar="PROVIDER@REGION", help="The primary path's first source.")] = "",
    backup: Annotated[str, typer.Option(metavar="PROVIDER@REGION", help="The backup path's first source.")] = "",
    app_name: Annotated[str, typer.Option("--app", metavar="APP", help="The first app.")] = "",
    tier: Annotated[str, typer.Option(metavar="TIER", help="Its tier: critical, high or standard.")] = "",
    owner: Annotated[str, typer.Option(metavar="OWNER", help="Who is woken.")] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH.KEY=VALUE", help="A setting, like primary.address=https://…; repeatable."),
    ] = None,
    discover: Annotated[bool, typer.Option("--discover", help="Contact both paths and add suggested pairs.")] = False,
) -> None:
    """Write a first nhisync.yaml and policies/.

    Examples:
        nhisync init                                              asks what it needs
        nhisync init --no-input --primary vault@eu-west-1 --backup aws@eu-north-1 --app payments
        nhisync init --set primary.auth.method=approle --set primary.address=https://vault.example

    Never overwrites: an existing configuration ends it, existing policies are kept. Credentials are never asked for;
    the file names where they are read from. The first app starts in mode observe, which gates nothing.
    """
    from nhisync.app.init import TODO, write  # noqa: PLC0415 - only this command needs it
    from nhisync.errors import UsageError  # noqa: PLC0415
    from nhisync.registry import Registry  # noqa: PLC0415

    invocation = current(ctx)
    file = invocation.config
    if file.exists():
        raise UsageError(f"{file} exists and is not overwritten", fix="Name another file with --config.")
    registry = invocation.registry or Registry()
    answers = _answers(invocation, registry, primary, backup, app_name, tier, owner, _settings(settings or []))
    written, kept = write(file.parent, file.name, answers, registry)
    invocation.write("".join(f"{path}\n" for path in written))
    for path in kept:
        invocation.warn(f"{path} was there and is kept")
    open_places = file.read_text(encoding="utf-8").count(TODO) - 1
    if discover and not open_places:
        _discover(invocation)
    elif discover:
        invocation.warn(f"nothing was contacted: {open_places} places say {TODO}")
    invocation.hint(f"Next: {f'replace {TODO} in {file}, then ' if open_places else ''}nhisync doctor")


def _answers(
    invocation: Invocation,
    registry: "Registry",
    primary: str,
    backup: str,
    app_name: str,
    tier: str,
    owner: str,
    values: dict[str, dict[str, str]],
) -> "Answers":
    from nhisync.app.init import Answers  # noqa: PLC0415 - only this command needs it

    invocation.detail(f"installed providers: {', '.join(registry.names)}")
    one, other = (_likely(registry, provider) for provider in LIKELY)
    chosen = {
        "primary": primary or invocation.ask("Provider and region of the primary path", f"{one}@eu-west-1"),
        "backup": backup or invocation.ask("Provider and region of the backup path", f"{other}@eu-north-1"),
    }
    paths = {name: _source(invocation, registry, name, text, values.get(name, {})) for name, text in chosen.items()}
    return Answers(
        app=app_name or invocation.ask("Name of the first application", "my-app"),
        tier=tier or invocation.ask("Its tier (critical, high, standard)", "standard"),
        owner=owner or invocation.ask("Who is woken when it breaks", "platform-oncall"),
        paths=paths,
    )


def _likely(registry: "Registry", provider: str) -> str:
    """`provider` where it is installed, else the first that is."""
    return provider if provider in registry.names else next(iter(registry.names), "")


def _source(invocation: Invocation, registry: "Registry", path: str, text: str, values: dict[str, str]) -> "Source":
    """One path's source; asks for the method of authentication and for what the provider requires."""
    from nhisync.app.init import TODO, Source, auth_methods, skeleton  # noqa: PLC0415 - only this command needs it

    provider, _, region = text.partition("@")
    methods = auth_methods(provider, registry)
    method = values.get("auth.method", "")
    if methods and not method:
        method = invocation.ask(f"{path}: authentication ({', '.join(methods)})", methods[0])
    draft = Source(provider=provider, region=region or "my-region", auth=method, values=values)
    asked = {
        key: answer
        for key in _open(skeleton(draft, registry))
        if (answer := invocation.ask(f"{path}: {key}")) and answer != TODO
    }
    return Source(provider=provider, region=draft.region, auth=method, values={**values, **asked})


def _open(document: dict[str, object], prefix: str = "") -> list[str]:
    """Dotted keys that still say what a person must replace."""
    from nhisync.app.init import TODO  # noqa: PLC0415 - only this command needs it

    found: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict):
            found += _open(value, f"{prefix}{key}.")
        elif isinstance(value, str) and TODO in value:
            found.append(f"{prefix}{key}")
    return found


def _settings(texts: list[str]) -> dict[str, dict[str, str]]:
    """``primary.auth.method=approle`` → path → dotted key → value."""
    from nhisync.errors import UsageError  # noqa: PLC0415 - only this command needs it

    found: dict[str, dict[str, str]] = {}
    for text in texts:
        place, equals, value = text.partition("=")
        path, dot, key = place.partition(".")
        if not equals or not dot or path not in {"primary", "backup"} or not all(key.split(".")):
            raise UsageError("--set does not fit", fix="Write it as primary.address=https://vault.example.")
        found.setdefault(path, {})[key] = value
    return found


def _discover(invocation: Invocation) -> None:
    from nhisync.app.discover import discover as look  # noqa: PLC0415 - only when asked for
    from nhisync.cli.discover import add_to_configuration  # noqa: PLC0415
    from nhisync.cli.inventory import warn_of_gaps  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.progress import progress  # noqa: PLC0415

    with progress(invocation) as say:
        found = look(open_session(invocation), "primary", say)
    for one in (found.inventory, *found.others.values()):
        warn_of_gaps(one, invocation)
    add_to_configuration(found.suggestions, invocation)
