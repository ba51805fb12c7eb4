"""The rest of the interface: settings, locator grammar, doctor checks, permission documents, probe."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nhisync.registry import Registry
from nhisync.spi import AccessMode, CheckState, Locator
from nhisync_tls import TlsProvider
from nhisync_tls.settings import TlsSettings
from nhisync_tls.target import Target

from .conftest import Edge


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.10:443", Target(host="192.0.2.10", port=443)),
        ("192.0.2.10", Target(host="192.0.2.10", port=443)),
        ("[2001:db8::1]:8443", Target(host="2001:db8::1", port=8443)),
        ("API.example.com:443", Target(host="api.example.com", port=443)),
        ("192.0.2.10:443?name=API.example.com.", Target(host="192.0.2.10", port=443, name="api.example.com")),
        ("db:5432?starttls=postgres", Target(host="db", port=5432, starttls="postgres")),
        ("a:1?alpn=h2,http/1.1&sni=off", Target(host="a", port=1, alpn=("h2", "http/1.1"), sni=False)),
    ],
)
def test_the_locator_grammar(text: str, expected: Target) -> None:
    """Every documented form must be read as documented."""
    assert Target.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a host"),
        (":443", "needs a host"),
        ("host:0", "from 1 to 65535"),
        ("host:", "from 1 to 65535"),
        ("host:65536", "from 1 to 65535"),
        ("user@host:1", "needs a host"),
        ("2001:db8::1:443", "from 1 to 65535"),
        ("host:1?starttls=imap", "starttls is one of smtp, postgres, ldap"),
        ("host:1?nmae=x", "unknown option nmae"),
        ("host:1?name=x&name=y", "stands once"),
        ("host:1?name=", "has a value"),
        ("host:1?name", "options look like"),
        ("host:1?sni=no", "sni is on or off"),
        ("host:1?name=münchen.example", "international names as xn--"),
    ],
)
def test_locator_mistakes_are_named(text: str, message: str) -> None:
    """A locator that cannot be read must say which part is wrong."""
    with pytest.raises(ValueError, match=message):
        Target.parse(text)


def test_which_name_is_expected() -> None:
    """The given name wins, then a host that is a name, then the source's default."""
    assert Target.parse("a.example:1?name=b.example").expected_name("c.example") == "b.example"
    assert Target.parse("a.example:1").expected_name("c.example") == "a.example"
    assert Target.parse("192.0.2.1:1").expected_name("c.example") == "c.example"
    assert Target.parse("192.0.2.1:1").expected_name(None) == ""


def test_the_class_fits_the_interface() -> None:
    """The registry must accept the provider: declared capabilities are exactly those the class has."""
    assert Registry().load("tls") is TlsProvider


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "strict"},
        {"trust": "x"},
        {"endpoints": ["host:0"]},
        {"connect_timeout": "0s"},
        {"connect_timeout": 3},
        {"parallel": 0},
        {"client_key_file": "k.pem"},
    ],
)
def test_settings_refuse_what_they_do_not_know(wrong: dict[str, Any]) -> None:
    """Unknown keys, unreadable endpoints, limits without unit or length and half a client identity are load errors."""
    with pytest.raises(ValidationError):
        TlsSettings(provider="tls", **wrong)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_probe_tells_accepted_from_refused_from_not_asked(edge: Edge, version: str) -> None:
    """Only an endpoint that asks judges our certificate; a stranger's certificate must come back refused."""
    asking = edge.plant("asking", client_certificate="required", version=version)
    quiet = edge.plant("quiet", version=version)
    results = {one.locator: one for one in edge.provider().probe([asking, quiet], edge.budget())}
    assert (results[asking].accepted, results[asking].error) == (True, None)
    assert results[quiet].accepted is None
    assert results[quiet].error is not None
    assert results[quiet].error.kind == "unsupported"
    stranger = edge.world.endpoint("primary", "edge", "asking").handshakes
    assert all(shake.client_certificate for shake in stranger)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_probe_with_a_certificate_nobody_knows_is_refused(edge: Edge, version: str) -> None:
    """A certificate of another authority must be reported as refused, also when TLS 1.3 refuses late."""
    asking = edge.plant(client_certificate="required", version=version)
    foreign = edge.plant("foreign")
    directory = Path(edge.document["trust_file"]).parent
    served = next(directory.glob("endpoint-1/served-0.pem"))
    files = {"client_certificate_file": str(served), "client_key_file": str(served)}
    (result,) = edge.provider(**files).probe([asking], edge.budget())
    assert result.accepted is False
    assert result.error is not None
    assert result.error.kind == "auth_failed"
    assert foreign != asking


def test_probe_without_a_certificate_is_not_made(edge: Edge) -> None:
    """Without a configured certificate the answer is "could not be made", not "refused"."""
    asking = edge.plant(client_certificate="required")
    edge.document = {k: v for k, v in edge.document.items() if not k.startswith("client_")}
    (result,) = edge.provider().probe([asking], edge.budget())
    assert result.accepted is None
    assert result.error is not None
    assert result.error.kind == "misconfigured"


def test_probe_with_unusable_files_or_dead_endpoints_says_why(edge: Edge, tmp_path: Path) -> None:
    """Unusable files and unreachable endpoints must be typed, and a broken key must not be quoted."""
    junk = tmp_path / "junk.pem"
    junk.write_text("canary-3f1c")
    files = {"client_certificate_file": str(junk), "client_key_file": str(junk)}
    asking = edge.plant(client_certificate="required")
    (unusable,) = edge.provider(**files).probe([asking], edge.budget())
    edge.world.fault("primary", "edge", "refuse")
    (dead,) = edge.provider().probe([asking], edge.budget())
    assert unusable.error is not None
    assert unusable.error.reason == "client-certificate-unusable"
    assert "canary" not in repr(unusable)
    assert dead.error is not None
    assert (dead.accepted, dead.error.reason) == (None, "refused")


