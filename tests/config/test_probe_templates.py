"""Probes of templates: placeholders known at load, names that cannot lead a credential elsewhere."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.config import Configuration, Probe
from nhisync.config.probe_templates import filled
from nhisync.errors import Problem

from .conftest import SMALL
from .test_scripts import PROBE

Load = Callable[..., Configuration]
Problems = Callable[..., tuple[Problem, ...]]

MATCH = (
    'match: [{kind: api-key, primary: "vault:kv/secret/{app}/{name}", backup: "aws:secret/{app}/{name}", probe: %s}]'
)


def with_match(probe: str) -> str:
    """A small configuration with one template that has this probe."""
    return f"{SMALL}    {MATCH % probe}\n"


def template(load_text: Load, probe: str) -> Probe:
    """The backup's probe of the template."""
    (found,) = load_text(with_match(probe)).details["payments"].matched
    return found["backup"]


@pytest.mark.requirement("R22")
@pytest.mark.parametrize(("probe", "target", "user"), [
    ("{type: http, url: 'https://{name}.{app}.example/v1', auth: bearer}", "https://ledger.payments.example/v1", ""),
    ("{type: http, url: 'https://a.example/{app}/{name}?x={name}', auth: bearer}",
     "https://a.example/payments/ledger?x=ledger", ""),
    ("{type: postgres, address: '{name}.db.example:5432', user: '{app}_{name}'}",
     "ledger.db.example:5432", "payments_ledger"),
    ("{type: http, url: 'https://a.example/', auth: basic, user: '{name}'}", "https://a.example/", "ledger"),
    ("{type: tcp, address: 'a.example:1'}", "a.example:1", ""),
])  # fmt: skip
def test_a_template_is_filled_for_each_pair(load_text: Load, probe: str, target: str, user: str) -> None:
    """Wherever a text of the probe names the pair or its app."""
    made = filled(template(load_text, probe), "ledger")
    assert made is not None
    assert (made.target, made.user) == (target, user)
    assert "stands-for" not in json.dumps(asdict(made), default=str)


@pytest.mark.parametrize(("probe", "says"), [
    ("{type: http, url: 'https://a.example/{pair}', auth: bearer}", ".probe.url: `{pair}` stands for nothing"),
    ("{backup: {type: http, url: 'https://a.example/{}', auth: bearer}}", ".probe.backup.url: `{}` stands for nothing"),
    ("{type: http, url: 'http://{name}.example', auth: bearer}", ".probe.url: a credential is sent over https:// only"),
    ("{type: postgres, address: '{name}:5432'}", "a login needs `user` or `user_field`"),
    ("{type: tcp, address: '{name}'}", ".probe.address: must be"),
    ("{type: http, url: 'https://a.example/', auth: header, header: '{name}'}", "chooses no header"),
    ("{type: http, url: 'https://a.example:{name}/', auth: bearer}", ".probe.url: must be"),
    ("{type: http, url: 'https://{name}@a.example/', auth: bearer}", ".probe.url: "),
    ("{type: http, url: 'https://a.example', auth: bearer, run_from: backup}", "`run_from: backup` needs a runner"),
])  # fmt: skip
def test_every_check_of_a_pairs_probe_is_made(problems_of: Problems, probe: str, says: str) -> None:
    """At load, with the template's place; an unknown placeholder is one of them."""
    found = problems_of(with_match(probe))
    assert any(says in problem.message for problem in found), [problem.message for problem in found]
    assert all("stands-for" not in problem.message for problem in found)


def test_a_script_keeps_its_own_placeholders(load_text: Load, problems_of: Problems) -> None:
    """`{run}` and what a step captured are known there, `{name}` is filled, and nothing else passes."""
    text = json.dumps(PROBE).replace("/orders/", "/{app}/{name}/")
    made = filled(template(load_text, text), "ledger")
    assert made is not None
    assert "/payments/ledger/nhisync-{run}" in made.script
    (found,) = problems_of(with_match(text.replace("{old}", "{odd}")))
    assert "`{odd}` stands for nothing" in found.message


def test_no_pair_has_a_probe_without_one(load_text: Load) -> None:
    """A template may have none."""
    (found,) = load_text(f"{SMALL}    {MATCH % 'x'}\n".replace(", probe: x", "")).details["payments"].matched
    assert found == {}


def probe_for(**changes: Any) -> Probe:
    """A probe of a template as the configuration makes it."""
    from nhisync.config.probe_documents import ProbeDocument
    from nhisync.config.probes import probe_of

    return probe_of(ProbeDocument.model_validate({"type": "http", "auth": "bearer", **changes}))


@pytest.mark.requirement("R13")
@given(st.text(min_size=1, max_size=40) | st.from_regex(r"[a-z@/:.?#\\-]{1,20}", fullmatch=True))
def test_no_name_leads_a_credential_to_another_host(name: str) -> None:
    """Who may name an item in a store does not choose where its value is sent, nor another place than its own there."""
    word = "nhisync-stands-for-the-name"
    inside = filled(probe_for(url=f"https://a.example/v1/{word}/x"), name)
    if inside is not None:
        parts = urlsplit(inside.target)
        assert (parts.netloc, parts.path.count("/"), parts.query, parts.fragment) == ("a.example", 3, "", "")
        assert ".." not in parts.path
    host = filled(probe_for(url=f"https://{word}.example/v1"), name)
    if host is not None:
        assert urlsplit(host.target).netloc == f"{name}.example"
        assert "." not in name
        assert urlsplit(host.target).path == "/v1"
