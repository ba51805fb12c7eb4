"""Settings, kubeconfig files and credential files: what is accepted, and what is refused with which next step."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nhisync.spi import ErrorKind, ProviderError
from nhisync.testing.clocks import FakeClock
from nhisync_kubernetes.access import resolve
from nhisync_kubernetes.credentials import FileBearer, claims_of
from nhisync_kubernetes.kubeconfig import load_context
from nhisync_kubernetes.names import split
from nhisync_kubernetes.settings import KubeconfigAuth, KubernetesSettings

from .conftest import CANARY, Adapted

TOKEN_FILE = {"method": "token_file", "token_file": "token"}


def settings(**more: Any) -> KubernetesSettings:
    """Settings from a document."""
    return KubernetesSettings.model_validate({"provider": "kubernetes", "auth": TOKEN_FILE, **more})


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.example:6443", "https://api.example:6443"),
        ("https://api.example/k8s/clusters/c-1/", "https://api.example/k8s/clusters/c-1"),
        ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
        ("https://192.0.2.7", "https://192.0.2.7"),
    ],
)
def test_addresses(address: str, expected: str) -> None:
    """Host names, IPv4, IPv6 and a path prefix are addresses; a slash at the end does not matter."""
    assert settings(address=address).address == expected


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8001",
        "api.example:6443",
        "https://",
        "https://u:p@api.example",
        "https://[fd00::1",
        "https://a:x",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    """Plain http would send the token in the clear, also on loopback; halves of URLs are refused, too."""
    with pytest.raises(ValidationError):
        settings(address=address)


@pytest.mark.parametrize("proxy", ["socks5://p:1080", "http://user:canary@p:3128", "p:3128"])
def test_proxies_are_plain(proxy: str) -> None:
    """A proxy is http or https, without credentials; what stood there is not repeated."""
    with pytest.raises(ValidationError) as caught:
        settings(address="https://a.example", proxy=proxy)
    assert "canary" not in str(caught.value)


def test_one_origin_of_the_address() -> None:
    """A kubeconfig says where its cluster is and nothing may contradict it; a token needs an address; a pod has one."""
    kubeconfig = {"method": "kubeconfig", "file": "config", "context": "west"}
    with pytest.raises(ValidationError, match="leave it out here"):
        settings(auth=kubeconfig, address="https://a.example")
    with pytest.raises(ValidationError, match="address is missing"):
        settings()
    assert settings(auth=kubeconfig).address is None
    assert settings(auth={"method": "in_cluster"}).address is None


@pytest.mark.parametrize("namespace", ["Payments", "a.b", "", "-a", "a" * 64, "a/b"])
def test_namespaces_are_labels(namespace: str) -> None:
    """What cannot be a namespace is refused when the configuration is read."""
    with pytest.raises(ValidationError):
        settings(address="https://a.example", namespaces=[namespace])


def config(**changes: Any) -> dict[str, Any]:
    """A kubeconfig with one context, changed by section."""
    cluster = {"server": "https://api.example:6443", **changes.get("cluster", {})}
    user = changes.get("user", {"token": "abc.def"})
    return {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "west", "context": {"cluster": "c", "user": "u"}}],
        **changes.get("top", {}),
    }


def load(folder: Path, document: Any, context: str = "west") -> Any:
    """One context of a document."""
    file = folder / "config"
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return load_context(KubeconfigAuth(method="kubeconfig", file=file, context=context), file, FakeClock())


def refusal(folder: Path, document: Any, context: str = "west") -> ProviderError:
    """Why a context cannot be used."""
    with pytest.raises(ProviderError) as caught:
        load(folder, document, context)
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert caught.value.fix
    assert caught.value.__cause__ is None
    return caught.value


def test_a_context_with_a_token(tmp_path: Path) -> None:
    """Server, server name, proxy and token come from the named context."""
    extra = {"tls-server-name": "kubernetes", "proxy-url": "http://proxy.example:3128"}
    found = load(tmp_path, config(cluster=extra))
    assert (found.address, found.server_name, found.proxy) == (
        "https://api.example:6443",
        "kubernetes",
        "http://proxy.example:3128",
    )
    assert found.bearer.current() == "abc.def"


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    """A token file and a CA file stand beside the kubeconfig, wherever nhisync runs; the file goes before the token."""
    (tmp_path / "t").write_text("from-file\n", encoding="ascii")
    (tmp_path / "ca").write_text("pem", encoding="ascii")
    found = load(tmp_path, config(cluster={"certificate-authority": "ca"}, user={"tokenFile": "t", "token": "inline"}))
    assert found.bearer.current() == "from-file"
    assert found.ca == b"pem"
    assert found.files == (tmp_path / "t",)


def test_inline_data_are_decoded(tmp_path: Path) -> None:
    """Data fields are base64 and go before files."""
    coded = {name: base64.b64encode(name.encode()).decode() for name in ("ca", "cert", "key")}
    cluster = {"certificate-authority-data": coded["ca"]}
    user = {"client-certificate-data": coded["cert"], "client-key-data": coded["key"]}
    found = load(tmp_path, config(cluster=cluster, user=user))
    assert (found.ca, found.pair.certificate, found.pair.key.reveal()) == (b"ca", b"cert", b"key")
    assert "key" not in repr(found.pair.key)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": {"exec": {"command": "aws"}}}, "program (exec)"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "program (auth-provider)"),
        ({"user": {"username": "u", "password": CANARY}}, "password"),
        ({"user": {}}, "neither a token nor a client certificate"),
        ({"cluster": {"insecure-skip-tls-verify": True}}, "verification"),
        ({"cluster": {"server": "http://api.example"}}, "server of context west"),
        ({"cluster": {"proxy-url": "socks5://p:1"}}, "proxy-url of context west"),
        ({"cluster": {"certificate-authority-data": "%%"}}, "no base64"),
        ({"user": {"token": "two words"}}, "no bearer token"),
        ({"user": {"tokenFile": "missing"}, "cluster": {"certificate-authority": "gone"}}, "cannot be used"),
        ({"top": {"contexts": []}}, "no context of that name"),
        ({"top": {"users": None}}, "no user of that name"),
        ({"top": {"clusters": [{"name": "c", "cluster": 5}]}}, "no cluster of that name"),
    ],
)
def test_contexts_that_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Programs, passwords, missing verification and halves are refused, each with its own sentence."""
    error = refusal(tmp_path, config(**changes))
    assert said in error.message
    assert CANARY not in error.message + error.fix


