"""`nhisync explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nhisync.cli.invocation import current

if TYPE_CHECKING:
    from nhisync.policy import Tier

app = typer.Typer()


def explain(code: str, tier: str = "critical", policies: Path | None = None) -> str:
    """What the rule `code` compares, why it hurts, when it is a false alarm, how to fix it, and what decides it.

    Args:
        code: ``NHS201``, ``nhs201`` or ``201``.
        tier: the tier whose values are shown.
        policies: folder with policy files, or None for the built-in tiers.

    Raises:
        UsageError: there is no such rule or tier.
        ConfigurationError: the policies cannot be used.
    """
    from nhisync.parity.rules.explain import explanation  # noqa: PLC0415 - only when needed

    return explanation(code, _tier(tier, policies))


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
    """
    invocation = current(ctx)
    invocation.chosen_format("plain")
    folder = invocation.options.policies
    invocation.write(explain(code, tier, Path(folder) if folder else None))


def _tier(name: str, policies: Path | None) -> "Tier":
    from nhisync.errors import UsageError  # noqa: PLC0415 - only when needed
    from nhisync.policy import BUILTIN  # noqa: PLC0415 - only when needed

    tiers = BUILTIN if policies is None else _read(policies)
    if name not in tiers:
        raise UsageError(f"there is no tier `{name}` here", fix=f"Take one of: {', '.join(sorted(tiers))}.")
    return tiers[name]


def _read(policies: Path) -> "dict[str, Tier]":
    from nhisync.config.policies import load_policies  # noqa: PLC0415 - only when needed
    from nhisync.errors import ConfigurationError  # noqa: PLC0415 - only when needed
    from nhisync.parity.rules import codes  # noqa: PLC0415 - only when needed

    found = load_policies(policies, codes=codes())
    if found.problems:
        raise ConfigurationError(found.problems)
    return dict(found.tiers)
