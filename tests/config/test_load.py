"""A valid file becomes frozen values with everything resolved."""

import dataclasses
import os
import pickle
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from nhisync.config import Bind, Configuration, load
from nhisync.errors import ConfigurationError
from nhisync.model import Locator, Lost, Mode, PairClass

from .conftest import SMALL

Load = Callable[..., Configuration]


def test_paths_have_sources_regions_and_fault_domains(load_text: Load, full: str) -> None:
    """A source's region defaults to its path's, domains to <provider>/<region>, unless they are declared."""
    found = load_text(full)
    primary, backup = found.paths["primary"], found.paths["backup"]
    assert list(primary.sources) == ["vault", "edge"]
    assert primary.fault_domains == ("tls/eu-west-1", "vault/eu-west-1")
    assert backup.fault_domains == ("aws/eu-north-1", "dc/lulea")
    assert primary.sources["edge"].region == "eu-west-1"
    assert primary.sources["edge"].domain == "tls/eu-west-1"
    assert primary.sources["vault"].document["address"] == "https://vault.eu-west.example"
    assert primary.sources["vault"].position.line == 7


def test_a_path_without_region_has_unknown_domains(load_text: Load) -> None:
    """A region that nobody names is not made up."""
    found = load_text(SMALL.replace("    region: eu-west-1\n", ""))
    assert found.paths["primary"].fault_domains == ()
    assert found.paths["primary"].sources["vault"].domain is None


def test_pairs_and_matches_carry_lines_and_the_apps_name(load_text: Load, full: str) -> None:
    """Pairs and templates become model values; {app} is filled in, {name} stays, lines lead back to the file."""
    found = load_text(full)
    (app,) = found.apps
    assert found.app("payments") is app
    assert found.app("nobody") is None
    assert (app.tier, app.mode, app.primary, app.backups) == ("critical", Mode.ENFORCE, "primary", ("backup",))
    stripe, fx, tls = app.pairs
    assert stripe.primary == Locator("vault", "kv", "secret/payments/stripe", "api_key")
    assert stripe.key == "payments/stripe-api"
    lines = full.splitlines()
    assert [lines[pair.line - 1].strip()[:12] for pair in app.pairs] == ["- name: stri", "- name: fx-f", "- {name: api"]
    assert (fx.pair_class, fx.owner, fx.until) == (PairClass.SHARED, "treasury", date(2026, 12, 31))
    (match,) = app.matches
    assert (match.primary, match.backup) == ("vault:kv/secret/payments/{name}", "aws:secret/payments/{name}")
    assert lines[match.line - 1].strip().startswith("- {kind: secret")
    assert tls.pair_class is PairClass.INDEPENDENT


def test_a_match_by_tag_only_says_where_to_look(load_text: Load, full: str) -> None:
    """With `by: tag` the templates are places; one that goes on behind {name} would choose by name."""
    tagged = full.replace("- {kind: secret,", "- {kind: secret, by: tag,")
    assert tagged != full
    ((match,),) = (one.matches for one in load_text(tagged).apps)
    assert match.tagged
    with pytest.raises(ConfigurationError, match="with `by: tag` a template ends with"):
        load_text(tagged.replace('"aws:secret/{app}/{name}"', '"aws:secret/{app}/{name}-key"'))


@pytest.mark.requirement("R38")
def test_sessions_are_declared_lost_by_somebody(load_text: Load) -> None:
    """The declaration has an owner, an end and a reason; without one nothing is declared, and each is needed."""
    declared = "    sessions: {on_switch: lost, owner: docs-team, until: 2027-06-30, reason: readers log in again}\n"
    text = SMALL.replace("    tier: critical\n", f"    tier: critical\n{declared}")
    assert load_text(SMALL).apps[0].lost is None
    assert load_text(text).apps[0].lost == Lost(
        owner="docs-team", until=date(2027, 6, 30), reason="readers log in again"
    )
    for part in ("owner: docs-team, ", "until: 2027-06-30, ", ", reason: readers log in again", "on_switch: lost, "):
        with pytest.raises(ConfigurationError, match="sessions"):
            load_text(text.replace(part, ""))


@pytest.mark.parametrize(("text", "end"), [("never", date.max), ("2027-06-30", date(2027, 6, 30))])
def test_a_pair_may_state_when_its_credential_ends(load_text: Load, text: str, end: date) -> None:
    """A last day, or that there is none; nothing stated is None."""
    pair = '{name: a, kind: secret, primary: "vault:kv/a", backup: "aws:secret/a"'
    apps = f"apps:\n  payments:\n    tier: critical\n    pairs:\n      - {pair}, ends: {text}}}\n"
    found = load_text(SMALL.partition("apps:")[0] + apps)
    assert found.apps[0].pairs[0].ends == end
    (plain,) = load_text(SMALL.partition("apps:")[0] + apps.replace(f", ends: {text}", "")).apps[0].pairs
    assert plain.ends is None


