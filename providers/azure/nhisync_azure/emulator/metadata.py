"""The instance metadata service of a machine: tokens of the managed identities that are assigned to it.

Plain HTTP on a link-local address in Azure, on loopback here. Statuses and texts:
learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
"""

from typing import Any

from nhisync_azure.emulator import sts
from nhisync_azure.emulator.cloud import TOKEN_LIFETIME, Cloud
from nhisync_azure.emulator.directory import ServicePrincipal, Tenant
from nhisync_azure.emulator.pipeline import finished, through
from nhisync_azure.emulator.wire import RefusedError, Reply, Request, reply


class _MachineError(RefusedError):
    """A refusal of the metadata service."""

    def document(self) -> dict[str, Any]:
        """Its error body: no envelope."""
        return {"error": self.code, "error_description": self.text}


class MachineMetadata:
    """Answers for a machine with one user-assigned identity.

    Args:
        cloud: that issues the tokens.
        tenant: of the identity.
        principal: the identity.
    """

    def __init__(self, cloud: Cloud, tenant: Tenant, principal: ServicePrincipal) -> None:
        self._cloud, self._tenant, self._principal = cloud, tenant, principal

    def answer(self, request: Request) -> Reply:
        """One request to the metadata service."""
        traffic = self._cloud.traffic_of(self._principal.app_id)

        def act() -> Reply:
            with self._cloud.lock:
                return self._token(request)

        return finished(self._cloud, traffic.faults, "sts", through(traffic, "sts", "token", act), {})

    def _token(self, request: Request) -> Reply:
        _check(request)
        query = request.query
        if query.get("client_id", self._principal.app_id) != self._principal.app_id:
            raise _MachineError(400, "invalid_request", "Identity not found")
        audience = sts.audience_of(self._cloud, query.get("resource", ""))
        text = sts.issue(self._cloud, self._tenant, self._principal, audience)
        seconds = int(TOKEN_LIFETIME.total_seconds())
        ends = int((self._cloud.wall.now() + TOKEN_LIFETIME).timestamp())
        return reply(
            {
                "access_token": text,
                "client_id": self._principal.app_id,
                "expires_in": str(seconds),
                "expires_on": str(ends),
                "ext_expires_in": str(seconds),
                "not_before": str(ends - seconds),
                "resource": query["resource"],
                "token_type": "Bearer",
            }
        )


def _check(request: Request) -> None:
    """What every request must have, and must not have: it stops forged and forwarded ones.

    Raises:
        RefusedError: 400 or 404.
    """
    if request.headers.get("metadata") != "true" or "x-forwarded-for" in request.headers:
        raise _MachineError(400, "bad_request_102", "Required metadata header not specified")
    if request.method != "GET" or request.segments != ("metadata", "identity", "oauth2", "token"):
        raise _MachineError(404, "not_found", "The requested endpoint is not there.")
    if request.query.get("api-version") != "2018-02-01":
        raise _MachineError(400, "invalid_request", "Required query variable 'api-version' is missing or not known")
    if not request.query.get("resource"):
        raise _MachineError(400, "invalid_request", "Required audience parameter not specified")
