"""`nhisync policy`: check, show and test what the tiers demand."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nhisync.cli.exit_codes import ExitCode
from nhisync.cli.invocation import Invocation, current
from nhisync.errors import ConfigurationError, Problem, UsageError

if TYPE_CHECKING:
    from nhisync.config.cases import CaseResult, SamplePair, SampleSide
    from nhisync.model import Item, Locator, Severity
    from nhisync.parity.row import Row
    from nhisync.policy import Tier

app = typer.Typer(
    help="""Check and show the effective policy.

Examples:
    nhisync policy check
    nhisync policy show critical
    nhisync policy test policies/cases.yaml
"""
)


@app.command("check")
def check_command(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(help="Policy files; without one, those in use.")] = None,
) -> None:
    """Check policies and the configuration that uses them.

    Examples:
        nhisync policy check                        the configuration and its policies
        nhisync policy check policies/critical.yaml
        nhisync policy check --policies policies    policies without a configuration

    Exit 2 when anything is wrong; all problems are listed at once.
    """
    invocation = current(ctx)
    invocation.chosen_format("plain")
    invocation.write(check_files(files) if files else check(checked_tiers(invocation)))


@app.command("show")
def show_command(
    ctx: typer.Context, tier: Annotated[str | None, typer.Argument(help="Tier; without one, all.")] = None
) -> None:
    """Show the effective policy and where each value comes from.

    Examples:
        nhisync policy show critical
        nhisync policy show --format json
    """
    invocation = current(ctx)
    style = invocation.chosen_format("plain", "json")
    tiers = tiers_in_use(invocation)
    chosen = tiers if tier is None else {tier: tier_named(tier, tiers)}
    invocation.write(show_json(chosen) if style == "json" else show(chosen))


@app.command("test")
def test_command(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="Table of cases, YAML.")]) -> ExitCode:
    """Run a table of cases against the policy.

    Examples:
        nhisync policy test policies/cases.yaml
        nhisync schema policy-cases                 the format of a table

    Exit 1 when a row does not hold.
    """
    invocation = current(ctx)
    invocation.chosen_format("plain")
    results = run_table(file, tiers_in_use(invocation), invocation.clock.now)
    invocation.write(verdict(results))
    return ExitCode.DRIFT if any(result.wrong for result in results) else ExitCode.OK


def checked_tiers(invocation: Invocation) -> "Mapping[str, Tier]":
    """Like `tiers_in_use`, of a configuration that was checked whole, as every command that reads sources does.

    Raises:
        ConfigurationError: with all problems.
    """
    from nhisync.cli.opening import open_session  # noqa: PLC0415 - only when needed

    return open_session(invocation).configuration.tiers if configured(invocation) else tiers_in_use(invocation)


def configured(invocation: Invocation) -> bool:
    """Whether the command is about a configuration: one is named, or one is there and no folder was asked for."""
    named = bool(invocation.options.config or invocation.environ.get("NHISYNC_CONFIG"))
    return named or (not invocation.options.policies and invocation.config.exists())


def tiers_in_use(invocation: Invocation) -> "Mapping[str, Tier]":
    """The tiers of ``--policies``, else of the configuration, else (where no configuration is named) the built-in ones.

    Raises:
        ConfigurationError: with all problems.
    """
    from nhisync.config import load, load_policies  # noqa: PLC0415 - pydantic, only when needed

    folder = Path(invocation.options.policies) if invocation.options.policies else None
    if configured(invocation):
        return load(invocation.config, policies=folder, codes=_codes()).tiers
    policies = load_policies(folder, codes=_codes())
    if policies.problems:
        raise ConfigurationError(policies.problems)
    return policies.tiers


def tier_named(name: str, tiers: "Mapping[str, Tier]") -> "Tier":
    """The tier called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in tiers:
        raise UsageError(f"there is no tier `{name}`", fix=f"Take one of: {', '.join(sorted(tiers))}.")
    return tiers[name]


def check_files(files: list[Path]) -> str:
    """Check single policy files, all problems at once.

    Raises:
        ConfigurationError: with all problems of all files.
    """
    from nhisync.config import load_policy  # noqa: PLC0415 - pydantic, only when needed

    tiers: dict[str, Tier] = {}
    problems: list[Problem] = []
    for file in files:
        try:
            tier = load_policy(file, codes=_codes())
            tiers[tier.name] = tier
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(tuple(problems))
    return check(tiers)


def check(tiers: "Mapping[str, Tier]") -> str:
    """One line per tier that can be used: how many values files set, and its digest."""
    lines = []
    for tier in tiers.values():
        files = sorted({origin.rpartition(":")[0] for origin in tier.origins.values() if ":" in origin})
        lines.append(f"{tier.name}  {', '.join(files) or 'built-in'}  {tier.digest}")
    return "\n".join([*lines, f"{len(lines)} tier{'' if len(lines) == 1 else 's'} checked, no problem."]) + "\n"


