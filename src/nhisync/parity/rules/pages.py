"""The pages of ``docs/rules``, one per rule and an index, made from the rules themselves.

``python -m nhisync.parity.rules.pages [FOLDER]`` writes them (default ``docs/rules``); a test compares them.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

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

_NOTE = "<!-- Made by `python -m nhisync.parity.rules.pages`; change the rule, not this page. -->"

_INTRO = """Every rule answers **pass**, **fail** or **unknown** for a pair; a waiver turns a fail into **waived**. Only
a fail or an unknown of severity error keeps a path from READY. `nhisync explain CODE` prints the same text with the
values of your own policy. Codes are `NHS` + family + two digits."""


def pages() -> dict[str, str]:
    """File name → text of every page."""
    found = {INDEX: _index()}
    found.update({f"{rule.info.code}.md": _page(rule.info) for rule in RULES})
    return found


def main(arguments: Sequence[str]) -> None:
    """Write all pages into the folder named first, and remove pages of rules that are gone."""
    folder = Path(arguments[0]) if arguments else Path("docs/rules")
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("NHS*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


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
    )
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


if __name__ == "__main__":
    main(sys.argv[1:])
