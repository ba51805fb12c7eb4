"""Where the adapter takes its own credentials from, and where it never does; who it then is."""

import http.server
import json
import logging
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from nhisync.spi import ErrorKind, ProviderError
from nhisync_aws import AwsSettings
from nhisync_aws.connection import quiet_sdk

AMBIENT = {
    "AWS_ACCESS_KEY_ID": "AKIAAMBIENTAMBIENT11",
    "AWS_SECRET_ACCESS_KEY": "ambient-secret",
    "AWS_SESSION_TOKEN": "ambient-token",
    "AWS_PROFILE": "ambient-profile-that-does-not-exist",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9",
    "AWS_REGION": "ap-south-1",
    "AWS_DEFAULT_REGION": "ap-south-1",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_MAX_ATTEMPTS": "9",
    "AWS_USE_FIPS_ENDPOINT": "true",
}


def refusal(source, **settings) -> ProviderError:
    """The error that identifying must raise."""
    with pytest.raises(ProviderError) as caught:
        source.provider(**settings).identify(source.budget())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_identity_pins_account_partition_region_and_endpoint(aws, backup):
    """Who, where and through which host; the role's own answer suffices, no further call is made."""
    who = backup.provider().identify(backup.budget())
    assert who.authority == f"aws:{aws.world.account_of('backup', 'aws')}"
    assert who.principal.endswith(":assumed-role/nhisync-backup-aws/nhisync")
    assert who.endpoint == aws.world.endpoint.removeprefix("http://")
    assert who.detail == "region eu-north-1"
    assert aws.world.calls() == {"sts:AssumeRole": 1}


def test_keys_file_identifies_by_caller_identity(aws, source_of):
    """Long-lived keys have no answer to rest on: GetCallerIdentity is asked."""
    source = source_of(auth="keys_file")
    assert source.provider().identify(source.budget()).principal.endswith(":user/nhisync-backup-aws")
    assert aws.world.calls() == {"sts:GetCallerIdentity": 1}


def test_web_identity_reads_its_token_file(aws, source_of):
    """The token is exchanged unsigned; nothing else is needed."""
    source = source_of(auth="web_identity")
    assert ":assumed-role/nhisync-backup-aws/" in source.provider().identify(source.budget()).principal
    assert aws.world.calls() == {"sts:AssumeRoleWithWebIdentity": 1}


@pytest.mark.requirement("R32")
@pytest.mark.parametrize("auth", ["assume_role", "keys_file", "web_identity"])
def test_surroundings_are_never_asked(aws, source_of, monkeypatch, auth):
    """Keys, profile, region, endpoints and retry settings of the environment change nothing."""
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    source = source_of(auth=auth)
    aws.seed("secret", "pay/a")
    who = source.provider().identify(source.budget())
    assert who.authority == f"aws:{aws.world.account_of('backup', 'aws')}"
    assert source.see(kinds="secret").status == {"secret": "complete"}


def test_missing_base_is_refused_instead_of_searched(backup, monkeypatch):
    """assume_role without a base names nobody who may assume it; the environment is no answer."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENTAMBIENT11")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient-secret")
    role = backup.aws.documents["backup", "aws"]["auth"]["role_arn"]
    with pytest.raises(ValidationError, match="base"):
        backup.provider(auth={"method": "assume_role", "role_arn": role})
    assert backup.aws.world.calls().total() == 0


def test_external_id_is_sent(source_of):
    """The trust policy demands it, the configuration names it."""
    source = source_of(external_id="tenant-7")
    assert source.provider().identify(source.budget())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be used (No such file"),
        ("SECRET-garbage without section", "not in the form"),
        ("[other]\naws_access_key_id = SECRETID\n", "has no section"),
        ("[default]\naws_access_key_id = SECRETID\n", "lacks"),
        ("\x00\xff", "not a text file"),
    ],
)
def test_unusable_keys_file_is_told_without_its_content(backup, tmp_path, content, said):
    """What is wrong with the file is said; nothing of what stands in it."""
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    error = refusal(backup, auth={"method": "keys_file", "file": str(file)})
    assert error.kind is ErrorKind.MISCONFIGURED
    assert said in error.message
    assert "SECRET" not in f"{error} {error.fact}"


def test_keys_file_is_relative_to_the_configuration(aws, source_of, tmp_path):
    """A relative path is read from the configuration's folder, and another section can be named."""
    source = source_of(auth="keys_file")
    keys = aws.keys()
    text = f"[nhisync]\naws_access_key_id={keys['aws_access_key_id']}\n"
    (tmp_path / "own.keys").write_text(f"{text}aws_secret_access_key={keys['aws_secret_access_key']}\n")
    auth = {"method": "keys_file", "file": "own.keys", "profile": "nhisync"}
    assert source.provider(auth=auth).identify(source.budget())


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"aws_secret_access_key": "wrong"}, "auth_failed"),
        ({"aws_access_key_id": "AKIAUNKNOWNUNKNOWN11"}, "auth_failed"),
    ],
)
def test_refused_keys_are_auth_failed(aws, source_of, tmp_path, change, kind):
    """A wrong secret and an unknown key are our own credential being refused, not a missing permission."""
    source = source_of(auth="keys_file")
    keys = {**aws.keys(), **change}
    (tmp_path / "keys").write_text("[default]\n" + "\n".join(f"{k}={v}" for k, v in keys.items()))
    error = refusal(source, auth={"method": "keys_file", "file": "keys"})
    assert error.kind == kind
    assert "aws_secret_access_key" not in str(error)


