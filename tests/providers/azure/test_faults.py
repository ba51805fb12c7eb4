"""What goes wrong between us and Azure: typed, bounded, accounted for, and never an empty vault."""

import threading
import time

import pytest

from nhisync.spi import Budget, CoverageStatus, ErrorKind, InventoryRequest, Presence, ProviderError, SystemClock

ABAC = (
    "((!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/readMetadata/action'})) OR "
    "(@Resource[Microsoft.KeyVault/vaults/secrets:name] StringLike 'pay*'))"
)
READ = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"


def test_a_condition_on_names_closes_the_list_and_not_the_items(backup, azure):
    """The ABAC trap: whoever may see some secrets gets no list at all. That is "denied", never "no secrets"."""
    backup.seed("secret", "pay-one")
    backup.seed("secret", "other")
    azure.install("backup", "kv", role={"Name": "some", "DataActions": [READ]}, condition=ABAC)
    seen = backup.see("secret/pay-one", "secret/other", "secret/pay-none", kinds="secret")
    assert seen.status == {"secret": "denied"}
    assert seen.coverage["secret"].error.action == READ
    assert seen["secret/pay-one"].presence is Presence.PRESENT
    assert seen["secret/other"].presence is Presence.DENIED
    # Not in force, but perhaps soft-deleted, and that list is closed, too: nothing is concluded.
    assert seen["secret/pay-none"].presence is Presence.DENIED
    with pytest.raises(ProviderError, match="denied") as caught:
        list(backup.provider()._connection.pages("secrets", "list_properties_of_secrets", backup.budget()))
    assert "condition on their names" in caught.value.fix


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("firewall", {}, "denied"),
        ("private", {}, "denied"),
        ("unavailable", {}, "unreachable"),
        ("drop", {}, "unreachable"),
        ("drop-before", {}, "unreachable"),
        ("cut", {}, "malformed"),
        ("garbage", {}, "malformed"),
        ("throttled", {"seconds": 0}, "throttled"),
        ("unauthorized", {}, "auth_failed"),
    ],
)
def test_every_fault_is_told_as_what_it_is(backup, fault, options, kind):
    """One attempt, one kind; the coverage says the same, and no secret is called absent."""
    backup.seed("secret", "x")
    backup.fault(fault, **({} if fault == "private" else {"surface": "kv"}), **options)
    seen = backup.see("secret/x", "secret/none", kinds="secret")
    assert {item.error.kind for item in seen.items.values()} == {kind}
    assert seen.coverage["secret"].status is not CoverageStatus.COMPLETE
    assert seen.coverage["secret"].error.kind == kind


def test_a_firewall_names_no_permission(backup):
    """No role cures it."""
    backup.seed("secret", "x")
    backup.fault("firewall")
    error = backup.see("secret/x")["secret/x"].error
    assert (error.action, "firewall" in error.reason) == ("", True)


@pytest.mark.parametrize(
    ("fault", "options"),
    [("unavailable", {}), ("drop", {}), ("cut", {}), ("garbage", {}), ("throttled", {"seconds": 1})],
)
def test_reads_are_repeated_within_the_attempts(backup, clock, fault, options):
    """One bad answer is asked again, on the injected clock, and every request is spent."""
    backup.seed("secret", "x")
    backup.fault(fault, surface="kv", operations="secrets/list", times=1, **options)
    budget = backup.budget()
    seen = backup.see(kinds="secret", attempts=3, budget=budget)
    assert seen.status == {"secret": "complete"}
    assert budget.spent == sum(backup.calls.values())
    if fault == "throttled":
        assert 1.0 in clock.slept


def test_attempts_are_bounded(backup):
    """azure-core would try eleven times; here it is three, whatever the server says."""
    backup.seed("secret", "x")
    backup.fault("throttled", surface="kv", seconds=2)
    backup.see(kinds="secret", attempts=3)
    assert backup.calls["kv:secrets/list"] == 3


def test_a_wait_longer_than_the_cycle_is_not_waited(backup, clock):
    """Retry-After of two hours ends the cycle as throttled, at once."""
    backup.seed("secret", "x")
    backup.fault("throttled", surface="kv", seconds=7200)
    seen = backup.see("secret/x", kinds="secret", attempts=3)
    assert seen["secret/x"].error.kind == ErrorKind.THROTTLED.value
    assert sum(clock.slept) < 60


