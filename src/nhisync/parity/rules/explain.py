"""What a rule says about itself, under the five fixed headings of ``nhisync explain`` and of ``docs/rules``."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import reduce
from textwrap import fill
from typing import Any

from nhisync.errors import UsageError
from nhisync.parity.rule import Rule, RuleInfo
from nhisync.parity.rules import BY_CODE
from nhisync.parity.text import listed, share
from nhisync.policy import Tier
from nhisync.policy.frameworks import CONTROLS, quoted_as
from nhisync.spi import format_duration

HEADINGS = (
    "What was compared",
    "Why it matters in a failover",
    "When it is a false alarm",
    "Fix",
    "Policy line and frameworks",
)
"""Fixed, in this order."""

_WIDTH = 100
_ANY = "*"


def find(code: str) -> Rule:
    """The rule with this code; ``201`` and ``nhs201`` mean ``NHS201``.

    Raises:
        UsageError: when there is none, with the nearest codes.
    """
    text = code.strip().upper()
    wanted = text if text.startswith("N") else f"NHS{text}"
    rule = BY_CODE.get(wanted)
    if rule is None:
        near = get_close_matches(wanted, BY_CODE, n=3, cutoff=0.75)
        hint = (
            f"Did you mean {' or '.join(sorted(near))}?"
            if near
            else f"Codes run from {min(BY_CODE)} to {max(BY_CODE)}."
        )
        raise UsageError(f"there is no rule {listed([code]) or 'without a code'}", fix=f"{hint} docs/rules lists all.")
    return rule


def explanation(code: str, tier: Tier) -> str:
    """The rule `code` explained for a terminal, with the values that `tier` gives it.

    Raises:
        UsageError: when there is no such rule.
    """
    info = find(code).info
    bodies = (
        _paragraph(info.compared),
        _paragraph(info.hurts),
        _paragraph(info.false_alarm),
        "\n".join(_item(f"{_provider(name)}: {step}") for name, step in steps(info)),
        "\n".join(_item(line) for line in (*policy_lines(info, tier), *framework_lines(info))),
    )
    sections = (f"{heading}\n{body}" for heading, body in zip(HEADINGS, bodies, strict=True))
    return "\n\n".join((headline(info), *sections)) + "\n"


def headline(info: RuleInfo) -> str:
    """Code, title and what a fail means, on one line."""
    return (
        f"{info.code}  {info.title}  "
        f"(default {info.severity.value}; layer {info.layer.value}; risk {info.consequence.value}; block {info.block}"
        + (")" if info.fails else "; only ever unknown, never waived)")
    )


def steps(info: RuleInfo) -> Iterator[tuple[str, str]]:
    """Provider and step, the one for any provider last; placeholders stand for the finding's app and pair."""
    for name in sorted(info.remediation, key=lambda name: (name == _ANY, name)):
        yield name, info.remediation[name].replace("{app}", "APP").replace("{pair}", "PAIR")


def policy_lines(info: RuleInfo, tier: Tier) -> Iterator[str]:
    """What in `tier` decides the rule, one line per key, with the origin of each value."""
    severity = tier.severities.get(info.code, info.severity)
    word = "off" if info.code in tier.off else severity.value
    yield f"tier {tier.name}: {word} ({_origin(tier, f'severities.{info.code}')})"
    for key in info.policy:
        yield f"{key}: {policy_value(tier, key)} ({_origin(tier, key)})"


def policy_value(tier: Tier, key: str) -> str:
    """The value of a dotted policy key, as policy files write it (shares as percentages)."""
    value: Any = reduce(getattr, key.split("."), tier)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_duration(span)}" for name, span in value.items()) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return share(value) if isinstance(value, float) else str(value)


def framework_lines(info: RuleInfo) -> Iterator[str]:
    """The controls a finding supports evidence for, with the labels under which they are often misquoted."""
    for printed in info.frameworks:
        wrong = quoted_as(printed)
        note = f" (often quoted as {', '.join(wrong)})" if wrong else ""
        yield f"{printed}{note}: {CONTROLS[printed].title}"


def _origin(tier: Tier, key: str) -> str:
    return tier.origins.get(key, "built-in")


def _provider(name: str) -> str:
    return "any provider" if name == _ANY else name


def _paragraph(text: str) -> str:
    return fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _item(text: str) -> str:
    return fill(
        text, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
