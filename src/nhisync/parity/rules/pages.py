"""The pages of ``docs/rules``, one per rule and an index, made from the rules themselves.

``python docs/rules/write.py`` writes them; a test compares them.
"""

from collections.abc import Iterator

from nhisync.parity.rule import RuleInfo
from nhisync.parity.rules import RULES
from nhisync.parity.rules.explain import HEADINGS, framework_lines, policy_value, steps
from nhisync.policy import BUILTIN

INDEX = "README.md"

_FAMILIES = {
    "1": "Presence",
    "2": "Lockstep and age",
    "3": "Expiry horizon",
    "4": "Reuse and lifecycle class",
    "5": "Authorization parity",
    "6": "Chain and trust",
    "7": "Region and dependency boundness",
    "8": "Live authentication and transaction",
    "9": "Evidence",
}

_NOTE = "<!-- Made by `python docs/rules/write.py`; change the rule, not this page. -->"

_INTRO = """Every rule answers **pass**, **fail** or **unknown** for a pair; a waiver turns a fail into **waived**. Only
a fail or an unknown of severity error keeps a path from READY. `nhisync explain CODE` prints the same text with the
values of your own policy. Codes are `NHS` + family + two digits."""


def pages() -> dict[str, str]:
    """File name → text of every page."""
    found = {INDEX: _index()}
    found.update({f"{rule.info.code}.md": _page(rule.info) for rule in RULES})
    return found


def _index() -> str:
    lines = [_NOTE, "# Rules", _INTRO]
    for digit, title in _FAMILIES.items():
        infos = [rule.info for rule in RULES if rule.info.code[3] == digit]
        if infos:
            lines += [
                "",
                f"## {digit} {title}",
                "| code | what fails | default | risk | block |",
                "|---|---|---|---|---|",
            ]
            lines += [
                f"| [{i.code}]({i.code}.md) | {i.title} | {i.severity.value} | {i.consequence.value} | {i.block} |"
                for i in infos
            ]
    return "\n".join(lines) + "\n"


def _page(info: RuleInfo) -> str:
    facts = (
        f"Default severity **{info.severity.value}** · layer {info.layer.value} · risk {info.consequence.value} · "
        f"block word `{info.block}`"
    ) + ("" if info.fails else " · only ever unknown, so no waiver takes effect")
    bodies = (
        info.compared,
        info.hurts,
        info.false_alarm,
        "\n".join(f"- **{'any provider' if name == '*' else name}**: {step}" for name, step in steps(info)),
        "\n".join(_policy(info)),
    )
    sections = (f"## {heading}\n{body}" for heading, body in zip(HEADINGS, bodies, strict=True))
    return "\n\n".join((f"{_NOTE}\n# {info.code} {info.title}\n{facts}", *sections)) + "\n"


def _policy(info: RuleInfo) -> Iterator[str]:
    tiers = tuple(BUILTIN.values())
    yield f"| built-in tier | {' | '.join(tier.name for tier in tiers)} |"
    yield f"|---|{'---|' * len(tiers)}"
    severities = (tier.severities.get(info.code, info.severity).value for tier in tiers)
    yield f"| severity | {' | '.join(severities)} |"
    for key in info.policy:
        yield f"| `{key}` | {' | '.join(policy_value(tier, key) for tier in tiers)} |"
    yield ""
    yield "A finding supports evidence for:"
    yield from (f"- {line}" for line in framework_lines(info))