@pytest.mark.parametrize("text", ["", "[", "a: b: c", "- 1", "\x00", "&a [*a, *a]", "!!python/object:os.system x"])
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file, the answer is a sentence, and never its content."""
    assert "no YAML document" in refusal(tmp_path, text).message


def test_the_current_context_is_never_followed(tmp_path: Path) -> None:
    """Two paths must not become one cluster because somebody typed ``kubectl config use-context``."""
    assert "no context" in refusal(tmp_path, config(top={"current-context": "west"}), "").message


def test_a_missing_kubeconfig_says_so(tmp_path: Path) -> None:
    """The system's reason is told, with the file's name."""
    auth = KubeconfigAuth(method="kubeconfig", file=Path("nowhere"), context="west")
    with pytest.raises(ProviderError, match="No such file"):
        load_context(auth, tmp_path / "nowhere", FakeClock())


@pytest.mark.parametrize("content", ["", "two words", "a\nb", "ключ", "a" * (1024 * 1024 + 1)])
def test_files_that_hold_no_token(tmp_path: Path, content: str) -> None:
    """Only what can stand in a header is a token; the content is not repeated."""
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ProviderError) as caught:
        FileBearer(file, "token_file token", FakeClock()).current()
    assert caught.value.kind is ErrorKind.MISCONFIGURED


def test_a_token_file_is_read_once_a_minute(tmp_path: Path) -> None:
    """Within a minute the known token is used; after it, or when it was refused, the file decides."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("one\n", encoding="ascii")
    bearer = FileBearer(file, "token_file token", clock)
    assert bearer.current() == "one"
    file.write_text("two\n", encoding="ascii")
    assert bearer.current() == "one"
    assert bearer.renewed("one")
    assert bearer.current() == "two"
    assert not bearer.renewed("two")
    file.write_text("three\n", encoding="ascii")
    clock.sleep(61)
    assert bearer.current() == "three"
    assert "three" not in repr(vars(bearer))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca_file": "nowhere.pem"}, "ca_file nowhere.pem cannot be used"),
        ({"ca_file": "empty.pem"}, "no PEM certificate"),
        (
            {"auth": {"method": "client_certificate", "certificate_file": "empty.pem", "key_file": "gone"}},
            "key_file gone",
        ),
        (
            {"auth": {"method": "client_certificate", "certificate_file": "empty.pem", "key_file": "empty.pem"}},
            "no usable pair",
        ),
    ],
)
def test_trust_and_certificates_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """A wrong file is named with the key of the settings, before anything is sent."""
    (tmp_path / "empty.pem").write_text("nothing", encoding="ascii")
    document = {"provider": "kubernetes", "address": "https://a.example", "auth": TOKEN_FILE, **changes}
    stand = Adapted(document, FakeClock())
    context = stand.context()
    object.__setattr__(context, "base", tmp_path)
    with pytest.raises(ProviderError, match=said):
        resolve(stand.settings(), context)


@pytest.mark.parametrize(
    "name", ["payments", "payments/", "/x", "Payments/x", "payments/X", "payments/a/b", "a/..", "a/."]
)
def test_names_that_no_object_can_have(name: str) -> None:
    """What the API would refuse, or read as another path, is never asked for."""
    with pytest.raises(ProviderError) as caught:
        split(name)
    assert caught.value.kind is ErrorKind.MISCONFIGURED


@given(st.text())
def test_no_text_escapes_its_path(name: str) -> None:
    """Whatever a locator says, it is one namespace and one name without a slash, or an error."""
    try:
        namespace, rest = split(name)
    except ProviderError:
        return
    assert f"{namespace}/{rest}" == name
    assert all(part.isascii() and "/" not in part and part.strip(".") for part in (namespace, rest))


@given(st.text() | st.binary().map(lambda raw: f"a.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}.b"))
def test_claims_of_anything(token: str) -> None:
    """Whatever stands in a token, looking at its claims raises nothing and shows only printable words."""
    found = claims_of(token)
    assert found.subject.isprintable()
    assert found.issuer.isprintable()


@pytest.mark.parametrize("end", ["soon", True, 1e30, -1e30, None, []])
def test_odd_ends_of_tokens(end: Any) -> None:
    """An end that is no instant is no end."""
    body = base64.urlsafe_b64encode(json.dumps({"exp": end, "sub": "me"}).encode()).decode().rstrip("=")
    found = claims_of(f"a.{body}.b")
    assert (found.subject, found.expires, found.readable) == ("me", None, True)