def test_a_lost_page_is_partial(backup):
    """What came before is real, and the list is not complete."""
    for number in range(60):
        backup.seed("secret", f"s-{number:02d}")
    backup.fault("unavailable", surface="kv", operations="secrets/list", skip=1)
    seen = backup.see(kinds="secret")
    assert seen.status == {"secret": "partial"}
    assert len(seen.items) == 25


def test_one_slow_service_costs_only_its_own_answers(backup):
    """Graph hangs: the vault is complete, the directory is not."""
    backup.seed("secret", "x")
    backup.seed("app-secret", "payments")
    backup.fault("hang", surface="graph")
    seen = backup.see(kinds="secret app-secret", read_timeout="500ms")
    backup.fault("hang", off=True)
    assert seen.status == {"secret": "complete", "app-secret": "unreachable"}


def test_a_deadline_that_cuts_a_wait_is_throttled(source_of):
    """Our own impatience is not the vault's fault: THROTTLED, not UNREACHABLE."""
    site = source_of()
    site.seed("secret", "x")
    site.fault("hang", surface="kv")
    clock = SystemClock()
    budget = Budget(clock, seconds=1.5)
    started = time.monotonic()
    seen = site.see("secret/x", kinds="secret", budget=budget, provider=site.provider(clock=clock))
    site.fault("hang", off=True)
    assert seen["secret/x"].error.kind == "throttled"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("surface", ["kv", "graph"])
def test_endless_pages_are_left(backup, surface):
    """Pages that link in a circle end as malformed after one round, and nothing is shown twice."""
    for number in range(30):
        backup.seed("secret", f"s-{number:02d}")
    backup.seed("app-secret", "payments")
    backup.fault("endless-paging", surface=surface)
    kind = "secret" if surface == "kv" else "app-secret"
    seen = backup.see(kinds=kind)
    assert seen.status == {kind: "partial"}
    assert len(seen.items) == len([one for one in seen.all if hasattr(one, "locator")])


def test_a_session_that_ended_early_is_renewed_once(backup):
    """Revoked tokens are answered with a challenge; a new token is asked for, and the run goes on."""
    backup.seed("secret", "x")
    backup.seed("app-secret", "payments")
    provider = backup.provider()
    backup.see("secret/x", "app-secret/payments", provider=provider)
    backup.fault("revoked")
    seen = backup.see("secret/x", "app-secret/payments", provider=provider)
    assert {item.presence for item in seen.items.values()} == {Presence.PRESENT}
    assert backup.calls["sts:token"] == 4


def test_a_read_only_vault_is_still_read(source_of):
    """After a failover to the paired region lists and gets go on; only changes are refused."""
    backup = source_of(mode="rotate")
    backup.seed("secret", "x")
    backup.fault("read-only")
    assert backup.see("secret/x", kinds="secret").status == {"secret": "complete"}
    connection = backup.provider()._connection
    with pytest.raises(ProviderError) as caught:
        connection.mint("secrets", "set_secret", backup.budget(), "x", "v")
    assert caught.value.kind is ErrorKind.READ_ONLY_SIDE


def test_a_mint_is_never_repeated(source_of):
    """A write that was applied and answered with 503 leaves one version, where the SDK's defaults leave three."""
    backup = source_of(mode="rotate")
    backup.fault("applied-then-503", surface="kv", operations="secrets/set")
    connection = backup.provider(attempts=5)._connection
    with pytest.raises(ProviderError, match="server fault"):
        connection.mint("secrets", "set_secret", backup.budget(), "new", "v")
    assert backup.calls["kv:secrets/set"] == 1
    assert len(backup.world.source("backup", "kv").vault.secrets.get("new").versions) == 1


def test_the_region_is_the_one_that_answers(backup):
    """x-ms-keyvault-region: during a failover the paired region answers."""
    backup.seed("secret", "x")
    assert backup.see("secret/x")["secret/x"].region == "northeurope"
    backup.fault("failed-over", region="westeurope")
    assert backup.see("secret/x")["secret/x"].region == "westeurope"


