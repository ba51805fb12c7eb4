"""What a renderer may know besides the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nhisync.model import Severity
from nhisync.parity.rule import RuleInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How to show a report; no option changes what it says.

    Attributes:
        terminal: a person reads it on a terminal: wrap to `width`; otherwise one line a finding, however long.
        color: repeat states in colour.
        width: columns of the terminal.
        show_passing: list passes too.
        show_waived: list waived findings too.
        verbose: explain every finding, not only the worst.
        counted: severities whose fails and unknowns make the answer bad (``--fail-on``).
        exit_code: what the process is going to answer.
        rules: declarations by code, for what no finding carries (why it hurts, how to fix).
    """

    terminal: bool = False
    color: bool = False
    width: int = 100
    show_passing: bool = False
    show_waived: bool = False
    verbose: bool = False
    counted: frozenset[Severity] = frozenset({Severity.ERROR})
    exit_code: int = 0
    rules: Mapping[str, RuleInfo] = field(default_factory=dict)
