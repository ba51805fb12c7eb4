"""``sys/``: everything behind the token check; health, leader and seal status are answered by the node itself."""

from datetime import timedelta
from typing import ClassVar

from nhisync_vault.emulator import guarding, sys_mounts, sys_policies
from nhisync_vault.emulator.engine import NAME, Call, Engine, Route, route
from nhisync_vault.emulator.quotas import RateLimit
from nhisync_vault.emulator.wire import Response, bad_request, listing


class SysEngine(Engine):
    """The system backend."""

    type: ClassVar[str] = "system"
    unauthenticated: ClassVar[tuple[str, ...]] = (
        "internal/ui/mounts",
        "internal/ui/mounts/*",
    )
    root_paths: ClassVar[tuple[str, ...]] = (
        "auth/*",
        "remount",
        "audit",
        "audit/*",
        "rotate",
        "leases/revoke-prefix/*",
        "leases/revoke-force/*",
        "leases/lookup/*",
        "leases",
    )

    def __init__(self) -> None:
        super().__init__()
        self.routes = (
            *sys_mounts.routes(),
            *sys_policies.routes(),
            *guarding.routes(),
            *_lease_routes(),
            *_quota_routes(),
        )


def _lease_routes() -> tuple[Route, ...]:
    lease = r"(?P<url_lease_id>.+)"
    return (
        route(r"leases/lookup/(?P<prefix>.*)", list_=_list_leases),
        route(r"leases/lookup", write=_lookup_lease),
        route(rf"(?:leases/)?renew(?:/{lease})?", write=_renew_lease),
        route(r"leases/revoke-prefix/(?P<prefix>.+)", write=_revoke_prefix),
        route(r"leases/revoke-force/(?P<prefix>.+)", write=_revoke_force),
        route(rf"(?:leases/)?revoke(?:/{lease})?", write=_revoke_lease),
    )


def _lease_id(call: Call) -> str:
    lease_id = call.text("lease_id") or call["url_lease_id"]
    if not lease_id:
        raise bad_request("lease_id must be specified")
    return lease_id


def _list_leases(call: Call) -> Response:
    prefix = call["prefix"]
    folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    return listing(call.core.lease_view(call.root).page(folder))


def _lookup_lease(call: Call) -> Response:
    lease = call.core.leases.get(call.core.lease_view(call.root), _lease_id(call))
    return Response(data=lease.data(call.now))


def _renew_lease(call: Call) -> Response:
    view = call.core.lease_view(call.root)
    lease = call.core.leases.renew(view, _lease_id(call), call.duration("increment"), call.now)
    return Response(data=None, renewed=lease.id)


def _revoke_lease(call: Call) -> Response | None:
    call.core.leases.revoke(call.core.lease_view(call.root), _lease_id(call))
    return None if call.flag("sync") else Response(status=202, raw=("application/json", b""))


def _revoke_prefix(call: Call) -> Response | None:
    call.core.leases.revoke_prefix(call.core.lease_view(call.root), call["prefix"])
    return None if call.flag("sync") else Response(status=202, raw=("application/json", b""))


def _revoke_force(call: Call) -> None:
    call.core.leases.revoke_prefix(call.core.lease_view(call.root), call["prefix"], force=True)


def _quota_routes() -> tuple[Route, ...]:
    return (
        route(r"quotas/config", read=_read_quota_config, write=_write_quota_config),
        route(r"quotas/rate-limit/?", list_=lambda call: listing(call.core.quota_view(call.root).page(""))),
        route(rf"quotas/rate-limit/{NAME}", read=_read_quota, write=_write_quota, delete=_delete_quota),
    )


def _read_quota_config(call: Call) -> Response:
    enabled = call.core.quotas.headers_enabled
    return Response(data={"enable_rate_limit_response_headers": enabled, "enable_rate_limit_audit_logging": False})


def _write_quota_config(call: Call) -> None:
    call.core.quotas.headers_enabled = call.flag("enable_rate_limit_response_headers")


def _read_quota(call: Call) -> Response | None:
    found: RateLimit | None = call.core.quota_view(call.root).get(call["name"])
    return None if found is None else Response(data=found.data())


def _write_quota(call: Call) -> None:
    rate = float(call.data.get("rate") or 0)
    if rate <= 0:
        raise bad_request("'rate' is invalid")
    rule = RateLimit(
        name=call["name"],
        path=call.text("path"),
        rate=rate,
        interval=call.duration("interval") or timedelta(seconds=1),
        block_interval=call.duration("block_interval"),
    )
    call.core.quota_view(call.root).put(call["name"], rule)


def _delete_quota(call: Call) -> None:
    call.core.quota_view(call.root).delete(call["name"])
