"""The wire: what an AWS client sends, and what AWS answers, in the three protocols this emulator speaks.

Secrets Manager, ACM, Private CA, CloudTrail, KMS and SSM speak AWS JSON 1.1; IAM and STS speak the query protocol with
XML answers; Roles Anywhere speaks REST with JSON bodies. Shapes and timestamp formats come from botocore's bundled
service models through moto's serialisers, so nothing is spelled twice.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.core.parse import PROTOCOL_PARSERS, RequestDict
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from nhisync_aws.emulator.rest import REST_SERVICES, route

_SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_QUERY_SERVICES = frozenset({"iam", "sts"})
_SERVICE_OF_TARGET = {
    "secretsmanager": "secretsmanager",
    "CertificateManager": "acm",
    "ACMPrivateCA": "acm-pca",
    "TrentService": "kms",
    "AmazonSSM": "ssm",
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
}
# The only calls AWS accepts unsigned among those served here; both carry their own proof.
_UNSIGNED = {"AssumeRoleWithWebIdentity": "sts"}


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One HTTP request as it came from the socket."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The header's value, or "" when it is absent; names are compared without letter case (RFC 9110 §5.1)."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Call:
    """One API call: the request with its credential scope, operation and parsed parameters."""

    service: str
    operation: str
    region: str
    access_key: str
    params: Mapping[str, Any] = field(repr=False)
    raw: RawRequest

    @property
    def name(self) -> str:
        """``service:Operation``, the word that counters, faults and IAM actions use."""
        return f"{self.service}:{self.operation}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; `body` is complete, how much of it is sent is the server's business."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class ApiError(Exception):
    """An error answer in AWS's own words.

    Args:
        code: AWS error code, for example ``ResourceNotFoundException``.
        message: text as AWS writes it.
        status: HTTP status code.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None):
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


def parse(raw: RawRequest) -> Call:
    """Read scope, operation and parameters of a request.

    Raises:
        ApiError: the request is not signed, or names no operation that this emulator knows.
    """
    service, region, access_key = _scope(raw)
    model = get_service_model(service)
    rest = service in REST_SERVICES
    operation, labels = route(model, raw.method, raw.path) if rest else (_operation(raw), {})
    if operation not in model.operation_names:
        raise unknown_operation(service, operation)
    if _protocol(service) == "json":
        return Call(service, operation, region, access_key, _json_params(raw), raw)
    params = _modelled_params(raw, model.operation_model(operation), _protocol(service), labels)
    return Call(service, operation, region, access_key, params, raw)


def unknown_operation(service: str, operation: str) -> ApiError:
    """The answer to an operation that the service does not have; what is not emulated gets it as well."""
    if is_query(service):
        version = get_service_model(service).api_version
        return ApiError("InvalidAction", f"Could not find operation {operation} for version {version}")
    return ApiError("UnknownOperationException", f"Unknown operation {operation} of {service}", status=404)


def is_query(service: str) -> bool:
    """Whether the service speaks the query protocol (form in, XML out)."""
    return service in _QUERY_SERVICES


def success(call: Call, result: Any, request_id: str) -> Reply:
    """A 200 answer; members that the operation's output shape does not have are left out."""
    model = get_service_model(call.service).operation_model(call.operation)
    serializer = get_serializer_class(call.service, _protocol(call.service))(operation_model=model)
    answer = serializer.serialize(result)
    body = answer["body"]
    raw = body.encode() if isinstance(body, str) else body
    raw = raw.replace(b"<RequestId>request-id</RequestId>", b"<RequestId>" + request_id.encode() + b"</RequestId>")
    return Reply(answer["status_code"], {**_headers(call.service, request_id), **answer["headers"]}, raw)


def failure(service: str, error: ApiError, request_id: str) -> Reply:
    """An error answer in the protocol of the service."""
    if is_query(service):
        kind = "Receiver" if error.status >= 500 else "Sender"
        body = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>"
            f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        body = json.dumps({"__type": error.code, "message": error.message})
    return Reply(error.status, {**_headers(service, request_id), **error.headers}, body.encode())


def service_of(raw: RawRequest) -> str:
    """The service a request means, or "" when it cannot be told; never raises, for error answers."""
    try:
        return _scope(raw)[0]
    except ApiError:
        return ""


def _protocol(service: str) -> str:
    return "query" if is_query(service) else "rest-json" if service in REST_SERVICES else "json"


def _headers(service: str, request_id: str) -> dict[str, str]:
    kind = "text/xml" if is_query(service) else "application/x-amz-json-1.1"
    return {"Content-Type": kind, "x-amzn-RequestId": request_id}


def _scope(raw: RawRequest) -> tuple[str, str, str]:
    match = _SCOPE.search(raw.header("authorization"))
    if match:
        access_key, region, service = match.groups()
        return service, region, access_key
    action = dict(parse_qsl(raw.body.decode("utf-8", "replace"))).get("Action", "")
    if action in _UNSIGNED:
        return _UNSIGNED[action], "us-east-1", ""
    raise ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)


def _operation(raw: RawRequest) -> str:
    target = raw.header("x-amz-target")
    if target:
        prefix, _, operation = target.rpartition(".")
        return operation if prefix in _SERVICE_OF_TARGET else ""
    return dict(parse_qsl(raw.body.decode("utf-8", "replace"))).get("Action", "")


def _json_params(raw: RawRequest) -> dict[str, Any]:
    params = json.loads(raw.body or b"{}")
    if not isinstance(params, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    return params


def _modelled_params(raw: RawRequest, model: Any, protocol: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Parameters as the model spreads them over form, or path, query string and body."""
    form = raw.body.decode("utf-8") if protocol == "query" else raw.path.partition("?")[2]
    values = MultiDict(parse_qsl(form, keep_blank_values=True))
    parser = PROTOCOL_PARSERS[protocol](model)
    request: RequestDict = {
        "method": raw.method,
        "values": values,
        "headers": Headers(list(raw.headers.items())),
        "body": raw.body,
        "url_path": raw.path,
        "url_params": dict(labels),
    }
    return dict(parser.parse(request))
