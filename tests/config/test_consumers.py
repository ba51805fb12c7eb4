"""Consumers in the configuration: who uses a credential, by side, and how each is asked; problems have their place."""

from collections.abc import Callable

import pytest

from nhisync.config import Configuration
from nhisync.errors import Problem

from .conftest import SMALL

Load = Callable[..., Configuration]
Problems = Callable[..., tuple[Problem, ...]]


def with_consumers(consumers: str) -> str:
    """A small configuration whose pair has these consumers."""
    assert SMALL.count("kind:") == 1
    return SMALL.replace("kind:", f"consumers: {consumers}, kind:")


def test_consumers_are_named_by_side(load_text: Load) -> None:
    """One is asked, another one is attested; a side that says nothing differs from one that has none."""
    text = (
        '{backup: {b: {}, a: {url: "https://a.example/state?x=1", generation: loaded.stripe, ca_file: ca.pem, '
        "timeout: 3s}}}"
    )
    found = load_text(with_consumers(text))
    (app,) = found.apps
    (pair,) = app.pairs
    assert (pair.consumers_primary, pair.consumers_backup) == (None, ("a", "b"))
    asked, attested = found.details["payments"].consumers[pair.name]["backup"]
    assert (asked.name, attested.name, attested.probe) == ("a", "b", None)
    probe = asked.probe
    assert probe is not None
    assert (probe.type, probe.auth, probe.seen_as, probe.depth) == ("generation", "none", "loaded.stripe", "tls")
    assert (probe.ca_file, probe.timeout.total_seconds(), probe.run_from) == ("ca.pem", 3, "local")
    assert "a.example" not in repr(asked), "its query may hold a capability"
    (none,) = load_text(with_consumers("{primary: {}, backup: {}}")).apps[0].pairs
    assert (none.consumers_primary, none.consumers_backup) == ((), ())


@pytest.mark.parametrize(("consumers", "says"), [
    ("{backup: {a: {generation: x}}}", "`generation` needs `url`"),
    ("{backup: {a: {ca_file: x}}}", "`ca_file` needs `url`"),
    ('{backup: {a: {url: "https://a.example"}}}', "`url` needs `generation`"),
    ('{backup: {a: {url: "http://a.example", generation: x}}}', "over https:// only"),
    ('{backup: {a: {url: "https://a.example", generation: x, run_from: backup}}}', "needs a runner"),
    ('{backup: {a: {url: "https://a.example", generation: x, auth: bearer}}}', "auth"),
    ("{backup: {'a b': {}}}", "letters, digits"),
    ("{backup: [a]}", "must be a mapping"),
    ("{both: {a: {}}}", "both"),
])  # fmt: skip
def test_what_does_not_fit_is_told(problems_of: Problems, consumers: str, says: str) -> None:
    """With the place of the consumer, and without what it holds."""
    found = problems_of(with_consumers(consumers))
    assert found
    assert any(says in one.message for one in found), [one.message for one in found]


def test_loopback_needs_no_tls(problems_of: Problems) -> None:
    """A workload on this very host may be asked in the clear."""
    assert problems_of(with_consumers('{backup: {a: {url: "http://127.0.0.1:9/x", generation: x}}}')) == ()


OWN = SMALL.replace("payments:", "nhisync:")


def test_the_own_app_says_what_its_pairs_open(load_text: Load, problems_of: Problems) -> None:
    """Sources of the backup path, in the app nhisync alone; one that is not there is named with its place."""
    (app,) = load_text(OWN.replace("kind:", "authenticates: [aws], kind:")).apps
    assert (app.name, app.pairs[0].authenticates) == ("nhisync", ("aws",))
    (wrong,) = problems_of(OWN.replace("kind:", "authenticates: [awss], kind:"))
    assert "path `backup` has no source `awss`" in wrong.message
    (foreign,) = problems_of(SMALL.replace("kind:", "authenticates: [aws], kind:"))
    assert "only pairs of the app `nhisync`" in foreign.message
