"""`nhisync waive`."""

from datetime import date
from typing import Annotated

import typer

from nhisync.cli.invocation import current

app = typer.Typer()


@app.command()
def waive(
    ctx: typer.Context,
    pair: Annotated[str, typer.Argument(metavar="APP/PAIR", help="The pair.")],
    code: Annotated[str, typer.Argument(metavar="CODE", help="The finding's code.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="Last day it holds, like 2026-12-15 (UTC).")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why the risk is accepted.")],
    approved_by: Annotated[str, typer.Option("--approved-by", metavar="WHO", help="Who accepts it.")],
    ticket: Annotated[str, typer.Option(metavar="ID", help="Reference, like SEC-812.")] = "",
) -> None:
    """Accept a finding until a date.

    Examples:
        nhisync waive payments/api-tls NHS602 --until 2026-12-15 --approved-by ciso --reason "cut-over"

    The waiver is recorded in the store and audited. After its last day the finding fails again. An unknown cannot be
    waived: nobody can accept a risk that nobody has seen; a code that is only ever unknown is refused. Refused (5)
    while a daemon holds the store.
    """
    from nhisync.app.waivers import unmet  # noqa: PLC0415 - only this command needs it
    from nhisync.app.waivers import waive as record  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.person import person  # noqa: PLC0415
    from nhisync.cli.safe import printable  # noqa: PLC0415
    from nhisync.model import Waiver  # noqa: PLC0415

    invocation = current(ctx)
    invocation.chosen_format("plain")
    wanted = Waiver(
        pair=pair, code=code.upper(), until=_day(until), approved_by=approved_by, reason=reason, ticket=ticket
    )
    session = open_session(invocation)
    number = record(session, wanted, actor=person())
    invocation.write(printable(f"waiver {number}: {pair} {wanted.code} until {wanted.until} by {approved_by}") + "\n")
    if unmet(session, wanted):
        invocation.hint(
            printable(f"the last cycle found no {wanted.code} of {pair}: this waives nothing until one does")
        )
    invocation.hint("Next: nhisync waivers")


def _day(text: str) -> date:
    from nhisync.errors import UsageError  # noqa: PLC0415

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("--until is no date", fix="Write it as 2026-12-15.") from None