def show(tiers: "Mapping[str, Tier]") -> str:
    """Every value with its origin, one line each."""
    from nhisync.config import effective_values  # noqa: PLC0415 - pydantic, only when needed

    blocks = []
    for tier in tiers.values():
        values = effective_values(tier)
        left, middle = max(map(len, values)), max(map(len, values.values()))
        rows = [f"  {key:<{left}}  {text:<{middle}}  {tier.origins[key]}" for key, text in values.items()]
        blocks.append("\n".join([f"{tier.name}  {tier.digest}", *rows]))
    return "\n\n".join(blocks) + "\n"


def show_json(tiers: "Mapping[str, Tier]") -> str:
    """The same as JSON: tier → digest and key → value, origin."""
    from nhisync.config import effective_values  # noqa: PLC0415 - pydantic, only when needed

    document = {
        name: {
            "digest": tier.digest,
            "values": {
                key: {"value": text, "origin": tier.origins[key]} for key, text in effective_values(tier).items()
            },
        }
        for name, tier in tiers.items()
    }
    return json.dumps(document, indent=2) + "\n"


def run_table(file: Path, tiers: "Mapping[str, Tier]", now: Callable[[], Any]) -> "tuple[CaseResult, ...]":
    """Run the table in `file`; sample facts are judged by the rules of this nhisync.

    Args:
        file: the table.
        tiers: effective tiers.
        now: the moment the sample facts are relative to, read once.

    Raises:
        ConfigurationError: the table cannot be used.
    """
    from nhisync.config.cases import load_cases, run_cases  # noqa: PLC0415 - pydantic, only when needed

    severities = _severities()
    cases = load_cases(file, tiers, severities)
    moment = now()
    return run_cases(cases, tiers, severities, lambda tier, code, given: judge_sample(tier, code, given, moment))


def verdict(results: "tuple[CaseResult, ...]") -> str:
    """Rows that do not hold, then how many do."""
    failed = [result for result in results if result.wrong]
    lines = [f"FAIL  {r.case.origin}  {r.case.name}: {'; '.join(r.wrong)}" for r in failed]
    lines.append(f"{len(results) - len(failed)} of {len(results)} cases hold.")
    return "\n".join(lines) + "\n"


def judge_sample(tier: "Tier", code: str, given: "SamplePair", now: Any) -> str:
    """What rule `code` says in `tier` about sample facts: a state's word, or ``none`` when it does not apply.

    The real engine judges real rows; only the items are made up.
    """
    from nhisync.model import App  # noqa: PLC0415 - only when needed
    from nhisync.parity.book import app_terms  # noqa: PLC0415 - only when needed
    from nhisync.parity.engine import judge  # noqa: PLC0415 - only when needed
    from nhisync.parity.rules import BY_CODE  # noqa: PLC0415 - only when needed
    from nhisync.policy import Waivers  # noqa: PLC0415 - only when needed

    sample = App(name="sample", tier=tier.name)
    terms = app_terms(sample, tier, [BY_CODE[code]], primary_domains=frozenset({"primary/region"}), waivers=Waivers())
    judged = judge(
        _rows("primary", given.primary, now),
        _rows("backup", given.backup, now),
        {sample.name: terms},
        now=int(now.timestamp()),
        missing=lambda _role, _key, _row: "absent",
        passes=True,
    )
    states = [outcome.state.value for pair in judged for _, outcome in pair.outcomes or ()]
    return states[0] if states else "none"


def _rows(role: str, side: "SampleSide | None", now: Any) -> "Iterator[Row]":
    from nhisync.model import Locator  # noqa: PLC0415 - only when needed
    from nhisync.parity.row import row_of  # noqa: PLC0415 - only when needed

    if side is not None:
        yield row_of(_item(side, Locator(role, "sample", role), now), key="sample/pair", domain=f"{role}/region")


def _item(side: "SampleSide", locator: "Locator", now: Any) -> "Item":
    from nhisync.model import Item, Moment, Rotation  # noqa: PLC0415 - only when needed

    def before(span: Any) -> Any:
        return None if span is None else Moment(now - span)

    def after(span: Any) -> Any:
        return None if span is None else Moment(now + span)

    rotates = (side.rotation_enabled, side.interval, side.pending_for) != (None, None, None)
    pending = before(side.pending_for)
    return Item(
        locator=locator,
        observed_at=now - side.observed_ago,
        presence=side.presence,
        lifecycle=side.lifecycle,
        state=side.state,
        created=before(side.created_ago),
        rotated=before(side.rotated_ago),
        expires=after(side.expires_in),
        next_rotation=after(side.next_rotation_in),
        rotation=Rotation(
            enabled=side.rotation_enabled,
            interval=side.interval,
            pending_since=pending.at if pending else None,
            pending_version="pending" if pending else None,
        )
        if rotates
        else None,
        owner=side.owner,
    )


def _codes() -> "Collection[str]":
    return _severities().keys()


def _severities() -> "Mapping[str, Severity]":
    from nhisync.parity.rules import RULES  # noqa: PLC0415 - only when needed

    return {rule.info.code: rule.info.severity for rule in RULES}
