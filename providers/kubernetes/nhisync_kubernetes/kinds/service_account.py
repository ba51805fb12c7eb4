"""Kind ``service-account``: stores nothing; its credentials are bound tokens, which pods replace within a day."""

from datetime import timedelta

from nhisync.spi import Item, Lifecycle, Moment, Precision, Rotation
from nhisync_kubernetes.api import Object
from nhisync_kubernetes.metadata import Meta, attributes, entries, mapping, short
from nhisync_kubernetes.run import Run
from nhisync_kubernetes.settings import KubernetesSettings

_LONGEST = timedelta(hours=24)
"""The kubelet replaces a projected token that is older than this (k8s.io/docs, Configure Service Accounts for Pods)."""

_ROLES = {
    "eks.amazonaws.com/role-arn": "aws_role",
    "iam.gke.io/gcp-service-account": "gcp_service_account",
    "azure.workload.identity/client-id": "azure_client_id",
}
"""Annotations that let the account act as an identity of a cloud."""


class ServiceAccountKind:
    """Kind ``service-account``."""

    name = "service-account"
    metadata = False
    fans_out = False

    def fields(self, settings: KubernetesSettings) -> str:  # noqa: ARG002 - the protocol's
        """The whole collection."""
        return ""

    def marker(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> str:  # noqa: ARG002 - the protocol's
        """Every change, and the day: it keeps `rotated` from growing old in the store while nothing changes."""
        return f"{meta.marker}/{run.now():%Y-%m-%d}" if meta.marker else ""

    def item(self, run: Run, found: Object, meta: Meta, *, deep: bool) -> Item:
        """The account, and whose it is elsewhere."""
        annotations = mapping(mapping(found.get("metadata")).get("annotations"))
        roles = {name: short(annotations.get(key)) for key, name in _ROLES.items()}
        mounts = found.get("automountServiceAccountToken")
        return run.item(
            self.name,
            meta,
            lifecycle=Lifecycle.OWN,
            version=meta.uid or None,
            rotated=Moment(run.now() - _LONGEST, Precision.LOWER_BOUND),
            rotation=Rotation(mechanism="bound-tokens"),
            marker=self.marker(run, found, meta, deep=deep),
            attributes=attributes(
                named_secrets=len(entries(found.get("secrets"))) or None,
                token_mounted="no" if mounts is False else "",
                **roles,
            ),
        )
