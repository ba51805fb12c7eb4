"""Answers of a broken or hostile service: never ready, never fresh, never the end of a run, and no token by a proxy."""

import datetime as dt
import json

import grpc
import pytest
from google.api_core import exceptions as sdk
from google.cloud.certificate_manager_v1 import Certificate
from google.cloud.iam_admin_v1 import ServiceAccount, ServiceAccountKey
from google.cloud.secretmanager_v1 import Secret, SecretVersion
from google.cloud.security.privateca_v1 import Certificate as Revocable
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from nhisync.spi import ProviderError
from nhisync_gcp.emulator.secret_store import Place
from nhisync_gcp.errors import Called, translate
from nhisync_gcp.kinds import account_keys, cas, certificates
from nhisync_gcp.kinds.secret_facts import SecretFacts, Version, secret_item
from nhisync_gcp.kinds.secrets import read_versions
from nhisync_gcp.names import SecretName
from nhisync_gcp.run import Run

from .conftest import ACCOUNT

DAY = dt.timedelta(days=1)
PAY = ACCOUNT.format("payments")
NAME = "projects/p/secrets/s"


@pytest.fixture
def run(gcp):
    """A run that has asked nothing yet."""
    provider = gcp.provider()
    return Run(provider._connection, provider._settings, provider._context, gcp.request())


def version(number, state):
    """One version as Google sends it."""
    return Version.of(SecretVersion.pb(SecretVersion(name=f"{NAME}/versions/{number}", state=state)))


@pytest.mark.parametrize("state", [0, 4, 99])
def test_a_state_that_nobody_knows_is_not_in_force(gcp, run, state):
    """A new word of Google's is no "active", and no silence either: the item is unknown."""
    facts = SecretFacts(Secret.pb(Secret(name=NAME)), "", (version(1, state),), 1)
    with pytest.raises(ProviderError, match="does not document") as caught:
        secret_item(run, gcp.locator("secret/s"), facts)
    assert caught.value.presence.value == "unknown"


def test_one_secret_in_an_unknown_state_costs_no_other(gcp):
    """Through the service: the odd one is unknown, its neighbour is present."""
    gcp.seed("secret", "good")
    gcp.seed("secret", "odd")
    with gcp.world.cloud.lock:
        odd = gcp.world.cloud.secrets.find(Place(gcp.document["project"], ""), "odd")
        stored = next(odd.versions.newest_first()).shown
        bent = type(stored.current)()
        bent.CopyFrom(stored.current)
        bent.state = 7
        stored.put(gcp.clock.now(), bent)
    seen = gcp.see("secret/good", "secret/odd")
    assert (seen["secret/odd"].presence.value, seen["secret/odd"].error.kind) == ("unknown", "malformed")
    assert seen["secret/good"].state.value == "active"


@pytest.mark.parametrize("seconds", [2**62, -(2**62), -5])
def test_an_impossible_period_is_none(gcp, run, seconds):
    """A rotation period beyond every calendar does not end the run, and is no schedule."""
    entry = Secret.pb(Secret(name=NAME))
    entry.rotation.rotation_period.CopyFrom(Duration(seconds=seconds))
    item = secret_item(run, gcp.locator("secret/s"), SecretFacts(entry, "", (version(1, 1),), 1))
    assert (item.state.value, item.rotation.interval) == ("active", None)


@pytest.mark.parametrize("number", ["9" * 5_000, "٣", "latest"])
def test_an_impossible_number_is_none(number):
    """A version that has no number of Google's sorts behind all others."""
    assert version(number, 1).number == 0


@pytest.mark.parametrize("seconds", [2**62, -(2**62), -5])
def test_an_impossible_wait_is_none(seconds):
    """Neither a crash with the SDK's words in its context, nor a sleep into the past."""
    error = sdk.from_grpc_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "canary-text")
    error._details = [error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))]
    found = translate(error, Called("secretmanager.get_secret"))
    assert (found.kind.value, found.fact.retry_after) == ("throttled", None)


