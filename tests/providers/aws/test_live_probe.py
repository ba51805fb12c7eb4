"""Live authentication at AWS: GetCallerIdentity with exactly the stored keys, and the reasons for a refusal."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError, SecretBytes

REGION = "eu-north-1"


@pytest.fixture
def keys(aws: Any) -> dict[str, str]:
    """Long-lived keys of a source."""
    aws.source()
    return dict(aws.keys())


def tried(aws: Any, access: str, secret: str, token: str = "", **changes: Any) -> Shown:
    """What a probe shows."""
    order = Order(**{"target": aws.world.endpoint, "auth": "login", "region": REGION, **changes})
    presented = Presented(access, SecretBytes(secret.encode()), token=SecretBytes(token.encode()) if token else None)
    return KINDS["aws-sts"](order, presented, Patience(SystemClock(), 10))


@pytest.mark.requirement("R17", "R22")
def test_keys_are_accepted_and_seen_as_their_owner(aws: Any, keys: dict[str, str]) -> None:
    """AWS says whose they are; the environment of this host says nothing."""
    shown = tried(aws, keys["aws_access_key_id"], keys["aws_secret_access_key"])
    assert (shown.depth, shown.accepted, shown.error) == ("auth", True, None)
    assert shown.seen_as.startswith("arn:aws:iam::")


def test_temporary_keys_need_their_session_token(aws: Any, keys: dict[str, str]) -> None:
    """Keys of a role are three values."""
    found = aws.session()
    shown = tried(aws, found["aws_access_key_id"], found["aws_secret_access_key"], found["aws_session_token"])
    assert shown.accepted is True
    assert ":assumed-role/" in shown.seen_as


@pytest.mark.requirement("R17")
def test_keys_that_aws_does_not_know_are_refused(aws: Any, keys: dict[str, str]) -> None:
    """An unknown access key, and another's secret."""
    unknown = tried(aws, "AKIAIOSFODNN7EXAMPLE", keys["aws_secret_access_key"])
    assert unknown.accepted is False
    assert unknown.error is not None
    assert unknown.error.kind == "auth_failed"
    other = tried(aws, keys["aws_access_key_id"], "canary/of/nobody/51c0de/51c0de/51c0de/51")
    assert other.accepted is False
    assert other.error is not None
    assert other.error.message == "the secret access key does not belong to the access key"


def test_the_environment_of_this_host_stands_in_for_nothing(
    aws: Any, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good keys in the environment do not let bad ones in."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    assert tried(aws, "AKIAIOSFODNN7EXAMPLE", "canary").accepted is False


def test_values_that_are_no_keys_are_told_and_not_shown(aws: Any, keys: dict[str, str]) -> None:
    """What no header can carry is not sent."""
    for access, secret in (("AKIA\nX", "canary"), ("AKIA", "canary-ü")):
        with pytest.raises(ProviderError) as told:
            tried(aws, access, secret)
        assert told.value.kind.value == "misconfigured"
        assert "canary" not in str(told.value)


def answered(status: int, body: bytes) -> bytes:
    """One HTTP answer."""
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


@contextmanager
def serving(answer: bytes) -> Iterator[str]:
    """The address of a server that answers one request."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            channel, _ = server.accept()
            with channel:
                channel.recv(65_536)
                channel.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def known_to_nobody(target: str) -> Shown:
    """What a probe with made-up keys shows."""
    order = Order(target=target, auth="login", region=REGION)
    return KINDS["aws-sts"](
        order, Presented("AKIAIOSFODNN7EXAMPLE", SecretBytes(b"canary")), Patience(SystemClock(), 10)
    )


def error(code: bytes, text: bytes, *, status: int = 403) -> bytes:
    """An error of STS."""
    return answered(status, b"<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error>" % (code, text))


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (error(b"InvalidClientTokenId", b"The security token included in the request is invalid."), False),
        (error(b"ExpiredToken", b"The security token included in the request is expired"), False),
        (error(b"SignatureDoesNotMatch", b"Signature expired: 20261128T010000Z is now earlier than"), None),
        (error(b"SignatureDoesNotMatch", b"Signature not yet current: 20261128T010000Z is still"), None),
        (error(b"RequestExpired", b"Request has expired."), None),
        (error(b"RegionDisabledException", b"STS is not activated in this region"), False),
        (error(b"Throttling", b"Rate exceeded", status=400), None),
        (error(b"ServiceUnavailable", b"", status=503), None),
        (answered(403, b"<html>blocked by the proxy</html>"), None),
        (answered(302, b""), None),
    ],
)
def test_the_code_decides_whether_the_keys_were_judged(answer: bytes, accepted: bool | None) -> None:
    """A clock that is off comes with the code of a wrong signature; limits, faults and portals judge nothing."""
    with serving(answer) as target:
        shown = known_to_nobody(target)
    assert shown.accepted is accepted
    assert "canary" not in str(shown)


def test_a_page_that_answers_200_is_no_aws() -> None:
    """A portal accepts nothing."""
    with serving(answered(200, b"<html>welcome</html>")) as target, pytest.raises(ProviderError) as told:
        known_to_nobody(target)
    assert told.value.kind.value == "malformed"
