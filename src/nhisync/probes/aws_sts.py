"""AWS: ``sts:GetCallerIdentity`` signed with exactly the stored keys; it needs no permission and changes nothing.

The request is signed by botocore and sent by us, so that neither the environment nor a profile of this machine can
stand in for the keys. A made-up secret is tried as well: what imitates AWS often looks at no signature. Source: AWS STS
API Reference, GetCallerIdentity and common errors.
"""

import re
from typing import Final

from nhisync.probes.exchange import Request, exchange, resource_of, unexpected
from nhisync.probes.order import Order, Patience, Presented, Shown, name_of, not_made, refused, value_of
from nhisync.probes.stranger import proven, stranger
from nhisync.spi import ErrorKind, ProviderError

_BODY: Final = b"Action=GetCallerIdentity&Version=2011-06-15"
_TYPE: Final = "application/x-www-form-urlencoded; charset=utf-8"

_REFUSED: Final = {
    "InvalidClientTokenId": "AWS does not know the access key, or it is inactive",
    "UnrecognizedClientException": "AWS does not know the access key, or it is inactive",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key",
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "IncompleteSignature": "the stored keys are not of the form of keys",
}
_SKEWED: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
_CLOCK: Final = ("signature expired", "signature not yet current")
"""STS tells a clock that is off with the code of a wrong signature; the text alone differs."""

_CODE: Final = re.compile(rb"<Code>([A-Za-z.]+)</Code>")
_ARN: Final = re.compile(rb"<Arn>(arn:[a-z-]+:(?:iam|sts)::\d{12}:[^<]{1,600})</Arn>")


def probe(order: Order, presented: Presented, patience: Patience) -> Shown:
    """Ask who the keys are.

    Raises:
        ProviderError: the service cannot be asked, or botocore is not installed.
    """
    other = stranger(presented.user, presented.token)
    return proven(_asked(order, presented, patience), order.floor, lambda: _asked(order, other, patience))


def _asked(order: Order, presented: Presented, patience: Patience) -> Shown:
    answer = exchange(order, Request(resource_of(order.target), _signed(order, presented), "POST", _BODY), patience)
    floor = order.floor
    if answer.status == 200:
        arn = _ARN.search(answer.body)
        if arn is None:
            raise ProviderError(ErrorKind.MALFORMED, "what answered is no AWS STS")
        return Shown(depth="auth", accepted=True, seen_as=name_of(arn[1].decode("utf-8", "replace"), presented))
    code = _CODE.search(answer.body)
    name = code[1].decode() if code else ""
    if name in _SKEWED or any(words in answer.body.lower().decode("utf-8", "replace") for words in _CLOCK):
        fix = "Correct this machine's clock (NTP); AWS takes five minutes at most."
        return not_made(floor, ProviderError(ErrorKind.MISCONFIGURED, "this machine's clock is off", fix=fix))
    if answer.status in {400, 401, 403} and name in _REFUSED:
        return refused(floor, ErrorKind.AUTH_FAILED, _REFUSED[name])
    if name == "RegionDisabledException":
        told = "the account has not enabled STS in this region"
        return refused(floor, ErrorKind.DENIED, told)
    return Shown(depth=floor, accepted=None, error=unexpected(answer.status))


def _signed(order: Order, presented: Presented) -> dict[str, str]:
    """Headers of the signed request (Signature Version 4)."""
    try:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - an extra, and only this kind needs it
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import ReadOnlyCredentials  # noqa: PLC0415
    except ModuleNotFoundError:
        fix = "pip install 'nhisync[aws]'"
        raise ProviderError(ErrorKind.UNSUPPORTED, "the package botocore is not installed", fix=fix) from None
    secret, token = value_of(presented), presented.token.reveal() if presented.token else b""
    try:
        keys = ReadOnlyCredentials(presented.user, secret.decode("ascii"), token.decode("ascii") or None)
        request = AWSRequest("POST", order.target, headers={"Content-Type": _TYPE}, data=_BODY)
        SigV4Auth(keys, "sts", order.region).add_auth(request)
    except (UnicodeError, ValueError):
        fix = "Store access key and secret access key as AWS gave them, in fields of their own."
        raise ProviderError(ErrorKind.MISCONFIGURED, "the stored keys are not of the form of keys", fix=fix) from None
    return {name: str(value) for name, value in request.headers.items()}
