"""Values are read in one place only, and shown nowhere: not in items, errors, checks, logs or documents."""

import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest

from nhisync.spi import AccessMode, CheckState, FieldValue, Locator, ProviderError
from nhisync.testing.conformance.secrecy import SHORTEST, leaks, listening, shown

CANARY = "canary-value-77c1"
KINDS = ("secret", "certificate", "key", "app-secret", "app-certificate", "app-federation", "sp-secret")


def plant(site):
    """Canaries in every place that holds a value."""
    value = {"fields": {"password": CANARY}}
    return tuple(
        site.locator(site.seed(kind, name, **facts))
        for kind, name, facts in (
            ("secret", "open", value),
            ("secret", "gone", {**value, "deleted": timedelta(days=1)}),
            ("secret", "off", {**value, "disabled": True}),
            ("certificate", "api", {}),
            ("key", "signing", {}),
            ("app-secret", "payments", value),
            ("app-certificate", "payments", {}),
            ("app-federation", "payments/cluster", {}),
            ("sp-secret", "payments", value),
        )
    )


def own_values(site):
    """Our own secret, every token handed out, and every value in a vault."""
    yield Path(site.document["auth"]["secret_file"]).read_text(encoding="ascii")
    yield from site.world.cloud.tokens
    for vault in site.world.cloud.vaults.values():
        for entry in vault.secrets:
            yield from (version.value for version in entry.versions if len(version.value) >= SHORTEST)