def test_whole_source_is_refused_when_the_role_cannot_be_assumed(aws, backup):
    """When nothing at all can be asked, inventory raises instead of yielding an empty answer."""
    aws.world.fault("backup", "aws", "denied", action="sts:AssumeRole")
    with pytest.raises(ProviderError) as caught:
        backup.see("secret/pay/a", kinds="secret")
    assert caught.value.kind is ErrorKind.DENIED
    assert caught.value.fact.action == "sts:AssumeRole"


@pytest.mark.parametrize(
    ("endpoint", "said", "fix"),
    [
        ("http://127.0.0.1:9", "the connection is refused", "Check endpoint"),
        ("http://aws.invalid:9", "the name aws.invalid has no address here", "name servers"),
    ],
)
def test_endpoint_that_does_not_answer_is_unreachable(backup, endpoint, said, fix):
    """A closed port and an unknown name are unreachable, told apart, with the endpoint that was tried."""
    error = refusal(backup, endpoint=endpoint)
    assert error.kind is ErrorKind.UNREACHABLE
    assert error.message.startswith(said)
    assert error.fact.resource == endpoint
    assert fix in error.fix


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("garbage", "holds no PEM certificate")])
def test_unusable_ca_file_is_named(backup, tmp_path, content, why):
    """A missing bundle is a wrong setting, not a failed handshake."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    error = refusal(backup, ca_file=str(file))
    assert error.kind is ErrorKind.MISCONFIGURED
    assert str(file) in error.message
    assert why in error.message
    assert "PEM" in error.fix


def test_plain_http_port_behind_https_is_a_tls_failure(aws, backup):
    """The TLS handshake fails before any certificate is seen: the fix looks at the port, not at ca_file."""
    error = refusal(backup, endpoint=aws.world.endpoint.replace("http:", "https:"))
    assert error.kind is ErrorKind.UNREACHABLE
    assert "the TLS handshake failed" in error.message
    assert "speaks TLS" in error.fix


def test_an_untrusted_certificate_is_told_apart_from_a_failed_handshake(backup, tmp_path):
    """A server that nobody here vouches for is a matter of ca_file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "server.pem"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        error = refusal(backup, endpoint=f"https://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert error.kind is ErrorKind.UNREACHABLE
    assert "not trusted" in error.message
    assert "ca_file" in error.fix


def self_signed(file: Path) -> Path:
    """A certificate of nobody's with its key, in one file."""
    key, day = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, day, day + timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
    return file


def test_profile_is_used_by_name_only(aws, source_of, tmp_path, monkeypatch):
    """A named profile answers, even though the environment holds other keys; an unknown one is refused."""
    source = source_of(auth="keys_file")
    keys = aws.keys()
    text = f"[deploy]\naws_access_key_id={keys['aws_access_key_id']}\n"
    shared = tmp_path / "shared"
    shared.write_text(f"{text}aws_secret_access_key={keys['aws_secret_access_key']}\n[empty]\nregion=x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENTAMBIENT11")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient")
    who = source.provider(auth={"method": "profile", "name": "deploy"}).identify(source.budget())
    assert who.principal.endswith(":user/nhisync-backup-aws")
    for name in ("none-such", "empty"):
        error = refusal(source, auth={"method": "profile", "name": name})
        assert error.kind is ErrorKind.MISCONFIGURED
        assert name in error.message
        assert ("list-profiles" in error.fix) == (name == "none-such")


def test_profile_with_an_ended_sign_on_says_how_to_sign_on(source_of, tmp_path, monkeypatch):
    """The token of a person's session is gone: the command that renews it, and that a daemon should not rest on it."""
    sso = "sso_session=corp\nsso_account_id=111122223333\nsso_role_name=r\nregion=eu-north-1\n"
    session = "[sso-session corp]\nsso_start_url=https://corp.invalid/start\nsso_region=eu-north-1\n"
    (tmp_path / "config").write_text(f"[profile person]\n{sso}{session}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    error = refusal(source_of(auth="keys_file"), auth={"method": "profile", "name": "person"})
    assert error.kind is ErrorKind.AUTH_FAILED
    assert "aws sso login --profile person" in error.fix


@contextmanager
def metadata(role):
    """Answers as a machine's metadata service with these credentials; yields the auth that asks it."""

    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._say("token")

        def do_GET(self) -> None:
            self._say(json.dumps(role) if self.path.endswith("/web") else "web")

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield {"method": "instance_role", "endpoint": f"http://127.0.0.1:{server.server_address[1]}"}
        finally:
            server.shutdown()
            thread.join()


def test_instance_role_is_asked_only_when_named(aws, source_of, monkeypatch):
    """The metadata service answers for the method that names it, even with AWS_EC2_METADATA_DISABLED set."""
    source = source_of(auth="keys_file")
    keys = aws.keys()
    role = {
        "Code": "Success",
        "AccessKeyId": keys["aws_access_key_id"],
        "SecretAccessKey": keys["aws_secret_access_key"],
        "Token": "",
        "Expiration": "2030-01-01T00:00:00Z",
    }

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with metadata(role) as auth:
        who = source.provider(auth=auth).identify(source.budget())
    assert who.principal.endswith(":user/nhisync-backup-aws")


@pytest.mark.parametrize("expiration", ["soon", "9999-12-31T23:59:59-14:00", None, 7])
def test_a_metadata_service_that_tells_no_end_is_malformed(source_of, expiration):
    """Something else answers at its address, such as a captive portal: typed, and without what it said."""
    role = {"Code": "Success", "AccessKeyId": "ASIA", "SecretAccessKey": "canary-7f", "Token": "t"}
    with metadata({**role, "Expiration": expiration}) as auth:
        error = refusal(source_of(auth="keys_file"), auth=auth)
    assert error.kind is ErrorKind.MALFORMED
    assert "canary" not in str(error)


def test_region_is_needed(backup):
    """Neither the source nor its path names a region: said before anything is contacted."""
    error = refusal(backup, region=None)
    assert error.kind is ErrorKind.MISCONFIGURED
    assert backup.aws.world.calls().total() == 0


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-north-1", "sts.eu-north-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
    ],
)
def test_without_an_endpoint_the_client_talks_to_aws_itself(backup, monkeypatch, region, host):
    """No configured URL: the regional endpoint of the region's partition, whatever the environment says."""
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    provider = backup.provider(endpoint=None, region=region)
    client = provider._connection._make_client("sts", None)
    try:
        assert client.meta.endpoint_url == f"https://{host}"
    finally:
        client.close()