@pytest.mark.parametrize("managed", [{}, {"managed": {"state": 3}}])
def test_a_certificate_without_its_certificate_is_a_problem(gcp, run, managed):
    """Neither state nor end nor chain: it would have been judged by nothing."""
    row = Certificate.pb(Certificate(name="projects/p/locations/global/certificates/www", **managed))
    item = certificates._item(run, gcp.locator("certificate/global/www"), row)
    assert (item.state, item.chain.problem) == (None, "Google returned no certificate")


def key(name, begins, ends):
    """One key as IAM lists it."""
    made = ServiceAccountKey(
        name=f"projects/p/serviceAccounts/{PAY}/keys/{name}", valid_after_time=begins, valid_before_time=ends
    )
    return ServiceAccountKey.pb(made)


def item_of(gcp, run, keys):
    """The item of an account's keys, without their public halves."""
    account = ServiceAccount.pb(ServiceAccount(name=f"projects/p/serviceAccounts/{PAY}", email=PAY))
    return account_keys._item_of(run, gcp.locator(f"service-account-key/{PAY}"), account, keys)


def test_a_key_that_begins_later_is_no_generation_yet(gcp, run):
    """An uploaded key may begin in the future: the one that works is current, and alone it is not in force."""
    now = gcp.clock.now()
    old = key("aaaaaaaa", now - 90 * DAY, now + 900 * DAY)
    new = key("bbbbbbbb", now + 2 * DAY, now + 900 * DAY)
    item = item_of(gcp, run, [old, new])
    assert (item.version, item.state.value, item.rotated) == ("aaaaaaaa", "active", None)
    assert item_of(gcp, run, [new]).state.value == "pre-activation"


def test_a_key_that_ended_since_is_not_unchanged(gcp, run):
    """No field of the list moves when a key ends: the stored detail must not stand for it."""
    now = gcp.clock.now()
    keys = [key("aaaaaaaa", now - 90 * DAY, now + 900 * DAY), key("bbbbbbbb", now - DAY, now + DAY)]
    before = item_of(gcp, run, keys)
    gcp.clock.advance(2 * DAY)
    after = item_of(gcp, run, keys)
    assert (before.version, after.version) == ("bbbbbbbb", "aaaaaaaa")
    assert before.marker != after.marker


def test_the_answer_about_another_key_is_none():
    """A cache that mixes answers up must not hide one key on both paths."""
    other = key("cccccccc", dt.datetime.now(dt.UTC), dt.datetime.now(dt.UTC))
    assert account_keys._about("cccccccc", other) is other
    with pytest.raises(ProviderError, match="another key"):
        account_keys._about("aaaaaaaa", other)


def test_a_key_of_an_unknown_type_is_not_absent():
    """Only what Google itself holds is left out; a word that nobody knows proves nothing."""
    one = key("aaaaaaaa", dt.datetime.now(dt.UTC), dt.datetime.now(dt.UTC))
    for word, kept in ((1, [one]), (2, [])):
        one.key_type = word
        assert account_keys._user_managed([one]) == kept
    for word in (0, 7):
        one.key_type = word
        with pytest.raises(ProviderError, match="who manages"):
            account_keys._user_managed([one])


@pytest.mark.parametrize("by", ["environment", "setting"])
def test_the_metadata_server_is_asked_without_a_proxy(make, monkeypatch, by):
    """A proxy would see the token in clear, or answer with the account of its own machine."""
    gcp = make(auth="metadata_server")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = {"proxy": "http://127.0.0.1:1"} if by == "setting" else {}
    assert "@" in gcp.provider(**settings).identify(gcp.budget()).principal


def test_versions_of_another_secret_are_no_answer():
    """A cache that mixes answers up does not make a secret fresh."""
    row = SecretVersion.pb(SecretVersion(name=f"{NAME}/versions/1", state=1))

    def pages(*_call, **_request):
        return iter([[row]])

    assert read_versions(pages, SecretName("s"), "p", "latest")[1] == 1
    with pytest.raises(ProviderError, match="another secret"):
        read_versions(pages, SecretName("t"), "p", "latest")


def test_a_revocation_is_not_unchanged(gcp, run):
    """Whether or not the time of the last change moves along."""
    row = Revocable.pb(Revocable(name=f"projects/p/locations/r/caPools/q/certificates/{'a' * 8}"))
    locator = gcp.locator("cas-certificate/r/q/aaaaaaaa")
    before = cas._item(run, locator, [row], cas._Pool()).marker
    row.revocation_details.revocation_state = 1
    after = cas._item(run, locator, [row], cas._Pool())
    assert (after.state.value, after.marker != before) == ("compromised", True)


