"""Where a side stands or should stand: what a finding says of it, and whose step it gives."""

import json
from pathlib import Path

import pytest

from nhisync.app.gather import places_of, scope_of
from nhisync.app.session import Session
from nhisync.model import App, Side
from nhisync.parity.book import app_terms
from nhisync.parity.engine import judge
from nhisync.parity.findings import findings_of
from nhisync.parity.rules import RULES
from nhisync.policy import BUILTIN, Waivers
from nhisync.testing.rows import NOW, row

CONFIG = """
version: 1
paths:
  primary:
    region: here
    sources: {vault: {provider: vault, address: 'https://v', auth: {method: token, token_file: t}}}
  backup: {region: there, sources: {aws: {provider: aws, auth: {method: instance_role}}}}
apps:
  payments:
    tier: standard
    owner: payments-oncall
    pairs:
      - {name: named, kind: secret, primary: "vault:kv/secret/named", backup: "aws:secret/payments/named"}
    match:
      - {kind: secret, primary: "vault:kv/secret/{app}/{name}", backup: "aws:secret/{app}/{name}"}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Session:
    """A Vault path with an AWS backup."""
    file = tmp_path / "nhisync.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return Session.open(file)


@pytest.mark.parametrize(
    ("key", "locator", "place"),
    [
        ("payments/stripe", "vault:kv/secret/payments/stripe", "aws:secret/payments/stripe"),
        ("payments/named", "vault:kv/secret/named", "aws:secret/payments/named"),
    ],
)
def test_a_missing_backup_gets_the_backups_step(opened: Session, key: str, locator: str, place: str) -> None:
    """The place on the backup path and the step of its provider, although only the primary's row exists."""
    app = opened.apps()[0]
    scope = scope_of([app], ("primary", "backup"))
    terms = app_terms(
        app, opened.configuration.tiers["standard"], RULES, primary_domains=frozenset(), waivers=Waivers()
    )
    here = row(key=key, locator=locator, domain="vault/here")
    places = places_of(opened, scope, "primary", "backup")
    (judged,) = judge(iter([here]), iter([]), {"payments": terms}, now=NOW, missing=lambda *_: "absent")
    found = {f.code: f for f in findings_of(judged, terms, primary="primary", backup="backup", now=NOW, places=places)}
    assert found["NHS101"].observed == f"does not exist: {place}"
    assert "aws secretsmanager create-secret" in found["NHS101"].next[0]


def test_a_place_that_only_a_tag_could_name_is_not_guessed(opened: Session) -> None:
    """A pair by tag has no expected address; a row's own address is always its place."""
    places = places_of(opened, scope_of(opened.apps(), ("primary", "backup")), "primary", "backup")
    here = row(key="payments/tagged", locator="vault:kv/elsewhere/x")
    assert places(Side.BACKUP, "payments/tagged", None, here) == ("", "")
    assert places(Side.PRIMARY, "payments/tagged", here, None) == ("vault:kv/elsewhere/x", "vault")


@pytest.mark.parametrize(("kind", "words"), [("issuer", "No provider tells"), ("kms-key", "kms:DescribeKey")])
def test_a_place_nobody_tells_has_the_step_of_its_kind(kind: str, words: str) -> None:
    """NHS706 of a role's issuer asks for no right on keys, which would bring nothing to light."""
    lost = {"kind": kind, "id": "x", "region": None, "usable": None, "multi_region": None, "detail": ""}
    detail = json.dumps({"dependencies": [lost]})
    here, there = (row(domain=f"aws/{place}", locator="aws:iam-role/x") for place in ("here", "there"))
    there = there._replace(detail=detail)
    app = App(name="payments", tier="standard")
    terms = app_terms(app, BUILTIN["standard"], RULES, primary_domains=frozenset({"aws/here"}), waivers=Waivers())
    (judged,) = judge(iter([here]), iter([there]), {"payments": terms}, now=NOW, missing=lambda *_: "absent")
    found = {f.code: f for f in findings_of(judged, terms, primary="primary", backup="backup", now=NOW)}
    assert words in found["NHS706"].next[0]