@pytest.mark.parametrize("text", ["Never", "soon", "0", "2027-02-30", "9999"])
def test_an_end_that_cannot_be_read_is_refused(load_text: Load, text: str) -> None:
    """A typo is no "never"."""
    pair = '{name: a, kind: secret, primary: "vault:kv/a", backup: "aws:secret/a"'
    apps = f"apps:\n  payments:\n    tier: critical\n    pairs:\n      - {pair}, ends: {text}}}\n"
    with pytest.raises(ConfigurationError) as refused:
        load_text(SMALL.partition("apps:")[0] + apps)
    assert [problem.where for problem in refused.value.problems] == ["apps.payments.pairs[0].ends"]


def test_app_details_are_kept_for_the_features_that_use_them(load_text: Load, full: str) -> None:
    """Serving, health, probes and rotation are values; roles are resolved to path names."""
    details = load_text(full).details["payments"]
    assert details.serving is not None
    assert details.serving.addresses == {"primary": ("192.0.2.10",), "backup": ("192.0.2.20",)}
    assert details.serving.resolvers == {"internal": ("10.0.0.53",), "external": ("9.9.9.9",)}
    assert details.health["backup"].target == "b.example:443"
    assert details.health["primary"].timeout == timedelta(seconds=2)
    assert details.probes["stripe-api"]["primary"].header == "X-Api-Key"
    assert details.probes["stripe-api"]["backup"].expect == frozenset({200, 204})
    assert details.probes["fx-feed"]["backup"].target == "fx.example:443"
    assert (details.rotate["stripe-api"].primary, details.rotate["stripe-api"].backup) == ("manual", "auto")
    assert set(details.rotate) == {"stripe-api"}


def test_role_words_stand_for_every_path_of_the_role(load_text: Load) -> None:
    """Several backups and opposite roles are possible; a role word means the paths of this app in that role."""
    text = SMALL.replace("apps:", "  third:\n    sources: {aws: {provider: aws, region: eu-south-1}}\napps:").replace(
        "tier: critical",
        "tier: high\n    roles: {primary: primary, backup: [backup, third]}\n"
        "    serving: {name: a.example, addresses: {backup: [192.0.2.1]}}",
    )
    found = load_text(text)
    serving = found.details["payments"].serving
    assert serving is not None
    assert found.apps[0].backups == ("backup", "third")
    assert serving.addresses == {"backup": ("192.0.2.1",), "third": ("192.0.2.1",)}


def test_one_backup_may_be_a_word(load_text: Load) -> None:
    """``backup: name`` and ``backup: [name]`` are the same."""
    text = SMALL.replace("tier: critical", "tier: high\n    roles: {backup: backup}")
    assert load_text(text).apps[0].backups == ("backup",)


def test_files_are_resolved_against_the_folder(load_text: Load, full: str, tmp_path: Path) -> None:
    """The store, the snapshot and all named files are absolute; the source's own files stay as written."""
    found = load_text(full)
    assert found.base == tmp_path
    assert found.store_url == f"sqlite:///{tmp_path}/nhisync.db"
    assert found.publish.snapshot == tmp_path / "state/listener.snapshot"
    assert found.publish.gdnsd_extfile == Path("/var/lib/gdnsd/extfile")
    assert found.listener is not None
    assert found.listener.tls is not None
    assert found.listener.tls.cert == tmp_path / "tls.crt"
    assert found.signing is not None
    assert found.signing.key_file == tmp_path / "signing.pem"
    assert found.operator is not None
    assert found.operator.token_file == tmp_path / "operator.token"
    assert found.paths["primary"].sources["vault"].document["ca_file"] == "vault-ca.pem"


def test_the_snapshot_stands_beside_the_store(load_text: Load, tmp_path: Path) -> None:
    """Without a name of its own the listener's file is the store's neighbour, or in the folder for PostgreSQL."""
    beside = load_text(SMALL + "store: {url: 'sqlite:///var/history.db?timeout=5'}\n")
    assert beside.publish.snapshot == tmp_path / "var/history.snapshot"
    assert beside.store_url == f"sqlite:///{tmp_path}/var/history.db?timeout=5"
    remote = load_text(SMALL + "store: {url: 'postgresql+psycopg://nhisync@db.example/nhisync'}\n")
    assert remote.publish.snapshot == tmp_path / "nhisync.snapshot"
    assert remote.store_url == "postgresql+psycopg://nhisync@db.example/nhisync"


