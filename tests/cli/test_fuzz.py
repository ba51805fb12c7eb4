"""Whatever stands on the command line: a code of the contract, no traceback, nothing a terminal obeys."""

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.cli import catalogue
from nhisync.cli.exit_codes import ExitCode

World = Any
ENDLESS = frozenset({"serve", "demo"})
"""Commands that run until they are told to stop, or start a world of their own."""

COMMANDS = sorted(set(catalogue.available()) - ENDLESS)
WORDS = (
    *("primary", "backup", "payments", "payments/stripe-api", "fx-feed", "NHS101", "201", "critical", "bash", "config"),
    *("--app", "--pair", "--check", "--severity", "--show-passing", "--show-waived", "--cached", "--fail-on"),
    *("--exit-zero", "--format", "json", "sarif", "junit", "cbom", "-q", "-v", "-vv", "--no-color", "--no-input"),
    *("--timeout", "90s", "1ms", "-c", "nhisync.yaml", "missing.yaml", "--policies", "-h", "--help", "--version"),
    *("--unmapped", "--provider", "fake", "--mode", "read", "rotate", "--path", "--until", "2026-12-15", "--reason"),
    *("--approved-by", "--expired", "--withdraw", "1", "-1", "--set", "primary.script=x", "--tier", "--", "-", "", "="),
    *("check", "show", "test", "verify", "upgrade", "report", "policy", "--nagios", "-o", "out.txt"),
)
TEXT = st.text(
    alphabet=st.characters(blacklist_characters="\0/", categories=["L", "N", "P", "S", "Z", "Cc", "Cf", "Co"]),
    max_size=12,
)
BYTES = st.binary(max_size=8).map(
    lambda raw: raw.replace(b"\0", b"").replace(b"/", b"").decode(errors="surrogateescape")
)
TOKENS = st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), TEXT, BYTES)
ARGV = st.tuples(
    st.lists(TOKENS, max_size=2), st.sampled_from([*COMMANDS, "", "nonsense"]), st.lists(TOKENS, max_size=6)
)
ALLOWED = frozenset(int(code) for code in ExitCode) - {ExitCode.BUG}
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(ARGV)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_command_line_is_a_bug(world: World, argv: tuple[list[str], str, list[str]]) -> None:
    """No argument vector ends in 70, in a traceback or in characters that a terminal obeys."""
    world.healthy()
    before, command, after = argv
    words = [*before, command, *after]
    ended = world(*words)
    assert ended.code in ALLOWED, (words, ended.err)
    assert "Traceback" not in ended.out + ended.err
    assert not OBEYED.search(ended.err), words
    assert not OBEYED.search(ended.out), words
