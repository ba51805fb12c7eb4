"""Names in and out of Google's notation, and what a source may be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nhisync.spi import ErrorKind, Locator, ProviderError
from nhisync_gcp.names import AccountName, CertificateName, SecretName, is_region, kms_location, last_of, segment
from nhisync_gcp.settings import GcpSettings

PROJECT = "payments-backup"
SOURCE = {
    "provider": "gcp",
    "project": PROJECT,
    "auth": {"method": "service_account_key", "file": "key.json"},
}
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,255}", fullmatch=True)
LOCATIONS = st.from_regex(r"[a-z][a-z0-9-]{1,30}", fullmatch=True)


def locator(text):
    """``kind/name`` as a locator."""
    return Locator.parse(f"gcp:{text}")


@given(IDS)
def test_every_secret_id_is_a_resource(name):
    """A locator's name is the secret's id, and the resource's last segment is it again."""
    found = SecretName.of(Locator("gcp", "secret", name)).resource(PROJECT)
    assert found == f"projects/{PROJECT}/secrets/{name}"
    assert last_of(found) == name


@given(LOCATIONS, IDS)
def test_every_regional_secret_is_a_resource(location, name):
    """A regional secret carries its location in front, and it comes back as a segment."""
    found = SecretName.of(Locator("gcp", "regional-secret", f"{location}/{name}"))
    assert (found.location, found.id) == (location, name)
    assert segment(found.resource(PROJECT), "locations") == location


@given(
    st.sampled_from(["secret", "regional-secret", "service-account", "service-account-key", "certificate"]), st.text()
)
def test_no_text_becomes_another_resource(kind, name):
    """Whatever stands in a locator either names exactly one resource below the project, or is refused typed."""
    kinds = {"secret": SecretName, "regional-secret": SecretName, "certificate": CertificateName}
    error = None
    try:
        found = kinds.get(kind, AccountName).of(Locator("gcp", kind, name)).resource(PROJECT)
    except ProviderError as refused:
        error = refused
    if error is not None:
        assert error.kind is ErrorKind.MISCONFIGURED
        assert error.fix
        return
    assert found.startswith("projects/")
    assert found.count("/") in {3, 5}
    assert ".." not in found.split("/")


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("service-account/a@other-one.iam.gserviceaccount.com", "projects/other-one/serviceAccounts/{}"),
        (
            "service-account/a@short.example.com.iam.gserviceaccount.com",
            "projects/example.com:short/serviceAccounts/{}",
        ),
        ("service-account/77-compute@developer.gserviceaccount.com", f"projects/{PROJECT}/serviceAccounts/{{}}"),
    ],
)
def test_accounts_never_use_the_wildcard(text, resource):
    """IAM answers 403 for what is missing below ``projects/-``: the address names the project where it can."""
    name = text.partition("/")[2]
    assert AccountName.of(locator(text)).resource(PROJECT) == resource.format(name)


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("certificate/global/www", "projects/p/locations/global/certificates/www"),
        ("cas-certificate/europe-north1/pool/c1", "projects/p/locations/europe-north1/caPools/pool/certificates/c1"),
        ("cas-certificate/europe-north1/pool/cn/api.example.com", "projects/p/locations/europe-north1/caPools/pool"),
    ],
)
def test_certificates(text, resource):
    """Ids name a certificate; a common name stands in its pool."""
    assert CertificateName.of(locator(text)).resource("p") == resource


@pytest.mark.parametrize(
    "text",
    [
        "secret/a b",
        "secret/",
        "secret/ключ",
        "regional-secret/no-location",
        "regional-secret/europe-north1/a/b",
        "service-account/not-an-address",
        "service-account/a@b.example/key",
        "service-account-key/a@b.example/nokey!",
        "certificate/www",
        "cas-certificate/europe-north1/pool",
        "cas-certificate/europe-north1//c1",
    ],
)
def test_impossible_names_say_what_is_possible(text):
    """A name that no item can have is a mistake in the configuration, not an absent item."""
    kind, _, name = text.partition("/")
    kinds = {"secret": SecretName, "regional-secret": SecretName, "certificate": CertificateName}
    kinds["cas-certificate"] = CertificateName
    with pytest.raises(ProviderError) as caught:
        kinds.get(kind, AccountName).of(Locator("gcp", kind, name))
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert kind in caught.value.fix


@pytest.mark.parametrize(
    ("location", "single"), [("europe-north1", True), ("us-central1", True), ("global", False), ("europe", False)]
)
def test_only_regions_are_regions(location, single):
    """A key in a multi-region outlives one region."""
    assert is_region(location) is single
    key = f"projects/p/locations/{location}/keyRings/r/cryptoKeys/k"
    assert kms_location(key) == location
    assert kms_location(f"{key}/cryptoKeyVersions/1") is None


def test_the_example_is_valid():
    """The least that a source needs."""
    settings = GcpSettings.model_validate(SOURCE)
    assert settings.endpoint_of("iam") == "https://iam.googleapis.com"
    assert settings.endpoint_of("secretmanager", "europe-north1") == (
        "https://secretmanager.europe-north1.rep.googleapis.com"
    )


def test_endpoints_go_before_the_common_one():
    """One URL for all, another for one, and one for each location."""
    settings = GcpSettings.model_validate(
        {
            **SOURCE,
            "endpoint": "https://gcp.example:8443/",
            "endpoints": {"iam": "https://iam.example"},
            "regional_endpoints": {"europe-north1": "https://north.example"},
        }
    )
    assert settings.endpoint_of("secretmanager") == "https://gcp.example:8443"
    assert settings.endpoint_of("iam") == "https://iam.example"
    assert settings.endpoint_of("secretmanager", "europe-north1") == "https://north.example"


@pytest.mark.parametrize(
    "more",
    [
        {"endpoint": "http://secretmanager.googleapis.com"},
        {"endpoint": "https://h/path"},
        {"endpoint": "https://user:pw@h"},
        {"endpoints": {"storage": "https://h"}},
        {"regional_endpoints": {"Europe": "https://h"}},
        {"project": "Payments"},
        {"project": "projects/payments"},
        {"locations": ["europe/north"]},
        {"proxy": "https://proxy.example:3128"},
        {"proxy": "proxy:3128"},
        {"alias": "-x"},
        {"current": "newest"},
        {"timeout": "0s"},
        {"attempts": 0},
        {"auth": {"method": "default"}},
        {"auth": {"method": "metadata_server", "endpoint": "https://elsewhere/path"}},
        {"unknown": 1},
    ],
)
def test_mistakes_are_refused(more):
    """Nothing is guessed: each of these would read another place, or send a token without TLS."""
    with pytest.raises(ValidationError):
        GcpSettings.model_validate({**SOURCE, **more})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9090", "http://localhost:9090", "http://[::1]:9090"])
def test_plain_http_is_for_this_machine(url):
    """An emulator on this machine needs no TLS."""
    assert GcpSettings.model_validate({**SOURCE, "endpoint": url}).endpoint == url
