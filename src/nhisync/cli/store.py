"""`nhisync store`: upgrade, back up and restore what nhisync remembers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.config import Configuration
    from nhisync.store import Restored, Upgraded

app = typer.Typer(
    help="""Upgrade, back up and restore the store; accept a sweep that shrank.

Examples:
    nhisync store upgrade
    nhisync store backup /var/backups/nhisync.db
    nhisync store restore /var/backups/nhisync.db
"""
)


@app.command("upgrade")
def upgrade_command(ctx: typer.Context) -> None:
    """Bring the store to the schema of this version.

    Examples:
        nhisync store upgrade

    A backup is made beside the store first (on PostgreSQL make one yourself: pg_dump). Doing it again does nothing.
    Refused (5) while another process writes to the store.
    """
    from nhisync.cli.person import person  # noqa: PLC0415 - only when called
    from nhisync.store import upgrade  # noqa: PLC0415

    invocation = _plain(ctx)
    done = upgrade(_url(invocation), clock=invocation.clock, randomness=invocation.randomness, actor=person())
    _write(invocation, upgraded(done))


@app.command("backup")
def backup_command(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="New file; never overwritten.")]
) -> None:
    """Copy the store to a new file while it is in use.

    Examples:
        nhisync store backup /var/backups/nhisync-$(date +%F).db

    The copy is checked before it gets its name. A PostgreSQL store is backed up with pg_dump.
    """
    from nhisync.store import Store  # noqa: PLC0415 - only when called

    invocation = _plain(ctx)
    url, clock, randomness = _url(invocation), invocation.clock, invocation.randomness
    with Store.open(url, mode="read", clock=clock, randomness=randomness) as store:
        made = store.backup(file)
    _write(invocation, f"backup of {store.shown} in {made}")
    invocation.hint(f"Next: nhisync store restore {made}    (when it is needed)")


@app.command("restore")
def restore_command(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="What `nhisync store backup` wrote; none on PostgreSQL.")
    ] = None,
) -> None:
    """Put a backup in the store's place; its verdicts become void.

    Examples:
        nhisync store restore /var/backups/nhisync.db
        nhisync store restore                           PostgreSQL, after pg_restore

    What was published is taken back first, and the store that was there is kept beside the new one. Until the next full
    cycle nothing is ready: what a backup says was true when it was made. Where nobody can read what was said since then
    (a damaged or lost store, PostgreSQL), no app is ready before somebody looked (nhisync attest APP on-call), and
    attestations and recorded waivers of the backup do not count until they are said again; they are listed. Refused
    (5) while another process writes to the store.
    """
    from nhisync.app.restore import restore_store  # noqa: PLC0415 - only when called
    from nhisync.cli.person import person  # noqa: PLC0415

    invocation = _plain(ctx)
    clock, randomness = invocation.clock, invocation.randomness
    done = restore_store(_configuration(invocation), file, clock=clock, randomness=randomness, actor=person())
    _write(invocation, restored(done))
    invocation.hint("Next: nhisync sync")


@app.command("accept")
def accept_command(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Path of the source.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Source of the sweep.")],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Kind that was swept.")],
    items: Annotated[int, typer.Option(min=0, metavar="N", help="How many items are left; it must be what was seen.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why the others are gone.")],
    approved_by: Annotated[str, typer.Option("--approved-by", metavar="WHO", help="Who vouches for it.")],
    scope: Annotated[
        str | None, typer.Option(metavar="SCOPE", help="Mount, folder or region, where several shrank.")
    ] = None,
) -> None:
    """Confirm that a sweep shrank because items were removed (NHS907).

    Examples:
        nhisync store accept backup bao kv --items 12 --approved-by vault-team --reason "tenant moved, CHG-77"

    A sweep that lost more than policy believes is held back, in every cycle, until somebody who looked says here that
    the loss is real. It is recorded in the audit trail. The number must be that of the last sweep, else it is refused
    (5); also refused (5) while a daemon holds the store.
    """
    from nhisync.app.sweeps import Acceptance, accept  # noqa: PLC0415 - only when called
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.person import person  # noqa: PLC0415

    invocation = _plain(ctx)
    wanted = Acceptance(
        path=path, source=source, kind=kind, scope=scope, items=items, approved_by=approved_by, reason=reason
    )
    accept(open_session(invocation), wanted, actor=person())
    _write(invocation, f"accepted: {source} {kind} on {path} holds {items} items, says {approved_by}")
    invocation.hint("Next: nhisync sync")


def upgraded(done: "Upgraded") -> str:
    """What an upgrade did, in one line."""
    if not done.changed:
        return f"{done.store} has schema {done.after} already"
    if done.before is None:
        return f"{done.store} was empty and has schema {done.after} now"
    kept = f"; backup in {done.backup}" if done.backup else ""
    return f"{done.store}: schema {done.before} to {done.after}{kept}"


def restored(done: "Restored") -> str:
    """What a restore did, a line each."""
    lines = [f"{done.store} restored: epoch {done.epoch}, {done.voided} verdicts void"]
    if done.replaced:
        lines.append(f"the replaced store is kept in {done.replaced}")
    if done.foreign:
        lines.append(f"note: the backup came from another installation ({done.installation})")
    if done.doubted is not None:
        lines.append("WARNING: what was said against an app since the backup was made cannot be read, and may be lost")
        lines.append("no app is ready until somebody looked: nhisync attest APP on-call --result pass --by WHO")
        lines.append(f"words of the backup that do not count until somebody says them again: {len(done.doubted)}")
        lines += [f"  {word}" for word in done.doubted]
    return "\n".join(lines)


def _plain(ctx: typer.Context) -> Invocation:
    invocation = current(ctx)
    invocation.chosen_format("plain")
    return invocation


def _url(invocation: Invocation) -> str:
    """The configured store.

    Raises:
        ConfigurationError: with all problems.
    """
    return _configuration(invocation).store_url


def _configuration(invocation: Invocation) -> "Configuration":
    """The configuration; providers are not loaded, since a broken one must not keep anybody from restoring.

    Raises:
        ConfigurationError: with all problems.
    """
    from nhisync.config import load  # noqa: PLC0415 - pydantic, only when needed

    policies = Path(invocation.options.policies) if invocation.options.policies else None
    return load(invocation.config, policies=policies)


def _write(invocation: Invocation, text: str) -> None:
    from nhisync.cli.safe import printable  # noqa: PLC0415 - only when called

    invocation.write("".join(f"{printable(line)}\n" for line in text.splitlines()))
