"""Probes in the configuration: one for both sides or one each; what does not fit is told with its place."""

from collections.abc import Callable
from typing import Any

import pytest

from nhisync.config import Configuration, Probe
from nhisync.errors import Problem

from .conftest import SMALL

Load = Callable[..., Configuration]
Problems = Callable[..., tuple[Problem, ...]]


def with_probe(probe: str) -> str:
    """A small configuration whose pair has this probe."""
    assert SMALL.count("kind:") == 1
    return SMALL.replace("kind:", f"probe: {probe}, kind:")


def probes(load_text: Load, probe: str) -> dict[str, Probe]:
    """Role word → probe."""
    (found,) = load_text(with_probe(probe)).details["payments"].probes.values()
    return dict(found)


def test_one_probe_stands_for_both_sides(load_text: Load) -> None:
    """The contract's example, as it stands there."""
    text = '{type: http, url: "https://api.example/v1", auth: bearer, expect: [200], depth: auth, run_from: local}'
    found = probes(load_text, text)
    assert found["primary"] == found["backup"]
    assert (found["backup"].type, found["backup"].auth, found["backup"].depth) == ("http", "bearer", "auth")


def test_each_side_may_have_its_own(load_text: Load) -> None:
    """Where different services judge; one side alone is possible."""
    both = probes(load_text, "{primary: {type: tcp, address: 'a:1'}, backup: {type: tls, address: 'b:2'}}")
    assert {side: probe.target for side, probe in both.items()} == {"primary": "a:1", "backup": "b:2"}
    assert set(probes(load_text, "{backup: {type: tls, address: 'b:2'}}")) == {"backup"}


@pytest.mark.requirement("R22")
@pytest.mark.parametrize(("probe", "depth"), [
    ("{type: tcp, address: 'a:1'}", "tcp"),
    ("{type: tls, address: 'a:1'}", "auth"),
    ("{type: http, url: 'http://a.example'}", "tcp"),
    ("{type: http, url: 'https://a.example'}", "tls"),
    ("{type: http, url: 'https://a.example', auth: bearer}", "auth"),
    ("{type: http, url: 'https://a.example', auth: bearer, depth: txn}", "txn"),
    ("{type: postgres, address: 'a:1', user: app}", "auth"),
    ("{type: postgres, address: 'a:1', user: app, depth: txn}", "txn"),
    ("{type: provider}", "auth"),
])  # fmt: skip
def test_a_probe_declares_its_depth(load_text: Load, probe: str, depth: str) -> None:
    """As deep as type and credential can; a transaction only where the pair asks for it."""
    assert probes(load_text, probe)["backup"].depth == depth


@pytest.mark.parametrize(("probe", "says"), [
    ("{type: tcp, address: 'a:1', depth: auth}", ".depth: this probe proves `tcp` at most"),
    ("{type: http, url: 'https://a.example', depth: auth}", ".depth: this probe proves `tls` at most"),
    ("{type: tls, address: 'a:1', depth: txn}", ".depth: this probe proves `auth` at most"),
    ("{type: tcp, address: 'a:1', auth: bearer}", ".auth: a check of type tcp takes no `auth: bearer`"),
    ("{type: http, url: 'http://a.example', auth: bearer}", ".url: a credential is sent over https:// only"),
    ("{type: http, url: 'HTTP://a.example', auth: bearer}", ".url: must be a URL that begins with https:// or http://"),
    ("{type: http, url: 'http://127.evil.example', auth: bearer}", ".url: a credential is sent over https:// only"),
    ("{type: http, url: 'http://127.0.0.1.a.example', auth: bearer}", ".url: a credential is sent over https:// only"),
    ("{type: http, url: 'http://a.example?@localhost', auth: bearer}", ".url: a credential is sent over https:// only"),
    ("{type: http, url: 'http://a.example#@127.0.0.1', auth: bearer}", ".url: a credential is sent over https:// only"),
    ("{type: http, url: 'http://127.0.0.1', auth: bearer, proxy: 'http://p.example'}", ".proxy: a credential goes"),
    ("{type: http, url: 'https://a.example', auth: basic}", ": a login needs `user` or `user_field`"),
    ("{type: postgres, address: 'a:1'}", ": a login needs `user` or `user_field`"),
    ("{type: postgres, address: 'a:1', user: a, user_field: b}", ".user_field: `user` names the login already"),
    ("{type: http, url: 'https://a.example', auth: bearer, expect: [401]}", ".expect: 401 and 403 are refusals"),
    ("{type: tcp, address: 'a:1', tls: false}", ".tls: a check of type tcp takes no `tls`"),
    ("{type: tcp, address: 'a:1', proxy: 'http://p.example'}", ".proxy: a check of type tcp takes no `proxy`"),
    ("{type: http, url: 'https://u:p@a.example'}", ".url: must not hold credentials"),
    ("{backup: {type: tpc, address: 'a:1'}}", ".backup.type: `tpc` is not one of"),
    ("{backup: {type: tcp}}", ".backup: a check of type tcp needs `address`"),
    ("{primary: {type: tcp, address: 'a:1'}, bakup: {}}", "unknown key `bakup`"),
    ("7", "probe: must be a mapping"),
])  # fmt: skip
def test_what_does_not_fit_is_told_with_its_place(problems_of: Problems, probe: str, says: str) -> None:
    """Line and column, and the key that is wrong."""
    found: Any = problems_of(with_probe(probe))
    assert any(says in problem.message for problem in found), [problem.message for problem in found]
    line = next(n for n, text in enumerate(with_probe(probe).splitlines(), 1) if "probe:" in text)
    assert {problem.line for problem in found} == {line}
    assert all(problem.column for problem in found)


def test_a_credential_may_stay_on_this_host(load_text: Load) -> None:
    """A sidecar on loopback is reached without TLS."""
    for host in ("127.0.0.1:80", "localhost:80", "localhost", "[::1]:80"):
        assert probes(load_text, f"{{type: http, url: 'http://{host}/x', auth: bearer}}")["backup"].auth == "bearer"


def test_no_repr_shows_where_it_goes(load_text: Load) -> None:
    """A URL's query may hold a capability."""
    found = probes(load_text, "{type: http, url: 'https://a.example/?key=canary', proxy: 'http://canary.example'}")
    assert "canary" not in repr(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:8080", "localhost", "localhost:81", "[::1]", "[::1]:82"])
def test_a_credential_may_go_to_this_host_without_tls(load_text: Load, host: str) -> None:
    """Nobody listens on the way to the loopback."""
    target = f"http://{host}/v1"
    assert probes(load_text, f"{{type: http, url: '{target}', auth: bearer}}")["backup"].target == target


@pytest.mark.requirement("R48")
@pytest.mark.parametrize(("more", "auth"), [("", "login"), (", issue: true", "bearer")])
def test_an_account_of_google_mints_tokens_and_stores_keys(load_text: Load, more: str, auth: str) -> None:
    """A stored key signs for a token; what an account mints is a token already, which no key could be told from."""
    found = probes(load_text, f"{{type: gcp-token, url: 'https://oauth2.googleapis.com/token'{more}}}")
    assert (found["backup"].auth, found["backup"].depth) == (auth, "auth")
