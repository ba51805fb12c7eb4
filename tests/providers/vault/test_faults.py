"""The adapter under fire: sealed, behind, throttled, hanging, cut, lying, gone; never an untyped failure."""

from datetime import timedelta
from typing import Any

import pytest

from nhisync.spi import CoverageStatus, ErrorKind, Locator, Presence, ProviderError
from nhisync_vault.emulator.node import Modes

KV = Locator("vault", "kv", "secret/pay")


def refused(site: Any, **settings: Any) -> ProviderError:
    """The error of a run that could ask nothing at all."""
    with pytest.raises(ProviderError) as caught:
        site.observe(KV, kinds=("kv",), provider=site.provider(**settings))
    return caught.value


@pytest.mark.requirement("R6")
def test_a_sealed_server_is_crypto_unavailable(site: Any) -> None:
    """Sealed is a state of its own with its own next step, and never an absence."""
    site.fault("sealed")
    error = refused(site)
    assert error.kind is ErrorKind.CRYPTO_UNAVAILABLE
    assert error.presence is Presence.UNREACHABLE
    assert "unseal" in error.fix


def test_a_server_that_seals_while_it_is_read(site: Any) -> None:
    """What was read stays read; the rest is unreachable, nothing is absent."""
    site.seed("kv", "secret/pay")
    site.fault("status", code=503, text="Vault is sealed", paths=("secret/",))
    seen = site.observe(KV, kinds=("kv",))
    assert seen[KV].presence is Presence.UNREACHABLE
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.UNREACHABLE


def test_an_uninitialised_server_is_unreachable(site: Any) -> None:
    """501 is no empty server."""
    site.fault("uninitialized")
    assert refused(site).kind is ErrorKind.UNREACHABLE


@pytest.mark.requirement("R6")
def test_a_server_that_is_gone_is_unreachable(site: Any) -> None:
    """A refused connection is typed, names the endpoint, and is over quickly."""
    site.seed("kv", "secret/pay")
    site.fault("unreachable")
    error = refused(site)
    assert error.kind is ErrorKind.UNREACHABLE
    assert site.document["address"] in error.fix


def test_the_next_node_answers_for_one_that_is_gone(make_site: Any) -> None:
    """Nodes are asked in order when the address does not answer."""
    site = make_site(standby_lag=0)
    secret = site.seed("kv", "secret/pay")
    site.world.source("primary", "vault").listeners[0].close()
    assert site.observe(secret)[secret].presence is Presence.PRESENT


@pytest.mark.requirement("R6")
def test_absences_are_asked_of_the_active_node(make_site: Any) -> None:
    """A standby far behind has never seen the secret; the adapter reads it from the leader it names."""
    site = make_site(standby_lag=400)
    secret = site.seed("kv", "secret/pay")
    seen = site.observe(secret, KV, kinds=("kv",))
    assert seen[secret].presence is Presence.PRESENT
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.COMPLETE


@pytest.mark.requirement("R6")
def test_a_standby_alone_proves_nothing(make_site: Any) -> None:
    """When the configuration does not name the leader, everything is stale and nothing absent."""
    site = make_site(standby_lag=400)
    secret = site.seed("kv", "secret/pay")
    seen = site.observe(secret, kinds=("kv",), provider=site.provider(nodes=[]))
    assert seen[secret].presence is Presence.UNKNOWN
    assert seen[secret].error.kind == ErrorKind.READ_ONLY_SIDE.value
    assert seen.coverage["kv", ""].status is CoverageStatus.STALE


def test_standby_reads_can_be_believed_but_their_absences_cannot(make_site: Any) -> None:
    """standby_reads shows what the standby has; what it lacks stays unknown."""
    site = make_site(standby_lag=1)
    first, second = site.seed("kv", "secret/a"), site.seed("kv", "secret/b")
    never = Locator("vault", "kv", "secret/never")
    seen = site.observe(first, never, kinds=("kv",), provider=site.provider(nodes=[], standby_reads=True))
    assert seen[first].presence is Presence.PRESENT
    assert seen[never].presence is Presence.UNKNOWN
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.STALE
    assert second.name == "secret/b"


def test_leadership_that_moves_while_reading_takes_absences_back(make_site: Any) -> None:
    """The node was active before the read and is a standby after it: its no is worth nothing."""
    site = make_site()
    site.seed("kv", "secret/pay")
    missing = Locator("vault", "kv", "secret/never")
    node, core = site.node, site.world.source("primary", "vault").core
    answer = core.answer

    def stepping_down(request: Any, *, lag: int = 0) -> Any:
        if "never" in request.path:
            node.faults.switch("standby", lag=0)
        return answer(request, lag=lag)

    core.answer = stepping_down
    assert site.observe(missing)[missing].presence is Presence.UNKNOWN


