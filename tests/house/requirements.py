"""Which requirement is proven by which test: ``python tests/house/requirements.py`` writes docs/requirements.md.

A test proves a requirement by ``@pytest.mark.requirement("R18")``; what no test names is listed as not yet met.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "requirements.md"

REQUIREMENTS = {
    "R1": "three verdict inputs (signal quality, backup currency, failback stability), each able to block alone",
    "R2": "capacity attestation gates",
    "R3": "bounded redirects per window",
    "R4": "trust state per input: source, age, completeness, self-test",
    "R4b": "nhisync's own footprint (calls, memory, seconds) has a budget",
    "R5": "maximum age per kind of evidence",
    "R6": "an incomplete inventory is never ready",
    "R7": "every finding carries its consequence: outage, inconsistency, exposure",
    "R8": "reports show resilience and governance; every pair has an owner",
    "R9": "scheduler with missed-run detection that fails closed",
    "R10": "trend of readiness",
    "R11": "presence per kind before failover",
    "R12": "baseline numbers: unmapped, unowned, never rotated",
    "R13": "faults are found without user traffic",
    "R14": "state machine without implicit edges",
    "R15": "evidence at every stage, also after the switch",
    "R16": "failure modes mapped to checks",
    "R17": "TCP-only evidence never passes",
    "R18": "secrets are current",
    "R19": "data-currency attestation",
    "R20": "authorization parity, both directions",
    "R21": "ordered layers, all shown, the report stops at none",
    "R22": "probe depth declared and demanded by tier",
    "R23": "patch attestation",
    "R24": "capacity-test attestation",
    "R25": "current secrets, with a maximum age",
    "R26": "triggers and blocks have ids; default deny",
    "R27": "failback stability window, latch, flap limit",
    "R28": "the primary passes the same checks before failback",
    "R29": "lockstep lag",
    "R30": "chain parity: leaf, intermediates, roots, names",
    "R31": "equivalent identity with another value",
    "R32": "nhisync's own identities are pairs too; one identity on both paths is refused",
    "R33": "the same security objectives on the backup",
    "R34": "partial is not ready; percentages never round up",
    "R35": "cost of a policy is shown: calls, seconds",
    "R36": "simulator of false switches",
    "R37": "tiers per app; an app without a tier is an error",
    "R38": "session and signing-key parity",
    "R39": "dependencies in the primary's fault domain block",
    "R40": "resolver views compared",
    "R41": "evidence of an own rotation history",
    "R42": "reuse detection",
    "R43": "rotation through the backup's own API",
    "R44": "replicas and synchronised targets are copies",
    "R45": "governance (owner, age, waivers, orphans) enters the policy",
    "R46": "equivalence is the conjunction of all layers",
    "R47": "redirect counter with lock-out",
    "R48": "issuability instead of short-lived tokens",
    "R49": "drill age and result gate",
    "R50": "replicas of nhisync agree",
    "R51": "every check has at least one accurate control id",
    "R52": "drill evidence required",
    "R53": "stale and inconsistent are distinct findings",
    "R54": "signed statements, key rotation, pinned verifiers",
    "R55": "every action has precondition, guard, rollback check, post-check, journal",
}


def marks(file: Path) -> Iterator[tuple[str, str]]:
    """(requirement, test) of every marked test or class in one file; ``pytestmark`` marks each test of it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    whole = [
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for name in _named(node.value)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own = [name for mark in node.decorator_list for name in _named(mark)]
            for name in [*own, *(whole if node.name.startswith("test_") else [])]:
                yield name, f"{file.relative_to(ROOT)}::{node.name}"


def _named(expression: ast.expr) -> Iterator[str]:
    """Requirements that a mark, or a list of marks, names."""
    for call in ast.walk(expression):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.requirement":
            for argument in call.args:
                yield ast.literal_eval(argument)


def proofs() -> dict[str, list[str]]:
    """Requirement → tests that name it, sorted."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for requirement, test in marks(file):
            found.setdefault(requirement, []).append(test)
    return {name: sorted(set(tests)) for name, tests in found.items()}


def page() -> str:
    """The whole page."""
    found = proofs()
    met = [name for name in REQUIREMENTS if name in found]
    lines = [
        "# Requirements and their proofs",
        "Generated by `python tests/house/requirements.py` from the marks of the tests; a test compares.",
        "",
        f"{len(met)} of {len(REQUIREMENTS)} requirements have at least one test. A proof covers what is built;",
        "rotation, drills, failback, resolver views and signed statements are not.",
        "",
        "| id | requirement | proven by |",
        "|---|---|---|",
    ]
    for name, text in REQUIREMENTS.items():
        tests = found.get(name, [])
        shown = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests[:4])
        more = f"<br>and {len(tests) - 4} more" if len(tests) > 4 else ""
        lines.append(f"| {name} | {text} | {shown + more if tests else '**not yet**'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
