"""One source of the world: its listeners, its identity, its faults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nhisync_gcp.emulator import web_projects, web_tokens
from nhisync_gcp.emulator.accounts import Account
from nhisync_gcp.emulator.cloud import Cloud
from nhisync_gcp.emulator.https import HttpListener
from nhisync_gcp.emulator.iam_roles import RoleMessage
from nhisync_gcp.emulator.rpc import Node
from nhisync_gcp.emulator.server import GrpcListener
from nhisync_gcp.emulator.services import GLOBAL, REGIONAL
from nhisync_gcp.emulator.timeline import Timeline
from nhisync_gcp.emulator.tls import ListenerAuthority
from nhisync_gcp.emulator.web import Web
from nhisync_gcp.emulator.web_metadata import MetadataServer

#: What an inventory needs; a source's identity holds exactly these unless its options say otherwise.
READ_PERMISSIONS: Final = (
    "certificatemanager.certs.get",
    "certificatemanager.certs.list",
    "iam.serviceAccountKeys.get",
    "iam.serviceAccountKeys.list",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.list",
    "privateca.caPools.get",
    "privateca.caPools.list",
    "privateca.certificateAuthorities.get",
    "privateca.certificateAuthorities.list",
    "privateca.certificates.get",
    "privateca.certificates.list",
    "secretmanager.secrets.get",
    "secretmanager.secrets.getIamPolicy",
    "secretmanager.secrets.list",
    "secretmanager.versions.get",
    "secretmanager.versions.list",
)
RIGHTS_PERMISSIONS: Final = (
    "iam.denypolicies.get",
    "iam.denypolicies.list",
    "iam.roles.get",
    "resourcemanager.folders.get",
    "resourcemanager.folders.getIamPolicy",
    "resourcemanager.organizations.getIamPolicy",
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
)
FINGERPRINT_PERMISSION: Final = "secretmanager.versions.access"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What `GcpWorld.add_source` understands.

    Attributes:
        project: id of the project; sources may share one. "" = a project of its own.
        locations: locations with a regional endpoint; () = the source's region.
        auth: how nhisync logs in: ``service_account_key``, ``workload_identity``, ``metadata_server`` or
            ``access_token_file``.
        permissions: exactly what its identity may do in the project; None = `READ_PERMISSIONS`.
        fingerprint: its identity may also read payloads.
        role: a predefined role in place of a custom one (``roles/owner``).
        above: folders and organisation over the project, the nearest first (``folders/1``, ``organizations/2``).
        rights: its identity may also read what accounts are allowed.
        protection: its identity may also read how secrets are guarded.
    """

    project: str = ""
    locations: tuple[str, ...] = ()
    auth: str = "service_account_key"
    permissions: tuple[str, ...] | None = None
    fingerprint: bool = False
    role: str = ""
    above: tuple[str, ...] = ()
    rights: bool = False
    protection: bool = False


@dataclass(slots=True, kw_only=True)
class Source:
    """One source.

    Attributes:
        name: ``path-source``.
        node: its faults and counter.
        options: how it was made.
        identity: nhisync's service account.
        listeners: by name: ``global``, ``token``, ``metadata``, and each location.
    """

    name: str
    node: Node
    options: SourceOptions
    identity: Account
    listeners: dict[str, GrpcListener | HttpListener] = field(default_factory=dict)

    @property
    def cloud(self) -> Cloud:
        """The shared state."""
        return self.node.cloud

    @property
    def project(self) -> str:
        """Id of its project."""
        return self.node.project

    def open(self, authority: ListenerAuthority) -> None:
        """Open all listeners."""
        self.listeners["global"] = GrpcListener(self.node, "", GLOBAL, authority)
        for location in self.options.locations:
            self.listeners[location] = GrpcListener(self.node, location, REGIONAL, authority)
        routes = (*web_tokens.ROUTES, *web_projects.ROUTES)
        self.listeners["token"] = HttpListener(Web(self.node, routes), authority.https_context())
        if self.options.auth == "metadata_server":
            metadata = MetadataServer(self.identity).routes()
            self.listeners["metadata"] = HttpListener(Web(self.node, metadata), None)
        self.node.drop = self._drop
        for listener in self.listeners.values():
            listener.open()
        self.node.token_uri = f"{self.listeners['token'].address}/token"

    def close(self) -> None:
        """Close all listeners; safe to call twice."""
        self.node.faults.release()
        for listener in self.listeners.values():
            listener.close()

    def grant(self, grants: Mapping[str, Iterable[str]]) -> None:
        """Let the identity hold exactly these permissions, by resource: custom roles with them, bound there.

        A resource is named with the project's id (``projects/p``, ``projects/p/secrets/s`` …).
        """
        cloud, now = self.cloud, self.cloud.clock.now()
        with cloud.lock:
            cloud.access.unbind(self.identity.member, now)
            for index, (resource, permissions) in enumerate(grants.items()):
                role = f"projects/{self.project}/roles/{self.name.replace('-', '_')}_{index}"
                message = RoleMessage(name=role, title=self.name, included_permissions=sorted(set(permissions)))
                cloud.access.roles.setdefault(role, Timeline()).put(now, message)
                cloud.access.bind(resource, role, self.identity.member, now)

    def addresses(self) -> dict[str, Any]:
        """Where everything is, as it stands in the configuration."""
        everything = self.listeners["global"].address
        return {
            "endpoints": {
                "secretmanager": everything,
                "iam": everything,
                "iamcredentials": everything,
                "cloudresourcemanager": everything,
                "cloudkms": everything,
                "certificatemanager": everything,
                "privateca": everything,
            },
            "regional_endpoints": {each: self.listeners[each].address for each in self.options.locations},
        }

    def reach(self, names: Iterable[str], *, off: bool) -> None:
        """Make listeners unreachable, or reachable again."""
        for name in tuple(names) or tuple(self.listeners):
            chosen = self.options.locations if name == "regional" else (name,)
            for each in chosen:
                listener = self.listeners[each]
                (listener.open if off else listener.close)()

    def _drop(self, location: str) -> None:
        listener = self.listeners[location or "global"]
        assert isinstance(listener, GrpcListener)
        listener.bounce()