@pytest.mark.parametrize(
    "change",
    [
        {"auth": {"method": "env"}},
        {"auth": {"method": "keys_file"}},
        {"auth": {"method": "assume_role", "role_arn": "nhisync"}},
        {"endpoint": "ftp://x"},
        {"endpoint": "http://x/path"},
        {"read_timeout": "0s"},
        {"read_timeout": 5},
        {"workers": 0},
        {"unknown_key": 1},
    ],
)
def test_settings_refuse_what_cannot_be_meant(change):
    """Wrong methods, ARNs, URLs, durations without unit and unknown keys are load errors that do not show the input."""
    good = {"provider": "aws", "auth": {"method": "keys_file", "file": "k"}}
    assert AwsSettings.model_validate(good)
    with pytest.raises(ValidationError):
        AwsSettings.model_validate({**good, **change})


@pytest.mark.parametrize("endpoint", ["https://u:canary-pw@aws.example", "https://aws.example?canary", "https://a/#c"])
def test_an_endpoint_holds_no_password(endpoint):
    """It is shown wherever an identity is: a URL that could hold a password is refused, and not repeated."""
    for change in ({"endpoint": endpoint}, {"endpoints": {"sts": endpoint}}):
        with pytest.raises(ValidationError, match="neither query nor user name") as told:
            AwsSettings.model_validate({"provider": "aws", "auth": {"method": "keys_file", "file": "k"}, **change})
        assert "canary" not in told.value.errors()[0]["msg"]


def test_sdk_loggers_stay_quiet_when_the_root_is_opened(backup):
    """At DEBUG botocore prints bodies: its loggers are pinned, whatever the root logger is set to."""
    root = logging.getLogger()
    before = root.level
    try:
        quiet_sdk()
        root.setLevel(logging.DEBUG)
        names = ("botocore", "botocore.endpoint", "boto3", "urllib3.connectionpool")
        assert not any(logging.getLogger(n).isEnabledFor(logging.INFO) for n in names)
    finally:
        root.setLevel(before)


def test_keys_do_not_show_themselves(backup, tmp_path):
    """Neither the adapter nor its connection, keys or settings print a secret."""
    provider = backup.provider()
    keys = provider._connection.keys(backup.budget())
    hidden = Path(backup.aws.documents["backup", "aws"]["auth"]["base"]["file"]).read_text(encoding="utf-8").split()
    shown = f"{keys!r} {keys} {provider!r} {provider._settings!r} {provider._connection!r}"
    assert keys.secret_key not in shown
    assert keys.token not in shown
    assert keys.access_key not in shown
    assert not [word for word in hidden if len(word) > 20 and word in shown]
