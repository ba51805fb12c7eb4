"""Keys of the format that are read and checked but that no code of this version acts on.

The format is the published contract, so a file that uses them must load; silence about them would let a person believe
that a track file is written or a statement signed. Whoever builds the feature deletes its line here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nhisync.config.problems import Loc, dotted
from nhisync.config.tree import Node
from nhisync.config.values import Configuration

IDLE_KEYS = (
    "apps.<app>.health",
    "apps.<app>.pairs[].rotate",
    "apps.<app>.serving",
    "listener.agent_bind",
    "publish.exec",
    "publish.files.gdnsd_extfile",
    "publish.files.statement",
    "publish.files.track_file",
    "publish.webhook",
    "signing",
)
"""As docs/configuration.md writes them; what stands below one is idle too."""

IDLE_POLICY_KEYS = ("damping", "evaluate.rise", "evaluate.stay_lease", "failback")
"""The same for policies, whose tiers always hold them; other values are still checked against them."""


@dataclass(frozen=True, slots=True)
class Idle:
    """One such key in a file.

    Attributes:
        key: dotted place, ``apps.payments.pairs[0].probe``.
        line: 1-based line of its value.
    """

    key: str
    line: int


def idle_keys(configuration: Configuration) -> tuple[Idle, ...]:
    """What `configuration` sets without effect, in the order of the file."""
    root = configuration.document.root
    found = [
        Idle(dotted(loc), node.mark.line) for pattern in IDLE_KEYS for loc, node in _below(root, _steps(pattern), ())
    ]
    return tuple(sorted(found, key=lambda idle: (idle.line, idle.key)))


def _steps(pattern: str) -> tuple[str, ...]:
    return tuple("*" if step.startswith("<") else step for step in pattern.replace("[]", ".*").split("."))


def _below(node: Node, steps: tuple[str, ...], loc: Loc) -> Iterator[tuple[Loc, Node]]:
    if not steps:
        yield loc, node
        return
    for key, child in node.children.items():
        if steps[0] in ("*", key):
            yield from _below(child, steps[1:], (*loc, key))