@pytest.mark.requirement("R42")
def test_no_value_leaves_the_inventory(source_of):
    """Nothing of a value in anything that is said, with all loggers at DEBUG, in any spelling."""
    site = source_of()
    wanted = (*plant(site), site.locator("secret/never"))
    with listening() as heard:
        for name in ("azure", "msal", "urllib3"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        provider = site.provider(attempts=2)
        said = [provider.identify(site.budget())]
        said += site.see(*(f"{w.kind}/{w.name}" for w in wanted), kinds=" ".join(KINDS), provider=provider).all
        said += provider.examine(AccessMode.READ, wanted, frozenset(KINDS), site.budget())
        said += [one for mode in AccessMode for one in provider.permissions(mode, wanted, frozenset(KINDS))]
        said += [provider, provider._settings, provider._connection, provider._connection._tokens]
    assert leaks("\n".join(map(shown, said)) + heard.text, {CANARY, *own_values(site)}) == 0


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("fault", ["denied", "unavailable", "garbage", "cut", "throttled", "drop", "unauthorized"])
@pytest.mark.parametrize("surface", ["sts", "kv", "graph"])
def test_no_value_is_in_a_failure(source_of, fault, surface):
    """What the SDKs raise holds requests, bodies and tokens; what leaves the adapter holds none of it."""
    site = source_of(mode="fingerprint")
    wanted = plant(site)
    site.fault(fault, surface=surface, **({"seconds": 0} if fault == "throttled" else {}))
    said = []
    with listening() as heard:
        provider = site.provider()
        try:
            said += site.see(*(f"{w.kind}/{w.name}" for w in wanted), provider=provider).all
            said += list(provider.values(wanted, site.budget()))
        except ProviderError as error:
            said.append(error)
        said += provider.examine(AccessMode.FINGERPRINT, wanted, frozenset(KINDS), site.budget())
    told = "\n".join(shown(one) for one in said if not isinstance(one, FieldValue))
    assert leaks(told + heard.text, {CANARY, *own_values(site)}) == 0


def test_hints_are_nowhere(backup):
    """Three characters of a secret are a part of it: a value that is nothing but its hint is in no item."""
    backup.seed("app-secret", "payments", fields={"v": "q7#zzzz"})
    said = backup.see("app-secret/payments", kinds="app-secret").all
    assert "q7#" not in "\n".join(map(shown, said))


def test_the_inventory_asks_for_no_value(source_of):
    """No call of the inventory or of doctor in reading mode returns one, whatever the identity may do."""
    site = source_of(mode="rotate")
    wanted = plant(site)
    site.see(*(f"{w.kind}/{w.name}" for w in wanted), kinds=" ".join(KINDS))
    assert "kv:secrets/get" not in site.calls
    list(site.provider().examine(AccessMode.READ, wanted, frozenset(KINDS), site.budget()))
    # Doctor asks for a version that does not exist: authorised, and without an answer to give.
    vault = site.world.source("backup", "kv").vault
    assert "0" * 32 not in {version.id for entry in vault.secrets for version in entry.versions}


def test_values_are_fields(source_of):
    """A JSON object's members each, anything else as a whole; a disabled secret and other kinds say why not."""
    site = source_of(mode="fingerprint")
    site.seed("secret", "json", fields={"user": "u", "password": CANARY})
    site.seed("secret", "plain", fields={"v": CANARY}, plain=True)
    site.seed("secret", "off", disabled=True)
    site.seed("key", "signing")
    names = ("secret/json", "secret/plain", "secret/off", "secret/none", "key/signing", "app-secret/x")
    read = list(site.provider().values([site.locator(name) for name in names], site.budget()))
    values = {(one.locator.name, one.field): one.value.reveal() for one in read if isinstance(one, FieldValue)}
    assert values == {
        ("json", "user"): b"u",
        ("json", "password"): CANARY.encode(),
        ("plain", "value"): CANARY.encode(),
    }
    why = {locator.name: fact.kind for locator, fact in (one for one in read if isinstance(one, tuple))}
    assert why == {"off": "conflict", "none": "not_found", "signing": "unsupported", "x": "unsupported"}


def checks_of(site, mode=AccessMode.READ, kinds="secret app-secret", **settings):
    """Doctor's checks by name."""
    found = site.provider(**settings).examine(mode, (), frozenset(kinds.split()), site.budget())
    return {check.name: check for check in found}


def test_doctor_on_a_healthy_source(backup):
    """Everything is told, nothing failed."""
    checks = checks_of(backup)
    assert {name for name, check in checks.items() if check.state is CheckState.FAILED} == set()
    assert {"credential-file", "identity", "reachable:vault", "tls:vault", "reachable:graph", "clock"} <= set(checks)


@pytest.mark.parametrize("seconds", [300, -300])
def test_doctor_sees_a_wrong_clock(backup, seconds):
    """By the Date of the last answer; two minutes are allowed."""
    backup.fault("clock-skew", seconds=seconds)
    check = checks_of(backup)["clock"]
    assert (check.state, check.observed) == (CheckState.FAILED, "differs by 300 s")


def test_doctor_sees_a_file_that_others_can_read(backup):
    """A shared file is a shared identity."""
    os.chmod(backup.document["auth"]["secret_file"], 0o644)
    check = checks_of(backup)["credential-file"]
    assert (check.state, "chmod 600" in check.fix) == (CheckState.WARNING, True)


@pytest.mark.parametrize(
    ("settings", "name", "words"),
    [
        ({"authority": "https://no-such-host.invalid"}, "reachable", "no address"),
        ({"authority": "https://127.0.0.1:1"}, "reachable", "refused"),
        ({"vault": "https://127.0.0.1:1", "vault_id": None}, "reachable:vault", "refused"),
        ({"vault": "https://no-such-vault.invalid", "vault_id": None}, "reachable:vault", "no address"),
        ({"graph": "https://127.0.0.1:1"}, "reachable:graph", "refused"),
        ({"ca_file": None}, "reachable", "TLS"),
    ],
)
def test_doctor_tells_what_cannot_be_reached_and_why(backup, settings, name, words):
    """Name, port and certificate are three faults with three fixes."""
    check = checks_of(backup, **settings)[name]
    assert check.state is CheckState.FAILED
    assert words in check.observed
    assert check.fix


def test_doctor_tells_silence(backup):
    """A server that takes the connection and says nothing."""
    backup.fault("hang", surface="kv")
    check = checks_of(backup, kinds="secret", read_timeout="2s")["reachable:vault"]
    backup.fault("hang", off=True)
    assert "in time" in check.observed


@pytest.mark.parametrize("method", ["secret_file", "certificate_file"])
def test_doctor_without_a_file(source_of, method):
    """The file is named before anything is asked."""
    site = source_of(auth="client_secret" if method == "secret_file" else "certificate")
    auth = {**site.document["auth"], method: "nowhere"}
    checks = checks_of(site, auth=auth)
    assert checks["credential-file"].state is CheckState.FAILED
    assert checks["identity"].state is CheckState.FAILED


def test_a_locator_of_no_kind_is_answered(backup):
    """A kind of another provider is unsupported, with ours."""
    item = backup.see("database/x")["database/x"]
    assert (item.error.kind, "secret" in item.error.message) == ("unsupported", False)
    assert Locator.parse("kv:database/x") == item.locator
