"""Refusals as Google's services send them: a gRPC code, a text, and ``google.rpc`` details in the trailing metadata.

Texts follow answers that users of the services pasted into public issues; clients must not parse them, people do.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata entry that carries the ``google.rpc.Status`` (gRPC richer error model)."""


class RefusedError(Exception):
    """An answer other than OK.

    Attributes:
        code: gRPC status code.
        message: the status message.
        details: messages of ``google.rpc.error_details``.
    """

    def __init__(self, code: grpc.StatusCode, message: str, *details: Any) -> None:
        super().__init__(code.name)
        self.code = code
        self.message = message
        self.details = details

    def status(self, request_id: str) -> Any:
        """``google.rpc.Status``, with the request id among its details."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in (*self.details, error_details_pb2.RequestInfo(request_id=request_id)):
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        return status


def error_info(reason: str, domain: str, metadata: Mapping[str, str]) -> Any:
    """``google.rpc.ErrorInfo``."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=dict(metadata))


def not_found(text: str) -> RefusedError:
    """What is asked for does not exist, and the caller may know."""
    return RefusedError(grpc.StatusCode.NOT_FOUND, text)


def exists(text: str) -> RefusedError:
    """What is to be created is there already."""
    return RefusedError(grpc.StatusCode.ALREADY_EXISTS, text)


def invalid(text: str) -> RefusedError:
    """The request is malformed."""
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)


def precondition(text: str) -> RefusedError:
    """The state of the resource forbids it: disabled, destroyed, another etag, the tenth key."""
    return RefusedError(grpc.StatusCode.FAILED_PRECONDITION, text)


def violated(constraint: str, subject: str, text: str) -> RefusedError:
    """A constraint of the organisation's policy forbids it (``constraints/iam.disableServiceAccountKeyCreation``)."""
    failure = error_details_pb2.PreconditionFailure()
    failure.violations.add(type=constraint, subject=subject, description=text)
    return RefusedError(grpc.StatusCode.FAILED_PRECONDITION, text, failure)


def denied(permission: str, resource: str) -> RefusedError:
    """The caller lacks `permission`, or the resource does not exist: deliberately the same answer."""
    service = permission.partition(".")[0]
    where = {"secretmanager": f"for resource '{resource}'", "iam": "on resource"}.get(
        service, f"on resource '//{service}.googleapis.com/{resource}'"
    )
    text = f"Permission '{permission}' denied {where} (or it may not exist)."
    info = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", {"permission": permission, "resource": resource})
    return RefusedError(grpc.StatusCode.PERMISSION_DENIED, text, info)


def unauthenticated(reason: str) -> RefusedError:
    """No token, or one that is unknown or expired (`reason`: ``CREDENTIALS_MISSING``, ``ACCESS_TOKEN_EXPIRED`` …)."""
    text = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential."
    )
    return RefusedError(grpc.StatusCode.UNAUTHENTICATED, text, error_info(reason, "googleapis.com", {}))


def out_of_scope() -> RefusedError:
    """The token was asked for other scopes than the service's."""
    info = error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", {})
    return RefusedError(grpc.StatusCode.PERMISSION_DENIED, "Request had insufficient authentication scopes.", info)


def exhausted(metric: str, project_number: str, *, retry_after: timedelta | None) -> RefusedError:
    """A quota is used up; `retry_after` becomes ``google.rpc.RetryInfo``, None = the service names no time."""
    text = f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute' of the service."
    named = {"consumer": f"projects/{project_number}", "quota_metric": metric}
    details: list[Any] = [error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", named)]
    if retry_after is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromTimedelta(retry_after)
        details.append(info)
    return RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, text, *details)


def unavailable(text: str = "The service is currently unavailable.") -> RefusedError:
    """Try again, says the service; whether the call took effect stays open."""
    return RefusedError(grpc.StatusCode.UNAVAILABLE, text)
