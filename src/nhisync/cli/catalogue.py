"""All commands, so that the help can show them without importing one of them."""

from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple


class Entry(NamedTuple):
    """One command.

    Attributes:
        name: as typed.
        module: module below ``nhisync.cli``.
        panel: heading in the help.
        line: what it does, in the imperative; equals the first line of the command's own help.
    """

    name: str
    module: str
    panel: str
    line: str


START = "Start here"
COMPARE = "Compare"
PUBLISH = "Publish"
GOVERN = "Govern"
TOOLS = "Tools"

PANELS = (START, COMPARE, PUBLISH, GOVERN, TOOLS)
"""Headings in the order of the help."""

ENTRIES = (
    Entry("demo", "demo", START, "Show drift and readiness on an embedded world."),
    Entry("init", "init", START, "Write a first nhisync.yaml and policies/."),
    Entry("doctor", "doctor", START, "Check configuration, clock, reachability and permissions."),
    Entry("permissions", "permissions", START, "Print the least privilege that this configuration needs."),
    Entry("diff", "diff", COMPARE, "Compare two paths."),
    Entry("explain", "explain", COMPARE, "Explain a finding: what, why it hurts, how to fix it."),
    Entry("inventory", "inventory", COMPARE, "List what is known of a path, with age and coverage."),
    Entry("discover", "discover", COMPARE, "List the identities of a path and suggest pairs."),
    Entry("graph", "graph", COMPARE, "Draw what the identities of both paths rest on."),
    Entry("run-probe", "run_probe", COMPARE, "Make one probe here for a nhisync elsewhere, which starts it."),
    Entry("sync", "sync", PUBLISH, "Run one cycle: inventory, diff, assess, publish."),
    Entry("serve", "serve", PUBLISH, "Run the daemon: listener and sync job."),
    Entry("status", "status", PUBLISH, "Show verdicts, blockers and ages."),
    Entry("ready", "ready", PUBLISH, "Answer for scripts whether a path may take an app."),
    Entry("waive", "waive", GOVERN, "Accept a finding until a date."),
    Entry("waivers", "waivers", GOVERN, "List accepted findings and when they end."),
    Entry("attest", "attest", GOVERN, "Record what nhisync cannot observe, or show what is asked for."),
    Entry("policy", "policy", GOVERN, "Check and show the effective policy."),
    Entry("store", "store", GOVERN, "Upgrade, back up and restore the store; accept a sweep that shrank."),
    Entry("schema", "schema", TOOLS, "Print a JSON Schema: config, policy or report."),
    Entry("providers", "providers", TOOLS, "List installed providers and what they can do."),
    Entry("completion", "completion", TOOLS, "Print the completion script of a shell."),
    Entry("version", "version", TOOLS, "Print the version."),
)


@lru_cache(maxsize=1)
def available() -> dict[str, Entry]:
    """Name → entry of every command whose module is there."""
    return {entry.name: entry for entry in ENTRIES if find_spec(f"nhisync.cli.{entry.module}") is not None}