def test_doctor_on_a_healthy_source(edge: Edge) -> None:
    """All checks must be OK, reachability first, and name what was seen."""
    planted = edge.plant(client_certificate="requested")
    checks = list(edge.provider(settle="50ms").examine(AccessMode.PROBE, [planted], frozenset(), edge.budget()))
    names = [check.name.partition(":")[0] for check in checks]
    assert names == ["reachable", *["permission"] * 4, "trust", "client-certificate"]
    assert {check.state for check in checks} == {CheckState.OK}
    assert checks[0].observed == "TLSv1.3, 2 certificates, as api.example.com, client certificate requested"
    assert checks[-2].observed == "1 roots from trust_file"


def test_doctor_tells_a_demanded_client_certificate(edge: Edge) -> None:
    """An endpoint that ends the connection for want of a client certificate showed its chain, which is what counts."""
    planted = edge.plant(client_certificate="required", version="1.2")
    (check,) = (
        one
        for one in edge.provider(settle="50ms").examine(AccessMode.READ, [planted], frozenset(), edge.budget())
        if one.name.startswith("reachable")
    )
    assert (check.state, check.observed) == (
        CheckState.OK,
        "chain shown, then refused, 2 certificates, as api.example.com, client certificate required",
    )


def test_doctor_names_every_fault_with_its_fix(edge: Edge, tmp_path: Path) -> None:
    """A dead endpoint, unusable trust and an open key must each be a failed check with a next step."""
    planted = edge.plant()
    edge.world.fault("primary", "edge", "refuse")
    key = Path(edge.document["client_key_file"])
    key.chmod(0o644)
    provider = edge.provider(trust_file=str(tmp_path / "none.pem"))
    checks = list(provider.examine(AccessMode.PROBE, [planted], frozenset(), edge.budget()))
    failed = [check for check in checks if check.state is CheckState.FAILED]
    assert [check.name.partition(":")[0] for check in failed] == ["reachable", "trust", "client-certificate"]
    assert all(check.fix for check in failed)
    assert failed[2].observed == "client_key_file is open to others (0644)"


def test_doctor_warns_of_roots_that_are_none(edge: Edge) -> None:
    """Certificates of the trust file that are no roots must be pointed out."""
    roots, known = Path(edge.document["trust_file"]), Path(edge.document["intermediates_file"])
    roots.write_bytes(roots.read_bytes() + known.read_bytes())
    checks = {c.name: c for c in edge.provider().examine(AccessMode.READ, [], frozenset(), edge.budget())}
    assert checks["trust:no-roots"].state is CheckState.WARNING


def test_doctor_sees_expired_roots(edge: Edge) -> None:
    """A trust file of expired roots only must fail."""
    edge.clock.jump(edge.clock.now() - edge.clock.now().replace(year=2006))
    edge.clock.jump(-(edge.clock.now() - edge.clock.now().replace(year=2046)))
    check = list(edge.provider().examine(AccessMode.READ, [], frozenset(), edge.budget()))[-1]
    assert (check.state, check.observed) == (CheckState.FAILED, "1 roots from trust_file, 1 of them expired")


def test_permission_documents_hold_exactly_what_is_used(edge: Edge) -> None:
    """Read mode needs the endpoints and the trust files; probe mode the client files too; other modes nothing."""
    provider = edge.provider(endpoints=["192.0.2.9:8443"])
    wanted = [Locator("edge", "tls", "192.0.2.10:443?name=a.example"), Locator("edge", "tls", "bad:0")]
    network, files = provider.permissions(AccessMode.READ, wanted, frozenset({"tls"}))
    assert network.actions == ("connect:192.0.2.10:443", "connect:192.0.2.9:8443")
    assert all(action.partition(":")[2] in network.text for action in network.actions)
    assert [re.sub(r".*/", "", action) for action in files.actions] == ["roots.pem", "intermediates.pem"]
    _, probing = provider.permissions(AccessMode.PROBE, wanted, frozenset())
    key = edge.document["client_key_file"]
    assert f"chown nhisync:nhisync {key} && chmod 0600 {key}\n" in probing.text
    assert provider.permissions(AccessMode.ROTATE, wanted, frozenset()) == ()
    assert provider.permissions(AccessMode.FINGERPRINT, wanted, frozenset()) == ()


def test_the_system_trust_is_used_without_a_trust_file(edge: Edge) -> None:
    """Without a trust file the operating system's roots judge, and a private chain does not end in them."""
    edge.document = {k: v for k, v in edge.document.items() if k not in ("trust_file", "intermediates_file")}
    (item,) = edge.look(edge.plant())
    assert item.chain is not None
    assert item.chain.builds is False
    assert dict(item.attributes)["trust"] == "system"


def test_no_key_material_in_any_output(edge: Edge) -> None:
    """Private keys of endpoints and of our own client identity must appear in no item, check, document or error."""
    planted = edge.plant(client_certificate="required")
    provider = edge.provider()
    keys = [
        line
        for file in Path(edge.document["trust_file"]).parent.rglob("*.pem")
        for block in re.findall(r"PRIVATE KEY-----\n(.+?)\n-----END", file.read_text(), re.DOTALL)
        for line in block.splitlines()
    ]
    outputs = [
        *edge.look(planted),
        *provider.probe([planted], edge.budget()),
        *provider.examine(AccessMode.PROBE, [planted], frozenset(), edge.budget()),
        *provider.permissions(AccessMode.PROBE, [planted], frozenset()),
        provider,
    ]
    assert keys
    assert not [line for line in keys if line in repr(outputs)]
