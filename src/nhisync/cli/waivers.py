"""`nhisync waivers`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import Invocation, current

if TYPE_CHECKING:
    from nhisync.app.waivers import Listed

app = typer.Typer()

_COLUMNS = ("STATE", "UNTIL", "PAIR", "CODE", "APPROVED BY", "TICKET", "REASON", "WHERE")


@app.command()
def waivers(
    ctx: typer.Context,
    expired: Annotated[bool, typer.Option("--expired", help="Only those that are over: their findings fail.")] = False,
    withdraw: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Withdraw a recorded waiver; audited.", min=1)
    ] = None,
) -> None:
    """List accepted findings and when they end.

    Examples:
        nhisync waivers
        nhisync waivers --expired
        nhisync waivers --withdraw 3

    Waivers of the configuration and of the store together; the soonest end first. Formats: table, json.
    """
    from nhisync.app.waivers import waivers as standing  # noqa: PLC0415 - only this command needs it
    from nhisync.app.waivers import withdraw as retract  # noqa: PLC0415
    from nhisync.cli.opening import open_session  # noqa: PLC0415
    from nhisync.cli.output.listing import as_json  # noqa: PLC0415
    from nhisync.cli.person import person  # noqa: PLC0415

    invocation = current(ctx)
    fmt = invocation.chosen_format("table", "json")
    session = open_session(invocation)
    if withdraw is not None:
        gone = retract(session, withdraw, actor=person())
        invocation.hint(f"withdrawn: waiver {withdraw}, {gone.pair} {gone.code}")
    found = standing(session, expired_only=expired)
    invocation.write(
        as_json([_document(one) for one in found]) if fmt == "json" else _table(found, invocation, expired)
    )


def _table(found: "Sequence[Listed]", invocation: Invocation, expired: bool) -> str:
    from nhisync.cli.output.listing import table  # noqa: PLC0415 - only for a person

    if not found:
        return "no expired waivers\n" if expired else "no waivers\n"
    rows = [
        (
            "EXPIRED" if one.expired else "ACTIVE",
            str(one.waiver.until),
            one.waiver.pair,
            one.waiver.code,
            one.waiver.approved_by,
            one.waiver.ticket,
            one.waiver.reason,
            f"store, number {one.number}" if one.number else one.waiver.origin,
        )
        for one in found
    ]
    return table(invocation, _COLUMNS, rows, ["bold red" if one.expired else "green" for one in found])


def _document(one: "Listed") -> dict[str, object]:
    waiver = one.waiver
    return {
        "pair": waiver.pair,
        "code": waiver.code,
        "until": str(waiver.until),
        "expired": one.expired,
        "approved_by": waiver.approved_by,
        "ticket": waiver.ticket,
        "reason": waiver.reason,
        "origin": waiver.origin,
        "number": one.number or None,
        "recorded_by": one.recorded_by,
    }