def rogue_source(backup, rogue):
    """The source, with the rogue listener as its vault."""
    rogue.authority = f"{backup.document['authority']}/{backup.document['auth']['tenant']}"
    return f"https://127.0.0.1:{rogue.server_port}"


def test_a_link_to_another_host_gets_no_token(backup, rogue):
    """A next page may only stand where the first one stood."""
    rogue.link = f"{backup.document['vault']}/secrets?api-version=7.4"
    seen = backup.see(kinds="secret", vault=rogue_source(backup, rogue))
    assert seen.coverage["secret"].error.kind == "malformed"
    assert "another host" in seen.coverage["secret"].error.message
    assert not any(call.startswith("kv:") for call in backup.calls)


@pytest.mark.parametrize("resource", ["https://evil.example", "https://graph.microsoft.com.evil.example"])
def test_no_token_is_asked_for_a_stranger(backup, rogue, resource):
    """A challenge names the service that a token is for; only those of the configured cloud are ever asked for."""
    rogue.resource = resource
    seen = backup.see(kinds="secret", vault=rogue_source(backup, rogue))
    assert seen.coverage["secret"].error.kind == "misconfigured"
    assert all(entry.endswith("False") for entry in rogue.led)


def test_a_vault_of_another_tenant_is_told(backup, rogue):
    """The challenge names the vault's tenant; ours is the configured one."""
    vault = rogue_source(backup, rogue)
    rogue.authority = f"{backup.document['authority']}/00000000-1111-2222-3333-444444444444"
    error = backup.see(kinds="secret", vault=vault).coverage["secret"].error
    assert (error.kind, "another tenant" in error.message) == ("misconfigured", True)


@pytest.mark.parametrize("version", ["7.4", "2025-07-01"])
def test_an_older_api_is_spoken(backup, version):
    """A cloud that does not know the SDK's newest version is asked in its own."""
    for kind in ("secret", "key", "certificate"):
        backup.seed(kind, f"x-{kind}")
    seen = backup.see(kinds="secret key certificate", versions="all", api_version=version)
    assert set(seen.status.values()) == {"complete"}
    assert {item.presence for item in seen.items.values()} == {Presence.PRESENT}


def test_two_paths_run_at_once(source_of):
    """Budgets and clients of two sources in one process do not meet."""
    sites = [source_of("primary", "kv"), source_of("backup", "kv")]
    for site in sites:
        for number in range(30):
            site.seed("secret", f"s-{number:02d}")
    found = {}

    def look(site):
        request = InventoryRequest(budget=site.budget(), kinds=frozenset({"secret"}))
        found[site.path] = (list(site.provider(versions="all").inventory(request)), request.budget.spent)

    threads = [threading.Thread(target=look, args=(site,)) for site in sites]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for site in sites:
        assert len(found[site.path][0]) == 31
        assert found[site.path][1] == sum(site.calls.values())


def test_tls_is_verified(backup, tmp_path):
    """Another CA, and none: unreachable by TLS, not denied and not absent."""
    backup.seed("secret", "x")
    seen_by = []
    for ca_file in (None, _other_ca(tmp_path)):
        with pytest.raises(ProviderError) as caught:
            backup.see("secret/x", ca_file=ca_file)
        seen_by.append((caught.value.kind, "TLS" in caught.value.message, "ca_file" in caught.value.fix))
    assert seen_by == [(ErrorKind.UNREACHABLE, True, True)] * 2


def _other_ca(folder):
    from nhisync.testing.clocks import FakeClock
    from nhisync_azure.emulator import AzureWorld

    other = AzureWorld(clock=FakeClock(), directory=folder / "other-world")
    other.start()
    other.stop()
    return str(other.ca_file)


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("nothing", "no PEM certificate")])
def test_an_unusable_ca_file_is_named(backup, tmp_path, content, why):
    """The setting is wrong, and it says which and why."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")
    with pytest.raises(ProviderError, match=why) as caught:
        backup.see("secret/x", ca_file=str(file))
    assert caught.value.kind is ErrorKind.MISCONFIGURED