def test_listener_and_operator(load_text: Load, full: str) -> None:
    """Addresses become host and port; IPv6 keeps its brackets in print; absent sections are None."""
    found = load_text(full)
    assert found.listener is not None
    assert found.listener.bind == Bind("0.0.0.0", 8443)
    assert found.listener.public_profile is True
    assert str(found.listener.agent_bind) == "127.0.0.1:8444"
    small = load_text(SMALL + "listener: {bind: '[::1]:0'}\n")
    assert small.listener is not None
    assert small.listener.bind == Bind("::1", 0)
    assert str(small.listener.bind) == "[::1]:0"
    assert (small.operator, small.signing, small.publish.webhook, small.allow) == (None, None, None, ("nhisync",))


def test_waivers_name_their_origin(load_text: Load, full: str, tmp_path: Path) -> None:
    """A waiver knows file and line, and its last day."""
    (waiver,) = load_text(full).waivers
    line = next(i for i, text in enumerate(full.splitlines(), 1) if text.startswith("waivers:"))
    assert waiver.origin == f"{tmp_path}/nhisync.yaml:{line}"
    assert waiver.until == date(2026, 12, 15)
    assert waiver.ticket == "SEC-812"


def test_digest_follows_content_not_form(load_text: Load, tmp_path: Path) -> None:
    """Order and comments do not change the digest; a value does, and so does a policy."""
    digest = load_text(SMALL).digest
    assert digest.startswith("sha256:")
    assert load_text("# note\n" + SMALL.replace("version: 1\n", "") + "version: 1\n").digest == digest
    assert load_text(SMALL.replace("critical", "high")).digest != digest
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/critical.yaml").write_text("version: 1\ntier: critical\nlockstep: {max_lag: 1h}\n")
    assert load_text(SMALL, policies=tmp_path / "policies").digest != digest


def test_values_are_frozen_and_travel(load_text: Load, full: str) -> None:
    """A configuration can be handed to another process and cannot be changed."""
    found = load_text(full)
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.digest = "x"  # type: ignore[misc]


def test_repr_shows_no_document(load_text: Load, full: str) -> None:
    """Source documents, lines and the webhook's address do not show in a repr."""
    text = repr(load_text(full))
    for word in ("role_id", "hooks.example", "vault.eu-west.example", "SEC-812 #"):
        assert word not in text


def test_symbolic_links_keep_the_folder_of_the_link(load_text: Load, tmp_path: Path) -> None:
    """A mounted configuration links into a hidden folder that is swapped; relative files follow the link's place."""
    hidden = tmp_path / "..data"
    hidden.mkdir()
    (hidden / "nhisync.yaml").write_text(SMALL)
    link = tmp_path / "linked.yaml"
    os.symlink(hidden / "nhisync.yaml", link)
    assert load(link).base == tmp_path


def test_policies_are_named_as_a_person_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Origins read ``policies/critical.yaml:3`` when the configuration lies in the current folder."""
    (tmp_path / "nhisync.yaml").write_text(SMALL + "policies: ./policies\n")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/critical.yaml").write_text("version: 1\ntier: critical\nlockstep: {max_lag: 1h}\n")
    monkeypatch.chdir(tmp_path)
    tier = load(Path("nhisync.yaml")).tiers["critical"]
    assert tier.origins["lockstep.max_lag"] == "policies/critical.yaml:3"
    assert tier.origins["lockstep.grace"] == "built-in"


def test_anchors_and_merges_work(load_text: Load) -> None:
    """Aliases and ``<<`` repeat a block; the block's own keys win."""
    text = SMALL.replace("vault: {provider: vault}", "vault: &base {provider: vault, address: a, ca_file: c}").replace(
        "aws: {provider: aws}", "aws: {<<: *base, provider: aws, address: b}"
    )
    document = load_text(text).paths["backup"].sources["aws"].document
    assert document == {"provider": "aws", "address": "b", "ca_file": "c"}
    several = SMALL.replace("vault: {provider: vault}", "vault: &base {provider: vault}").replace(
        "aws: {provider: aws}", "aws: {<<: [*base, {ca_file: c}], provider: aws}"
    )
    assert load_text(several).paths["backup"].sources["aws"].document == {"provider": "aws", "ca_file": "c"}
