"""``python -m benchmarks rights``: faults in policies, found or not, beside brute force; ``--no-write`` only prints."""

import sys
import time
from collections import Counter
from collections.abc import Iterable

from benchmarks.results import write
from benchmarks.rights import aws, azure, gcp, vault
from benchmarks.rights.case import Outcome

TARGET = 0.95


def main(*, keep: bool) -> int:
    """Judge every mutant twice, print the table and say whether the target is met."""
    found: dict[str, list[Outcome]] = {}
    began = time.monotonic()
    found["IAM policies"] = [aws.judged(mutant) for mutant in aws.mutants()]
    found["Vault policies"] = [vault.judged(mutant) for mutant in vault.mutants()]
    found["Azure assignments"] = [azure.judged(mutant) for mutant in azure.mutants()]
    found["Google Cloud policies"] = [gcp.judged(mutant) for mutant in gcp.mutants()]
    took = time.monotonic() - began
    rows = [_row(name, outcomes) for name, outcomes in found.items()]
    rows.append(_row("all", [one for outcomes in found.values() for one in outcomes]))
    header = ["policies", "mutants", "equivalent", "faults", "found", "score", "direction right", "false alarms"]
    notes = (
        "A mutant is one fault at one place of a realistic policy: an action, resource, path, capability, effect, "
        "condition, parameter, member, role, deny or boundary dropped, added, widened, narrowed, flipped or misspelt. "
        "Equivalent ones are not chosen by hand: the emulators' own evaluators, which share no code with the "
        "comparison, decide every request that base and mutant could tell apart, and find no difference. Found means "
        "that the comparison names a difference; what it calls undecided does not count. "
        f"Target: a score of at least {TARGET:.0%} without false alarms."
    )
    data = {name: _by_operator(outcomes) for name, outcomes in found.items()}
    title = "Authorization parity: mutation score"
    if keep:
        print(write("rights", title, header, rows, data, notes))
    else:
        print("\n".join(" | ".join(row) for row in [header, *rows]))
    for name, outcomes in found.items():
        for one in sorted({(o.operator, _wrong(o)) for o in outcomes if _wrong(o)}):
            print(f"{name}: {one[0]}: {one[1]}", file=sys.stderr)
    print(f"{took:.1f} s", file=sys.stderr)
    every = [one for outcomes in found.values() for one in outcomes]
    return int(_score(every) < TARGET or any(_wrong(one) == "false alarm" for one in every))


def _fault(one: Outcome) -> bool:
    return one.less or one.more


def _wrong(one: Outcome) -> str:
    if _fault(one) and not one.found:
        return "undecided" if one.undecided else "missed"
    if not _fault(one) and one.found:
        return "false alarm"
    return "" if one.right else "wrong direction"


def _score(outcomes: Iterable[Outcome]) -> float:
    faults = [one for one in outcomes if _fault(one)]
    return sum(one.found for one in faults) / len(faults)


def _row(name: str, outcomes: list[Outcome]) -> list[str]:
    faults = [one for one in outcomes if _fault(one)]
    return [
        name,
        str(len(outcomes)),
        str(len(outcomes) - len(faults)),
        str(len(faults)),
        str(sum(one.found for one in faults)),
        f"{_score(outcomes):.1%}",
        f"{sum(one.right for one in faults) / len(faults):.1%}",
        str(sum(one.found for one in outcomes if not _fault(one))),
    ]


def _by_operator(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    told: dict[str, Counter[str]] = {}
    for one in outcomes:
        kind = _wrong(one) or ("found" if _fault(one) else "equivalent")
        told.setdefault(one.operator, Counter())[kind] += 1
    return {operator: dict(sorted(counts.items())) for operator, counts in sorted(told.items())}


if __name__ == "__main__":
    sys.exit(main(keep="--no-write" not in sys.argv[1:]))