def test_a_leader_that_lies_about_itself_is_not_followed(make_site: Any) -> None:
    """An address that the configuration does not name never gets the token."""
    site = make_site(standby_lag=3)
    site.seed("kv", "secret/pay")
    site.fault("leader-address", address="https://evil.example:8200")
    seen = site.observe(KV)
    assert seen[KV].presence is Presence.UNKNOWN
    assert "not among address and nodes" in seen[KV].error.message


def test_a_plain_vault_standby_forwards_and_is_believed(make_site: Any) -> None:
    """Vault's ordinary standbys forward every request to the active node."""
    site = make_site(flavour="vault", standby_lag=5)
    site.seed("kv", "secret/pay")
    missing = Locator("vault", "kv", "secret/never")
    seen = site.observe(KV, missing, provider=site.provider(nodes=[]))
    assert seen[KV].presence is Presence.PRESENT
    assert seen[missing].presence is Presence.ABSENT


def test_a_disaster_recovery_secondary_is_no_backup(make_site: Any) -> None:
    """It serves no requests, and says so."""
    site = make_site(flavour="vault")
    site.node.modes = Modes(dr="secondary")
    assert refused(site).kind is ErrorKind.READ_ONLY_SIDE


@pytest.mark.requirement("R6")
def test_throttling_is_waited_out_within_the_budget(site: Any, clock: Any) -> None:
    """A short Retry-After is obeyed and the read succeeds."""
    site.seed("kv", "secret/pay")
    site.fault("throttled", retry_after=7, times=1, paths=("secret/",))
    assert site.observe(KV)[KV].presence is Presence.PRESENT
    assert 7 in [int(one) for one in clock.slept]


@pytest.mark.requirement("R6")
def test_throttling_beyond_the_budget_is_throttled(site: Any) -> None:
    """A Retry-After longer than the cycle ends in a typed answer with the wait, not in a sleep."""
    site.seed("kv", "secret/pay")
    site.fault("throttled", retry_after=3600, paths=("secret/",))
    seen = site.observe(KV, kinds=("kv",))
    assert seen[KV].presence is Presence.THROTTLED
    assert seen[KV].error.retry_after == timedelta(hours=1)
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.THROTTLED


def test_throttling_without_retry_after_backs_off(site: Any, clock: Any) -> None:
    """Waits grow and stay bounded by the configured attempts."""
    site.seed("kv", "secret/pay")
    site.fault("throttled", retry_after=None, paths=("secret/metadata/",))
    assert site.observe(KV)[KV].presence is Presence.THROTTLED
    assert 2 <= len(clock.slept) <= 4
    assert clock.slept[-1] > clock.slept[0]


def test_a_lease_quota_is_a_quota(site: Any) -> None:
    """429 for leases is a hard limit, not a rate."""
    site.seed("kv", "secret/pay")
    site.fault("lease-quota", paths=("secret/",))
    assert site.observe(KV)[KV].error.kind == ErrorKind.QUOTA.value


@pytest.mark.parametrize("name", ["precondition", "bad-gateway"])
def test_passing_faults_are_retried(site: Any, name: str) -> None:
    """412 and 502 once are no failure."""
    site.seed("kv", "secret/pay")
    site.fault(name, times=1, paths=("secret/",))
    assert site.observe(KV)[KV].presence is Presence.PRESENT


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"code": 500}, ErrorKind.UNREACHABLE),
        ({"code": 502}, ErrorKind.UNREACHABLE),
        ({"code": 503}, ErrorKind.UNREACHABLE),
        ({"code": 474}, ErrorKind.UNREACHABLE),
        ({"code": 530}, ErrorKind.UNREACHABLE),
        ({"code": 472}, ErrorKind.READ_ONLY_SIDE),
        ({"code": 473}, ErrorKind.READ_ONLY_SIDE),
        ({"code": 412}, ErrorKind.NOT_PROPAGATED),
        ({"code": 405}, ErrorKind.UNSUPPORTED),
        ({"code": 418}, ErrorKind.MALFORMED),
    ],
)
def test_lasting_faults_are_typed_by_their_status(site: Any, options: dict[str, Any], kind: ErrorKind) -> None:
    """Every status has one meaning, and none of them is absence."""
    site.seed("kv", "secret/pay")
    site.fault("status", paths=("secret/",), **options)
    item = site.observe(KV)[KV]
    assert item.error.kind == kind.value
    assert item.presence is not Presence.ABSENT


def test_a_hanging_server_costs_a_timeout_not_the_cycle(site: Any) -> None:
    """The read ends after the configured silence, as unreachable."""
    site.seed("kv", "secret/pay")
    site.fault("hang", paths=("secret/",))
    provider = site.provider(read_timeout="150ms", attempts=1)
    assert site.observe(KV, provider=provider)[KV].presence is Presence.UNREACHABLE
    site.fault("hang", off=True)


