"""`nhisync explain`."""

from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import current
from nhisync.cli.policy import tier_named, tiers_in_use

if TYPE_CHECKING:
    from nhisync.policy import Tier

app = typer.Typer()


def explain(code: str, tier: "Tier | None" = None) -> str:
    """What the rule `code` compares, why it hurts, when it is a false alarm, how to fix it, and what decides it.

    Args:
        code: ``NHS201``, ``nhs201`` or ``201``.
        tier: the tier whose values are shown; None = the built-in ``critical``.

    Raises:
        UsageError: there is no such rule.
    """
    from nhisync.parity.rules.explain import explanation  # noqa: PLC0415 - only when needed
    from nhisync.policy import BUILTIN  # noqa: PLC0415 - only when needed

    return explanation(code, tier or BUILTIN["critical"])


@app.command("explain")
def explain_command(
    ctx: typer.Context,
    code: Annotated[str, typer.Argument(help="Code of a finding: NHS201, or just 201.")],
    tier: Annotated[str, typer.Option(help="Tier whose values are shown.")] = "critical",
) -> None:
    """Explain a finding: what, why it hurts, how to fix it.

    Examples:
        nhisync explain NHS201
        nhisync explain 602 --tier standard
        nhisync explain NHS303 --policies policies     with the values of these files

    The values are those of the configuration, where there is one.
    """
    invocation = current(ctx)
    invocation.chosen_format("plain")
    invocation.write(explain(code, tier_named(tier, tiers_in_use(invocation))))