def test_a_damaged_key_file_is_not_held_by_its_error(gcp, tmp_path):
    """The JSON parser's error holds the whole text, the private key included; ours drags no such error along."""
    file = tmp_path / "key.json"
    file.write_text('{"type": "service_account", "private_key": "canary-key-3e1"', encoding="ascii")
    provider = gcp.provider(auth={"method": "service_account_key", "file": str(file)})
    with pytest.raises(ProviderError, match="not JSON") as caught:
        provider.identify(gcp.budget())
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_lost_login_is_not_held_by_its_error(gcp, tmp_path):
    """What requests raises holds the request, and in it the signed assertion."""
    info = json.loads((tmp_path / gcp.document["auth"]["file"]).read_text(encoding="utf-8"))
    file = tmp_path / "key.json"
    file.write_text(json.dumps({**info, "token_uri": "https://127.0.0.1:1/token"}), encoding="utf-8")
    provider = gcp.provider(auth={"method": "service_account_key", "file": str(file)})
    with pytest.raises(ProviderError, match="refuses the connection") as caught:
        provider.identify(gcp.budget())
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_key_that_does_not_say_when_it_ends_is_unknown(gcp, run):
    """Google writes the year 9999 for "never" and documents nothing else: silence is not "for ever"."""
    now = gcp.clock.now()
    forever = key("aaaaaaaa", now - DAY, dt.datetime(9999, 12, 31, tzinfo=dt.UTC))
    assert item_of(gcp, run, [forever]).expires is None
    silent = ServiceAccountKey.pb(ServiceAccountKey(name=forever.name, valid_after_time=now))
    with pytest.raises(ProviderError, match="when it ends") as caught:
        item_of(gcp, run, [silent])
    assert caught.value.kind.value == "malformed"


def test_an_end_beyond_every_calendar_is_not_no_end(gcp, run):
    """A secret whose end cannot be read is unknown; without one it does not end."""
    entry = Secret.pb(Secret(name=NAME))
    facts = SecretFacts(entry, "", (version(1, 1),), 1)
    assert secret_item(run, gcp.locator("secret/s"), facts).expires is None
    entry.expire_time.seconds = 2**62
    with pytest.raises(ProviderError, match="end of a secret"):
        secret_item(run, gcp.locator("secret/s"), facts)


def test_what_nobody_foresaw_costs_one_item(gcp, run):
    """An arithmetic slip at one item, read or listed, is its own typed answer, and the run goes on."""

    def read(locator):
        if locator.name == "odd":
            raise OverflowError("canary-date")
        yield run.absent(locator)

    found = {one.locator.name: one for one in run.each(map(gcp.locator, ("secret/odd", "secret/none")), read)}
    assert found["none"].presence.value == "absent"
    assert (found["odd"].presence.value, found["odd"].error.kind) == ("unknown", "malformed")
    [row] = run.row(gcp.locator("secret/odd"), lambda _run, _locator, size: dt.timedelta(days=size), 10**12)
    assert (row.presence.value, row.error.kind) == ("unknown", "malformed")
    assert "canary" not in str(found)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"])
def test_the_environment_chooses_no_trust(gcp, monkeypatch, name):
    """Without ca_file neither a token nor a call trusts what a variable names: whoever sets it would read both."""
    gcp.seed("secret", "stripe")
    monkeypatch.setenv(name, str(gcp.document["ca_file"]))
    token = gcp.base / "token.txt"
    with gcp.client("secretmanager") as (_, metadata):
        token.write_text(metadata[0][1].removeprefix("Bearer "), encoding="ascii")
    by_key = {"ca_file": None, "timeout": "20s"}
    with pytest.raises(ProviderError, match="TLS handshake with the token endpoint") as caught:
        gcp.see("secret/stripe", settings=by_key)
    assert caught.value.kind.value == "unreachable"
    by_token = {**by_key, "auth": {"method": "access_token_file", "file": str(token)}}
    assert gcp.see("secret/stripe", settings=by_token)["secret/stripe"].error.kind == "unreachable"