@pytest.mark.parametrize("name", ["half-answer", "garbage"])
def test_answers_that_cannot_be_believed_are_never_empty(site: Any, name: str) -> None:
    """A cut body or a proxy's page is malformed: neither present, nor absent, nor an empty listing."""
    site.seed("kv", "secret/pay")
    site.fault(name, paths=("secret/",))
    seen = site.observe(KV, kinds=("kv",))
    assert seen[KV].error.kind == ErrorKind.MALFORMED.value
    assert seen[KV].presence is Presence.UNKNOWN
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.PARTIAL


def test_a_cut_answer_once_is_asked_again(site: Any) -> None:
    """One lost half is no failure."""
    site.seed("kv", "secret/pay")
    site.fault("half-answer", times=1, paths=("secret/",))
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_a_dropped_reply_is_asked_again(site: Any) -> None:
    """Reads are repeated when their reply is lost."""
    site.seed("kv", "secret/pay")
    site.fault("drop-after-commit", times=1, paths=("secret/",))
    assert site.observe(KV)[KV].presence is Presence.PRESENT


def test_endless_pages_end(make_site: Any) -> None:
    """A listing without an end is left, and its coverage is partial."""
    site = make_site()
    site.seed("kv", "secret/pay")
    site.fault("endless-paging", paths=("secret/",))
    seen = site.observe(kinds=("kv",), provider=site.provider(max_items=300, page_size=100))
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.PARTIAL
    assert not seen.coverage["kv", "secret/"].authoritative


def test_an_expired_token_is_replaced_by_a_new_login(make_site: Any, clock: Any) -> None:
    """With AppRole the adapter logs in again, once, and goes on."""
    site = make_site()
    site.seed("kv", "secret/pay")
    provider = site.provider()
    assert site.observe(KV, provider=provider)[KV].presence is Presence.PRESENT
    clock.advance(timedelta(seconds=5))
    site.fault("token-expired")
    assert site.observe(KV, provider=provider)[KV].presence is Presence.PRESENT


def test_a_login_before_its_end_is_renewed_by_a_login(make_site: Any, clock: Any) -> None:
    """A token near the end of its lease is not used any more."""
    site = make_site()
    site.seed("kv", "secret/pay")
    provider = site.provider()
    site.observe(KV, provider=provider)
    clock.advance(timedelta(minutes=19, seconds=30))
    assert site.observe(KV, provider=provider)[KV].presence is Presence.PRESENT
    logins = [one for one in site.node.received if one.endswith("auth/nhisync/login")]
    assert len(logins) == 2


@pytest.mark.requirement("R32")
def test_a_dead_token_file_is_auth_failed_not_denied(make_site: Any) -> None:
    """A token that is no longer accepted is our own failure, told apart from a missing grant."""
    site = make_site(auth="token")
    site.seed("kv", "secret/pay")
    site.fault("token-expired")
    assert refused(site).kind is ErrorKind.AUTH_FAILED


@pytest.mark.requirement("R32")
def test_a_refused_login_is_auth_failed(make_site: Any) -> None:
    """A used up secret id ends the run with its reason."""
    site = make_site()
    site.seed("kv", "secret/pay")
    site.fault("login-refused")
    error = refused(site)
    assert error.kind is ErrorKind.AUTH_FAILED
    assert "secret id" in error.fix


def test_a_token_that_dies_while_reading(make_site: Any, clock: Any) -> None:
    """Reads after its death are auth failures, not denials."""
    site = make_site(auth="token")
    keys = [site.seed("transit", f"transit/k{n}") for n in range(3)]
    core = site.world.source("primary", "vault").core
    answer, world = core.answer, site.world

    def dying(request: Any, *, lag: int = 0) -> Any:
        if request.path.startswith("transit/keys/"):
            clock.advance(timedelta(seconds=2))
            world.fault("primary", "vault", "token-expired")
        return answer(request, lag=lag)

    core.answer = dying
    seen = site.observe(*keys)
    assert {seen[key].error.kind for key in keys} == {ErrorKind.AUTH_FAILED.value}


def test_a_cluster_that_dies_while_reading_is_not_asked_for_ever(site: Any) -> None:
    """After several lost connections in a row the rest is answered at once."""
    keys = [site.seed("transit", f"transit/k{n:02d}") for n in range(40)]
    site.fault("drop-after-commit", paths=("transit/",))
    seen = site.observe(*keys, provider=site.provider(workers=1, attempts=1))
    assert {seen[key].presence for key in keys} == {Presence.UNREACHABLE}
    assert len([one for one in site.node.received if "transit/keys/" in one]) < 10


def test_a_slow_cluster_ends_with_the_cycle(site: Any) -> None:
    """What the deadline leaves out is throttled, not lost."""
    keys = [site.seed("transit", f"transit/k{n:02d}") for n in range(12)]
    site.fault("slow", seconds=4, paths=("transit/",))
    seen = site.observe(*keys, provider=site.provider(workers=1), budget=site.budget(seconds=20))
    words = [seen[key].presence for key in keys]
    assert words.count(Presence.PRESENT) >= 3
    assert words.count(Presence.THROTTLED) >= 3
