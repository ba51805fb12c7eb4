"""No value anywhere: not in items, errors, logs, documents or tracebacks, and none is ever asked for."""

import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest

from nhisync.spi import AccessMode, Locator, ProviderError

from .conftest import CANARY

KINDS = ("approle", "db-dynamic", "db-static", "kv", "ldap-static", "pki", "token", "transit")
VALUE_PATHS = ("/data/", "/creds/", "/static-creds/", "/static-cred/", "/export/", "/issue/", "/sign/")


def plant(site: Any) -> tuple[Locator, ...]:
    """Canaries in every place that holds a value."""
    return (
        site.seed("kv", "secret/pay/a"),
        site.seed("kv", "secret/pay/gone", deleted=True),
        site.seed("db-static", "database/ledger"),
        site.seed("db-dynamic", "database/app"),
        site.seed("approle", "approle/pay"),
        site.seed("pki", "pki/cn/api.example.com"),
        site.seed("ldap-static", "ldap/pay"),
        site.seed("token", "job", expires=timedelta(days=3)),
        site.seed("transit", "transit/pay"),
        Locator("vault", "kv", "secret/never"),
        Locator("vault", "kv", "nowhere/x"),
    )


@pytest.mark.requirement("R42")
def test_no_value_leaves_the_inventory(
    site: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Items, coverage, identities, checks, documents, logs at DEBUG, stdout and stderr hold no canary and no token."""
    caplog.set_level(logging.DEBUG)
    wanted = plant(site)
    provider = site.provider(token_census={"limit": 50})
    seen = site.observe(*wanted, kinds=KINDS, provider=provider)
    told = [repr(one) for one in seen.all]
    told += [repr(provider.identify(site.budget()))]
    told += [repr(one) for one in provider.examine(AccessMode.READ, wanted, frozenset(KINDS), site.budget())]
    told += [one.text for mode in AccessMode for one in provider.permissions(mode, wanted, frozenset(KINDS))]
    told += [caplog.text, *capfd.readouterr()]
    secrets = {CANARY, *(token for token in _tokens(site))}
    assert not [secret for secret in secrets for text in told if secret in text]


def _tokens(site: Any) -> list[str]:
    """Every token, role id and secret id of the cluster."""
    from pathlib import Path

    core = site.world.source("primary", "vault").core
    files = [site.document["auth"][name] for name in ("role_id_file", "secret_id_file")]
    return [*core.token_view().walk("id/"), core.root_token, *(Path(file).read_text().strip() for file in files)]


@pytest.mark.requirement("R42")
def test_the_inventory_asks_for_no_value(site: Any) -> None:
    """No request of a full sweep touches a path that returns or mints a value."""
    wanted = plant(site)
    site.observe(*wanted, kinds=KINDS)
    assert not [one for one in site.node.received if any(path in f"{one}/" for path in VALUE_PATHS)]
    core = site.world.source("primary", "vault").core
    assert core.view(core.mounts["database/"]).get("mints") is None


@pytest.mark.requirement("R42")
def test_values_that_are_read_do_not_show_in_failures(make_site: Any) -> None:
    """Fingerprinting under every fault tells kinds and paths, never contents; tracebacks included."""
    site = make_site(fingerprint=True)
    secret = site.seed("kv", "secret/pay")
    told = []
    for name, options in (
        ("half-answer", {}),
        ("garbage", {}),
        ("status", {"code": 500, "text": CANARY}),
        ("drop-after-commit", {}),
    ):
        site.fault(name, paths=("secret/data/",), **options)
        try:
            told += [repr(one) for one in site.provider(attempts=1).values((secret,), site.budget())]
        except ProviderError:
            told.append(traceback.format_exc())
        site.fault(name, off=True)
    assert told
    assert not [text for text in told if CANARY in text]


def test_errors_carry_no_library_exception(site: Any) -> None:
    """A typed error is raised from None: nothing of requests or hvac hangs on it."""
    site.fault("unreachable")
    with pytest.raises(ProviderError) as caught:
        site.observe()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_server_that_echoes_is_not_repeated(site: Any) -> None:
    """Error texts of the server, which can hold what was sent, are matched and dropped."""
    secret = site.seed("kv", "secret/pay")
    site.fault("status", code=400, text=f"bad value {CANARY}", paths=("secret/",))
    assert CANARY not in repr(site.observe(secret).all)
